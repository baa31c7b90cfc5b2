//! The rules of keys, waits and owners, each through the production accept,
//! decide and commit, in virtual time.

#![expect(clippy::unwrap_used, reason = "a test says by panicking that it failed")]

mod audited;
mod project;

use std::time::Duration;

use audited::Audited;
use project::{Ask, TIMEOUT, event, question, registry, survey};
use px_core::event::EventBody;
use px_core::{RunId, RunStatus};
use px_store::InboxState;
use px_testkit::World;
use serde_json::{Value, json};

fn world() -> Audited {
    Audited::new(registry())
}

async fn waiting(world: &World, key: &str) -> RunId {
    let run = world.start(survey, Ask { key: key.into() }).await.unwrap();
    world.settle().await.unwrap();
    assert_eq!(world.status(run).await.unwrap(), RunStatus::Waiting);
    run
}

async fn post(world: &World, id: &str, key: &str, text: &str, then: &str) -> (u16, Value) {
    let answer = world.post("mail", &event(id, key, text, then)).await.unwrap();
    (answer.status, serde_json::from_str(&answer.body).unwrap())
}

async fn types(world: &World, run: RunId) -> Vec<&'static str> {
    world.log(run).await.unwrap().iter().map(|event| event.event.name()).collect()
}

#[tokio::test]
async fn a_wait_is_answered_and_the_run_completes() {
    let world = world();
    let run = waiting(&world, "k").await;
    let (status, body) = post(&world, "1", "k", "fine", "resume").await;
    assert_eq!((status, &body["action"], &body["identifier"]), (200, &json!("resumed"), &json!("k")));
    assert_eq!(body["brainRunId"], json!(run.to_string()));
    world.settle().await.unwrap();
    assert_eq!(world.status(run).await.unwrap(), RunStatus::Complete);
    assert_eq!(world.state(run).await.unwrap(), json!({"answer": "fine", "from": "mail"}));
    assert_eq!(
        types(&world, run).await,
        [
            "brain:start",
            "step:status",
            "step:start",
            "step:status",
            "step:once",
            "step:complete",
            "step:status",
            "brain:webhook",
            "brain:webhook_response",
            "step:start",
            "step:status",
            "step:complete",
            "step:status",
            "brain:complete"
        ]
    );
}

#[tokio::test]
async fn an_early_event_is_kept_and_taken_by_the_wait_that_opens_later() {
    let world = world();
    let (_, body) = post(&world, "1", "k", "early", "resume").await;
    assert_eq!(body["action"], "queued");
    assert_eq!(body.get("brainRunId"), None);
    let run = world.start(survey, Ask { key: "k".into() }).await.unwrap();
    world.settle().await.unwrap();
    assert_eq!(world.status(run).await.unwrap(), RunStatus::Complete);
    assert_eq!(world.state(run).await.unwrap()["answer"], "early");
    let inbox = world.inbox().await.unwrap();
    assert_eq!(inbox[0].events[0].state, InboxState::Resumed);
    assert_eq!(inbox[0].events[0].run, Some(run));
}

#[tokio::test]
async fn rule_7_queued_events_are_taken_oldest_first() {
    let world = world();
    for (id, text) in [("1", "a"), ("2", "b"), ("3", "c")] {
        post(&world, id, "k", text, "resume").await;
    }
    for text in ["a", "b", "c"] {
        let run = world.start(question, Ask { key: "k".into() }).await.unwrap();
        world.settle().await.unwrap();
        assert_eq!(world.state(run).await.unwrap()["answer"], text);
    }
}

#[tokio::test]
async fn two_events_for_one_wait_the_second_stays_queued_and_is_late_when_the_run_ends() {
    let world = world();
    let run = world.start(question, Ask { key: "k".into() }).await.unwrap();
    world.settle().await.unwrap();
    assert_eq!(post(&world, "1", "k", "a", "resume").await.1["action"], "resumed");
    assert_eq!(post(&world, "2", "k", "b", "resume").await.1["action"], "queued");
    world.settle().await.unwrap();
    assert_eq!(world.status(run).await.unwrap(), RunStatus::Complete);
    // Rule 5: it arrived during the run's life, on a key the run waited on.
    let inbox = world.inbox().await.unwrap();
    assert_eq!(inbox[1].events[0].state, InboxState::Late);
    let next = world.start(question, Ask { key: "k".into() }).await.unwrap();
    world.settle().await.unwrap();
    assert_eq!(world.status(next).await.unwrap(), RunStatus::Waiting, "yesterday's thanks answers nothing");
}

#[tokio::test]
async fn rule_11_one_event_two_runs_the_oldest_wait_takes_it() {
    let world = world();
    let first = waiting(&world, "k").await;
    let second = waiting(&world, "k").await;
    assert_eq!(post(&world, "1", "k", "a", "resume").await.1["brainRunId"], first.to_string());
    world.settle().await.unwrap();
    assert_eq!(world.status(second).await.unwrap(), RunStatus::Waiting);
    assert_eq!(post(&world, "2", "k", "b", "resume").await.1["brainRunId"], second.to_string());
}

