//! A row that is not what was written holds up nothing but its own run: neither the
//! ready runs beside it, nor the timers behind it, nor the sender of another event.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test says by panicking that it failed"
)]

mod house;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use house::{House, pass, start};
use px_core::{RunId, RunStatus};
use px_engine::{Engine, Limits};
use px_sdk::{Brain, Cx, Inbound, Next, Registry, Result, Timed, Waiting, brain, verify, wait_for};
use px_store::{Admission, Error};
use px_store_rows::{Backing, Embedded, MemoryRows, Order, RowBatch, RowKey, RowOp};
use px_testkit::{FaultyStore, World};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

const TIMEOUT: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
struct Job {
    name: String,
}

mod pings {
    use super::*;

    px_sdk::webhook! {
        slug = "pings",
        payload = Job,
        response = Job,
        verify = verify::unverified(),
        handler = receive,
    }

    async fn receive(job: Job) -> Result<Inbound<Job>> {
        Ok(Inbound::resume(job.name.clone(), job))
    }
}

fn short() -> Brain<Job> {
    brain("short").step("work", work).build()
}
px_sdk::brain!(short);

async fn work(_cx: Cx, job: Job) -> Result<Next<Job>> {
    Ok(Next(job))
}

fn waits() -> Brain<Job> {
    brain("waits").step("wait", wait).step("end", end).build()
}
px_sdk::brain!(waits);

async fn wait(_cx: Cx, job: Job) -> Result<Waiting<Job, Timed<Job>>> {
    let on = pings::on(&job.name);
    Ok(wait_for(job, on).timeout(TIMEOUT))
}

async fn end(_cx: Cx, job: Job, _ping: Timed<Job>) -> Result<Next<Job>> {
    Ok(Next(job))
}

type Rows = Embedded<MemoryRows>;

fn house() -> (House, Rows) {
    let rows = Embedded::new(MemoryRows::new());
    (House { store: Arc::new(rows.clone()), ..House::new() }, rows)
}

