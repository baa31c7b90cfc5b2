//! Deploys that were made too early, taken back or made again: a run that is parked
//! meanwhile loses nothing, and is never brought over twice.

#![expect(clippy::unwrap_used, reason = "a test says by panicking that it failed")]

mod moving;
mod project;

use std::time::Duration;

use moving::{Deal, Deal1, Deal2, deal, deployed, post, redeploy, stored, up_to_2};
use project::{Note, Text, event, mail};
use px_core::event::EventBody;
use px_core::{RunId, RunStatus};
use px_engine::{Limits, obstacle};
use px_sdk::{Brain, BrainDef, Cx, Error, Next, Result, Retry, Untold, Waiting, brain, wait_for};
use px_testkit::World;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Time after which every retry is due.
const LATER: Duration = Duration::from_secs(7_200);

fn patient<D: Deal>() -> px_sdk::Builder<D, D, px_sdk::Ready> {
    brain("patient")
        .step("ask", async |_cx, deal: D| {
            let on = mail::on(deal.key());
            Ok(wait_for(deal, on))
        })
        .step("hear", async |_cx, deal: D, text: Text| Ok(Next(deal.and(text.text))))
}

fn old() -> Brain<Deal1, Deal1> {
    patient::<Deal1>().build()
}

async fn parked() -> (World, RunId) {
    let world = World::new(deployed(old().into_def())).unwrap();
    let run = world.start(old, deal("k")).await.unwrap();
    world.settle().await.unwrap();
    (world, run)
}

/// The versions that a run's states were brought to, in the order of its log.
async fn versions(world: &World, run: RunId) -> Vec<u32> {
    let version = |event: px_core::Event| match event.event {
        EventBody::Migrated { version, .. } => Some(version),
        _ => None,
    };
    world.log(run).await.unwrap().into_iter().filter_map(version).collect()
}

async fn mark(world: &World, run: RunId) -> Value {
    world.state(run).await.unwrap().get("marks").unwrap().clone()
}

#[tokio::test]
async fn a_migration_that_was_forgotten_is_added_by_the_next_deploy() {
    let (world, run) = parked().await;
    let forgotten = || patient::<Deal2>().version(2).build::<Untold>().into_def();
    let early = redeploy(&world, forgotten(), 1);
    post(&early, &["heard"]).await.unwrap();
    let record = stored(&early, run).await;
    assert_eq!(record.status, RunStatus::Paused);
    let reason = record.reason.clone().unwrap();
    assert!(reason.starts_with("the stored state does not fit step 'hear': "), "{reason}");
    assert_eq!(obstacle(&deployed(forgotten()), &Limits::default(), &record), Some(reason));
    assert_eq!(versions(&early, run).await, [0; 0], "it is of the version that left it");
    let migrating = || patient::<Deal2>().version(2).migrate_state::<Deal1, Deal2>(2, up_to_2);
    let mended = redeploy(&early, migrating().build::<Untold>().into_def(), 2);
    mended.resume(run).await.unwrap();
    mended.settle().await.unwrap();
    assert_eq!(mended.status(run).await.unwrap(), RunStatus::Complete);
    assert_eq!(mark(&mended, run).await, json!(["1 to 2", "heard"]));
}

#[tokio::test]
async fn a_migration_of_one_step_brings_no_newer_state_down() {
    fn version(version: u32) -> BrainDef {
        brain("patient")
            .version(version)
            .step("ask", async |_cx, deal: Deal1| {
                let on = mail::on(deal.key());
                Ok(wait_for(deal, on))
            })
            .migrate(|_, old| {
                let old: Deal1 = serde_json::from_value(old).map_err(Error::msg)?;
                Ok(old.and("raised"))
            })
            .step("hear", async |_cx, deal: Deal1, text: Text| Ok(Next(deal.and(text.text))))
            .build::<Untold>()
            .into_def()
    }
    let world = World::new(deployed(version(3))).unwrap();
    let run = world.start(old, deal("k")).await.unwrap();
    world.settle().await.unwrap();
    let back = redeploy(&world, version(2), 1);
    post(&back, &["heard"]).await.unwrap();
    let record = stored(&back, run).await;
    let reason = record.reason.clone().unwrap();
    assert!(reason.contains("is of version 3 of brain 'patient', and this binary has version 2"), "{reason}");
    assert_eq!(obstacle(&deployed(version(2)), &Limits::default(), &record), Some(reason));
    let again = redeploy(&back, version(3), 2);
    again.resume(run).await.unwrap();
    again.settle().await.unwrap();
    assert_eq!(mark(&again, run).await, json!(["heard"]), "it was of that version all the time");
}

