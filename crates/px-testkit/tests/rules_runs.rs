//! The rules of runs and their steps that have no other test, each by its
//! number, in virtual time.

#![expect(clippy::unwrap_used, reason = "a test says by panicking that it failed")]

mod project;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use project::{Ask, TIMEOUT, Text, event, registry, survey};
use px_core::event::{Cause, EventBody};
use px_core::{RunId, RunStatus, Scope};
use px_engine::{Engine, Limits, Parts, Places};
use px_sdk::{Brain, Cx, Next, Result, Waiting, brain, wait_for};
use px_store::cluster::{Cluster as _, OneMember};
use px_testkit::{Fault, World, WorldError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::Notify;

fn world() -> World {
    World::new(registry()).unwrap()
}

async fn started(world: &World, brain: fn() -> Brain<Ask>, key: &str) -> RunId {
    let run = world.start(brain, Ask { key: key.into() }).await.unwrap();
    world.settle().await.unwrap();
    run
}

async fn types(world: &World, run: RunId) -> Vec<&'static str> {
    world.log(run).await.unwrap().iter().map(|event| event.event.name()).collect()
}

/// The attempts of all executions of steps, in order.
async fn attempts(world: &World, run: RunId) -> Vec<u32> {
    let log = world.log(run).await.unwrap();
    let starts = log.iter().filter_map(|entry| match &entry.event {
        EventBody::StepStart { attempt, .. } => Some(*attempt),
        _ => None,
    });
    starts.collect()
}

async fn end(_cx: Cx, ask: Ask) -> Result<Next<Ask>> {
    Ok(Next(ask))
}

static EFFECTS: AtomicU32 = AtomicU32::new(0);
static EXECUTIONS: AtomicU32 = AtomicU32::new(0);

fn memoising() -> Brain<Ask> {
    brain("memoising").step("work", memoise).step("end", end).build()
}
px_sdk::brain!(memoising);

async fn memoise(cx: Cx, ask: Ask) -> Result<Next<Ask>> {
    EXECUTIONS.fetch_add(1, Ordering::SeqCst);
    let made = cx.once("effect", || async { Ok(EFFECTS.fetch_add(1, Ordering::SeqCst)) }).await?;
    Ok(Next(Ask { key: format!("{}{made}", ask.key) }))
}

#[tokio::test]
async fn rule_13_a_step_that_was_dropped_runs_again_with_its_memoised_values() {
    let mut world = world();
    let run = world.start(memoising, Ask { key: "k".into() }).await.unwrap();
    // The start with the claim, the `once`, and then the step's return, which never happens.
    world.store().plan(|number, _| (number == 2).then_some(Fault::DiesBefore));
    assert!(matches!(world.settle().await, Err(WorldError::Died)));
    world.restart().unwrap();
    world.settle().await.unwrap();
    assert_eq!(world.state(run).await.unwrap(), json!({"key": "k0"}));
    let counts = (EXECUTIONS.load(Ordering::SeqCst), EFFECTS.load(Ordering::SeqCst));
    assert_eq!(counts, (2, 1), "run twice, effective once");
    assert_eq!(attempts(&world, run).await, [1, 1, 1], "a death is no attempt");
}

async fn ask_mail(_cx: Cx, ask: Ask) -> Result<Waiting<Ask, Text>> {
    let on = project::mail::on(&ask.key);
    Ok(wait_for(ask, on))
}

fn persistent() -> Brain<Ask> {
    brain("persistent")
        .step("ask", ask_mail)
        .step("note", note_at_last)
        .retry(px_sdk::Retry::attempts(3).base(Duration::from_secs(10)))
        .build()
}
px_sdk::brain!(persistent);

async fn note_at_last(cx: Cx, _ask: Ask, text: Text) -> Result<Next<Ask>> {
    if cx.attempt() < 3 {
        px_sdk::bail!("attempt {} of '{}'", cx.attempt(), text.text);
    }
    Ok(Next(Ask { key: text.text }))
}

#[tokio::test]
async fn hard_case_13_a_step_that_is_retried_gets_the_response_again_also_after_a_restart() {
    let mut world = world();
    let run = started(&world, persistent, "k").await;
    world.post("mail", &event("1", "k", "fine", "resume")).await.unwrap();
    world.settle().await.unwrap();
    world.restart().unwrap();
    for _ in 0..2 {
        world.advance(Duration::from_secs(60)).await.unwrap();
    }
    assert_eq!(world.state(run).await.unwrap(), json!({"key": "fine"}));
    assert_eq!(attempts(&world, run).await, [1, 1, 2, 3]);
    let answers = types(&world, run).await.iter().filter(|name| **name == "brain:webhook_response").count();
    assert_eq!(answers, 1, "the response is one entry of the log");
}

fn repeating() -> Brain<Ask> {
    brain("repeating").step("work", repeat).build()
}
px_sdk::brain!(repeating);

