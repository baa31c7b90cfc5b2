//! Answers by hand: they are checked before anything is consumed, and end a wait
//! as an event does (docs/rules.md#5, #51).

#![expect(clippy::unwrap_used, reason = "a test says by panicking that it failed")]

mod audited;
mod project;

use audited::Audited;
use project::{Ask, Text, event, listener, mail, question, registry, sleeper, survey, thread};
use px_core::{RunId, RunStatus};
use px_inbound::OperatorError;
use px_sdk::{Brain, Cx, Inbound, Next, Result, Waiting, brain, verify, wait_for};
use px_testkit::{World, WorldError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
struct Number {
    #[schemars(range(min = 1))]
    number: u32,
}

mod numbers {
    use super::*;

    px_sdk::webhook! {
        slug = "numbers",
        payload = Number,
        response = Number,
        verify = verify::unverified(),
        handler = receive,
    }

    async fn receive(number: Number) -> Result<Inbound<Number>> {
        Ok(Inbound::resume("k", number))
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Read {
    key: String,
    text: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct ReadAndCounted {
    text: String,
    number: u32,
}

/// Waits for a text, and then for a number.
fn text_and_number() -> Brain<Ask> {
    brain("text and number").step("ask", ask_text).step("ask again", ask_number).step("end", end).build()
}
px_sdk::brain!(text_and_number);

async fn ask_text(_cx: Cx, ask: Ask) -> Result<Waiting<Ask, Text>> {
    let on = mail::on(&ask.key);
    Ok(wait_for(ask, on))
}

async fn ask_number(_cx: Cx, ask: Ask, text: Text) -> Result<Waiting<Read, Number>> {
    let on = numbers::on(&ask.key);
    Ok(wait_for(Read { key: ask.key, text: text.text }, on))
}

async fn end(_cx: Cx, read: Read, number: Number) -> Result<Next<ReadAndCounted>> {
    Ok(Next(ReadAndCounted { text: read.text, number: number.number }))
}

async fn started(world: &World, brain: fn() -> Brain<Ask>) -> RunId {
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
async fn rule_51_an_answer_that_fits_nothing_yet_holds_up_none_behind_it() {
    let world = Audited::new(registry());
    let run = world.start(survey, Ask { key: "k".into() }).await.unwrap();
    world.answer(run, json!({"nonsense": 1})).await.unwrap();
    world.answer(run, json!({"text": "behind it"})).await.unwrap();
    world.settle().await.unwrap();
    assert_eq!(world.state(run).await.unwrap()["answer"], "behind it");
}

#[tokio::test]
async fn rule_51_what_was_given_too_early_is_checked_by_the_schema_of_the_wait_that_comes() {
    let world = Audited::new(registry());
    let run = world.start(text_and_number, Ask { key: "k".into() }).await.unwrap();
    for answer in [json!({"number": 0}), json!({"text": "now"}), json!({"number": 3})] {
        world.answer(run, answer).await.unwrap();
    }
    world.settle().await.unwrap();
    assert_eq!(world.state(run).await.unwrap(), json!({"text": "now", "number": 3}), "0 is less than 1");
}

#[tokio::test]
async fn rule_51_an_answer_to_an_open_wait_takes_no_kept_one_away() {
    let world = Audited::new(registry());
    let run = world.start(text_and_number, Ask { key: "k".into() }).await.unwrap();
    world.answer(run, json!({"number": 2})).await.unwrap();
    world.settle().await.unwrap();
    assert_eq!(world.status(run).await.unwrap(), RunStatus::Waiting, "the first wait wants a text");
    world.answer(run, json!({"text": "now"})).await.unwrap();
    world.settle().await.unwrap();
    assert_eq!(
        world.state(run).await.unwrap(),
        json!({"text": "now", "number": 2}),
        "the second took what was kept"
    );
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