/// Twice the first version, with a state of the same form that means something else.
fn counted(version: u32) -> BrainDef {
    let of_version = patient::<Deal1>().version(version);
    let raised = |deal: Deal1| Ok(deal.and("raised"));
    if version == 1 {
        return of_version.build::<Untold>().into_def();
    }
    of_version.migrate_state::<Deal1, Deal1>(2, raised).build::<Untold>().into_def()
}

#[tokio::test]
async fn a_deploy_that_is_taken_back_lets_newer_states_be() {
    let (world, run) = parked().await;
    // The state is brought over, and the response is none that the step takes: the run is paused behind it.
    let other = brain("patient")
        .version(2)
        .migrate_state::<Deal1, Deal1>(2, |deal| Ok(deal.and("raised")))
        .step("ask", async |_cx: Cx, deal: Deal1| {
            let on = mail::on(deal.key());
            Ok(wait_for(deal, on))
        })
        .step("hear", async |cx: Cx, deal: Deal1, text: Text| {
            if cx.attempt() == 1 { Err(Error::msg("not yet")) } else { Ok(Next(deal.and(text.text))) }
        })
        .retry(Retry::attempts(3))
        .build::<Untold>();
    let two = redeploy(&world, other.into_def(), 1);
    post(&two, &["heard"]).await.unwrap();
    assert_eq!(versions(&two, run).await, [2]);
    let back = redeploy(&two, counted(1), 2);
    back.advance(LATER).await.unwrap();
    back.ring().await.unwrap();
    back.settle().await.unwrap();
    let record = stored(&back, run).await;
    assert_eq!(
        (record.status, record.reason.as_deref()),
        (
            RunStatus::Paused,
            Some(
                "the state for step 'hear' is of version 2 of brain 'patient', and this binary has version 1: \
                 serve a binary with version 2 or a newer one, then resume the run"
            )
        )
    );
    assert_eq!(obstacle(&deployed(counted(1)), &Limits::default(), &record), record.reason);
    let again = redeploy(&back, counted(2), 3);
    again.resume(run).await.unwrap();
    again.settle().await.unwrap();
    assert_eq!(again.status(run).await.unwrap(), RunStatus::Complete);
    assert_eq!(mark(&again, run).await, json!(["raised", "heard"]), "raised once");
    assert_eq!(versions(&again, run).await, [2]);
}

#[tokio::test]
async fn a_fork_remembers_the_version_of_its_input() {
    let (world, run) = parked().await;
    let new = || patient::<Deal2>().version(2).migrate_state::<Deal1, Deal2>(2, up_to_2);
    let two = redeploy(&world, new().build::<Untold>().into_def(), 1);
    post(&two, &["heard"]).await.unwrap();
    let fork = two.fork(run, 2, None).await.unwrap();
    two.settle().await.unwrap();
    assert_eq!(mark(&two, fork).await, json!(["1 to 2", "heard"]));
    two.rerun(fork, 1).await.unwrap();
    two.settle().await.unwrap();
    two.post("mail", &event("again", "k", "again", "resume")).await.unwrap();
    two.settle().await.unwrap();
    let record = stored(&two, fork).await;
    assert_eq!((record.status, record.reason), (RunStatus::Complete, None));
    assert_eq!(mark(&two, fork).await, json!(["1 to 2", "again"]));
}

