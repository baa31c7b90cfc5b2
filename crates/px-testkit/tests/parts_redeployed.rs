//! Runs that are inside a loop or an arm when another version of their brain is deployed.

#![expect(clippy::unwrap_used, reason = "a test says by panicking that it failed")]

extern crate px_sdk as px;

mod pieces;
mod project;

use std::sync::Arc;
use std::time::Duration;

use pieces::{Bill, bill};
use project::{Text, event, mail, registry};
use px_core::{RunId, RunStatus};
use px_engine::{Limits, obstacle};
use px_sdk::registry::{RegistryError, Source};
use px_sdk::{Brain, BrainDef, Cx, Error, Next, Registry, Result, Retry, Waiting, brain, items, wait_for};
use px_testkit::World;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

async fn ask(_cx: Cx, bill: Bill) -> Result<Waiting<Bill, Text>> {
    let on = mail::on(&bill.key);
    Ok(wait_for(bill, on))
}

async fn hear(_cx: Cx, mut bill: Bill, text: Text) -> Result<Next<Bill>> {
    bill.open -= 1;
    Ok(Next(bill.and(text.text)))
}

async fn close(_cx: Cx, bill: Bill) -> Result<Next<Bill>> {
    Ok(Next(bill.and("closed")))
}

/// The bill of the second version: an older one has to be migrated.
#[derive(Serialize, Deserialize)]
struct NewBill {
    key: String,
    open: u32,
    notes: Vec<String>,
    currency: String,
}

async fn new_ask(_cx: Cx, bill: NewBill) -> Result<Waiting<NewBill, Text>> {
    let on = mail::on(&bill.key);
    Ok(wait_for(bill, on))
}

async fn new_hear(_cx: Cx, mut bill: NewBill, text: Text) -> Result<Next<NewBill>> {
    bill.open -= 1;
    bill.notes.push(text.text);
    Ok(Next(bill))
}

async fn new_close(_cx: Cx, bill: NewBill) -> Result<Next<NewBill>> {
    Ok(Next(bill))
}

async fn take(_cx: Cx, bill: Bill) -> Result<Next<NewBill>> {
    Ok(Next(NewBill { key: bill.key, open: bill.open, notes: bill.notes, currency: "EUR".into() }))
}

fn migrated(_from: u32, state: Value) -> Result<NewBill> {
    let old: Bill = serde_json::from_value(state.clone())?;
    if state.get("currency").is_some() {
        return Err(Error::permanent("it was migrated already"));
    }
    let bill = old.and("migrated");
    Ok(NewBill { key: bill.key, open: bill.open, notes: bill.notes, currency: "EUR".into() })
}

fn first() -> Brain<Bill> {
    brain("changing")
        .step("take", close)
        .repeat_until("remind", |bill: &Bill| bill.open == 0, |b| b.step("ask", ask).step("hear", hear))
        .step("close", close)
        .build()
}

fn second() -> Brain<Bill> {
    brain("changing")
        .version(2)
        .step("take", take)
        .migrate(migrated)
        .repeat_until(
            "remind",
            |bill: &NewBill| bill.open == 0,
            |b| b.migrate(migrated).step("ask", new_ask).migrate(migrated).step("hear", new_hear),
        )
        .migrate(migrated)
        .step("close", new_close)
        .build()
}

fn with_arm() -> Brain<Bill> {
    brain("changing")
        .when_else(
            "is large",
            |bill: &Bill| bill.open > 10,
            |b| b.step("ask", ask).step("hear", hear),
            |b| b.step("close", close),
        )
        .build()
}

fn without_branch() -> Brain<Bill> {
    brain("changing").step("is large", close).build()
}

fn without_arm() -> Brain<Bill> {
    brain("changing").when("is large", |bill: &Bill| bill.open > 10, |b| b).step("close", close).build()
}

fn build(def: BrainDef) -> std::result::Result<Registry, RegistryError> {
    let source = Source { file: "parts_redeployed.rs".into(), line: 1 };
    let before = registry();
    let webhooks = before.webhooks().map(|webhook| (webhook.source.clone(), (*webhook.def).clone()));
    Registry::of([(source, def)], webhooks.collect::<Vec<_>>())
}

fn deployed(brain: fn() -> Brain<Bill>) -> Registry {
    build(brain().into_def()).unwrap()
}

async fn parked(brain: fn() -> Brain<Bill>, open: u32) -> (World, RunId) {
    let world = World::new(deployed(brain)).unwrap();
    let run = world.start(brain, bill("k", open)).await.unwrap();
    world.settle().await.unwrap();
    assert_eq!(world.status(run).await.unwrap(), RunStatus::Waiting);
    (world, run)
}

async fn post(world: &World, id: &str) {
    world.post("mail", &event(id, "k", id, "resume")).await.unwrap();
    world.settle().await.unwrap();
}

#[tokio::test]
async fn a_state_inside_a_loop_is_migrated_once() {
    let (world, run) = parked(first, 2).await;
    let record = world.run(run).await.unwrap().unwrap();
    assert_eq!(obstacle(&deployed(second), &Limits::default(), &record), None);
    let after = World::over(deployed(second), Arc::clone(world.rows()), 1_000).unwrap();
    post(&after, "one").await;
    post(&after, "two").await;
    let record = after.run(run).await.unwrap().unwrap();
    assert_eq!((record.status, record.reason.as_deref()), (RunStatus::Complete, None));
    assert_eq!(record.state()["notes"], json!(["closed", "migrated", "one", "two"]));
}