async fn repeat(cx: Cx, ask: Ask) -> Result<Next<Ask>> {
    cx.once("same", || async { Ok(1) }).await?;
    cx.once("same", || async { Ok(2) }).await?;
    Ok(Next(ask))
}

#[tokio::test]
async fn rule_15_one_name_twice_in_an_execution_is_an_error_and_values_end_with_their_step() {
    let world = world();
    let run = started(&world, repeating, "k").await;
    let record = world.run(run).await.unwrap().unwrap();
    assert_eq!(record.status, RunStatus::Error);
    assert!(record.error.unwrap().message.contains("called twice with the name 'same'"));
    let run = started(&world, survey, "k").await;
    let record = world.run(run).await.unwrap().unwrap();
    assert!(types(&world, run).await.contains(&"step:once"));
    assert!(record.once.is_empty(), "the step is through, and what it remembered is gone");
}

fn third() -> Brain<Ask> {
    brain("third").version(3).step("end", end).build()
}
px_sdk::brain!(third);

#[tokio::test]
async fn rule_32_a_run_knows_its_version_and_why_it_was_started() {
    let world = world();
    let by_api = started(&world, third, "k").await;
    let record = world.run(by_api).await.unwrap().unwrap();
    assert_eq!(record.cause, Cause::Api);
    let first = px_core::wire::event(&record, &world.log(by_api).await.unwrap()[0]);
    assert_eq!((&first["brainVersion"], &first["cause"]["kind"]), (&json!(3), &json!("api")));
    let answer = world.post("mail", &event("1", "t", "hello", "or_start")).await.unwrap();
    let by_event = world.run(answer.run.unwrap()).await.unwrap().unwrap();
    let of_inbox = world.inbox().await.unwrap()[0].events[0].id;
    assert_eq!(by_event.cause, Cause::Event(of_inbox));
    // The trace of the request that it came by; what is none counts for nothing.
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    for (id, header, kept) in [("2", trace, Some(trace.to_owned())), ("3", "00-0-0-01", None)] {
        let headers = [("traceparent", header)];
        let answer = world.post_with("mail", &headers, &event(id, id, "hello", "or_start")).await.unwrap();
        let run = world.run(answer.run.unwrap()).await.unwrap().unwrap();
        assert_eq!(run.traceparent, kept);
    }
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Measured {
    value: f64,
    #[serde(skip)]
    remembered: u32,
}

fn measuring() -> Brain<Measured> {
    brain("measuring").step("divide", divide).step("look", look).build()
}
px_sdk::brain!(measuring);

async fn divide(_cx: Cx, measured: Measured) -> Result<Next<Measured>> {
    Ok(Next(Measured { value: measured.value * measured.value.recip(), remembered: 7 }))
}

async fn look(_cx: Cx, measured: Measured) -> Result<Next<Ask>> {
    Ok(Next(Ask { key: format!("{} {}", measured.value, measured.remembered) }))
}

#[tokio::test]
async fn rule_33_what_is_no_number_is_an_error_of_the_step_that_made_it() {
    let world = world();
    let run = world.start(measuring, Measured { value: 0.0, remembered: 0 }).await.unwrap();
    world.settle().await.unwrap();
    let record = world.run(run).await.unwrap().unwrap();
    assert_eq!(record.status, RunStatus::Error, "{record:?}");
    let error = record.error.unwrap().message;
    assert!(error.contains("NaN"), "{error}");
}

#[tokio::test]
async fn rule_34_a_step_gets_what_was_committed_and_not_what_was_in_memory() {
    let world = world();
    let run = world.start(measuring, Measured { value: 2.0, remembered: 7 }).await.unwrap();
    world.settle().await.unwrap();
    assert_eq!(world.state(run).await.unwrap(), json!({"key": "1 0"}));
    let refused = world.start(numbers, vec![1_u32]).await;
    assert!(matches!(refused, Err(WorldError::Control(_))), "a state is an object: {refused:?}");
}

fn numbers() -> Brain<Vec<u32>> {
    brain("numbers").step("end", end_numbers).build()
}
px_sdk::brain!(numbers);

async fn end_numbers(_cx: Cx, _numbers: Vec<u32>) -> Result<Next<Ask>> {
    Ok(Next(Ask { key: String::new() }))
}

static ENTERED: Notify = Notify::const_new();
static HEARD: AtomicU32 = AtomicU32::new(0);
static GO_ON: Notify = Notify::const_new();

fn long() -> Brain<Ask> {
    brain("long").step("work", work_long).step("end", end).build()
}
px_sdk::brain!(long);

/// Works until it is told to go on, or that its run is cancelled.
async fn work_long(cx: Cx, ask: Ask) -> Result<Next<Ask>> {
    ENTERED.notify_one();
    tokio::select! {
        () = GO_ON.notified() => {}
        () = cx.cancelled() => {
            HEARD.fetch_add(1, Ordering::SeqCst);
            // What it does now can be committed no more: the fence is gone.
            assert!(cx.once("clean up", || async { Ok(()) }).await.is_err());
            HEARD.fetch_add(1, Ordering::SeqCst);
        }
    }
    Ok(Next(ask))
}

#[tokio::test(start_paused = true)]
async fn rule_35_a_cancel_of_a_running_step_counts_at_once_and_a_pause_when_it_is_through() {
    let world = world();
    let cancelled = world.start(long, Ask { key: "c".into() }).await.unwrap();
    let (settled, ()) = tokio::join!(world.settle(), async {
        ENTERED.notified().await;
        // So long that watchers see the step run.
        tokio::time::sleep(Duration::from_secs(1)).await;
        world.cancel(cancelled).await.unwrap();
        assert_eq!(world.status(cancelled).await.unwrap(), RunStatus::Cancelled);
    });
    settled.unwrap();
    assert_eq!(HEARD.load(Ordering::SeqCst), 2, "the step was told, and could record nothing");
    let log = types(&world, cancelled).await;
    assert_eq!(log.last(), Some(&"brain:cancelled"));
    assert!(!log.contains(&"step:once") && !log.contains(&"step:complete"), "{log:?}");

    let paused = world.start(long, Ask { key: "p".into() }).await.unwrap();
    let (settled, ()) = tokio::join!(world.settle(), async {
        ENTERED.notified().await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        world.pause(paused).await.unwrap();
        assert_eq!(world.status(paused).await.unwrap(), RunStatus::Running);
        GO_ON.notify_one();
    });
    settled.unwrap();
    assert_eq!(world.status(paused).await.unwrap(), RunStatus::Paused);
    let steps = types(&world, paused).await.iter().filter(|name| **name == "step:complete").count();
    assert_eq!(steps, 1, "the step that ran is through, the next has not begun");
    assert!(world.audit().await.unwrap().is_clean());
}

#[tokio::test]
async fn rule_36_after_three_deaths_in_one_execution_the_run_is_paused_and_no_attempt_is_used_up() {
    let mut world = world();
    let run = world.start(project::flaky, Ask { key: "permanent".into() }).await.unwrap();
    for _ in 0..3 {
        // The run is claimed, at first by its start; the step's first commit never happens.
        world.store().plan(|_, batch| (!batch.runs.is_empty()).then_some(Fault::DiesBefore));
        assert!(matches!(world.settle().await, Err(WorldError::Died)));
        world.restart().unwrap();
    }
    world.settle().await.unwrap();
    let record = world.run(run).await.unwrap().unwrap();
    assert_eq!(record.status, RunStatus::Paused);
    assert!(record.reason.unwrap().contains("3 processes died while this step ran"));
    assert!(!types(&world, run).await.contains(&"step:retry"));
    world.resume(run).await.unwrap();
    world.settle().await.unwrap();
    assert_eq!(attempts(&world, run).await, [1], "a death is no attempt");
}

#[tokio::test(start_paused = true)]
async fn rule_41_without_any_hint_everything_happens_within_a_second() {
    let world = world();
    world.rows().hints().mute();
    let ids = Arc::new(px_core::Ids::counted(1_000_000));
    let (registry, member) = (Arc::new(registry()), OneMember::new(ids.version(world.now())));
    let parts = Parts {
        store: Arc::clone(world.rows()),
        registry: Arc::clone(&registry),
        clock: Arc::new(world.clock().clone()),
        places: Places::new(member.me(), Arc::clone(&registry), 512),
        cluster: Arc::new(member),
        ids,
        scope: Scope::default(),
        pool: px_pool::Pool::inline(),
        fits: Arc::new(px_inbound::fits_key(Vec::new())),
        resources: px_sdk::Provided::default(),
        stand_in: None,
    };
    let engine = Engine::start(parts, Limits::default());
    let second = Duration::from_millis(1_001);
    tokio::time::sleep(second).await;
    let run = world.start(survey, Ask { key: "k".into() }).await.unwrap();
    tokio::time::sleep(second).await;
    assert_eq!(world.status(run).await.unwrap(), RunStatus::Waiting, "its first step ran");
    let other = world.start(survey, Ask { key: "other".into() }).await.unwrap();
    tokio::time::sleep(second).await;
    world.post("mail", &event("1", "k", "fine", "resume")).await.unwrap();
    tokio::time::sleep(second).await;
    assert_eq!(world.status(run).await.unwrap(), RunStatus::Complete, "its event was taken up");
    world.clock().advance(TIMEOUT);
    tokio::time::sleep(second * 2).await;
    assert_eq!(world.state(other).await.unwrap()["from"], "nobody", "its timer rang, and its last step ran");
    engine.shutdown(Duration::from_secs(1)).await;
    assert!(world.audit().await.unwrap().is_clean());
}
