//! Signed links and whoever is no person with a mail: scanners, other pages, impatient
//! clickers, readers of the store, and runs that go back.

#![expect(clippy::unwrap_used, reason = "a test says by panicking that it failed")]

mod asked;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use asked::{OWN, Refund, board, refund, single, votes};
use px_core::event::EventBody;
use px_core::{RunId, RunStatus};
use px_inbound::{LinkAnswer, LinkState, Retention};
use px_sdk::{Brain, Registry};
use px_store::InboxState;
use px_testkit::{Access, World};
use serde_json::{Value, json};

async fn started(brain: fn() -> Brain<Refund>) -> (World, RunId, String) {
    let world = World::new(Registry::collect().unwrap()).unwrap();
    let run = world.start(brain, refund("Refund?")).await.unwrap();
    world.settle().await.unwrap();
    let link = world.links(run).await.unwrap().remove(0).0;
    (world, run, link)
}

async fn form(world: &World, link: &str) -> String {
    let page = world.open_link(link).await.unwrap();
    format!("nonce={}&answer=0", page.nonce.unwrap())
}

async fn is_waiting(world: &World, run: RunId) {
    world.settle().await.unwrap();
    assert_eq!(world.status(run).await.unwrap(), RunStatus::Waiting);
    assert!(world.inbox().await.unwrap().is_empty(), "what is refused leaves no record");
}

#[tokio::test]
async fn a_scanner_that_opens_a_link_120_times_changes_nothing() {
    let (world, run, link) = started(single).await;
    let before = (world.store().commits(), world.run(run).await.unwrap());
    for _ in 0..120 {
        let page = world.open_link(&link).await.unwrap();
        assert_eq!((page.answer.status, page.state, page.location), (200, LinkState::Open, None));
    }
    assert_eq!((world.store().commits(), world.run(run).await.unwrap()), before);
    is_waiting(&world, run).await;
    // Then the person.
    let form = form(&world, &link).await;
    let answered = world.post_link(&link, Some(OWN), &form).await.unwrap();
    assert_eq!((answered.answer.status, answered.location), (303, Some("?answered")));
    world.settle().await.unwrap();
    assert_eq!(world.state(run).await.unwrap()["decided"], json!(["anna: Approve"]));
    let after = world.store().commits();
    for _ in 0..120 {
        assert_eq!(world.open_link(&link).await.unwrap().state, LinkState::Answered);
    }
    assert_eq!(world.store().commits(), after);
}

#[tokio::test]
async fn only_the_page_of_the_link_answers_it() {
    let (world, run, link) = started(board).await;
    let other = world.links(run).await.unwrap()[1].0.clone();
    let (good, of_other) = (form(&world, &link).await, form(&world, &other).await);
    for origin in [None, Some("null"), Some("https://evil.example"), Some("http://127.0.0.1:8788"), Some("")]
    {
        let refused = world.post_link(&link, origin, &good).await.unwrap();
        assert_eq!((refused.answer.status, refused.state), (403, LinkState::Foreign), "{origin:?}");
    }
    let stale = |page: &LinkAnswer| {
        assert_eq!((page.answer.status, page.state), (409, LinkState::Open));
        assert!(page.answer.body.contains("Refund?") && page.answer.body.contains("role=\"alert\""));
    };
    for form in [&*of_other, "", "nonce=&answer=0", "answer=0", "nonce=AAAA&answer=0", "\u{0}\u{1}%ff"] {
        stale(&world.post_link(&link, Some(OWN), form).await.unwrap());
    }
    for answer in ["", "2", "-1", "Approve", "99999999999999999999", "0&answer=1", "%30%00"] {
        let form = good.replace("answer=0", &format!("answer={answer}"));
        let page = world.post_link(&link, Some(OWN), &form).await.unwrap();
        assert_eq!((page.answer.status, page.state), (422, LinkState::Open), "{answer}");
    }
    world.advance(Duration::from_mins(10)).await.unwrap();
    let page = world.post_link(&link, Some(OWN), &good).await.unwrap();
    stale(&page);
    is_waiting(&world, run).await;
    // Nothing is lost: the page that says so can be used.
    let again = format!("nonce={}&answer=1", page.nonce.unwrap());
    assert_eq!(world.post_link(&link, Some(OWN), &again).await.unwrap().answer.status, 303);
    assert_eq!(world.inbox().await.unwrap()[0].events[0].state, InboxState::Collected);
}

