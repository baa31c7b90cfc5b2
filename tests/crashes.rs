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
use support::{GITHUB_SECRET, Project, Request, eventually, hmac_sha256_hex, pull_request, twilio};

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
    let mut stream = px.watch(&run, None);
    assert_eq!(stream.next().and_then(|frame| frame.id), Some(1));
    let address = px.address;
    let status = px.stop();
    assert_eq!(status.code(), Some(0));
    // The stream ends with it, instead of breaking off, which reading it to its end would not
    // take. What has come by then is the log, without a gap.
    let rest: Vec<_> = stream.filter_map(|frame| frame.id).collect();
    assert!((2..).zip(&rest).all(|(wanted, id)| wanted == *id), "{rest:?}");
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

/// A delivery of many events, signed as the provider of the configuration signs.
fn batch(events: &[serde_json::Value]) -> Request {
    let body = json!({ "events": events }).to_string();
    let signature = hmac_sha256_hex(GITHUB_SECRET, body.as_bytes());
    Request::plain("/webhooks/github", "application/json", body).header("x-sig", &signature)
}

#[test]
fn each_event_of_a_large_batch_takes_effect_once_and_can_be_explained() {
    const KEYS: u64 = 10;
    let project = Project::new();
    let config = "[webhooks.github]\nprovider = \"acme\"\n[providers.acme]\n\
                  secret = \"GITHUB_WEBHOOK_SECRET\"\nbatch = \"/events\"\ndedup = [{ pointer = \"/id\" }]\n\
                  [providers.acme.scheme.signature]\nheader = \"x-sig\"\n";
    std::fs::write(project.path().join("px.toml"), config).unwrap();
    let event = |n: u64| {
        json!({
            "id": format!("i{n}"), "action": format!("e{n}"), "repository": {"full_name": REPOSITORY},
            "pull_request": {"number": n % KEYS, "user": {"login": "ada"}},
        })
    };
    let events: Vec<_> = (0..200).map(event).collect();
    let px = project.serve();
    let reply = px.post(&batch(&events));
    reply.is(201, "triggered");
    let delivery = reply.field("deliveryId");
    // Dead while the runs take what is queued for them.
    px.kill();

    let px = project.serve();
    let again = px.post(&batch(&events));
    again.is(200, "duplicate");
    let told = reply.json();
    let runs: Vec<_> =
        told["events"].as_array().unwrap().iter().take(10).map(|event| &event["brainRunId"]).collect();
    for (number, run) in (0..KEYS).zip(&runs) {
        let actions: Vec<_> = (0..200).filter(|n| n % KEYS == number).map(|n| format!("e{n}")).collect();
        px.waits_with(run.as_str().unwrap(), "/events", &json!(actions));
    }
    let shown = px.get(&format!("/webhooks/deliveries/{delivery}")).json();
    let shown = shown["events"].as_array().unwrap();
    assert_eq!(shown.len(), 200);
    for (n, event) in shown.iter().enumerate() {
        let state = if n < 10 { "started" } else { "resumed" };
        assert_eq!((&event["state"], &event["brainRunId"]), (&json!(state), runs[n % 10]), "{n}: {event}");
    }
    let url = format!("http://{}", px.address);
    let explained =
        project.command(&["webhooks", "deliveries", "show", &delivery, "--url", &url]).output().unwrap();
    assert!(explained.status.success(), "{explained:?}");
    assert!(px.stop().success());
    let data = project.data().to_str().unwrap().to_owned();
    let audited = project.command(&["audit", "--data-dir", &data]).output().unwrap();
    assert!(audited.status.success(), "{}", String::from_utf8_lossy(&audited.stdout));
}
