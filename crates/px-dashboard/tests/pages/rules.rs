//! Rules that hold for every page: nothing is inline, links are relative and lead to routes of the
//! table, forms carry their proof, and whatever is heard or walked through by keys is whole.

use std::collections::BTreeSet;

use px_dashboard::route::{self, Method, Route, field};
use px_dashboard::{CSP, Href, assets};

use crate::fixtures::{self, EVIL, Page};
use crate::html::{Tag, tags, text};

fn everything() -> Vec<Page> {
    let mut pages = fixtures::pages();
    pages.extend(fixtures::evil_pages());
    pages.push(Page { name: "fifty", path: "runs".to_owned(), html: fixtures::fifty_runs() });
    pages
}

#[test]
fn nothing_is_inline() {
    for page in everything() {
        for tag in tags(&page.html) {
            assert_ne!(tag.name, "style", "{}", page.name);
            assert!(tag.name != "script" || tag.get("src").is_some(), "{}: {tag:?}", page.name);
            for (name, _) in &tag.attributes {
                assert!(name != "style" && !name.starts_with("on"), "{}: {tag:?}", page.name);
            }
        }
    }
    assert!(!CSP.contains("unsafe"));
}

/// The path below the root that a link of a page leads to, without its query.
fn target(page: &Page, link: &str) -> String {
    let path = page.path.split('?').next().unwrap_or_default();
    let mut folders: Vec<&str> = path.split('/').collect();
    folders.pop();
    let link = link.split(['?', '#']).next().unwrap_or_default();
    for part in link.split('/') {
        match part {
            "." => {}
            ".." => assert!(folders.pop().is_some(), "{}: {link} leaves the dashboard", page.name),
            part => folders.push(part),
        }
    }
    folders.join("/")
}

fn route_of(method: Method, path: &str) -> Option<Route> {
    let parts: Vec<&str> = path.split('/').collect();
    let fits = |route: &Route| {
        let own: Vec<&str> = route.path.split('/').collect();
        let is_part =
            |(own, part): (&&str, &&str)| if own.starts_with('{') { !part.is_empty() } else { own == part };
        route.method == method && own.len() == parts.len() && own.iter().zip(&parts).all(is_part)
    };
    // Parts that are named count more than parts that are filled in.
    route::all().filter(fits).min_by_key(|route| route.path.matches('{').count())
}

fn fields_of(link: &str) -> Vec<String> {
    let query = link.split('#').next().unwrap_or_default().split_once('?').map_or("", |(_, query)| query);
    query
        .split('&')
        .filter(|field| !field.is_empty())
        .map(|field| field.split('=').next().unwrap_or_default().to_owned())
        .collect()
}

#[test]
fn links_are_relative_and_lead_to_routes_or_files() {
    let files: BTreeSet<String> = assets().iter().map(|asset| format!("assets/{}", asset.name)).collect();
    for page in everything() {
        for tag in tags(&page.html) {
            let links = ["href", "src", "data-live"].into_iter().filter_map(|name| tag.get(name));
            for link in links.filter(|link| !link.starts_with('#')) {
                assert!(link.starts_with("./") || link.starts_with("../"), "{}: {tag:?}", page.name);
                let path = target(&page, link);
                if files.contains(&path) {
                    continue;
                }
                let Some(route) = route_of(Method::Get, &path) else {
                    panic!("{}: no route is at {path}: {tag:?}", page.name);
                };
                for field in fields_of(link) {
                    assert!(
                        route.fields.contains(&&*field),
                        "{}: {} has no field {field}",
                        page.name,
                        route.path
                    );
                }
            }
        }
    }
}

/// The forms of a page, each with the names of its fields. A control may name its form.
fn forms(page: &Page) -> Vec<(Tag, Vec<String>)> {
    let mut forms: Vec<(Tag, Vec<String>)> = Vec::new();
    let mut orphans = Vec::new();
    for tag in tags(&page.html) {
        if tag.name == "form" {
            forms.push((tag, Vec::new()));
        } else if let Some(name) = tag.get("name").filter(|_| tag.name != "meta") {
            match (tag.get("form"), forms.last_mut()) {
                (Some(form), _) => orphans.push((form.to_owned(), name.to_owned())),
                (None, Some((_, fields))) => fields.push(name.to_owned()),
                (None, None) => panic!("{}: {tag:?} is in no form", page.name),
            }
        }
    }
    for (form, name) in orphans {
        let found = forms.iter_mut().find(|(tag, _)| tag.get("id") == Some(&*form));
        found.expect("the form that a control names").1.push(name);
    }
    forms
}

