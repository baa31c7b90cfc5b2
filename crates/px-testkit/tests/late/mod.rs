//! Updates that fail, values within effects, and more runs at once than a commit is tried for.

use std::sync::atomic::AtomicU64;

use super::*;

/// Works on the value `n` in the way that its input says.
fn turns() -> Brain<Job, Job> {
    brain("turns").step("turn", turn).build()
}
px_sdk::brain!(turns);

async fn turn(cx: Cx, mut job: Job) -> Result<Next<Job>> {
    begin("turn");
    let n = cx.kv::<u64>("n");
    match job.how.as_str() {
        "gives up" => {
            let full =
                |n: Option<u64>| n.filter(|n| *n < 100).map(|n| n + 1).ok_or_else(|| Error::msg("full"));
            job.sees = Some(u64::from(n.try_update(full).await.is_ok()));
            cx.kv::<bool>("told").set(true).await?;
        }
        "within once" => {
            cx.once("number", async || {
                begin("number");
                n.update(|n| n.unwrap_or(0) + 1).await
            })
            .await?;
        }
        "labels within once" => cx.once("label", async || cx.label("order", "o2")).await?,
        "within an effect" => {
            let look = cx.kv::<u64>("n");
            cx.effect("look", async |_| look.get().await.map(|_| ())).await?;
        }
        "beside an effect" => {
            let (told, counted) = tokio::join!(
                cx.effect("tell", async |_| {
                    tokio::task::yield_now().await;
                    Ok(())
                }),
                n.update(|n| n.unwrap_or(0) + 1)
            );
            told.and(counted)?;
        }
        other => cx.kv::<bool>(other).set(true).await?,
    }
    Ok(Next(job))
}

/// What came of a run of `turns`: how often its code ran, what it saw, and the value.
async fn turned(world: &World, how: &str) -> (usize, Value, Option<Value>) {
    BEGUN.take();
    let run = world.start(turns, job(how)).await.unwrap();
    world.settle().await.unwrap();
    let found = world.run(run).await.unwrap().unwrap();
    assert_eq!(found.status, RunStatus::Complete, "{how}: {:?}", found.error);
    (BEGUN.take().len(), found.state()["sees"].clone(), world.kv(&id("turns")).await.unwrap())
}

/// What the step tells follows from the value that the function refused.
#[tokio::test]
async fn a_step_that_handles_the_failure_of_an_update_rests_on_the_value_that_it_failed_with() {
    let world = over_rival("turns", 100, KvChange::Put(json!(7))).await;
    assert_eq!(turned(&world, "gives up").await, (2, json!(1), Some(json!(8))), "there is room by then");
    let world = over_rival("turns", 7, KvChange::Put(json!(100))).await;
    assert_eq!(turned(&world, "gives up").await, (2, json!(0), Some(json!(100))), "there is none by then");
}

/// When the step runs again an effect is not made again, and what it has done to values would be lost.
#[tokio::test]
async fn within_an_effect_there_are_no_values_and_beside_it_there_are() {
    for how in ["within once", "within an effect"] {
        let world = World::new(Registry::collect().unwrap()).unwrap();
        let run = world.start(turns, job(how)).await.unwrap();
        world.settle().await.unwrap();
        let error = world.run(run).await.unwrap().unwrap().error.unwrap();
        assert_eq!(error.name, "KvInEffect", "{how}: {error:?}");
        assert!(error.message.contains("value 'n' of brain 'turns'"), "{error:?}");
        assert_eq!(world.kv(&id("turns")).await.unwrap(), None);
    }
    let world = World::new(Registry::collect().unwrap()).unwrap();
    let run = world.start(turns, job("labels within once")).await.unwrap();
    world.settle().await.unwrap();
    let error = world.run(run).await.unwrap().unwrap().error.unwrap();
    assert!(error.message.contains("label 'order' is put on the run within `cx.once`"), "{error:?}");
    let world = with_rival("turns", KvChange::Put(json!(50))).await;
    assert_eq!(turned(&world, "beside an effect").await, (1, Value::Null, Some(json!(51))));
}

/// A store in which others make values of the brain before each commit that makes one, for longer than
/// other commits are tried.
fn crowded(world: &World) {
    let made = AtomicU64::new(0);
    world.store().detour(move |inner, batch, admission| {
        if let [count] = &batch.kv.brains[..]
            && made.load(Ordering::SeqCst) < 512
        {
            let name = format!("of run {}", made.fetch_add(1, Ordering::SeqCst));
            let before = block_on(inner.kv().brain(Scope::default(), &count.brain)).unwrap();
            let (expected, keys) = before.map_or((0, 0), |brain| (brain.version, brain.record.keys));
            let id = KvId::shared(&count.brain, name);
            let count = KvBrainWrite { expected, version: expected + 1, keys: keys + 1, ..count.clone() };
            let (change, at) = (KvChange::Put(json!(true)), px_core::Timestamp::from_millis(1));
            let value = KvWrite { id, expected: 0, version: 1, at, change };
            let kv = KvBatch { values: vec![value], brains: vec![count] };
            block_on(inner.commit(Batch { kv, ..Batch::default() }, admission)).unwrap();
        }
        inner.commit(batch, admission)
    });
}

#[tokio::test]
async fn however_many_runs_make_values_of_one_brain_at_once_each_does() {
    let world = World::new(Registry::collect().unwrap()).unwrap();
    crowded(&world);
    assert_eq!(turned(&world, "new").await.0, 1, "the code runs once");
    assert!(world.audit().await.unwrap().is_clean());
    let world = World::new(Registry::collect().unwrap()).unwrap();
    crowded(&world);
    BEGUN.take();
    let run = world.start(list, job("updates")).await.unwrap();
    world.settle().await.unwrap();
    assert_eq!(world.status(run).await.unwrap(), RunStatus::Complete);
    assert_eq!(BEGUN.take(), ["item 0", "tell", "item 1", "tell"]);
    assert!(world.audit().await.unwrap().is_clean());
}
