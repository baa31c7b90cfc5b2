//! What a crash and a restart leave: everything that was acknowledged, once.
//! The long versions of this are `kill_loop.rs` and `power_loss.rs`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "test code: what is unexpected fails the test"
)]

mod support;

use app as _;
use serde_json::json;
use support::{Project, pull_request, twilio};

const REPOSITORY: &str = "octo-org/hello";

#[test]
fn a_parked_run_is_resumed_by_the_next_process() {
    let project = Project::new();
    let px = project.serve();
    let run = px.post(&pull_request(REPOSITORY, 7, "opened")).run();
    px.waits_with(&run, "/events", &json!(["opened"]));
    assert!(px.stop().success());

    let px = project.serve();
    assert_eq!(px.run(&run)["status"], "waiting");
    px.post(&pull_request(REPOSITORY, 7, "opened")).is(200, "duplicate");
    px.post(&pull_request(REPOSITORY, 7, "labeled")).is(200, "resumed");
    px.waits_with(&run, "/events", &json!(["opened", "labeled"]));
    px.kill();

    let px = project.serve();
    px.post(&pull_request(REPOSITORY, 7, "closed")).is(200, "resumed");
    assert_eq!(px.reaches(&run, "complete")["state"]["events"], json!(["opened", "labeled", "closed"]));
}

#[test]
fn an_early_event_survives_a_crash_and_answers_the_wait_that_opens_later() {
    let project = Project::new();
    let px = project.serve();
    px.post(&twilio("SM1", "+15550100", "I like it")).is(200, "queued");
    px.kill();

    let px = project.serve();
    px.post(&twilio("SM1", "+15550100", "I like it")).is(200, "queued"); // the first answer, repeated
    let input = json!({"name": "Ada", "slackChannel": "general", "phoneNumber": "+15550100"});
    let run = px.start("customer-feedback", &input);
    let shown = px.reaches(&run, "complete");
    assert_eq!(
        (&shown["state"]["feedback"], &shown["state"]["source"]),
        (&json!("I like it"), &json!("sms"))
    );
    let states: Vec<_> = px.deliveries("slug=twilio").iter().map(|one| one["state"].clone()).collect();
    assert_eq!(states, ["duplicate", "resumed"]);
}

#[test]
fn a_run_that_was_acknowledged_and_not_begun_goes_on_at_the_restart() {
    let project = Project::new();
    // The answer comes before the step; so does, more often than not, the kill.
    for number in 0..8 {
        let px = project.serve();
        let run = px.post(&pull_request(REPOSITORY, number, "closed")).run();
        px.kill();
        let px = project.serve();
        assert_eq!(px.reaches(&run, "complete")["state"]["events"], json!(["closed"]));
    }
}

#[test]
fn sigterm_ends_it_gracefully() {
    let project = Project::new();
    let px = project.serve();
    let run = px.post(&pull_request(REPOSITORY, 7, "opened")).run();
    px.reaches(&run, "waiting");
    let stream = px.watch(&run, None);
    let address = px.address;
    let status = px.stop();
    assert_eq!(status.code(), Some(0));
    // The stream ends with it, instead of breaking off.
    assert!(stream.count() > 0);
    assert!(std::net::TcpStream::connect(address).is_err());
}

#[test]
fn a_directory_that_is_served_is_not_served_twice() {
    let project = Project::new();
    let px = project.serve();
    let (status, said) = project.try_serve().unwrap_err();
    assert_eq!(status.code(), Some(4), "{said}");
    assert!(said.contains(&px.address.to_string()), "it names the holder: {said}");
    assert_eq!(px.get("/status").json(), json!({"ready": true}));
}
