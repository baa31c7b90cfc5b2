//! Values that outlive runs: what steps read and write, what is committed with their results, and what a
//! commit that comes too late means. A rival here is another process that writes right before a commit.

#![expect(clippy::unwrap_used, reason = "a test says by panicking that it failed")]

mod late;

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use px_core::event::EventBody;
use px_core::{KvChange, KvId, RunStatus, Scope};
use px_sdk::{Brain, Cx, Error, Next, Registry, Result, Retry, brain, items};
use px_store::conformance::block_on;
use px_store::{Batch, KvBatch, KvBrainWrite, KvWrite, Store};
use px_testkit::World;
use px_testkit::test::world;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
struct Job {
    how: String,
    #[serde(default)]
    sees: Option<u64>,
}

fn job(how: &str) -> Job {
    Job { how: how.into(), sees: None }
}

thread_local! {
    /// What has begun on this thread, in order.
    static BEGUN: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

fn begin(what: &str) {
    BEGUN.with_borrow_mut(|begun| begun.push(what.to_owned()));
}

/// Works on the value `n` in the way that its input says.
fn works() -> Brain<Job, Job> {
    brain("works").step("work", work).retry(Retry::attempts(2)).build()
}
px_sdk::brain!(works);

async fn work(cx: Cx, mut job: Job) -> Result<Next<Job>> {
    begin("work");
    let n = cx.kv::<u64>("n");
    match job.how.as_str() {
        "updates" => n.update(|n| n.unwrap_or(0) + 1).await?,
        "updates twice" => {
            n.update(|n| n.unwrap_or(0) + 1).await?;
            n.update(|n| n.unwrap_or(0) * 2).await?;
        }
        "updates and looks" => {
            n.update(|n| n.unwrap_or(0) + 1).await?;
            job.sees = n.get().await?;
        }
        "reads and writes" => {
            cx.effect("tell", async |_| {
                begin("tell");
                Ok(())
            })
            .await?;
            let before = n.get().await?.unwrap_or(0);
            n.set(before + 1).await?;
            job.sees = Some(before + 1);
        }
        "sets" => n.set(7).await?,
        "sets and updates" => {
            n.set(7).await?;
            n.update(|n| n.unwrap_or(0) + 1).await?;
            job.sees = n.get().await?;
        }
        "deletes" => n.delete().await?,
        "reads" => job.sees = n.get().await?,
        "rests on it" => {
            job.sees = n.get().await?;
            cx.kv::<bool>("rested").set(true).await?;
        }
        "fails first" => {
            n.update(|n| n.unwrap_or(0) + 1).await?;
            if cx.attempt() == 1 {
                return Err(Error::msg("asked to fail"));
            }
        }
        "at most 100" => {
            n.try_update(|n| n.filter(|n| *n < 100).map(|n| n + 1).ok_or_else(|| Error::permanent("full")))
                .await?;
        }
        "too large" => cx.kv::<String>("s").set("x".repeat(64 * 1024)).await?,
        "no name" => cx.kv::<u64>("").set(1).await?,
        "another type" => drop(cx.kv::<String>("n").get().await?),
        "many" => {
            for number in 0..=1_000 {
                cx.kv::<u64>(format!("k{number}")).set(1).await?;
            }
        }
        "new" => cx.kv::<u64>("new").set(1).await?,
        other => return Err(Error::permanent(format!("there is no way '{other}'"))),
    }
    Ok(Next(job))
}

fn list() -> Brain<Job> {
    brain("list")
        .map(
            "all",
            items(|job: &Job| vec![job.how.clone(), job.how.clone()], item).parallel(1),
            |job, _: Vec<u64>| job,
        )
        .build()
}
px_sdk::brain!(list);

async fn item(cx: Cx, how: String) -> Result<u64> {
    let what = format!("item {}", cx.item().unwrap());
    begin(&what);
    cx.effect("tell", async |_| {
        begin("tell");
        Ok(())
    })
    .await?;
    let n = cx.kv::<u64>("n");
    if how == "updates" {
        n.update(|n| n.unwrap_or(0) + 1).await?;
        return Ok(0);
    }
    let before = n.get().await?.unwrap_or(0);
    n.set(before + 1).await?;
    Ok(before + 1)
}

fn forgiving() -> Brain<Job> {
    let work = items(|job: &Job| vec![job.how.clone()], fails).on_error(|_, _| Ok(0));
    brain("forgiving").map("all", work, |job, _: Vec<u64>| job).build()
}
px_sdk::brain!(forgiving);

async fn fails(cx: Cx, _how: String) -> Result<u64> {
    cx.kv::<u64>("n").set(1).await?;
    Err(Error::msg("asked to fail"))
}

fn around() -> Brain<Job> {
    brain("around").step("own", work_here).brain("inside", works, Job::clone, |_, job: Job| job).build()
}
px_sdk::brain!(around);

async fn work_here(cx: Cx, job: Job) -> Result<Next<Job>> {
    cx.kv::<u64>("n").update(|n| n.unwrap_or(10) + 1).await?;
    Ok(Next(job))
}

fn id(brain: &str) -> KvId {
    KvId::shared(brain, "n")
}

/// A world in which another process writes `value` right before the first commit that is about values.
async fn with_rival(brain: &'static str, value: KvChange) -> World {
    over_rival(brain, 5, value).await
}

/// The same, over a value that was there first.
async fn over_rival(brain: &'static str, first: u64, value: KvChange) -> World {
    let world = World::new(Registry::collect().unwrap()).unwrap();
    world.change_kv(&id(brain), &KvChange::Put(json!(first))).await.unwrap();
    let is_done = AtomicBool::new(false);
    world.store().detour(move |inner, batch, admission| {
        if !batch.kv.values.is_empty() && !is_done.swap(true, Ordering::SeqCst) {
            let rival = rival(&**inner, id(brain), value.clone());
            block_on(inner.commit(rival, admission)).unwrap();
        }
        inner.commit(batch, admission)
    });
    world
}

fn rival(store: &dyn Store, id: KvId, change: KvChange) -> Batch {
    let read = block_on(store.kv().value(Scope::default(), &id)).unwrap().unwrap();
    let brain = block_on(store.kv().brain(Scope::default(), &id.brain)).unwrap().unwrap();
    let count = KvBrainWrite {
        brain: id.brain.clone(),
        expected: brain.version,
        version: brain.version + 1,
        keys: brain.record.keys - 1,
    };
    let brains = if change == KvChange::Remove { vec![count] } else { Vec::new() };
    let (expected, version) = (read.version, read.version + 1);
    let write = KvWrite { id, expected, version, at: read.record.at, change };
    Batch { kv: KvBatch { values: vec![write], brains }, ..Batch::default() }
}

/// What came of a run of `works` beside a rival: what has begun, what the run saw, and the value.
async fn beside_a_rival(how: &str, change: KvChange) -> (Vec<String>, Value, Option<Value>) {
    BEGUN.take();
    let world = with_rival("works", change).await;
    let run = world.start(works, job(how)).await.unwrap();
    world.settle().await.unwrap();
    let found = world.run(run).await.unwrap().unwrap();
    assert_eq!(found.status, RunStatus::Complete, "{how}: {:?}", found.error);
    let starts = world.log(run).await.unwrap();
    let starts = starts.iter().filter(|entry| matches!(entry.event, EventBody::StepStart { .. })).count();
    assert_eq!(starts, 1, "{how}: no attempt that counts");
    let report = world.audit().await.unwrap();
    assert!(report.is_clean(), "{:?}", report.violations);
    (BEGUN.take(), found.state()["sees"].clone(), world.kv(&id("works")).await.unwrap())
}

#[tokio::test]
async fn what_a_step_updates_is_applied_again_and_the_step_does_not_run_again() {
    let put = || KvChange::Put(json!(50));
    let (begun, _, value) = beside_a_rival("updates", put()).await;
    assert_eq!((begun, value), (vec!["work".to_owned()], Some(json!(51))));
    let (begun, _, value) = beside_a_rival("updates twice", put()).await;
    assert_eq!((begun, value), (vec!["work".to_owned()], Some(json!(102))));
    let (begun, _, value) = beside_a_rival("updates", KvChange::Remove).await;
    assert_eq!((begun, value), (vec!["work".to_owned()], Some(json!(1))), "it begins anew");
}

#[tokio::test]
async fn what_a_step_has_read_makes_it_run_again_and_its_effects_are_not_made_again() {
    let put = || KvChange::Put(json!(50));
    let (begun, sees, value) = beside_a_rival("reads and writes", put()).await;
    assert_eq!(begun, ["work", "tell", "work"]);
    assert_eq!((sees, value), (json!(51), Some(json!(51))));
    let (begun, sees, value) = beside_a_rival("updates and looks", put()).await;
    assert_eq!((begun.len(), sees, value), (2, json!(51), Some(json!(51))), "what came of it was read");
    let (begun, sees, value) = beside_a_rival("rests on it", put()).await;
    assert_eq!((begun.len(), sees, value), (2, json!(50), Some(json!(50))), "another value rests on it");
    let (begun, sees, value) = beside_a_rival("reads and writes", KvChange::Remove).await;
    assert_eq!((begun.len(), sees, value), (3, json!(1), Some(json!(1))));
}

#[tokio::test]
async fn what_a_step_sets_without_reading_is_as_right_over_any_other_value() {
    let put = || KvChange::Put(json!(50));
    let (begun, _, value) = beside_a_rival("sets", put()).await;
    assert_eq!((begun.len(), value), (1, Some(json!(7))));
    let (begun, sees, value) = beside_a_rival("sets and updates", put()).await;
    assert_eq!((begun.len(), sees, value), (1, json!(8), Some(json!(8))));
    let (begun, _, value) = beside_a_rival("deletes", put()).await;
    assert_eq!((begun.len(), value), (1, None));
    let (begun, _, value) = beside_a_rival("deletes", KvChange::Remove).await;
    assert_eq!((begun.len(), value), (1, None), "it is gone already");
}

/// A store that forgets what a commit demands would lose what the rival wrote: the tests above notice.
#[tokio::test]
async fn without_the_demanded_version_what_another_run_wrote_is_lost() {
    let world = World::new(Registry::collect().unwrap()).unwrap();
    world.change_kv(&id("works"), &KvChange::Put(json!(5))).await.unwrap();
    let is_done = AtomicBool::new(false);
    world.store().detour(move |inner, mut batch, admission| {
        if !batch.kv.values.is_empty() && !is_done.swap(true, Ordering::SeqCst) {
            let rival = rival(&**inner, id("works"), KvChange::Put(json!(50)));
            block_on(inner.commit(rival, admission)).unwrap();
        }
        for write in &mut batch.kv.values {
            let found = block_on(inner.kv().value(Scope::default(), &write.id)).unwrap();
            write.expected = found.map_or(0, |read| read.version);
        }
        inner.commit(batch, admission)
    });
    world.start(works, job("updates")).await.unwrap();
    world.settle().await.unwrap();
    assert_eq!(world.kv(&id("works")).await.unwrap(), Some(json!(6)), "fifty is gone");
}

#[tokio::test]
async fn an_item_is_done_again_alone_where_what_it_read_was_changed() {
    for (how, wanted, value) in [
        ("updates", vec!["item 0", "tell", "item 1", "tell"], json!(52)),
        ("reads and writes", vec!["item 0", "tell", "item 0", "item 1", "tell"], json!(52)),
    ] {
        BEGUN.take();
        let world = with_rival("list", KvChange::Put(json!(50))).await;
        let run = world.start(list, job(how)).await.unwrap();
        world.settle().await.unwrap();
        assert_eq!(world.status(run).await.unwrap(), RunStatus::Complete);
        assert_eq!(
            (BEGUN.take(), world.kv(&id("list")).await.unwrap()),
            (wanted.iter().map(ToString::to_string).collect(), Some(value))
        );
    }
}

#[tokio::test]
async fn an_update_that_fails_when_it_is_applied_again_lets_the_step_run_again_and_answer_it() {
    BEGUN.take();
    let world = with_rival("works", KvChange::Put(json!(100))).await;
    let run = world.start(works, job("at most 100")).await.unwrap();
    world.settle().await.unwrap();
    let found = world.run(run).await.unwrap().unwrap();
    assert_eq!((found.error.unwrap().message.as_str(), BEGUN.take().len()), ("full", 2));
    assert_eq!(world.kv(&id("works")).await.unwrap(), Some(json!(100)));
}

#[test]
fn a_value_outlives_its_run_and_belongs_to_a_scope() {
    let world = world();
    let n = world.kv(works, "n");
    for wanted in 1..=3 {
        world.start(works, job("updates")).expect_complete();
        assert_eq!(n.get::<u64>(), Some(wanted));
    }
    assert_eq!(n.clone().scope("customer 7").get::<u64>(), None);
    assert_eq!(world.start(works, job("reads")).state::<Job>().sees, Some(3));
    n.set(41);
    world.crash();
    assert_eq!(world.start(works, job("updates and looks")).state::<Job>().sees, Some(42));
    world.start(works, job("deletes")).expect_complete();
    assert_eq!(n.get::<u64>(), None);
    assert_eq!(world.start(works, job("reads")).state::<Job>().sees, None);
    world.expect_sound();
}

#[test]
fn a_brain_inside_another_one_has_values_of_its_own() {
    let world = world();
    world.start(around, job("updates")).expect_complete();
    assert_eq!((world.kv(around, "n").get(), world.kv(works, "n").get()), (Some(11), Some(1)));
}

#[test]
fn a_step_that_fails_leaves_nothing_and_its_retry_writes_once() {
    let world = world();
    let run = world.start(works, job("fails first"));
    assert_eq!(world.kv(works, "n").get::<u64>(), None);
    world.skip(Duration::from_secs(2));
    run.expect_complete();
    assert_eq!(world.kv(works, "n").get::<u64>(), Some(1));
    world.start(forgiving, job("x")).expect_complete();
    assert_eq!(world.kv(forgiving, "n").get::<u64>(), None, "nor does an item that fails");
    world.expect_sound();
}

#[tokio::test]
async fn values_have_bounds_whose_errors_have_names() {
    let world = World::new(Registry::collect().unwrap()).unwrap();
    world.change_kv(&id("works"), &KvChange::Put(json!(5))).await.unwrap();
    for (how, name, part) in [
        (
            "too large",
            "KvTooLarge",
            "'s' of brain 'works' would take more than 65536 bytes (limits.max_kv_value_bytes)",
        ),
        ("no name", "KvName", "a key has 1 to 255 characters"),
        ("another type", "KvType", "value 'n' of brain 'works' is of another type"),
        ("many", "KvTooMany", "at most 1000 values"),
    ] {
        let run = world.start(works, job(how)).await.unwrap();
        world.settle().await.unwrap();
        let error = world.run(run).await.unwrap().unwrap().error.unwrap();
        assert_eq!(error.name, name);
        assert!(error.message.contains(part), "{how}: {}", error.message);
    }
    // As many as a brain may have, in one commit.
    let full = |from: usize| {
        let at = world.now();
        let write = |n: usize| KvWrite {
            id: KvId::shared("works", format!("k{n}")),
            expected: 0,
            version: 1,
            at,
            change: KvChange::Put(json!(n)),
        };
        (from..10_000).map(write).collect::<Vec<_>>()
    };
    let brain = world.rows().kv().brain(Scope::default(), "works").await.unwrap().unwrap();
    let count = KvBrainWrite {
        brain: "works".into(),
        expected: brain.version,
        version: brain.version + 1,
        keys: 10_000,
    };
    let batch = Batch { kv: KvBatch { values: full(1), brains: vec![count] }, ..Batch::default() };
    world.rows().commit(batch, px_store::Admission::Wait).await.unwrap();
    let run = world.start(works, job("new")).await.unwrap();
    world.settle().await.unwrap();
    world.advance(Duration::from_secs(2)).await.unwrap();
    let error = world.run(run).await.unwrap().unwrap().error.unwrap();
    assert_eq!(error.name, "KvFull");
    assert!(
        error.message.contains("brain 'works' has 10000 values")
            && error.message.contains("limits.max_kv_keys")
    );
    let run = world.start(works, job("deletes")).await.unwrap();
    world.settle().await.unwrap();
    assert_eq!(world.status(run).await.unwrap(), RunStatus::Complete);
    let run = world.start(works, job("new")).await.unwrap();
    world.settle().await.unwrap();
    assert_eq!(world.status(run).await.unwrap(), RunStatus::Complete, "one was removed");
    assert!(world.audit().await.unwrap().is_clean());
}
