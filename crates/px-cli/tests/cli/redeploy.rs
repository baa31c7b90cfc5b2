//! `px check` before another binary is served: which parked runs it could not
//! go on with, from the store and through the server.

use serde_json::json;

use crate::serving::{Serving, project, until_waiting};
use crate::support::Project;

#[test]
fn parked_runs_that_the_next_binary_cannot_continue_are_listed_beforehand() {
    let project = project();
    let none = project.px(&["check", "--json"]).json();
    assert_eq!(none["parkedRuns"], json!({"lookedAt": 0, "stuck": {}}), "{none}");

    let serving = Serving::start(&project, &[]);
    let url = serving.url.clone();
    let mut runs = Vec::new();
    for words in [
        &["customer-feedback", "-s", "name=Ada", "-s", "phone=+1"],
        &["review", "-s", "repository=a", "-s", "number=1"],
    ] {
        let started = project.px(&[&["run", "--url", &url], &words[..]].concat());
        let run = started.stdout.trim().to_owned();
        until_waiting(&project, &url, &run);
        runs.push(run);
    }
    let same = project.px(&["check", "--url", &url]);
    assert_eq!(same.code, 0, "{same:?}");
    assert!(same.stdout.contains("Active runs    2, 0 of them stuck"), "{same:?}");

    let data = project.path(".px/data");
    let next = Project::of("redeployed").with("PX_DATA_DIR", data.to_str().unwrap());
    let stuck = json!({
        "step 'process' is not in brain 'customer-feedback' any more":
            {"count": 1, "runs": [runs[0]]},
        "brain 'review' is not in this binary any more": {"count": 1, "runs": [runs[1]]},
    });
    let through_the_server = next.px(&["check", "--url", &url, "--json"]);
    assert_eq!(through_the_server.code, 1, "{through_the_server:?}");
    assert_eq!(through_the_server.json()["parkedRuns"], json!({"lookedAt": 2, "stuck": stuck}));
    let nobody = next.px(&["check", "--url", "http://127.0.0.1:9"]);
    assert_eq!(nobody.code, 0, "{nobody:?}");
    assert!(nobody.stderr.contains("the runs were not looked at"), "{nobody:?}");

    assert_eq!(serving.end().0, 0);
    let from_the_store = next.px(&["check", "--json"]);
    assert_eq!(from_the_store.json()["parkedRuns"]["stuck"], stuck);
    let told = next.px(&["check"]);
    assert_eq!(told.code, 1, "{told:?}");
    assert!(told.stderr.contains("1 run could not go on: brain 'review'"), "{told:?}");
    assert!(told.stderr.contains("`.formerly(..)`"), "{told:?}");
    // The look changed nothing: the first binary still has them.
    let serving = Serving::start(&project, &[]);
    runs.iter().for_each(|run| until_waiting(&project, &serving.url, run));
    assert_eq!(serving.end().0, 0);
}

/// A wait is the old binary's; whether it can still be answered is the new one's to say.
#[test]
fn a_run_whose_webhook_is_gone_or_another_one_is_explained_by_the_next_binary() {
    let project = project();
    let serving = Serving::start(&project, &[]);
    let started =
        project.px(&["run", "--url", &serving.url, "review", "-s", "repository=a", "-s", "number=2"]);
    let run = started.stdout.trim().to_owned();
    until_waiting(&project, &serving.url, &run);
    let explained = |url: &str| project.px(&["runs", "explain", &run, "--url", url]).stdout;
    assert!(explained(&serving.url).contains("This would wake it:"), "{}", explained(&serving.url));
    assert_eq!(serving.end().0, 0);
    let data = project.path(".px/data");
    for (next, says) in [
        (
            "redeployed",
            "Webhook 'code' is not in the server's binary any more: an event there is answered 503",
        ),
        ("migrated", "Webhook 'code' gives another response now than when the run began to wait"),
    ] {
        let next = Project::of(next).with("PX_DATA_DIR", data.to_str().unwrap()).with("CODE_SECRET", "s2");
        let serving = Serving::start(&next, &[]);
        let told = explained(&serving.url);
        assert!(told.contains(says) && !told.contains("This would wake it"), "{told}");
        // Whether the brain is there or not: its runs are.
        let of = |brain: &str| next.px(&["runs", "list", "--brain", brain, "--json", "--url", &serving.url]);
        assert_eq!(of("review").json()["runs"][0]["brainRunId"], json!(run));
        assert_eq!(of("nobody").code, 3);
        assert_eq!(serving.end().0, 0);
    }
}

/// A check that is over before it is done has found nothing, which is no all-clear.
#[test]
fn a_migration_that_ends_the_process_does_not_pass_for_a_success() {
    for (number, says) in [("number=3", "exit status: 0"), ("number=4", "signal")] {
        let project = project();
        let serving = Serving::start(&project, &[]);
        let started =
            project.px(&["run", "--url", &serving.url, "review", "-s", "repository=a", "-s", number]);
        let run = started.stdout.trim().to_owned();
        until_waiting(&project, &serving.url, &run);
        let data = project.path(".px/data");
        let next = Project::of("migrated").with("PX_DATA_DIR", data.to_str().unwrap());
        let told = next.px(&["check"]);
        assert_eq!(told.code, 1, "{told:?}");
        let place = format!("broken off while it looked at {run} of brain 'review'");
        assert!(told.stderr.contains(&place) && told.stderr.contains(says), "{told:?}");
        assert_eq!(serving.end().0, 0);
        let json = next.px(&["check", "--json"]);
        assert!(json.code == 1 && json.error()["error"].as_str().unwrap().contains(&place), "{json:?}");
    }
}

#[test]
fn migrations_are_tried_on_parked_runs_and_nothing_is_written() {
    let project = project();
    let serving = Serving::start(&project, &[]);
    let url = serving.url.clone();
    let mut runs = Vec::new();
    for number in ["number=1", "number=2"] {
        let started = project.px(&["run", "--url", &url, "review", "-s", "repository=a", "-s", number]);
        let run = started.stdout.trim().to_owned();
        until_waiting(&project, &url, &run);
        runs.push(run);
    }
    let log = |url: &str| project.px(&["runs", "events", &runs[1], "--json", "--url", url]).stdout;
    let before = log(&url);

    let data = project.path(".px/data");
    let next = Project::of("migrated").with("PX_DATA_DIR", data.to_str().unwrap());
    let reason = "brain 'review': the state for step 'end' could not be migrated from version 1 to 2: pull request 1 \
                  is nobody's";
    let parked = json!({"lookedAt": 2, "stuck": {reason: {"count": 1, "runs": [runs[0]]}}});
    let through_the_server = next.px(&["check", "--url", &url, "--json"]);
    assert_eq!(through_the_server.code, 1, "{through_the_server:?}");
    assert_eq!(through_the_server.json()["parkedRuns"], parked);
    assert_eq!(serving.end().0, 0);
    let told = next.px(&["check"]);
    assert_eq!(told.code, 1, "{told:?}");
    for says in [reason, &runs[0], "`.migrate_state(..)`"] {
        assert!(told.stderr.contains(says), "{says}: {told:?}");
    }
    assert_eq!(next.px(&["check", "--json"]).json()["parkedRuns"], parked);

    let serving = Serving::start(&project, &[]);
    runs.iter().for_each(|run| until_waiting(&project, &serving.url, run));
    assert_eq!(log(&serving.url), before);
    assert_eq!(serving.end().0, 0);
}
