//! The sample brains, tested as a user of px would test their own: in virtual
//! time, without a server, without sleeping, without secrets, and then in all
//! weathers.

#![allow(clippy::indexing_slicing, reason = "test code: what is unexpected fails the test")]

use std::collections::BTreeSet;
use std::time::Duration;

use app::customer_feedback::{Customer, Feedback, Source, customer_feedback};
use app::dm_conversation::dm_conversation;
use app::pr_review::pr_review;
use app::webhooks::{slack, twilio};
use px::test::{Windy, World, weather, world};
use serde_json::{Value, json};

const SMS: &str = "MessageSid=SM1&From=%2B15550100&To=%2B15550199&Body=Great!";

fn ada() -> Customer {
    Customer { name: "Ada".into(), slack_channel: "general".into(), phone_number: "+15550100".into() }
}

fn pull_request(action: &str) -> Value {
    json!({
        "action": action,
        "pull_request": {"number": 2, "user": {"login": "octocat"}},
        "repository": {"full_name": "octo-org/hello"}
    })
}

fn direct_message(text: &str) -> Value {
    let event = json!({
        "type": "message", "channel": "D1", "channel_type": "im", "user": "U7", "text": text, "ts": text
    });
    json!({"type": "event_callback", "event_id": text, "event": event})
}

/// Slack and the phone company, as these tests know them: each message has the id
/// that is its key.
fn offline(world: &World) {
    world
        .stub_with(customer_feedback, "ask in Slack", |call| Ok(call.key.clone()))
        .stub(customer_feedback, "ask by SMS", "SM1")
        .stub(dm_conversation, "greet", "1.0")
        .stub(dm_conversation, "answer", "1.1");
}

#[test]
fn every_file_is_in_a_mod_and_every_brain_is_registered() {
    px::test::expect_all_registered();
}

#[test]
fn a_customer_who_says_nothing_for_three_days_is_let_be() {
    let world = world();
    offline(&world);
    let run = world.start(customer_feedback, ada());
    world.skip(Duration::from_hours(71));
    run.expect_waiting_on(twilio::on("+15550100"));
    world.skip(Duration::from_hours(1));
    let feedback: Feedback = run.expect_complete().state();
    assert_eq!((feedback.source, feedback.feedback), (Source::None, None));
}

#[test]
fn a_customer_answers_by_sms() {
    let world = world();
    offline(&world);
    let run = world.start(customer_feedback, ada());
    world.post_form("twilio", SMS).expect("resumed");
    let feedback: Feedback = run.expect_complete().state();
    assert_eq!((feedback.source, feedback.feedback.as_deref()), (Source::Sms, Some("Great!")));
}

#[test]
fn a_customer_answers_in_the_slack_thread() {
    let world = world();
    offline(&world);
    let run = world.start(customer_feedback, ada());
    let thread = run.state_json()["slackThreadId"].clone();
    run.expect_waiting_on(slack::on(thread.as_str().unwrap_or_default()));
    let event = json!({
        "type": "message", "channel": "C1", "user": "U1", "text": "Great!", "ts": "2.0", "thread_ts": thread
    });
    world.post("slack", json!({"type": "event_callback", "event_id": "Ev1", "event": event}));
    assert_eq!(run.expect_complete().state::<Feedback>().source, Source::Slack);
}

#[test]
fn the_question_is_not_asked_again_after_a_crash() {
    let world = world();
    offline(&world);
    let run = world.start(customer_feedback, ada());
    let asked = run.state_json();
    world.crash();
    assert_eq!(run.expect_status("waiting").state_json(), asked);
    assert_eq!(world.calls(customer_feedback, "ask by SMS").len(), 1);
}

#[test]
fn a_review_keeps_the_events_of_its_pull_request_in_order() {
    let world = world();
    let run = world.run(world.post("github", pull_request("opened")).expect("triggered").run());
    for action in ["labeled", "synchronize", "closed"] {
        world.post("github", pull_request(action)).expect("resumed");
    }
    assert_eq!(
        run.expect_complete().state_json()["events"],
        json!(["opened", "labeled", "synchronize", "closed"])
    );
}

#[test]
fn a_conversation_goes_on_until_bye() {
    let world = world();
    offline(&world);
    let run = world.run(world.post("slack", direct_message("hello")).run());
    for text in ["how are you", "bye"] {
        world.post("slack", direct_message(text));
    }
    assert_eq!(run.expect_complete().state_json()["messages"], json!(["hello", "how are you", "bye"]));
}

#[test]
fn a_customer_is_asked_once_and_answers_at_most_once_in_all_weathers() {
    weather(|w: &Windy| {
        offline(w.world());
        let run = w.start(customer_feedback, ada());
        w.post_form("twilio", SMS);
        w.skip(Duration::from_hours(72));
        w.calm();
        // Where px stood still for those three days, the customer has three days from now.
        w.world().skip(Duration::from_hours(72));
        let feedback: Feedback = run.expect_complete().state();
        assert_eq!(feedback.feedback.is_some(), feedback.source == Source::Sms);
        let calls = w.calls(customer_feedback, "ask by SMS");
        let keys: BTreeSet<_> = calls.iter().map(|call| &call.key).collect();
        assert_eq!(keys.len(), 1, "a question that is sent again has the same key: {calls:?}");
    });
}

#[test]
fn the_events_of_a_pull_request_are_each_seen_once_in_all_weathers() {
    let actions = ["opened", "labeled", "synchronize", "closed"];
    weather(|w: &Windy| {
        for action in actions {
            // GitHub's id of a delivery is what its duplicates are known by.
            w.post_with("github", &[("X-GitHub-Delivery", action)], pull_request(action));
        }
        w.calm();
        // What comes after `closed` begins another review of the pull request.
        let runs = w.runs_of(pr_review);
        let states: Vec<Value> = runs.iter().map(px::test::Run::state_json).collect();
        let mut seen: Vec<&str> = states
            .iter()
            .flat_map(|state| state["events"].as_array())
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        seen.sort_unstable();
        let mut sent = actions;
        sent.sort_unstable();
        assert_eq!(seen, sent, "{runs:#?}");
    });
}

#[test]
fn what_somebody_says_is_heard_once_in_all_weathers() {
    weather(|w: &Windy| {
        offline(w.world());
        for text in ["hello", "how are you", "bye"] {
            w.post("slack", direct_message(text));
        }
        w.calm();
        let runs = w.runs_of(dm_conversation);
        let states: Vec<Value> = runs.iter().map(px::test::Run::state_json).collect();
        let mut heard: Vec<&str> = states
            .iter()
            .flat_map(|state| state["messages"].as_array())
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        heard.sort_unstable();
        assert_eq!(heard, ["bye", "hello", "how are you"], "{runs:#?}");
    });
}
