//! Answers by hand: they are checked before anything is consumed, and end a wait
//! as an event does (docs/rules.md#5, #51).

#![expect(clippy::unwrap_used, reason = "a test says by panicking that it failed")]

mod audited;
mod project;

use audited::Audited;
use project::{Ask, event, listener, question, registry, sleeper, survey, thread};
use px_core::{RunId, RunStatus};
use px_inbound::OperatorError;
use px_testkit::{World, WorldError};
use serde_json::{Value, json};

async fn started(world: &World, brain: fn() -> px_sdk::Brain<Ask>) -> RunId {
    let run = world.start(brain, Ask { key: "k".into() }).await.unwrap();
    world.settle().await.unwrap();
    run
}

/// The paths and messages of a response that fits nothing.
fn violations(answered: Result<(), WorldError>) -> Vec<(String, String)> {
    match answered {
        Err(WorldError::Operator(OperatorError::Unfit(violations))) => {
            violations.into_iter().map(|one| (one.path, one.message)).collect()
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn rule_51_a_response_that_fits_nothing_is_refused_and_the_wait_is_still_open() {
    let world = Audited::new(registry());
    let run = started(&world, survey).await;
    let log = world.log(run).await.unwrap().len();
    for response in [json!({}), json!({"nonsense": 1}), json!({"text": 7}), json!({"text": null})] {
        let found = violations(world.answer(run, response.clone()).await);
        assert!(found.iter().any(|(_, message)| message.contains("'mail'")), "{response}: {found:?}");
        let of_one = violations(world.answer_as(run, "phone", response.clone()).await);
        assert!(!of_one.is_empty() && !of_one[0].1.contains("'mail'"), "{response}: {of_one:?}");
    }
    assert_eq!(violations(world.answer(run, json!({"text": 7})).await)[0].0, "/text");
    let (_, message) = violations(world.answer_as(run, "fax", json!({"text": "x"})).await).remove(0);
    assert!(message.contains("'fax'") && message.contains("mail, phone"), "{message}");
    assert_eq!(world.status(run).await.unwrap(), RunStatus::Waiting);
    assert_eq!(world.log(run).await.unwrap().len(), log);
    let answer = world.post("mail", &event("1", "k", "real", "resume")).await.unwrap();
    assert_eq!((answer.action, answer.run), (Some("resumed"), Some(run)));
    world.settle().await.unwrap();
    assert_eq!(world.state(run).await.unwrap(), json!({"answer": "real", "from": "mail"}));
}

#[tokio::test]
async fn rule_51_a_response_is_given_to_the_webhook_that_is_named_else_to_the_first_that_it_fits() {
    for (slug, from) in [(None, "mail"), (Some("mail"), "mail"), (Some("phone"), "phone")] {
        let world = Audited::new(registry());
        let run = started(&world, survey).await;
        let response = json!({"text": "hand"});
        match slug {
            Some(slug) => world.answer_as(run, slug, response).await.unwrap(),
            None => world.answer(run, response).await.unwrap(),
        }
        world.settle().await.unwrap();
        assert_eq!(world.state(run).await.unwrap(), json!({"answer": "hand", "from": from}));
    }
}

#[tokio::test]
async fn rule_51_a_run_that_listens_to_nothing_takes_no_answer() {
    let world = Audited::new(registry());
    let asleep = started(&world, sleeper).await;
    assert!(matches!(
        world.answer(asleep, json!({"text": "x"})).await,
        Err(WorldError::Operator(OperatorError::Draft(_)))
    ));
    let paused = started(&world, survey).await;
    world.pause(paused).await.unwrap();
    assert!(matches!(
        world.answer(paused, json!({"text": "x"})).await,
        Err(WorldError::Operator(OperatorError::Draft(_)))
    ));
}

#[tokio::test]
async fn rule_51_what_was_given_while_the_run_worked_is_only_taken_by_a_wait_that_it_fits() {
    let world = Audited::new(registry());
    let run = world.start(survey, Ask { key: "k".into() }).await.unwrap();
    world.answer(run, json!({"nonsense": 1})).await.unwrap();
    world.settle().await.unwrap();
    assert_eq!(world.status(run).await.unwrap(), RunStatus::Waiting);
    world.answer(run, json!({"text": "then"})).await.unwrap();
    world.settle().await.unwrap();
    assert_eq!(world.state(run).await.unwrap()["answer"], "then");
}

#[tokio::test]
async fn rule_5_what_comes_after_an_answer_by_hand_is_for_the_next_wait() {
    let world = Audited::new(registry());
    let first = event("0", "k", "first", "resume");
    let run = world.start(thread, first).await.unwrap();
    world.settle().await.unwrap();
    assert_eq!(world.status(run).await.unwrap(), RunStatus::Waiting);
    world.answer(run, json!({"text": "hand"})).await.unwrap();
    // Before the step runs: nobody waits, and the run owns nothing.
    let answer = world.post("mail", &event("1", "k", "between", "resume")).await.unwrap();
    assert_eq!(answer.action, Some("queued"), "{}", answer.body);
    world.settle().await.unwrap();
    world.post("mail", &event("2", "k", "bye", "resume")).await.unwrap();
    world.settle().await.unwrap();
    assert_eq!(world.state(run).await.unwrap()["texts"], json!(["first", "hand", "between", "bye"]));
}

#[tokio::test]
async fn rule_5_an_answer_by_hand_makes_nothing_late_on_any_key_of_the_wait() {
    for slug in ["mail", "phone"] {
        let world = Audited::new(registry());
        let run = started(&world, survey).await;
        world.answer(run, json!({"text": "hand"})).await.unwrap();
        world.settle().await.unwrap();
        let answer = world.post(slug, &event("1", "k", "after", "resume")).await.unwrap();
        assert_eq!(answer.action, Some("queued"), "{slug}: {}", answer.body);
        if slug == "mail" {
            let next = started(&world, question).await;
            assert_eq!(world.state(next).await.unwrap()["answer"], "after");
        }
    }
}

#[tokio::test]
async fn rule_5_what_comes_after_the_end_of_a_stream_is_late_and_says_that_it_was_done() {
    for slug in ["mail", "phone"] {
        let world = Audited::new(registry());
        let run = started(&world, listener).await;
        world.post("mail", &event("1", "k", "bye", "resume")).await.unwrap();
        world.settle().await.unwrap();
        assert_eq!(world.status(run).await.unwrap(), RunStatus::Complete);
        let answer = world.post(slug, &event("2", "k", "more", "resume")).await.unwrap();
        let body: Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!((&body["action"], &body["reason"]), (&json!("late"), &json!("done")));
        let inbox = world.inbox().await.unwrap();
        assert_eq!(inbox[1].events[0].reason.as_deref(), Some("its wait was over"));
    }
}
