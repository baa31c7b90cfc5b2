//! Stored states of a lower version, brought over by migrations that the brain
//! declares once: wherever they lie, once, and whatever dies meanwhile.

#![expect(clippy::unwrap_used, reason = "a test says by panicking that it failed")]

mod blessed;
mod moving;
mod project;

use blessed::compare;
use moving::{
    Deal, Deal1, Deal2, Stamp1, TEXTS, deal, deployed, first, post, redeploy, second, stored, third, up_to_2,
};
use project::{Text, event, mail};
use px_core::event::EventBody;
use px_core::{RunId, RunStatus};
use px_engine::{Limits, obstacle};
use px_sdk::{Brain, BrainDef, Cx, Error, Next, Result, Waiting, brain, wait_for};
use px_testkit::{Fault, World};
use serde_json::json;

/// The depth of each migrated frame, in the order of the log.
async fn migrated(world: &World, run: RunId) -> Vec<Option<u32>> {
    let depth = |event: px_core::Event| match event.event {
        EventBody::Migrated { depth, .. } => Some(depth),
        _ => None,
    };
    world.log(run).await.unwrap().into_iter().filter_map(depth).collect()
}

/// The marks in a run's state, and those that the migrations left among them.
async fn marks(world: &World, run: RunId) -> (Vec<String>, Vec<String>) {
    let state = world.state(run).await.unwrap();
    let marks: Vec<String> = serde_json::from_value(state.get("marks").unwrap().clone()).unwrap();
    let ours = marks.iter().filter(|mark| mark.contains(" to ") && !mark.contains(':')).cloned().collect();
    (marks, ours)
}

async fn begun(texts: &[&str]) -> (World, RunId) {
    let world = World::new(deployed(first().into_def())).unwrap();
    let run = world.start(first, deal("k")).await.unwrap();
    post(&world, texts).await.unwrap();
    (world, run)
}

async fn is_sound(world: &World) {
    let report = world.audit().await.unwrap();
    assert!(report.is_clean(), "{:#?}", report.violations);
}

#[tokio::test]
async fn a_state_is_migrated_wherever_it_is_parked_and_by_two_versions_at_once() {
    for (parked, depths) in [
        (0, vec![None]),
        // In an arm and in a turn only the state inside counts.
        (1, vec![Some(1)]),
        (2, vec![Some(1)]),
        (3, vec![Some(1)]),
        // The state around another brain is needed again.
        (4, vec![Some(0), Some(1)]),
    ] {
        let (world, run) = begun(&TEXTS[..parked]).await;
        let record = stored(&world, run).await;
        assert_eq!(obstacle(&deployed(third().into_def()), &Limits::default(), &record), None, "{parked}");
        let new = redeploy(&world, third().into_def(), 1);
        post(&new, &TEXTS[parked..]).await.unwrap();
        let record = stored(&new, run).await;
        assert_eq!((record.status, &record.reason), (RunStatus::Complete, &None), "{parked}");
        assert_eq!(migrated(&new, run).await, depths, "{parked}");
        let (all, ours) = marks(&new, run).await;
        let twice = ["1 to 2", "2 to 3", "1 to 2", "2 to 3"];
        // The inner brain's marks are put behind those of the outer one.
        assert_eq!(ours, twice[..2 * depths.len()], "{parked}: {all:?}");
        assert_eq!((&record.state()["first"], &record.state()["last"]), (&json!("Ada"), &json!("Lovelace")));
        is_sound(&new).await;
    }
}

#[tokio::test]
async fn a_run_that_was_migrated_is_migrated_further_from_there() {
    let (world, run) = begun(&TEXTS[..2]).await;
    let two = redeploy(&world, second().into_def(), 1);
    post(&two, &TEXTS[2..3]).await.unwrap();
    assert_eq!(marks(&two, run).await.1, ["1 to 2"]);
    let three = redeploy(&two, third().into_def(), 2);
    post(&three, &TEXTS[3..]).await.unwrap();
    let (all, ours) = marks(&three, run).await;
    assert_eq!(ours, ["1 to 2", "2 to 3"]);
    let place = |mark: &str| all.iter().position(|one| one == mark).unwrap();
    assert!(place("1 to 2") < place("first turn") && place("first turn") < place("2 to 3"), "{all:?}");
}