#[tokio::test]
async fn a_sibling_webhook_ends_the_whole_wait() {
    let world = world();
    let run = waiting(&world, "k").await;
    let answer = world.post("phone", &event("1", "k", "ring", "")).await.unwrap();
    assert_eq!(answer.action, Some("resumed"));
    let (_, body) = post(&world, "2", "k", "too late", "resume").await;
    assert_eq!((&body["action"], &body["reason"]), (&json!("late"), &json!("sibling")));
    assert_eq!(body["brainRunId"], run.to_string());
    world.settle().await.unwrap();
    assert_eq!(world.state(run).await.unwrap(), json!({"answer": "ring", "from": "phone"}));
}

#[tokio::test]
async fn a_timeout_is_given_to_the_step_and_later_events_are_late() {
    let world = world();
    let run = waiting(&world, "k").await;
    world.advance(TIMEOUT - Duration::from_millis(1)).await.unwrap();
    assert_eq!(world.status(run).await.unwrap(), RunStatus::Waiting);
    world.advance(Duration::from_millis(1)).await.unwrap();
    assert_eq!(world.state(run).await.unwrap()["from"], "nobody");
    assert!(types(&world, run).await.contains(&"brain:wait_timeout"));
    let (status, body) = post(&world, "1", "k", "late", "resume").await;
    assert_eq!((status, &body["action"], &body["reason"]), (200, &json!("late"), &json!("timeout")));
    // Past the early window it is an event like any other.
    world.advance(Duration::from_secs(25 * 3600)).await.unwrap();
    assert_eq!(post(&world, "2", "k", "new", "resume").await.1["action"], "queued");
}

#[tokio::test]
async fn event_and_timeout_tie_and_one_wins() {
    let world = world();
    let run = waiting(&world, "k").await;
    world.clock().advance(TIMEOUT);
    assert_eq!(post(&world, "1", "k", "just", "resume").await.1["action"], "resumed");
    world.ring().await.unwrap();
    world.settle().await.unwrap();
    assert_eq!(world.state(run).await.unwrap()["answer"], "just");
    assert!(!types(&world, run).await.contains(&"brain:wait_timeout"));
}

#[tokio::test]
async fn a_queued_event_expires_and_stays_in_the_inbox() {
    let world = world();
    post(&world, "1", "k", "a", "resume").await;
    world.advance(Duration::from_secs(24 * 3600 + 1)).await.unwrap();
    assert_eq!(world.inbox().await.unwrap()[0].events[0].state, InboxState::Expired);
    let run = waiting(&world, "k").await;
    assert_eq!(world.status(run).await.unwrap(), RunStatus::Waiting);
}

#[tokio::test]
async fn rule_4_the_started_run_owns_its_key_and_takes_what_comes_meanwhile() {
    let world = world();
    let (status, body) = post(&world, "1", "t", "hello", "or_start").await;
    assert_eq!((status, &body["action"]), (201, &json!("triggered")));
    let run: RunId = body["brainRunId"].as_str().unwrap().parse().unwrap();
    // The run is busy: nothing has run yet.
    for (id, text) in [("2", "how"), ("3", "are")] {
        let (status, body) = post(&world, id, "t", text, "or_start").await;
        assert_eq!((status, &body["action"]), (200, &json!("queued")));
        assert_eq!(body["brainRunId"], run.to_string());
    }
    world.settle().await.unwrap();
    assert_eq!(world.status(run).await.unwrap(), RunStatus::Waiting);
    assert_eq!(world.state(run).await.unwrap()["texts"], json!(["hello", "how", "are"]));
    post(&world, "4", "t", "bye", "or_start").await;
    world.settle().await.unwrap();
    assert_eq!(world.state(run).await.unwrap()["texts"], json!(["hello", "how", "are", "bye"]));
    assert_eq!(world.status(run).await.unwrap(), RunStatus::Complete);
    let (status, body) = post(&world, "5", "t", "again", "or_start").await;
    assert_eq!(status, 201);
    assert_ne!(body["brainRunId"], run.to_string());
}

#[tokio::test]
async fn rule_4_an_owner_that_ends_with_events_queued_is_succeeded_in_the_same_commit() {
    let world = world();
    let (_, body) = post(&world, "1", "t", "hello", "or_start").await;
    let first: RunId = body["brainRunId"].as_str().unwrap().parse().unwrap();
    post(&world, "2", "t", "bye", "or_start").await;
    post(&world, "3", "t", "again", "or_start").await;
    post(&world, "4", "t", "more", "or_start").await;
    world.settle().await.unwrap();
    assert_eq!(world.state(first).await.unwrap()["texts"], json!(["hello", "bye"]));
    let inbox = world.inbox().await.unwrap();
    let third = &inbox[2].events[0];
    assert_eq!(third.state, InboxState::Started);
    let second = third.run.unwrap();
    assert_ne!(second, first);
    assert_eq!(world.state(second).await.unwrap()["texts"], json!(["again", "more"]));
    assert_eq!(inbox[3].events[0].run, Some(second));
}

