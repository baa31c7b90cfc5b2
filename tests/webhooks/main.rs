//! The sample project, end to end: the real binary, real requests, real disks.
//! Each test serves from a directory of its own.
//!
//! What comes in over `/webhooks/…` is here; the API is in `api.rs`, what a
//! crash leaves in `crashes.rs`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "test code: what is unexpected fails the test"
)]

mod conversations;
mod pull_requests;
mod refusals;
#[path = "../support/mod.rs"]
mod support;

use app as _;
use serde_json::{Value, json};
use support::{
    GITHUB_SECRET, Project, Px, Reply, Request, github, hmac_sha256_hex, pull_request, slack, slack_at,
    twilio,
};

const REPOSITORY: &str = "octo-org/hello";
const FEEDBACK: &str = "customer-feedback";

fn opened_pull_request(px: &Px) -> String {
    let reply = px.post(&pull_request(REPOSITORY, 7, "opened"));
    reply.is(201, "triggered");
    reply.run()
}

fn ask_ada(px: &Px) -> (String, String) {
    let input = json!({"name": "Ada", "slackChannel": "general", "phoneNumber": "+15550100"});
    let run = px.start(FEEDBACK, &input);
    let thread = px.reaches(&run, "waiting")["state"]["slackThreadId"].as_str().unwrap().to_owned();
    (run, thread)
}

fn thread_reply(event_id: &str, thread: &str, text: &str) -> Request {
    let event = json!({
        "type": "message", "channel": "C1", "channel_type": "channel", "user": "U1",
        "text": text, "ts": "1700000100.000200", "thread_ts": thread
    });
    slack(event_id, &event)
}

fn direct_message(event_id: &str, text: &str) -> Request {
    let event = json!({
        "type": "message", "channel": "D1", "channel_type": "im", "user": "U7", "text": text, "ts": event_id
    });
    slack(event_id, &event)
}

fn count(replies: &[Reply], action: &str) -> usize {
    replies.iter().filter(|reply| reply.action() == action).count()
}

// Headers

/// The headers say what the body says, and nothing that it does not say.
#[track_caller]
fn headers_match(reply: &Reply) {
    let body = reply.json();
    let said = |value: &Value| value.as_str().map(str::to_owned);
    let header = |name: &str| reply.header(name).map(str::to_owned);
    assert_eq!(header("px-action"), said(&body["action"]), "{}", reply.text());
    assert_eq!(header("px-delivery-id"), said(&body["deliveryId"]), "{}", reply.text());
    // A repetition names the run of its original.
    let run =
        if body["action"] == "duplicate" { &body["original"]["brainRunId"] } else { &body["brainRunId"] };
    assert_eq!(header("px-run-id"), said(run), "{}", reply.text());
}

// GitHub

// Slack

// Slack and Twilio

// Requests that are no deliveries