/// Makes the record of a run unreadable.
async fn damage(rows: &Rows, run: RunId) {
    let all = rows.backing().range(&[], &[u8::MAX; 64], Order::Ascending, usize::MAX).unwrap();
    // Rows that say that there is work for it, or that it is in a list, are small.
    let of_it = all.iter().filter(|(row, _)| row.ends_with(&run.to_bytes()));
    let (row, whole) = of_it.max_by_key(|(_, value)| value.len()).expect("it has a row");
    let value = Bytes::from([&whole[..9], b"no record"].concat());
    let ops = vec![RowOp::Put { key: RowKey::from_slice(row), value }];
    rows.backing().submit(RowBatch { ops, ..RowBatch::default() }, Admission::Wait).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_ready_run_that_cannot_be_read_holds_up_none_that_is_ready_too() {
    for is_shared in [true, false] {
        let (house, rows) = house();
        let cluster = || if is_shared { house.member() } else { house.alone() };
        // Without a place of its own a member leaves what it makes ready to others.
        let accepts = house.parts(cluster(), 0);
        let mut runs = Vec::new();
        for name in ["first", "second", "third"] {
            runs.push(start(&accepts, "short", name).await);
        }
        damage(&rows, runs[1]).await;
        let engine = Engine::start(house.parts(cluster(), 8), Limits::default());
        pass(3).await;
        for run in [runs[0], runs[2]] {
            assert_eq!(house.status(run).await, RunStatus::Complete, "shared: {is_shared}");
        }
        engine.shutdown(Duration::ZERO).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_timer_of_a_run_that_cannot_be_read_holds_up_none_behind_it() {
    let (house, rows) = house();
    let parts = house.parts(house.alone(), 8);
    let engine = Engine::start(parts.clone(), Limits::default());
    let damaged = start(&parts, "waits", "damaged").await;
    pass(1).await;
    let whole = start(&parts, "waits", "whole").await;
    pass(1).await;
    damage(&rows, damaged).await;
    pass(TIMEOUT.as_secs() + 2).await;
    assert_eq!(house.status(whole).await, RunStatus::Complete);
    engine.shutdown(Duration::ZERO).await;
}

/// A house whose store fails with this error whenever a commit takes this run further.
fn house_that_fails(fails: fn() -> Error) -> (House, Arc<OnceLock<RunId>>) {
    let (mut house, _) = house();
    let failing = Arc::new(OnceLock::new());
    let (store, of) = (FaultyStore::new(Arc::clone(&house.store)), Arc::clone(&failing));
    store.detour(move |store, batch, admission| {
        if batch.runs.iter().any(|write| Some(&write.run.id) == of.get()) {
            return Box::pin(std::future::ready(Err(fails())));
        }
        store.commit(batch, admission)
    });
    house.store = Arc::new(store);
    (house, failing)
}

#[tokio::test(start_paused = true)]
async fn a_timer_whose_commit_is_too_large_holds_up_none_behind_it() {
    let fails = || Error::TooLarge { what: "a batch".into(), found: 2, most: 1 };
    let (house, failing) = house_that_fails(fails);
    let parts = house.parts(house.alone(), 8);
    let engine = Engine::start(parts.clone(), Limits::default());
    let large = start(&parts, "waits", "large").await;
    pass(1).await;
    let other = start(&parts, "waits", "other").await;
    pass(1).await;
    failing.set(large).unwrap();
    pass(TIMEOUT.as_secs() + 2).await;
    assert_eq!(house.status(other).await, RunStatus::Complete);
    assert_eq!(house.status(large).await, RunStatus::Waiting);
    engine.shutdown(Duration::ZERO).await;
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_as_a_whole_is_not_asked_for_each_timer() {
    let tries = Arc::new(AtomicU64::new(0));
    let (mut house, _) = house();
    let (store, count) = (FaultyStore::new(Arc::clone(&house.store)), Arc::clone(&tries));
    let is_full = Arc::new(AtomicBool::new(false));
    let full = Arc::clone(&is_full);
    store.detour(move |store, batch, admission| {
        if full.load(Ordering::SeqCst) {
            count.fetch_add(1, Ordering::SeqCst);
            return Box::pin(std::future::ready(Err(Error::Full("no room".into()))));
        }
        store.commit(batch, admission)
    });
    house.store = Arc::new(store);
    let parts = house.parts(house.alone(), 8);
    let engine = Engine::start(parts.clone(), Limits::default());
    for name in ["one", "two", "three"] {
        start(&parts, "waits", name).await;
    }
    pass(1).await;
    engine.shutdown(Duration::ZERO).await;
    is_full.store(true, Ordering::SeqCst);
    pass(TIMEOUT.as_secs() + 2).await;
    px_engine::ring_due(&house.parts(house.alone(), 8)).await.unwrap();
    assert_eq!(tries.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_has_ended_rings_no_timer() {
    let (house, _) = house();
    let parts = house.parts(house.alone(), 8);
    let engine = Engine::start(parts.clone(), Limits::default());
    let run = start(&parts, "waits", "one").await;
    pass(1).await;
    engine.shutdown(Duration::ZERO).await;
    pass(TIMEOUT.as_secs() + 2).await;
    px_engine::ring_due(&parts).await.unwrap();
    assert_eq!(house.status(run).await, RunStatus::Waiting);
    // The next process does.
    px_engine::ring_due(&house.parts(house.alone(), 8)).await.unwrap();
    assert_eq!(house.status(run).await, RunStatus::Running);
}

#[tokio::test]
async fn a_delivery_that_needs_a_damaged_row_is_500_and_another_one_is_taken() {
    let rows = Embedded::new(MemoryRows::new());
    let world = World::over(Registry::collect().unwrap(), Arc::new(rows.clone()), 1).unwrap();
    let damaged = world.start(waits, Job { name: "damaged".into() }).await.unwrap();
    let whole = world.start(waits, Job { name: "whole".into() }).await.unwrap();
    world.settle().await.unwrap();
    damage(&rows, damaged).await;
    for _ in 0..2 {
        let answer = world.post("pings", &json!({"name": "damaged"})).await.unwrap();
        let body: Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!((answer.status, &body["code"]), (500, &json!("PX0040")), "{body}");
    }
    let answer = world.post("pings", &json!({"name": "whole"})).await.unwrap();
    assert_eq!((answer.status, answer.run), (200, Some(whole)));
}
