//! The frame of every page: head, navigation, whatever was just done, and the scripts.

use maud::{DOCTYPE, Markup, html};

use crate::asset::{self, File};
use crate::icon::{Icon, icon, sprite};
use crate::route::{self, Route};
use crate::{Href, Query, Session, form, number};

/// Things that a page says about itself.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    /// Route of the page.
    pub(crate) route: Route,
    /// Number of folders below the root, which its links are counted from.
    pub(crate) depth: usize,
    /// Title without the name of px.
    pub(crate) title: String,
    /// Entry of the navigation that the page belongs to.
    pub(crate) place: Option<Route>,
    /// Topic of the stream of hints; none for a page that does not change.
    pub(crate) topic: Option<String>,
    /// Path and query of the page below the root, which changes of the settings come back to.
    pub(crate) here: String,
    /// Scripts besides those of every page.
    pub(crate) scripts: &'static [File],
}

impl Frame {
    /// A page of this route and title.
    pub(crate) fn new(route: Route, title: impl Into<String>) -> Self {
        let (title, here) = (title.into(), route.path.to_owned());
        Self { route, depth: route.depth(), title, place: None, topic: None, here, scripts: &[] }
    }

    pub(crate) fn place(self, place: Route) -> Self {
        Self { place: Some(place), ..self }
    }

    /// The page as it is answered this many folders below the root.
    pub(crate) fn at_depth(self, depth: usize) -> Self {
        Self { depth, ..self }
    }

    pub(crate) fn live(self, topic: impl Into<String>) -> Self {
        Self { topic: Some(topic.into()), ..self }
    }

    pub(crate) fn scripts(self, scripts: &'static [File]) -> Self {
        Self { scripts, ..self }
    }

    /// The page at this path and query below the root.
    pub(crate) fn here(self, here: impl Into<String>) -> Self {
        Self { here: here.into(), ..self }
    }

    pub(crate) const fn href(&self) -> Href {
        Href::at_depth(self.depth)
    }
}

/// Entries of the navigation: route, word, icon and the key behind `g`. One without an icon belongs to the one before it.
const PLACES: [(Route, &str, Option<Icon>, char); 12] = [
    (route::OVERVIEW, "Overview", Some(Icon::Overview), 'o'),
    (route::RUNS, "Runs", Some(Icon::Runs), 'r'),
    (route::WAITS, "Waits", Some(Icon::Waits), 'w'),
    (route::INBOX, "Inbox", Some(Icon::Inbox), 'i'),
    (route::WEBHOOKS, "Webhooks", Some(Icon::Webhooks), 'e'),
    (route::HOOKS, "Hooks", Some(Icon::Hooks), 'h'),
    (route::OUTBOX, "Outbox", None, 'c'),
    (route::BRAINS, "Brains", Some(Icon::Brains), 'b'),
    (route::STORE, "Store", Some(Icon::Store), 's'),
    (route::VALUES, "Values", None, 'v'),
    (route::TOKENS, "Tokens", Some(Icon::Tokens), 't'),
    (route::SECRETS, "Secrets", None, 'k'),
];

/// A whole page for somebody who is logged in.
pub(crate) fn shell(frame: &Frame, who: &Session, body: &Markup) -> Markup {
    let href = frame.href();
    let topic = frame.topic.as_ref().map(|topic| Query::new().and("topic", topic));
    let live = topic.map(|query| href.with(route::LIVE, &[], &query));
    html! {
        (DOCTYPE)
        html lang="en" {
            (head(frame, who.attention))
            body data-keys=[who.keys.then_some("on")] data-live=[live] {
                (sprite())
                a.skip href="#main" { "Skip to the content" }
                div.app {
                    header.side {
                        a.mark href=(href.to(route::OVERVIEW, &[])) { (icon(Icon::Mark)) "px" }
                        (find(href))
                        (navigation(frame, who))
                        (foot(frame, who))
                    }
                    main #main tabindex="-1" {
                        p.lost #lost hidden {
                            span #lost-text { "The stream of news is lost; trying again." } " "
                            button type="button" #lost-go hidden { "Go live" }
                        }
                        @if let Some(notice) = &who.notice { (form::notice(notice, href, who)) }
                        (body)
                    }
                }
                p.vh #say role="status" {}
                @for file in [File::List, File::Time, File::Palette].iter().chain(frame.scripts) {
                    script type="module" src=(href.asset(asset::name(*file))) {}
                }
                @if frame.topic.is_some() {
                    script type="module" src=(href.asset(asset::name(File::Live))) {}
                }
            }
        }
    }
}