#[tokio::test]
async fn two_clicks_are_one_answer_at_once_and_one_after_the_other() {
    let (world, run, link) = started(single).await;
    let first = form(&world, &link).await;
    let second = first.replace("answer=0", "answer=1");
    let (a, b) =
        tokio::join!(world.post_link(&link, Some(OWN), &first), world.post_link(&link, Some(OWN), &second));
    assert_eq!((a.unwrap().answer.status, b.unwrap().answer.status), (303, 303));
    assert_eq!(world.post_link(&link, Some(OWN), &second).await.unwrap().answer.status, 303);
    world.settle().await.unwrap();
    let decided = world.state(run).await.unwrap()["decided"].clone();
    assert_eq!(decided.as_array().unwrap().len(), 1, "{decided}");
    let inbox = world.inbox().await.unwrap();
    let resumed = inbox.iter().filter(|one| one.events[0].state == InboxState::Resumed).count();
    assert!(resumed == 1 && inbox.iter().all(|one| one.slug == "px.link"), "{inbox:#?}");
    assert!(world.audit().await.unwrap().is_clean());
}

#[tokio::test]
async fn a_token_is_stored_nowhere() {
    let (world, run, link) = started(single).await;
    let form = form(&world, &link).await;
    world.post_link(&link, Some(OWN), &form).await.unwrap();
    world.settle().await.unwrap();
    let log: Vec<Value> =
        world.log(run).await.unwrap().iter().map(|event| serde_json::to_value(event).unwrap()).collect();
    let (log, run) = (json!(log).to_string(), json!(world.run(run).await.unwrap()).to_string());
    assert!(log.contains("lnk_") && run.contains("Refund?"), "the question is kept: {run}");
    let inbox = format!("{:?}", world.inbox().await.unwrap());
    assert!(inbox.contains("/webhooks/system/link/[redacted]"), "{inbox}");
    let digits = link.rsplit("pxl_").next().unwrap();
    for (place, text) in [("log", log), ("run", run), ("inbox", inbox)] {
        assert!(!text.contains("pxl_") && !text.contains(&digits[60..]), "{place}: {text}");
    }
}

#[tokio::test]
async fn a_run_that_goes_back_asks_by_another_link() {
    let (world, run, link) = started(single).await;
    world.cancel(run).await.unwrap();
    world.rerun(run, 1).await.unwrap();
    world.settle().await.unwrap();
    let again = world.links(run).await.unwrap().remove(0).0;
    assert_ne!(link, again);
    let states = [&link, &again].map(|link| world.open_link(link));
    let [old, new] = states.map(Box::pin);
    assert_eq!((old.await.unwrap().state, new.await.unwrap().state), (LinkState::Closed, LinkState::Open));
    let form = form(&world, &again).await;
    let refused = world.post_link(&link, Some(OWN), &form).await.unwrap();
    assert_eq!((refused.answer.status, refused.location), (303, Some("?answered")));
    is_waiting(&world, run).await;
    // A run beside it has links of its own.
    let fork = world.fork(run, 1, None).await.unwrap();
    world.settle().await.unwrap();
    let forked = world.links(fork).await.unwrap().remove(0).0;
    assert_ne!(again, forked);
    assert_eq!(world.post_link(&forked, Some(OWN), &form).await.unwrap().answer.status, 409);
}

#[tokio::test]
async fn by_hand_only_an_answer_of_the_question_is_taken() {
    let (world, run, _) = started(single).await;
    for wrong in [json!({}), json!({"answer": "maybe"}), json!({"answer": "Approve"}), json!({"answer": 1})] {
        let error = world.answer(run, wrong.clone()).await.unwrap_err().to_string();
        assert!(error.contains("fits nothing that the run waits for"), "{wrong}: {error}");
    }
    is_waiting(&world, run).await;
    world.answer_as(run, "px.link", json!({"answer": "refuse", "by": "the boss"})).await.unwrap();
    world.settle().await.unwrap();
    assert_eq!(world.state(run).await.unwrap()["decided"], json!(["the boss: Refuse"]));
}

