//! What a step costs at the beginning of a long run and at its end: time and
//! bytes of the journal, over the real store. The run has 10,000 turns of a
//! loop and a state of 2 KiB, of which each turn changes a part; in the second
//! run each turn waits for an event, which is posted, accepted and consumed.
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
use px_store::{Embedded, Store};
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
    turns: usize,
    turn: usize,
    texts: Vec<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
struct Tick {
    turn: usize,
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
        Ok(Inbound::resume("tick", tick))
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
    let bytes = STORE.lock().unwrap().as_ref().unwrap().stats().journal_bytes;
    TURN.lock().unwrap().push((Instant::now(), bytes));
}

fn work(long: &mut Long) {
    let place = long.turn % TEXTS;
    long.texts[place] = format!("{:064}", long.turn);
    long.turn += 1;
}

async fn open(_cx: Cx, long: Long) -> Result<Waiting<Long, Tick>> {
    Ok(Waiting::given(long, Tick { turn: 0 }))
}

async fn go_on(_cx: Cx, mut long: Long, _tick: Tick) -> Result<Again<Long, Tick, Long>> {
    note_turn();
    work(&mut long);
    Ok(if long.turn == long.turns {
        Again::done(long)
    } else {
        let turn = long.turn;
        Waiting::given(long, Tick { turn }).into()
    })
}

async fn wait(_cx: Cx, mut long: Long, _tick: Tick) -> Result<Again<Long, Tick, Long>> {
    note_turn();
    work(&mut long);
    Ok(if long.turn == long.turns { Again::done(long) } else { wait_for(long, ticks::on("tick")).into() })
}

async fn measure(turns: usize, waits: bool) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> =
        Arc::new(Embedded::new(SledRows::open(folder.path(), Options::default()).unwrap()));
    *STORE.lock().unwrap() = Some(Arc::clone(&store));
    TURN.lock().unwrap().clear();
    let world = World::over(Registry::collect().unwrap(), Arc::clone(&store), 0).unwrap();
    let long = Long { turns, turn: 0, texts: vec!["x".repeat(64); TEXTS] };
    let run = if waits { world.start(patient, long).await } else { world.start(busy, long).await }.unwrap();
    world.settle().await.unwrap();
    while waits && world.status(run).await.unwrap().as_str() == "waiting" {
        let answer = world.post("ticks", &json!({"turn": 0})).await.unwrap();
        assert_eq!(answer.action, Some("resumed"));
        world.settle().await.unwrap();
    }
    assert_eq!(world.status(run).await.unwrap().as_str(), "complete");
    let length = store.run(Scope::default(), run).await.unwrap().unwrap().run.seq;
    store.close().unwrap();

    let marks = TURN.lock().unwrap().clone();
    let part = turns / 10;
    // The first turns pay for what is opened and allocated once.
    let (early, late) = (cost(&marks[10..10 + part]), cost(&marks[turns - part..]));
    let (time, bytes) = (late.0 / early.0, late.1 / early.1);
    println!(
        "step_cost: {turns} turns {}, {length} entries in the log; a turn at the start {:.0} µs and {:.0} bytes, \
         at the end {:.0} µs and {:.0} bytes: {time:.2} and {bytes:.2} times as much",
        if waits { "with an event each" } else { "without a wait" },
        early.0,
        early.1,
        late.0,
        late.1
    );
    time <= BOUND && bytes <= BOUND
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
    let busy = measure(turns, false).await;
    let patient = measure(turns, true).await;
    if busy && patient { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