/// Lives under the first version until the commit of this number, under the third one until another
/// one, and then to the end. The texts are posted again after each death, as providers do.
async fn through(before: u64, after: u64, fault: Fault) -> (Option<RunId>, World, bool, bool) {
    let old = World::new(deployed(first().into_def())).unwrap();
    old.store().plan(move |number, _| (number == before).then_some(fault));
    let started = old.start(first, deal("k")).await;
    let died_before = started.is_err() || post(&old, &TEXTS).await.is_err();
    let mut new = redeploy(&old, third().into_def(), 1);
    let from = new.store().commits();
    new.store().plan(move |number, _| (number == from + after).then_some(fault));
    let mut act = async || {
        new.restart()?;
        post(&new, &TEXTS).await
    };
    let died_after = act().await.is_err();
    if died_after {
        act().await.unwrap();
    }
    let runs = new.rows().runs(px_core::Scope::default(), &px_store::RunFilter::default(), None, 2).await;
    (runs.unwrap().items.first().map(|record| record.run.id), new, died_before, died_after)
}

/// Every commit under both versions is one at which the process dies, beforehand and afterwards.
async fn whatever_dies(fault: Fault) {
    for before in 0.. {
        let mut died_before = true;
        for after in 0.. {
            let (run, world, died, died_after) = through(before, after, fault).await;
            died_before = died;
            if let Some(run) = run {
                judge(&world, run, died_before, &format!("{fault:?} at {before} and {after}")).await;
            }
            if !died_after {
                break;
            }
        }
        if !died_before {
            assert!(before > 25, "the first life has {before} commits");
            return;
        }
    }
}

async fn judge(world: &World, run: RunId, is_migrated: bool, at: &str) {
    let record = stored(world, run).await;
    assert_eq!((record.status, record.reason.as_deref()), (RunStatus::Complete, None), "{at}");
    let (all, ours) = marks(world, run).await;
    let expected: &[&str] = match (is_migrated, migrated(world, run).await.len()) {
        // It was complete before, or with its very last commit.
        (_, 0) => &[],
        (true, 1) => &["1 to 2", "2 to 3"],
        // Parked in the brain inside it: both states were.
        (true, 2) => &["1 to 2", "2 to 3", "1 to 2", "2 to 3"],
        (_, count) => panic!("{at}: {count} migrations: {all:?}"),
    };
    assert_eq!(ours, expected, "{at}: {all:?}");
    assert_eq!(record.state().get("last").is_some(), !ours.is_empty(), "{at}");
    for text in TEXTS.iter().chain(&["closed"]) {
        assert_eq!(all.iter().filter(|mark| mark == text).count(), 1, "{at}: {text} of {all:?}");
    }
    let stamps = all.iter().filter(|mark| mark.starts_with("stamp")).count();
    assert_eq!(stamps, 3, "{at}: {all:?}");
    is_sound(world).await;
}

#[tokio::test]
async fn a_migration_is_applied_once_whatever_dies_before_a_commit() {
    whatever_dies(Fault::DiesBefore).await;
}

#[tokio::test]
async fn a_migration_is_applied_once_whatever_dies_after_a_commit() {
    whatever_dies(Fault::DiesAfter).await;
}

#[tokio::test]
async fn results_of_items_are_migrated_with_the_list_that_is_under_way() {
    let (world, run) = begun(&TEXTS[..4]).await;
    // The third item is not done when the process dies.
    let of_item =
        |batch: &px_store::Batch, index| format!("{batch:?}").contains(&format!("\"stamp {index}\""));
    world.store().plan(move |_, batch| of_item(batch, 3).then_some(Fault::DiesBefore));
    assert!(post(&world, &TEXTS[4..]).await.is_err());
    assert_eq!(stored(&world, run).await.items.len(), 2);
    let mut new = redeploy(&world, third().into_def(), 1);
    assert_eq!(obstacle(&deployed(third().into_def()), &Limits::default(), &stored(&world, run).await), None);
    new.restart().unwrap();
    new.settle().await.unwrap();
    let (all, ours) = marks(&new, run).await;
    assert_eq!(ours, ["1 to 2", "2 to 3"]);
    let stamps: Vec<_> = all.iter().filter(|mark| mark.starts_with("stamp")).collect();
    assert_eq!(stamps, ["stamp 1 and moved", "stamp 2 and moved", "stamp 3"]);
    compare(&new, run, "migrated-items.jsonl").await;
}