#[tokio::test]
async fn cancel_ends_the_wait_and_later_events_are_late() {
    let world = world();
    let run = waiting(&world, "k").await;
    world.cancel(run).await.unwrap();
    assert_eq!(world.status(run).await.unwrap(), RunStatus::Cancelled);
    assert_eq!(types(&world, run).await.last(), Some(&"brain:cancelled"));
    let (_, body) = post(&world, "1", "k", "a", "resume").await;
    assert_eq!((&body["action"], &body["reason"]), (&json!("late"), &json!("cancel")));
    world.advance(TIMEOUT * 2).await.unwrap();
    assert_eq!(world.status(run).await.unwrap(), RunStatus::Cancelled);
}

#[tokio::test]
async fn rule_18_a_duplicate_names_the_original() {
    let world = world();
    let run = waiting(&world, "k").await;
    let (_, first) = post(&world, "1", "k", "a", "resume").await;
    let (status, body) = post(&world, "1", "k", "a", "resume").await;
    assert_eq!((status, &body["action"]), (200, &json!("duplicate")));
    assert_eq!(
        body["original"],
        json!({"deliveryId": first["deliveryId"], "action": "resumed", "brainRunId": run.to_string()})
    );
    let inbox = world.inbox().await.unwrap();
    assert_eq!(inbox[1].events[0].state, InboxState::Duplicate);
    assert_eq!(inbox[1].events[0].original.map(|id| id.to_string()).as_deref(), first["deliveryId"].as_str());
}

#[tokio::test]
async fn rule_17_a_failed_handler_burns_no_dedup_key() {
    let world = world();
    for then in ["fail", "panic"] {
        let (status, body) = post(&world, "1", "k", "a", then).await;
        assert_eq!((status, &body["error"]), (500, &json!("Failed to process webhook")));
    }
    let (_, body) = post(&world, "1", "k", "a", "resume").await;
    assert_eq!(body["action"], "queued");
    let states: Vec<_> =
        world.inbox().await.unwrap().iter().map(|delivery| delivery.events[0].state).collect();
    assert_eq!(
        states,
        [InboxState::Ignored, InboxState::Ignored, InboxState::Queued],
        "superseded by the retry"
    );
}

#[tokio::test]
async fn a_payload_that_does_not_fit_is_quarantined_with_every_violation() {
    let world = world();
    let answer = world.post("mail", &json!({"id": 7, "key": "k", "then": "resume"})).await.unwrap();
    let body: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(answer.status, 422);
    let paths: Vec<_> = body["violations"].as_array().unwrap().iter().map(|v| v["path"].clone()).collect();
    assert!(paths.contains(&json!("/id")), "{body}");
    assert_eq!(world.inbox().await.unwrap()[0].events[0].state, InboxState::Quarantined);
}

#[tokio::test]
async fn an_identifier_must_say_something() {
    let world = world();
    for key in [String::new(), "x".repeat(10_240)] {
        let (status, body) = post(&world, "1", &key, "a", "resume").await;
        assert_eq!(status, 422);
        assert!(body["violations"][0]["message"].as_str().unwrap().contains("identifier"), "{body}");
    }
}

#[tokio::test]
async fn a_failing_step_and_a_panicking_step_end_the_run_and_say_so() {
    let world = world();
    for (key, kind) in [("error", "Step"), ("panic", "Panic")] {
        let run = world.start(project::broken, Ask { key: key.into() }).await.unwrap();
        world.settle().await.unwrap();
        let record = world.run(run).await.unwrap().unwrap();
        assert_eq!(record.status, RunStatus::Error);
        assert!(record.error.unwrap().message.contains("asked to"));
        let log = world.log(run).await.unwrap();
        let [.., error, status] = log.as_slice() else { panic!("a log") };
        assert!(
            matches!(&error.event, EventBody::BrainError { error } if format!("{:?}", error.kind) == kind)
        );
        assert_eq!(status.event.name(), "step:status");
    }
}

#[tokio::test]
async fn the_clock_set_back_rings_nothing_twice() {
    let world = world();
    let run = waiting(&world, "k").await;
    world.advance(TIMEOUT).await.unwrap();
    world.clock().set(world.now().after(Duration::ZERO));
    let length = world.log(run).await.unwrap().len();
    world.clock().set(px_testkit::Timestamp::from_millis(world.now().as_millis() - 3_600_000));
    world.advance(Duration::from_secs(7200)).await.unwrap();
    assert_eq!(world.log(run).await.unwrap().len(), length);
}

#[tokio::test]
async fn rule_1_a_wait_that_ends_between_two_reads_makes_the_event_read_anew() {
    let world = world();
    let run = waiting(&world, "k").await;
    let other = World::over(registry(), std::sync::Arc::clone(world.rows()), 1_000_000).unwrap();
    world.store().between(async move { other.cancel(run).await.unwrap() });
    let (status, body) = post(&world, "1", "k", "a", "resume").await;
    assert_eq!((status, &body["action"], &body["reason"]), (200, &json!("late"), &json!("cancel")));
}
