//! The resources of a project: made once, by the commands that run steps, and
//! ended with them; what nobody provides stops the start and the check.

use std::process::{Command, Stdio};

use crate::serving::{Serving, until_waiting};
use crate::support::{Project, eventually};

fn project(provides: &str) -> Project {
    Project::of("resources").with("PROVIDES", provides)
}

fn story(project: &Project) -> String {
    std::fs::read_to_string(project.path("story")).unwrap_or_default()
}

#[test]
fn resources_are_made_once_by_the_server_and_end_with_it() {
    let project = project("all").file("order.json", r#"{"number": 3}"#);
    for command in [&["check"][..], &["brains", "list"], &["webhooks", "list"]] {
        let done = project.px(command);
        assert_eq!(done.code, 0, "{done:?}");
    }
    assert_eq!(story(&project), "", "only what runs steps makes resources");

    let serving = Serving::start(&project, &[]);
    assert_eq!(story(&project), "db begins\nmail begins\n");
    let url = serving.url.clone();
    for number in ["1", "2"] {
        let done = project.px(&["run", "order", "-s", &format!("number={number}"), "--wait", "--url", &url]);
        assert_eq!(done.code, 0, "{done:?}");
    }
    let sent = project.px(&["webhooks", "send", "mails", "--url", &url, "--payload", "order.json"]);
    assert_eq!(sent.code, 0, "{sent:?}");
    eventually("the mail", || story(&project).contains("mail has mail 3").then_some(()));
    let (code, text) = serving.end();
    assert_eq!(code, 0, "{text}");
    assert_eq!(
        story(&project),
        "db begins\nmail begins\ndb has order 1\ndb has order 2\nmail has mail 3\n\
         mail ends, with a runtime: true\ndb ends, with a runtime: true\n"
    );
}

#[test]
fn a_need_that_nobody_provides_stops_the_start_and_the_check_and_names_who_needs_it() {
    let none = project("nothing");
    let of_brain = "brain 'filing' inside brain 'order' needs the resource `Db`, and nobody provides it: in main.rs \
                    write `px::app().provide(async || Ok(/* a Db */)).main()`";
    let of_webhook = "webhook 'mails' needs the resource `Mail`, and nobody provides it";
    let checked = none.px(&["check"]);
    assert_eq!(checked.code, 1, "{checked:?}");
    assert!(checked.stderr.contains("examples/resources.rs:"), "{checked:?}");
    for says in [of_brain, of_webhook, "2 problems found", "px does not serve until this is mended"] {
        assert!(checked.stderr.contains(says), "{says}: {checked:?}");
    }
    let served = none.px(&["serve", "--port", "0"]);
    assert_eq!(served.code, 1, "{served:?}");
    assert!(served.stderr.contains(of_brain), "{served:?}");

    let some = project("all but mail");
    for command in [&["check"][..], &["serve", "--port", "0"]] {
        let done = some.px(command);
        assert!(
            done.code == 1 && done.stderr.contains(of_webhook) && !done.stderr.contains("`Db`"),
            "{done:?}"
        );
    }
    assert_eq!(story(&some), "", "nothing is made where something is missing");
}

#[test]
fn a_resource_that_is_provided_twice_is_refused_with_both_places() {
    let project = project("twice");
    for command in [&["check"][..], &["serve", "--port", "0"]] {
        let done = project.px(command);
        assert!(
            done.code == 1 && done.stderr.contains("the resource `Db` is provided already, at"),
            "{done:?}"
        );
    }
    assert_eq!(story(&project), "");
}

#[test]
fn a_provider_that_fails_stops_the_start_and_ends_what_was_there() {
    for (provides, why) in [
        ("a failure", "could not be made: invalid digit found in string"),
        ("a panic", "could not be made: its provider panicked: no mail today"),
    ] {
        let project = project(provides);
        assert_eq!(project.px(&["check"]).code, 0, "a check makes nothing");
        let done = project.px(&["serve", "--port", "0"]);
        assert!(done.code == 1 && done.stderr.contains("the resource `Mail`, which"), "{done:?}");
        assert!(done.stderr.contains(why), "{why}: {done:?}");
        assert_eq!(story(&project), "db begins\ndb ends, with a runtime: true\n");
    }
}

#[test]
fn a_start_that_is_given_up_while_a_provider_hangs_ends_what_was_there_where_steps_run() {
    let project = project("a hang");
    let mut server = project.command(&["serve", "--port", "0"]).stderr(Stdio::null()).spawn().unwrap();
    eventually("the first resource", || (story(&project) == "db begins\n").then_some(()));
    assert!(Command::new("kill").args(["-TERM", &server.id().to_string()]).status().unwrap().success());
    assert_eq!(server.wait().unwrap().code(), Some(0));
    assert_eq!(story(&project), "db begins\ndb ends, with a runtime: true\n");
}

#[test]
fn a_handler_that_needs_a_resource_is_named_where_px_cannot_find_the_identifier() {
    let project = project("all").file("order.json", r#"{"number": 30}"#);
    let serving = Serving::start(&project, &[]);
    let px = |arguments: &[&str]| project.px(&[arguments, &["--url", &serving.url]].concat());
    let started = px(&["run", "asking", "-s", "number=30"]);
    let id = started.stdout.trim();
    until_waiting(&project, &serving.url, id);

    let aimed = px(&["webhooks", "send", "mails", "--identifier", "30"]);
    assert_eq!(aimed.code, 1, "{aimed:?}");
    assert_eq!(
        aimed.stderr,
        "Error: the handler of webhook 'mails' needs the resource Mail, and only px serve makes resources, so px \
         cannot find where '30' goes\n\
         Hint: write the payload with it into a file: `px webhooks send mails --payload FILE`, without --identifier\n"
    );

    let explained = px(&["runs", "explain", id]);
    let line = format!("px webhooks send mails --url {} --payload FILE", serving.url);
    let remark = "(its handler needs the resource Mail, and only px serve makes resources, so px cannot find where '30' \
                  goes: write it into FILE)";
    for says in [&*line, remark] {
        assert!(explained.stdout.contains(says), "{says}: {explained:?}");
    }
    // The line with a file that has it wakes the run.
    let sent = px(&["webhooks", "send", "mails", "--payload", "order.json"]);
    assert!(sent.stdout.starts_with(&format!("200 resumed 30 {id}")), "{sent:?}");
}

#[test]
fn a_brain_and_a_webhook_show_what_they_need() {
    let project = project("nothing");
    let brain = project.px(&["brains", "show", "order"]);
    assert!(brain.stdout.contains("└─ file (brain filing, needs Db)\n"), "{brain:?}");
    let brain = project.px(&["brains", "show", "order", "--json"]).json();
    assert_eq!(brain["needs"], serde_json::json!([]), "the needs of a brain inside are its own");
    let webhook = project.px(&["webhooks", "show", "mails"]);
    assert!(webhook.stdout.contains("\n  needs the resource Mail\n"), "{webhook:?}");
    assert_eq!(
        project.px(&["webhooks", "show", "mails", "--json"]).json()["needs"],
        serde_json::json!(["Mail"])
    );
}