#[tokio::test]
async fn a_link_of_a_stream_has_one_vote_also_once_its_delivery_is_forgotten() {
    let (world, run, link) = started(votes).await;
    let vote = form(&world, &link).await;
    world.post_link(&link, Some(OWN), &vote).await.unwrap();
    world.settle().await.unwrap();
    world.advance(Duration::from_hours(24 * 40)).await.unwrap();
    world.sweep(&Retention::default()).await.unwrap();
    assert!(world.inbox().await.unwrap().is_empty(), "it is forgotten");
    let page = world.open_link(&link).await.unwrap();
    assert!(page.state == LinkState::Answered && page.nonce.is_none(), "{:?}", page.state);
    let again = world.post_link(&link, Some(OWN), &vote).await.unwrap();
    assert_eq!((again.answer.status, again.location), (303, Some("?answered")));
    is_waiting(&world, run).await;
    // Nor has an operator another one of hers.
    let by_anna = json!({"answer": "approve", "by": "anna"});
    let error = format!("{:?}", world.answer(run, by_anna).await.unwrap_err());
    assert!(error.contains("'anna' has answered already"), "{error}");
    world.answer(run, json!({"answer": "refuse"})).await.unwrap();
    world.settle().await.unwrap();
    assert_eq!(world.status(run).await.unwrap(), RunStatus::Complete);
    assert_eq!(world.state(run).await.unwrap()["decided"], json!(["anna: Approve", "nobody: Refuse"]));
    assert!(world.audit().await.unwrap().is_clean());
}

/// The links of a run that were answered, by their place in the wait.
async fn places(world: &World, run: RunId) -> Vec<u32> {
    let log = world.log(run).await.unwrap();
    let place = |event: &EventBody| match event {
        EventBody::WaitCollected { collected, .. } => Some(collected.index),
        EventBody::WaitAnswered { given, .. } => Some(given.index),
        _ => None,
    };
    log.iter().filter_map(|entry| place(&entry.event)).collect()
}

#[tokio::test]
async fn by_hand_each_link_has_one_answer_and_whoever_is_named_has_theirs() {
    let (world, run, _) = started(board).await;
    for _ in 0..2 {
        world.answer(run, json!({"answer": "approve"})).await.unwrap();
        world.settle().await.unwrap();
    }
    assert_eq!(places(&world, run).await, [0, 1], "two people");
    let (world, run, anna) = started(board).await;
    let eve = world.links(run).await.unwrap()[2].0.clone();
    world.answer_as(run, "px.link", json!({"answer": "approve", "by": "eve"})).await.unwrap();
    world.settle().await.unwrap();
    assert_eq!(places(&world, run).await, [2]);
    assert_eq!(world.open_link(&eve).await.unwrap().state, LinkState::Answered);
    let by_eve = json!({"answer": "approve", "by": "eve"});
    let error = format!("{:?}", world.answer(run, by_eve).await.unwrap_err());
    assert!(error.contains("'eve' has answered already"), "{error}");
    let vote = form(&world, &anna).await;
    world.post_link(&anna, Some(OWN), &vote).await.unwrap();
    world.settle().await.unwrap();
    assert_eq!(places(&world, run).await, [2, 0]);
}

#[tokio::test]
async fn a_link_that_is_over_has_the_log_read_for_it_once() {
    for brain in [single as fn() -> Brain<Refund>, board] {
        let (world, _, link) = started(brain).await;
        let vote = form(&world, &link).await;
        world.post_link(&link, Some(OWN), &vote).await.unwrap();
        world.settle().await.unwrap();
        let reads = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&reads);
        world.store().gate(move |access| {
            if matches!(access, Access::Read("events")) {
                seen.fetch_add(1, Ordering::Relaxed);
            }
            Box::pin(std::future::ready(()))
        });
        for _ in 0..120 {
            assert_eq!(world.open_link(&link).await.unwrap().state, LinkState::Answered);
        }
        assert_eq!(reads.load(Ordering::Relaxed), 1);
    }
}