#[tokio::test]
async fn migrations_write_what_they_always_wrote() {
    let (world, run) = begun(&TEXTS[..1]).await;
    let two = redeploy(&world, second().into_def(), 1);
    post(&two, &TEXTS[1..4]).await.unwrap();
    let three = redeploy(&two, third().into_def(), 2);
    post(&three, &TEXTS[4..]).await.unwrap();
    compare(&three, run, "migrated-nested.jsonl").await;
}

/// A brain inside another one, with a version and a migration of its own.
fn of_its_own() -> Brain<Deal2, Deal2> {
    brain("inspection")
        .version(2)
        .migrate_state::<Deal1, Deal2>(2, |old| Ok(up_to_2(old)?.and("by the inner brain")))
        .step("ask", moving_ask)
        .step("hear", moving_hear)
        .build()
}

async fn moving_ask(_cx: Cx, deal: Deal2) -> Result<Waiting<Deal2, Text>> {
    let on = mail::on(&deal.key);
    Ok(wait_for(deal, on))
}

async fn moving_hear(_cx: Cx, deal: Deal2, text: Text) -> Result<Next<Deal2>> {
    Ok(Next(deal.and(text.text)))
}

fn inspected<D: Deal>(inner: fn() -> Brain<D, D>) -> px_sdk::Builder<D, D, px_sdk::Ready> {
    brain("outer").brain("inspect", inner, D::clone, |_: D, inner: D| inner)
}

#[tokio::test]
async fn a_brain_inside_another_goes_by_its_own_migrations_first() {
    let old = || inspected::<Deal1>(moving::inspection).build::<px_sdk::Untold>();
    let world = World::new(deployed(old().into_def())).unwrap();
    let run = world.start(old, deal("k")).await.unwrap();
    world.settle().await.unwrap();
    let new = inspected(of_its_own).version(2).migrate_state::<Deal1, Deal2>(2, up_to_2);
    let new = redeploy(&world, new.build::<px_sdk::Untold>().into_def(), 1);
    post(&new, &["heard"]).await.unwrap();
    assert_eq!(marks(&new, run).await.0, ["1 to 2", "by the inner brain", "heard"]);
}

fn patient<D: Deal>() -> px_sdk::Builder<D, D, px_sdk::Ready> {
    brain("patient")
        .at_most(1)
        .step("ask", async |_cx, deal: D| {
            let on = mail::on(deal.key());
            Ok(wait_for(deal, on))
        })
        .step("hear", async |_cx, deal: D, text: Text| Ok(Next(deal.and(text.text))))
}

#[tokio::test]
async fn the_input_of_a_run_that_waits_for_its_turn_is_migrated_and_no_later_state() {
    let old = || patient::<Deal2>().build::<px_sdk::Untold>();
    let input = |key: &str| Deal2 { key: key.into(), names: Vec::new(), marks: Vec::new() };
    let world = World::new(deployed(old().into_def())).unwrap();
    let parked = world.start(old, input("k")).await.unwrap();
    let pending = world.start(old, input("l")).await.unwrap();
    world.settle().await.unwrap();
    assert_eq!(world.status(pending).await.unwrap(), RunStatus::Pending);
    let new = patient::<Deal2>()
        .version(2)
        .migrate_input::<Deal2, Deal2>(2, |deal| Ok(deal.and("came in")))
        .build::<px_sdk::Untold>();
    let new = redeploy(&world, new.into_def(), 1);
    post(&new, &["one"]).await.unwrap();
    new.post("mail", &event("two", "l", "two", "resume")).await.unwrap();
    new.settle().await.unwrap();
    assert_eq!(marks(&new, parked).await.0, ["one"]);
    assert_eq!(marks(&new, pending).await.0, ["came in", "two"]);
}

