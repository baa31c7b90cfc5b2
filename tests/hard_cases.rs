//! The hard cases of the way in, by their numbers in `tests/rules_index`, over
//! the real binary. Others of them are where the index says.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "test code: what is unexpected fails the test"
)]

mod support;

use std::time::Instant;

use app as _;
use serde_json::{Value, json};
use support::{Project, Px, Reply, github, pull_request, twilio};

const REPOSITORY: &str = "octo-org/hello";

fn show(px: &Px, delivery: &Value) -> Value {
    px.get(&format!("/webhooks/deliveries/{}", delivery["id"].as_str().unwrap())).json()
}

fn configured(toml: &str) -> Project {
    let project = Project::new();
    std::fs::write(project.path().join("px.toml"), toml).unwrap();
    project
}

#[test]
fn hard_case_04_a_providers_duplicate_has_one_effect_at_once_and_after_a_crash() {
    let project = Project::new();
    let px = project.serve();
    let request = pull_request(REPOSITORY, 7, "opened");
    let replies = px.post_together(&[request.clone(), request.clone()]);
    let mut actions: Vec<String> = replies.iter().map(Reply::action).collect();
    actions.sort();
    assert_eq!(actions, ["duplicate", "triggered"]);
    let first = replies.iter().find(|reply| reply.action() == "triggered").unwrap().clone();
    px.kill();
    let px = project.serve();
    let again = px.post(&request);
    again.is(200, "duplicate");
    assert_eq!(again.json()["original"]["deliveryId"], first.field("deliveryId"));
    assert_eq!(px.runs_of("pr-review").len(), 1);
    let rows = px.deliveries("state=duplicate");
    assert_eq!(rows.len(), 2);
    for row in &rows {
        assert_eq!(
            show(&px, row)["events"][0]["original"],
            first.field("deliveryId"),
            "it points at the first"
        );
    }
}

#[test]
fn hard_case_16_bad_signatures_leave_few_short_records_and_burn_no_key() {
    let project = Project::new();
    let px = project.serve();
    let good = pull_request(REPOSITORY, 7, "opened");
    let long = "v".repeat(5_000);
    let bad = good.clone().with_flipped_byte().header("x-long", &long).header("cookie", "chocolate");
    for _ in 0..100 {
        let reply = px.post(&bad);
        assert_eq!((reply.status, reply.field("error").as_str()), (401, "Signature invalid"));
    }
    let records = px.deliveries("state=rejected");
    assert_eq!(records.len(), 10, "ten a minute of one sender");
    let shown = show(&px, &records[0]);
    let why = shown["why"].as_str().unwrap();
    let size = bad.body.len();
    assert!(why.contains(&format!("header `x-hub-signature-256`, 1 key(s) tried, {size} byte(s)")), "{why}");
    assert_eq!(shown["payload"], "");
    assert_eq!(shown["headers"]["x-long"].as_str().unwrap().len(), 1_024);
    assert_eq!(shown["headers"]["cookie"], "[redacted]");
    assert_eq!(shown["headers"]["x-hub-signature-256"], "[redacted]");
    px.post(&good).is(201, "triggered");
}

#[test]
fn hard_case_17_a_payload_that_does_not_fit_names_every_path_and_can_be_replayed() {
    let project = Project::new();
    let px = project.serve();
    let payload = json!({
        "action": "opened", "pull_request": {"number": "seven", "user": {"login": 7}},
        "repository": {"full_name": REPOSITORY}
    });
    let reply = px.post(&github("pull_request", "1", payload.to_string()));
    assert_eq!(reply.status, 422);
    for violation in reply.json()["violations"].as_array().unwrap() {
        let (path, message) = (violation["path"].as_str().unwrap(), violation["message"].as_str().unwrap());
        assert!(path.starts_with('/') && message.contains("is not of type"), "{violation}");
    }
    // The schema is as it was: it is refused again, in its own row.
    let id = reply.field("deliveryId");
    let again = px.post_json(&format!("/webhooks/deliveries/{id}/replay"), &json!({}));
    assert_eq!((again.status, again.field("deliveryId")), (422, id));
    assert_eq!(px.deliveries("state=quarantined").len(), 1);
}

