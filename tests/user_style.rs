//! The sample brains in virtual time, tested as a user of px would test their
//! own: no server, no sleeping, no secrets.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "test code: what is unexpected fails the test"
)]

use std::time::Duration;

use app::customer_feedback::{Customer, customer_feedback};
use px_testkit::World;
use serde_json::{Value, json};

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn world() -> World {
    let registry = px::Registry::collect().expect("no name is used twice");
    World::new(registry).expect("the webhooks are usable")
}

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

#[tokio::test]
async fn a_customer_who_says_nothing_for_three_days_is_let_be() -> Outcome {
    let world = world();
    let run = world.start(customer_feedback, ada()).await?;
    world.settle().await?;
    world.advance(Duration::from_hours(71)).await?;
    assert_eq!(world.status(run).await?.as_str(), "waiting");
    world.advance(Duration::from_hours(1)).await?;
    assert_eq!(world.status(run).await?.as_str(), "complete");
    let state = world.state(run).await?;
    assert_eq!((&state["source"], &state["feedback"]), (&json!("none"), &Value::Null));
    Ok(())
}

#[tokio::test]
async fn a_customer_answers_by_sms() -> Outcome {
    let world = world();
    let run = world.start(customer_feedback, ada()).await?;
    world.settle().await?;
    let answer =
        world.post_form("twilio", "MessageSid=SM1&From=%2B15550100&To=%2B15550199&Body=Great!").await?;
    assert_eq!((answer.status, answer.action), (200, Some("resumed")));
    world.settle().await?;
    let state = world.state(run).await?;
    assert_eq!((&state["source"], &state["feedback"]), (&json!("sms"), &json!("Great!")));
    Ok(())
}

#[tokio::test]
async fn a_customer_answers_in_the_slack_thread() -> Outcome {
    let world = world();
    let run = world.start(customer_feedback, ada()).await?;
    world.settle().await?;
    let thread = world.state(run).await?["slackThreadId"].clone();
    let event = json!({
        "type": "message", "channel": "C1", "user": "U1", "text": "Great!", "ts": "2.0", "thread_ts": thread
    });
    world.post("slack", &json!({"type": "event_callback", "event_id": "Ev1", "event": event})).await?;
    world.settle().await?;
    assert_eq!(world.state(run).await?["source"], "slack");
    Ok(())
}

#[tokio::test]
async fn the_question_is_not_asked_again_after_a_crash() -> Outcome {
    let mut world = world();
    let run = world.start(customer_feedback, ada()).await?;
    world.settle().await?;
    let asked = world.state(run).await?;
    world.restart()?;
    world.settle().await?;
    assert_eq!(world.state(run).await?, asked);
    assert_eq!(world.status(run).await?.as_str(), "waiting");
    Ok(())
}

#[tokio::test]
async fn a_review_keeps_the_events_of_its_pull_request_in_order() -> Outcome {
    let world = world();
    let opened = world.post("github", &pull_request("opened")).await?;
    assert_eq!(opened.status, 201);
    let run = opened.run.ok_or("a run was started")?;
    // The run has not had its first turn yet; these are kept for it.
    for action in ["labeled", "synchronize"] {
        let answer = world.post("github", &pull_request(action)).await?;
        assert_eq!((answer.action, answer.run), (Some("queued"), Some(run)));
    }
    world.settle().await?;
    world.post("github", &pull_request("closed")).await?;
    world.settle().await?;
    assert_eq!(world.status(run).await?.as_str(), "complete");
    assert_eq!(world.state(run).await?["events"], json!(["opened", "labeled", "synchronize", "closed"]));
    Ok(())
}

#[tokio::test]
async fn a_conversation_goes_on_until_bye() -> Outcome {
    let world = world();
    let say = |text: &str| {
        let event = json!({
            "type": "message", "channel": "D1", "channel_type": "im", "user": "U7", "text": text, "ts": text
        });
        json!({"type": "event_callback", "event_id": text, "event": event})
    };
    let first = world.post("slack", &say("hello")).await?;
    let run = first.run.ok_or("a run was started")?;
    for text in ["how are you", "bye"] {
        world.settle().await?;
        world.post("slack", &say(text)).await?;
    }
    world.settle().await?;
    assert_eq!(world.status(run).await?.as_str(), "complete");
    assert_eq!(world.state(run).await?["messages"], json!(["hello", "how are you", "bye"]));
    Ok(())
}