#[tokio::test]
async fn a_migration_of_the_very_step_goes_before_one_of_its_type() {
    let old = || patient::<Deal1>().build::<px_sdk::Untold>();
    let world = World::new(deployed(old().into_def())).unwrap();
    let run = world.start(old, deal("k")).await.unwrap();
    world.settle().await.unwrap();
    let new = brain("patient")
        .version(2)
        .migrate_state::<Deal1, Deal2>(2, up_to_2)
        .step("ask", moving_ask)
        .migrate(|_, old| Ok(up_to_2(serde_json::from_value(old)?)?.and("by the step")))
        .step("hear", moving_hear)
        .build::<px_sdk::Untold>();
    let new = redeploy(&world, new.into_def(), 1);
    post(&new, &["heard"]).await.unwrap();
    assert_eq!(marks(&new, run).await.0, ["1 to 2", "by the step", "heard"]);
}

/// A third version whose migration does not work out.
fn failing(how: fn(Deal1) -> Result<Deal2>) -> BrainDef {
    let new = brain("moving").version(2).step("ask", moving_ask).step("hear", moving_hear);
    new.migrate_state::<Deal1, Deal2>(2, how).build::<px_sdk::Untold>().into_def()
}

#[tokio::test]
async fn a_migration_that_fails_pauses_the_run_and_is_found_beforehand() {
    type Case = (fn(Deal1) -> Result<Deal2>, &'static str);
    let cases: [Case; 2] = [
        (|_| Err(Error::msg("no name")), "no name"),
        (|deal| panic!("{} has no name", deal.key), "k has no name"),
    ];
    for (how, why) in cases {
        let (world, run) = begun(&[]).await;
        let commits = world.store().commits();
        let reason = format!("the state for step 'hear' could not be migrated from version 1 to 2: {why}");
        assert_eq!(
            obstacle(&deployed(failing(how)), &Limits::default(), &stored(&world, run).await),
            Some(reason.clone())
        );
        assert_eq!(world.store().commits(), commits, "nothing is written");
        let new = redeploy(&world, failing(how), 1);
        post(&new, &["heard"]).await.unwrap();
        let record = stored(&new, run).await;
        assert_eq!((record.status, record.reason), (RunStatus::Paused, Some(reason)));
        // Mended, the run goes on with what it was given.
        let mended = redeploy(&new, failing(up_to_2), 2);
        mended.resume(run).await.unwrap();
        mended.settle().await.unwrap();
        assert_eq!(marks(&mended, run).await.0, ["1 to 2", "heard"]);
        assert_eq!(migrated(&mended, run).await, [None]);
    }
}

#[tokio::test]
async fn what_is_stored_and_cannot_be_read_as_the_old_state_is_said_with_its_type() {
    let (world, run) = begun(&[]).await;
    let def = brain("moving")
        .version(2)
        .migrate_state::<Stamp1, Deal2>(2, |_| Err(Error::msg("never asked")))
        .step("ask", moving_ask)
        .step("hear", moving_hear)
        .build::<px_sdk::Untold>()
        .into_def();
    let says = obstacle(&deployed(def), &Limits::default(), &stored(&world, run).await).unwrap();
    assert!(says.ends_with("what is stored is no `Stamp1`: missing field `text`"), "{says}");
}

#[tokio::test]
async fn the_state_around_an_inner_brain_is_looked_at_before_the_inner_one_ends() {
    let old = || inspected::<Deal1>(moving::inspection).build::<px_sdk::Untold>();
    let world = World::new(deployed(old().into_def())).unwrap();
    let run = world.start(old, deal("k")).await.unwrap();
    world.settle().await.unwrap();
    // Only the inner brain says how.
    let new = inspected(of_its_own).version(2).build::<px_sdk::Untold>().into_def();
    let says = obstacle(&deployed(new), &Limits::default(), &stored(&world, run).await).unwrap();
    assert!(says.starts_with("the stored state does not fit step 'inspect': "), "{says}");
}