/// What a first version bills, while the step before it takes less.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
struct Order {
    name: String,
    cents: u32,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
struct Draft {
    name: String,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct StrictDraft {
    name: String,
}

async fn priced(_cx: Cx, draft: Draft) -> Result<Waiting<Order, Text>> {
    Ok(wait_for(Order { name: draft.name, cents: 700 }, mail::on("k")))
}

async fn ordered(_cx: Cx, order: Order) -> Result<Waiting<Order, Text>> {
    Ok(wait_for(order, mail::on("k")))
}

async fn bill(_cx: Cx, order: Order, _text: Text) -> Result<Next<Order>> {
    Ok(Next(order))
}

fn priced_first() -> Brain<Draft, Order> {
    brain("orders").step("ask", priced).step("bill", bill).build()
}

#[tokio::test]
async fn a_state_that_is_new_already_is_not_taken_for_an_old_one() {
    let world = World::new(deployed(priced_first().into_def())).unwrap();
    let run = world.start(priced_first, Draft { name: "Ada".into() }).await.unwrap();
    world.settle().await.unwrap();
    // Read as a draft it would lose its price.
    let loose = brain("orders")
        .version(2)
        .migrate_state::<Draft, Order>(2, |old| Ok(Order { name: old.name, cents: 0 }))
        .step("ask", ordered)
        .step("bill", bill)
        .build::<Untold>()
        .into_def();
    let says = obstacle(&deployed(loose.clone()), &Limits::default(), &stored(&world, run).await).unwrap();
    assert!(
        says.contains("what is stored reads as `Order` as it is, and as `Draft` only without `cents`"),
        "{says}"
    );
    let paused = redeploy(&world, loose, 1);
    post(&paused, &["billed"]).await.unwrap();
    assert_eq!(stored(&paused, run).await.reason, Some(says));
    let strict = brain("orders")
        .version(2)
        .migrate_state::<StrictDraft, Order>(2, |old| Ok(Order { name: old.name, cents: 0 }))
        .step("ask", ordered)
        .step("bill", bill)
        .build::<Untold>()
        .into_def();
    let mended = redeploy(&paused, strict, 2);
    mended.resume(run).await.unwrap();
    mended.settle().await.unwrap();
    assert_eq!(mended.state(run).await.unwrap(), json!({"name": "Ada", "cents": 700}));
}

#[tokio::test]
async fn the_input_is_migrated_in_a_loop_that_a_brain_begins_with() {
    let looped = |b: px_sdk::PartOf<Deal2>| {
        b.step("ask", async |_cx: Cx, deal: Deal2| {
            let on = mail::on(&deal.key);
            Ok(wait_for(deal, on))
        })
        .step("hear", async |_cx: Cx, deal: Deal2, text: Text| Ok(Next(deal.and(text.text))))
    };
    let is_last = |deal: &Deal2| deal.marks.iter().any(|mark| mark == "last");
    let brain_of = |version| brain("looped").version(version);
    let old = || brain_of(1).at_most(1).repeat_until("turn", is_last, looped).build::<Untold>();
    let input = |key: &str| Deal2 { key: key.into(), names: Vec::new(), marks: Vec::new() };
    let world = World::new(deployed(old().into_def())).unwrap();
    let first = world.start(old, input("k")).await.unwrap();
    let pending = world.start(old, input("l")).await.unwrap();
    post(&world, &["one"]).await.unwrap();
    let new = brain_of(2)
        .migrate_input::<Deal2, Deal2>(2, |deal| Ok(deal.and("came in")))
        .at_most(1)
        .repeat_until("turn", is_last, looped)
        .build::<Untold>();
    let new = redeploy(&world, new.into_def(), 1);
    post(&new, &["last"]).await.unwrap();
    new.post("mail", &event("two", "l", "last", "resume")).await.unwrap();
    new.settle().await.unwrap();
    assert_eq!(mark(&new, first).await, json!(["one", "last"]), "its second turn is no input");
    assert_eq!(mark(&new, pending).await, json!(["came in", "last"]));
}

#[tokio::test]
async fn a_run_goes_on_under_the_old_name_of_a_step_and_can_be_sent_back_to_it() {
    let (world, run) = parked().await;
    let renamed = || {
        brain("patient")
            .step("ask", async |_cx: Cx, deal: Deal1| {
                let on = mail::on(deal.key());
                Ok(wait_for(deal, on))
            })
            .step("listen", async |_cx: Cx, deal: Deal1, text: Text| Ok(Next(deal.and(text.text))))
            .formerly("hear")
            .build::<Untold>()
            .into_def()
    };
    let new = redeploy(&world, renamed(), 1);
    post(&new, &["heard"]).await.unwrap();
    let record = stored(&new, run).await;
    assert_eq!(record.status, RunStatus::Complete);
    let statuses: Vec<_> = record.progress.iter().map(|status| status.as_str()).collect();
    assert_eq!(statuses, ["complete", "complete"]);
    new.rerun(run, 2).await.unwrap();
    new.settle().await.unwrap();
    assert_eq!(new.status(run).await.unwrap(), RunStatus::Complete);
    assert_eq!(mark(&new, run).await, json!(["heard"]));
}

#[derive(Serialize, Deserialize)]
struct Booking {
    room: u32,
}

#[derive(Serialize, Deserialize)]
struct RoomAndFloor {
    room: u32,
    floor: u32,
}

/// Books a room, remembers it as a `B`, and fails at its first attempt.
fn booking<B: Serialize + serde::de::DeserializeOwned + Send + 'static>(made: fn() -> B) -> BrainDef {
    let book = move |cx: Cx, deal: Deal1| async move {
        cx.once("book", async || Ok(made())).await?;
        if cx.attempt() == 1 { Err(Error::msg("not yet")) } else { Ok(Next(deal.and("booked"))) }
    };
    brain("patient").step("book", book).retry(Retry::attempts(3)).build::<Untold>().into_def()
}

#[tokio::test]
async fn an_effect_whose_value_cannot_be_read_any_more_pauses_the_run_and_is_not_made_again() {
    let old = || -> Brain<Deal1> { patient::<Deal1>().build() };
    let world = World::new(deployed(booking(|| Booking { room: 7 }))).unwrap();
    let run = world.start(old, deal("k")).await.unwrap();
    world.settle().await.unwrap();
    let new = redeploy(&world, booking(|| RoomAndFloor { room: 0, floor: 0 }), 1);
    new.advance(LATER).await.unwrap();
    new.settle().await.unwrap();
    let record = stored(&new, run).await;
    assert_eq!(record.status, RunStatus::Paused);
    let reason = record.reason.unwrap();
    assert!(
        reason.starts_with("what `once` 'book' of step 'book' has recorded cannot be read as `"),
        "{reason}"
    );
    assert!(reason.ends_with("missing field `floor`"), "{reason}");
    let mended = redeploy(&new, booking(|| Booking { room: 0 }), 2);
    mended.resume(run).await.unwrap();
    mended.settle().await.unwrap();
    assert_eq!(mark(&mended, run).await, json!(["booked"]));
}

fn threads(version: u32) -> px_sdk::Builder<Note, Note, px_sdk::Ready> {
    brain("thread")
        .version(version)
        .step("ask", async |_cx: Cx, note: Note| Ok(wait_for(note, mail::on("other"))))
        .step("hear", async |_cx: Cx, note: Note, _text: Text| Ok(Next(note)))
}

#[tokio::test]
async fn an_event_that_was_queued_starts_a_run_with_the_input_of_its_version() {
    let world = World::new(deployed(threads(1).build::<Untold>().into_def())).unwrap();
    for id in ["first", "second"] {
        world.post("mail", &event(id, "k", id, "or_start")).await.unwrap();
        world.settle().await.unwrap();
    }
    let new = threads(2)
        .migrate_input::<Note, Note>(2, |note| Ok(Note { text: format!("{} came in", note.text), ..note }))
        .build::<Untold>();
    let new = redeploy(&world, new.into_def(), 1);
    for id in ["ends the first", "ends the second"] {
        new.post("mail", &event(id, "other", id, "resume")).await.unwrap();
        new.settle().await.unwrap();
    }
    let runs = new.rows().runs(px_core::Scope::default(), &px_store::RunFilter::default(), None, 9).await;
    let mut texts: Vec<_> =
        runs.unwrap().items.iter().map(|record| record.run.state()["text"].clone()).collect();
    texts.sort_by_key(ToString::to_string);
    assert_eq!(texts, [json!("first"), json!("second came in")]);
}
