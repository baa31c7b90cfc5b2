//! What a step costs at the beginning of a long run and at its end: time and
//! bytes of the journal, over the real store. The run has 10,000 turns of a
//! loop and a state of 2 KiB, of which each turn changes a part; in the second
//! run each turn waits for an event, which is posted, accepted and consumed.
//! In its last tenth a run at its end and one at its start take turns, so that
//! whatever else the machine does slows both.
//!
//! ```text
//! cargo run --release -p px-testkit --example step_cost [turns]
//! ```
//!
//! It fails if a step at the end costs more than 1.2 times what it cost at the
//! start, in time (medians) or in bytes (means).

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    reason = "a measurement says by panicking that it failed"
)]

use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use px_core::Scope;
use px_sdk::{Again, Brain, Cx, Inbound, Registry, Result, Waiting, brain, verify, wait_for};
use px_store::Store;
use px_store_rows::Embedded;
use px_store_sled::{Options, SledRows};
use px_testkit::World;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Turns if the command line does not say.
const TURNS: usize = 10_000;
/// How many texts of 64 bytes the state has.
const TEXTS: usize = 32;
/// How much more a step may cost at the end.
const BOUND: f64 = 1.2;

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
struct Long {
    key: String,
    turns: usize,
    turn: usize,
    texts: Vec<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
struct Tick {
    key: String,
}

mod ticks {
    use super::*;

    px_sdk::webhook! {
        slug = "ticks",
        payload = Tick,
        response = Tick,
        verify = verify::unverified(),
        handler = receive,
    }