#[test]
fn hard_case_17_an_operator_may_have_what_does_not_fit_answered_202() {
    let project = configured("[webhooks.github]\non_invalid = 'accept'\n");
    let px = project.serve();
    let payload = json!({"action": 1});
    let reply = px.post(&github("push", "1", payload.to_string()));
    assert_eq!(reply.status, 202, "{}", reply.text());
    assert_eq!(reply.json()["violations"][0]["path"], "/action");
    assert_eq!(reply.header("px-action"), Some("quarantined"));
    assert_eq!(px.deliveries("state=quarantined").len(), 1);
    // No key is burnt: the same id, repaired, is taken.
    px.post(&github("push", "1", "{}")).is(200, "ignored");
}

#[test]
fn hard_case_19_an_identifier_that_is_missing_empty_long_or_not_utf_8() {
    let project = Project::new();
    let px = project.serve();
    let nameless =
        json!({"action": "opened", "pull_request": {"user": null}, "repository": {"full_name": "a/b"}});
    let missing = px.post(&github("pull_request", "1", nameless.to_string()));
    assert_eq!(missing.status, 422);
    assert_eq!(missing.json()["violations"][0]["path"], "/pull_request");
    for (from, what) in [("", "the identifier is empty"), (&*"9".repeat(10_240), "10240 bytes, at most 1024")]
    {
        let reply = px.post(&twilio(&format!("SM{}", from.len()), from, "hello"));
        assert_eq!(reply.status, 422, "{}", reply.text());
        assert!(
            reply.json()["violations"][0]["message"].as_str().unwrap().contains(what),
            "{}",
            reply.text()
        );
    }
    assert_eq!(px.deliveries("state=quarantined").len(), 3);
    // No text at all: it is not read, and nothing is kept of it.
    for body in [&b"{\"action\":\"\xff\"}"[..], &b"\xff\xfe"[..]] {
        let reply = px.post(&github("pull_request", "2", body));
        assert_eq!((reply.status, reply.field("error").as_str()), (400, "The body is not UTF-8"));
    }
}

#[test]
fn hard_case_20_one_byte_over_the_limit_is_413_and_a_body_that_trickles_408() {
    let project = configured("[server]\nmax_body_bytes = 1000\nbody_timeout_secs = 1\n");
    let px = project.serve();
    let padded = |size: usize| {
        let mut body = b"{}".to_vec();
        body.resize(size, b' ');
        github("push", &format!("guid-{size}"), body)
    };
    px.post(&padded(1_000)).is(200, "ignored");
    let reply = px.post(&padded(1_001));
    reply.fails(413, "The request's body is larger than 1000 bytes (server.max_body_bytes)");

    let mut connection = px.connect().unwrap();
    let began = Instant::now();
    let head = "POST /webhooks/github HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{";
    connection.send_raw(head.as_bytes()).unwrap();
    let reply = connection.receive().unwrap();
    assert_eq!((reply.status, reply.field("error").is_empty()), (408, false), "{}", reply.text());
    assert!(began.elapsed().as_millis() >= 900);
    px.post(&padded(2)).is(200, "ignored");
}

#[test]
fn hard_case_21_deep_json_and_doubled_keys_are_a_clear_400() {
    let project = Project::new();
    let px = project.serve();
    let deep = format!("{}{}", "[".repeat(2_000_000), "]".repeat(2_000_000));
    let wide = format!("{{\"a\":{}1{}}}", "[".repeat(128), "]".repeat(128));
    for (body, what) in [
        (deep, "recursion limit"),
        (wide, "recursion limit"),
        (r#"{"action":"opened","action":"closed"}"#.to_owned(), "duplicate key `action`"),
        (r#"{"repository":{"full_name":"a","full_name":"b"}}"#.to_owned(), "duplicate key `full_name`"),
    ] {
        let reply = px.post(&github("push", "guid", body));
        assert_eq!(reply.status, 400, "{}", reply.text());
        assert!(reply.field("error").contains(what), "{}", reply.text());
    }
    // A believed sender wrote them, so they are kept; the id that all of them brought is free.
    assert_eq!(px.deliveries("state=rejected").len(), 4);
    assert_eq!(px.deliveries("").len(), 4);
    px.post(&pull_request(REPOSITORY, 7, "opened")).is(201, "triggered");
}
