//! What a crash and a restart leave: everything that was acknowledged, once.
//! The long versions of this are `kill_loop.rs` and `power_loss.rs`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "test code: what is unexpected fails the test"
)]

mod support;

use std::time::{Duration, Instant};

use app as _;
use serde_json::json;
use support::{Project, eventually, pull_request, twilio};

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

#[test]
fn a_second_signal_ends_it_at_once() {
    let project = Project::new();
    let mut px = project.serve();
    // A request that goes on and on is waited for.
    let mut connection = px.connect().unwrap();
    let head = "POST /webhooks/github HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\nonly so much";
    connection.send_raw(head.as_bytes()).unwrap();
    // The listener has taken the connection once it answers the next one.
    assert_eq!(px.get("/status").status, 200);
    px.terminate();
    eventually("the announcement", || px.log().contains("A second signal").then_some(()));
    assert!(!px.has_ended());
    let asked = Instant::now();
    assert_eq!(px.stop().code(), Some(130));
    assert!(asked.elapsed() < Duration::from_secs(3), "{:?}", asked.elapsed());
}