    async fn receive(tick: Tick) -> Result<Inbound<Tick>> {
        Ok(Inbound::resume(tick.key.clone(), tick))
    }
}

fn busy() -> Brain<Long> {
    brain("busy").step("open", open).each("turn", go_on).build()
}
px_sdk::brain!(busy);

fn patient() -> Brain<Long> {
    brain("patient").step("open", open).each("turn", wait).build()
}
px_sdk::brain!(patient);

/// When each turn began, and what the journal held.
static TURN: Mutex<Vec<(Instant, u64)>> = Mutex::new(Vec::new());
static STORE: Mutex<Option<Arc<dyn Store>>> = Mutex::new(None);

fn note_turn() {
    let bytes = STORE.lock().unwrap().as_ref().unwrap().inspect().unwrap().stats().journal_bytes;
    TURN.lock().unwrap().push((Instant::now(), bytes));
}

fn work(long: &mut Long) {
    let place = long.turn % TEXTS;
    long.texts[place] = format!("{:064}", long.turn);
    long.turn += 1;
}

async fn open(_cx: Cx, long: Long) -> Result<Waiting<Long, Tick>> {
    Ok(Waiting::given(long, Tick { key: String::new() }))
}

async fn go_on(_cx: Cx, mut long: Long, _tick: Tick) -> Result<Again<Long, Tick, Long>> {
    note_turn();
    work(&mut long);
    Ok(if long.turn == long.turns {
        Again::done(long)
    } else {
        Waiting::given(long, Tick { key: String::new() }).into()
    })
}

async fn wait(_cx: Cx, mut long: Long, _tick: Tick) -> Result<Again<Long, Tick, Long>> {
    note_turn();
    work(&mut long);
    let on = ticks::on(&long.key);
    Ok(if long.turn == long.turns { Again::done(long) } else { wait_for(long, on).into() })
}

struct Rig {
    _folder: tempfile::TempDir,
    store: Arc<dyn Store>,
    world: World,
}

fn rig() -> Rig {
    let folder = tempfile::tempdir().unwrap();
    let rows = SledRows::open(folder.path(), Options::default()).unwrap();
    let store: Arc<dyn Store> = Arc::new(Embedded::new(rows));
    *STORE.lock().unwrap() = Some(Arc::clone(&store));
    TURN.lock().unwrap().clear();
    let world = World::over(Registry::collect().unwrap(), Arc::clone(&store), 0).unwrap();
    Rig { _folder: folder, store, world }
}

fn long(key: &str, turns: usize) -> Long {
    Long { key: key.into(), turns, turn: 0, texts: vec!["x".repeat(64); TEXTS] }
}

/// One run from its first turn to its last, without a wait: bytes count, and
/// the time is told.
async fn busy_run(turns: usize) -> bool {
    let Rig { store, world, .. } = &rig();
    let run = world.start(busy, long("busy", turns)).await.unwrap();
    world.settle().await.unwrap();
    assert_eq!(world.status(run).await.unwrap().as_str(), "complete");
    store.close().unwrap();
    let marks = TURN.lock().unwrap().clone();
    let part = turns / 10;
    // The first turns pay for what is opened and allocated once.
    let (early, late) = (cost(&marks[10..10 + part]), cost(&marks[turns - part..]));
    println!(
        "step_cost: {turns} turns without a wait: {:.0} µs and {:.0} bytes at the start, {:.0} µs and {:.0} bytes \
         at the end; {:.2} times the bytes",
        early.0,
        early.1,
        late.0,
        late.1,
        late.1 / early.1
    );
    late.1 / early.1 <= BOUND
}

/// One turn of a run: an event is posted, accepted and consumed. Its time in
/// µs, and the bytes of the journal.
async fn turn(rig: &Rig, key: &str) -> (f64, f64) {
    let before = rig.store.inspect().unwrap().stats().journal_bytes;
    let begun = Instant::now();
    let answer = rig.world.post("ticks", &json!({ "key": key })).await.unwrap();
    assert_eq!(answer.action, Some("resumed"));
    rig.world.settle().await.unwrap();
    let time = begun.elapsed().as_secs_f64() * 1e6;
    (time, (rig.store.inspect().unwrap().stats().journal_bytes - before) as f64)
}

async fn patient_runs(turns: usize) -> bool {
    let rig = rig();
    let old = rig.world.start(patient, long("old", turns)).await.unwrap();
    rig.world.settle().await.unwrap();
    let part = turns / 10;
    for _ in 0..turns - part - 1 {
        turn(&rig, "old").await;
    }
    rig.world.start(patient, long("young", turns)).await.unwrap();
    rig.world.settle().await.unwrap();
    let (mut late, mut early) = (Vec::new(), Vec::new());
    for _ in 0..part - 1 {
        late.push(turn(&rig, "old").await);
        early.push(turn(&rig, "young").await);
    }
    let length = rig.store.run(Scope::default(), old).await.unwrap().unwrap().run.seq;
    rig.store.close().unwrap();
    let (late, early) = (middle(&late), middle(&early));
    let (time, bytes) = (late.0 / early.0, late.1 / early.1);
    println!(
        "step_cost: {turns} turns with an event each, {length} entries in the log: {:.0} µs and {:.0} bytes for a turn \
         of a run that begins, {:.0} µs and {:.0} bytes for one of the old run; {time:.2} and {bytes:.2} times as much",
        early.0, early.1, late.0, late.1
    );
    time <= BOUND && bytes <= BOUND
}

/// The median of the times, and the mean of the bytes.
fn middle(turns: &[(f64, f64)]) -> (f64, f64) {
    let mut times: Vec<f64> = turns.iter().map(|(time, _)| *time).collect();
    times.sort_by(f64::total_cmp);
    (times[times.len() / 2], turns.iter().map(|(_, bytes)| bytes).sum::<f64>() / turns.len() as f64)
}

/// The median of the times between turns, in µs, and the mean of their bytes.
fn cost(marks: &[(Instant, u64)]) -> (f64, f64) {
    let mut times: Vec<f64> =
        marks.windows(2).map(|pair| (pair[1].0 - pair[0].0).as_secs_f64() * 1e6).collect();
    times.sort_by(f64::total_cmp);
    let bytes = marks[marks.len() - 1].1 - marks[0].1;
    (times[times.len() / 2], bytes as f64 / times.len() as f64)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let turns = std::env::args().nth(1).map_or(TURNS, |text| text.parse().unwrap());
    let busy = busy_run(turns).await;
    let patient = patient_runs(turns).await;
    if busy && patient { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