#[tokio::test]
async fn a_turn_that_ended_before_the_redeploy_is_migrated_by_what_the_loop_takes() {
    let (world, run) = parked(first, 1).await;
    // The process dies when the turn is through, and before the loop looks at what it left.
    let all = world.store().commits();
    world.store().plan(move |number, _| (number == all + 2).then_some(px_testkit::Fault::DiesBefore));
    let _ = world.post("mail", &event("one", "k", "one", "resume")).await;
    let _ = world.settle().await;
    let record =
        px_store::Store::run(&**world.rows(), px_core::Scope::default(), run).await.unwrap().unwrap();
    assert!(record.run.frame().unwrap().is_through(), "{:?}", record.run.frames);
    assert_eq!(obstacle(&deployed(second), &Limits::default(), &record.run), None);
    let mut after = World::over(deployed(second), Arc::clone(world.rows()), 1_000).unwrap();
    after.restart().unwrap();
    after.settle().await.unwrap();
    let record = after.run(run).await.unwrap().unwrap();
    assert_eq!((record.status, record.reason.as_deref()), (RunStatus::Complete, None));
    assert_eq!(record.state()["notes"], json!(["closed", "one", "migrated"]));
}

#[tokio::test]
async fn a_redeploy_that_removes_the_arm_in_which_a_run_is_is_refused_and_pauses_the_run() {
    let (world, run) = parked(with_arm, 20).await;
    let record = world.run(run).await.unwrap().unwrap();
    assert_eq!(obstacle(&deployed(with_arm), &Limits::default(), &record), None);
    for (brain, reason) in [
        (
            without_arm as fn() -> Brain<Bill>,
            "the run is in arm 'yes' of step 'is large', and that has no steps any more in brain 'changing'",
        ),
        (without_branch, "step 'is large' of brain 'changing' is no branch any more"),
    ] {
        assert_eq!(obstacle(&deployed(brain), &Limits::default(), &record).as_deref(), Some(reason));
    }
    let after = World::over(deployed(without_arm), Arc::clone(world.rows()), 1_000).unwrap();
    post(&after, "one").await;
    assert_eq!(after.status(run).await.unwrap(), RunStatus::Paused);
    world.resume(run).await.unwrap();
    world.settle().await.unwrap();
    assert_eq!(world.status(run).await.unwrap(), RunStatus::Complete);
}

#[test]
fn a_part_that_cannot_be_run_and_names_that_share_a_key_are_refused_at_start() {
    let is_paid = |bill: &Bill| bill.open == 0;
    let inner = || -> Brain<Bill, Bill> { brain("inner").step("close", close).build() };
    let join = |_: Bill, inner: Bill| inner;
    let empty: Brain<Bill> = brain("empty").repeat_until("pay", is_paid, |b| b).build();
    let alike: Brain<Bill> =
        brain("alike").repeat_until("pay", is_paid, |b| b.step("close", close)).step("pay[2]", close).build();
    let twice: Brain<Bill> =
        brain("twice").when("pay", is_paid, |b| b.step("close", close).step("close", close)).build();
    let like_inner: Brain<Bill> =
        brain("like inner").brain("pay", inner, Bill::clone, join).step("pay/close", close).build();
    let item = async |_: Cx, item: u32| Ok(item);
    let listed = items(|_: &Bill| vec![1], item);
    let like_item: Brain<Bill> =
        brain("like item").map("pay", listed, |bill: Bill, _| bill).step("pay:0", close).build();
    let unnamed: Brain<Bill> = brain("unnamed").when("pay", is_paid, |b| b.step("", close)).build();
    let retried: Brain<Bill> =
        brain("retried").brain("pay", inner, Bill::clone, join).retry(Retry::attempts(3)).build();
    let timed: Brain<Bill> = brain("timed")
        .when("pay", is_paid, |b| b.step("close", close))
        .timeout(Duration::from_secs(1))
        .build();
    let early: Brain<Bill> =
        brain("early").when("pay", is_paid, |b| b.retry(Retry::attempts(3)).step("close", close)).build();
    let early_in_turn: Brain<Bill> = brain("early in turn")
        .repeat_until("pay", is_paid, |b| b.formerly("shut").step("close", close))
        .build();
    for (brain, says) in [
        (early, "`.retry(..)` stands before the first step inside 'pay', and would do nothing there"),
        (early_in_turn, "`.formerly(..)` stands before the first step inside 'pay'"),
        (like_inner, "Step 'pay/close' is called like something inside 'pay'"),
        (like_item, "Step 'pay:0' is called like something inside 'pay'"),
        (unnamed, "A step has an empty name"),
        (retried, "`.retry(..)` stands behind 'pay', which is a brain, and would do nothing there"),
        (timed, "`.timeout(..)` stands behind 'pay', which is a branch, and would do nothing there"),
        (empty, "Loop 'pay' has no steps"),
        (alike, "Step 'pay[2]' is called like something inside 'pay'"),
        (twice, "Duplicate step 'close' in brain 'twice'"),
    ] {
        let refused = build(brain.into_def()).unwrap_err().to_string();
        assert!(refused.contains(says) && refused.contains("parts_redeployed.rs:1"), "{refused}");
    }
}