/// A page for somebody who is not logged in.
pub(crate) fn bare(frame: &Frame, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            (head(frame, 0))
            body {
                (sprite())
                main.bare #main { (body) }
            }
        }
    }
}

fn head(frame: &Frame, attention: u64) -> Markup {
    let href = frame.href();
    let mark = if attention > 0 { File::MarkAlert } else { File::Mark };
    html! {
        head {
            meta charset="utf-8";
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta name="color-scheme" content="light dark";
            title { (title(frame, attention)) }
            link #icon rel="icon" type="image/svg+xml" href=(href.asset(asset::name(mark)));
            link rel="stylesheet" href=(href.asset(asset::name(File::Style)));
        }
    }
}

/// `Runs · 3 need attention · px`; the overview, which is about nothing else, leaves its own name out.
fn title(frame: &Frame, attention: u64) -> String {
    let attention = (attention > 0).then(|| format!("{} need attention", number::whole(attention)));
    let is_overview = frame.route == route::OVERVIEW && frame.place.is_none();
    let own = Some(frame.title.clone()).filter(|_| !is_overview || attention.is_none());
    let parts: Vec<String> = own.into_iter().chain(attention).chain(["px".to_owned()]).collect();
    crate::text::visible(&parts.join(" · ")).into_owned()
}

fn find(href: Href) -> Markup {
    html! {
        form.find role="search" action=(href.to(route::FIND, &[])) method="get" {
            label.vh for="q" { "Find an id, the end of one, or an identifier" }
            (icon(Icon::Find))
            input #q type="search" name="q" placeholder="Find id or identifier" autocomplete="off"
                spellcheck="false" aria-keyshortcuts="/";
        }
    }
}

fn navigation(frame: &Frame, who: &Session) -> Markup {
    let href = frame.href();
    let shown = PLACES.iter().filter(|(place, ..)| who.may(&place.scope()));
    html! {
        nav.places aria-label="Pages" {
            ul {
                @for (place, word, symbol, key) in shown {
                    li {
                        a.sub[symbol.is_none()] href=(href.to(*place, &[])) aria-current=[current(frame, *place)] data-go=(key) {
                            @if let Some(symbol) = symbol { (icon(*symbol)) } (word)
                            @if *place == route::OVERVIEW && who.attention > 0 {
                                span.count { span aria-hidden="true" { (number::whole(who.attention)) }
                                    span.vh { (number::whole(who.attention)) " need attention" } }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The page itself, or the entry that it belongs to.
fn current(frame: &Frame, place: Route) -> Option<&'static str> {
    match frame.place {
        Some(own) if own == place => Some("true"),
        None if frame.route == place => Some("page"),
        _ => None,
    }
}

fn foot(frame: &Frame, who: &Session) -> Markup {
    let href = frame.href();
    let settings = href.with(route::SETTINGS, &[], &Query::new().and(route::field::NEXT, &frame.here));
    html! {
        div.foot {
            @if frame.topic.is_some() { span.live #live hidden { span.dot {} span #live-text { "live" } } }
            a #zone href=(settings) title="Times and keys (u)" aria-keyshortcuts="u" { (who.zone.name()) }
            @if let Some(name) = &who.token_name {
                span.who title={ "Token " (name) ", scope " (who.scope) } { (crate::text::outsider(name)) }
                (form::post(route::LOG_OUT, &[], href, who, &html! { button.plain type="submit" { "Log out" } }))
            }
        }
    }
}

/// The head of a page: its one title, and whatever can be done about all of it.
pub(crate) fn heading(title: &Markup, about: &Markup, acts: &Markup) -> Markup {
    html! {
        div.head {
            div.head-text {
                h1 { (title) }
                @if !about.0.is_empty() { div.about { (about) } }
            }
            @if !acts.0.is_empty() { div.acts { (acts) } }
        }
    }
}

/// Nothing, where a page has no such part.
pub(crate) fn nothing() -> Markup {
    html! {}
}