#[test]
fn forms_have_the_fields_of_their_routes_and_posts_their_proof() {
    let mut seen = BTreeSet::new();
    for page in everything() {
        for (form, fields) in forms(&page) {
            let method = if form.get("method") == Some("post") { Method::Post } else { Method::Get };
            let path = target(&page, form.get("action").expect("a form says where it leads"));
            let route =
                route_of(method, &path).unwrap_or_else(|| panic!("{}: no route is at {path}", page.name));
            seen.insert(format!("{:?} {}", route.method, route.path));
            let has_proof = fields.contains(&field::CSRF.to_owned());
            assert_eq!(has_proof, method == Method::Post, "{}: {form:?}", page.name);
            for name in fields.iter().filter(|name| *name != field::CSRF && !name.starts_with("kept")) {
                // Those of a schema have its names.
                let of_schema =
                    route.fields.contains(&field::OF_SCHEMA) && name.starts_with(field::OF_SCHEMA);
                assert!(
                    of_schema || route.fields.contains(&&**name),
                    "{}: {} has no field {name}",
                    page.name,
                    route.path
                );
            }
        }
    }
    let posts =
        route::all().filter(|route| route.method == Method::Post).map(|route| format!("Post {}", route.path));
    let unused: Vec<String> = posts.filter(|post| !seen.contains(post)).collect();
    assert!(unused.is_empty(), "no form of any page posts there: {unused:?}");
}

#[test]
fn texts_of_outsiders_are_shown_as_text() {
    for page in fixtures::evil_pages() {
        assert!(!page.html.contains("<script>") && !page.html.contains("<img"), "{}", page.name);
        let wrong =
            page.html.chars().find(|letter| letter.is_control() && *letter != '\n' || *letter == '\u{202e}');
        assert_eq!(wrong, None, "{}", page.name);
        let shown = text(&page.html);
        assert!(shown.contains("<script>alert(1)</script>"), "{} shows it", page.name);
        assert!(
            shown.contains("␛[31m␀⟨U+202E⟩") || page.name == "inbox",
            "{} shows what is not seen",
            page.name
        );
    }
    assert!(EVIL.contains("<script>"));
}

#[test]
fn each_page_has_one_title_one_main_part_and_no_id_twice() {
    for page in everything() {
        let tags = tags(&page.html);
        for once in ["h1", "main", "title"] {
            assert_eq!(tags.iter().filter(|tag| tag.name == once).count(), 1, "{}: {once}", page.name);
        }
        let ids: Vec<&str> = tags.iter().filter_map(|tag| tag.get("id")).collect();
        let mut unique = BTreeSet::new();
        for id in &ids {
            assert!(unique.insert(*id), "{}: the id {id} is there twice", page.name);
        }
        for tag in &tags {
            let named =
                ["for", "aria-labelledby", "aria-describedby"].into_iter().filter_map(|name| tag.get(name));
            // Several ids may describe one control.
            for id in named.flat_map(str::split_whitespace) {
                assert!(unique.contains(id), "{}: nothing has the id {id}", page.name);
            }
        }
    }
}

#[test]
fn controls_have_labels_tables_captions_and_times_are_exact() {
    for page in everything() {
        let tags = tags(&page.html);
        let labelled: BTreeSet<&str> =
            tags.iter().filter(|tag| tag.name == "label").filter_map(|tag| tag.get("for")).collect();
        for tag in &tags {
            let is_field =
                ["input", "select", "textarea"].contains(&&*tag.name) && tag.get("type") != Some("hidden");
            let has_label =
                tag.get("aria-label").is_some() || tag.get("id").is_some_and(|id| labelled.contains(id));
            assert!(!is_field || has_label, "{}: {tag:?} has no label", page.name);
            assert!(tag.name != "th" || tag.get("scope").is_some(), "{}: {tag:?}", page.name);
            let is_exact = |time: &str| time.ends_with('Z') && time.contains('T');
            assert!(
                tag.name != "time" || tag.get("datetime").is_some_and(is_exact),
                "{}: {tag:?}",
                page.name
            );
        }
        let count = |name: &str| tags.iter().filter(|tag| tag.name == name).count();
        assert_eq!(count("table"), count("caption"), "{}", page.name);
    }
}

#[test]
fn a_session_that_may_look_has_no_button_that_acts() {
    let own = ["logout", "settings", "login"];
    for page in fixtures::pages().into_iter().filter(|page| page.html.contains("Token support")) {
        let mut is_post = false;
        for tag in tags(&page.html) {
            if tag.name == "form" {
                let path = target(&page, tag.get("action").unwrap_or_default());
                is_post = tag.get("method") == Some("post") && !own.contains(&&*path);
            }
            let is_button = tag.name == "button" && tag.get("type") == Some("submit");
            assert!(!is_post || !is_button || tag.get("disabled").is_some(), "{}: {tag:?}", page.name);
        }
    }
}

#[test]
fn the_table_of_routes_has_each_once_and_links_count_from_a_depth() {
    let all: BTreeSet<String> =
        route::all().map(|route| format!("{:?} {}", route.method, route.path)).collect();
    assert_eq!(all.len(), route::all().count());
    for bulk in [route::BULK, route::START_JOB] {
        assert!(bulk.fields.contains(&field::DO) && route::all().any(|route| route == bulk));
    }
    assert!(route::SET.fields.contains(&field::ZONE) && route::LOGIN.fields.contains(&field::NEXT));
    assert!(route::VALUE.fields.contains(&field::FROM));
    assert_eq!(Href::at_depth(2).to(route::RUNS, &[]), "../../runs");
}
