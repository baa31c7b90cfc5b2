//! The cost of a start and of a resume at an identifier on which 100, 10,000 and
//! 100,000 runs wait: bytes of the journal and time of the processors, over the
//! real store, with waits that want no token and with waits that want one each.
//!
//! ```text
//! cargo run --release -p px-store-sled --example hot_key [most]
//! ```
//!
//! Starts and resumes at the three keys take turns, so that whatever else the
//! machine does, and what the store does behind them, slows all alike. It fails
//! if one costs more than 1.2 times what it costs at the shortest line.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a measurement says by panicking that it failed"
)]

use std::fs;
use std::process::ExitCode;
use std::sync::Arc;

use px_core::event::Cause;
use px_core::key::{Arrival, Route};
use px_core::run::{After, Catalog as _, Command, Response, Start, StepOutcome, Then};
use px_core::wait::{Registration, Wait, WaitMode};
use px_core::{Ids, KeyId, RunId, Scope, Timestamp};
use px_store::conformance::AnyBrain;
use px_store::{Admission, Batch, Draft, Outcome, Store};
use px_store_rows::Embedded;
use px_store_sled::{Options, SledRows};
use serde_json::json;

/// Waits at the longest line if the command line does not say.
const MOST: u64 = 100_000;
/// Waits that one commit opens while the lines are made.
const AT_ONCE: u64 = 200;
/// Starts, and as many resumes, that are measured in a row.
const BLOCK: u64 = 20;
/// Such rows at each key.
const BLOCKS: u64 = 40;
/// Maximum ratio of the cost at a longer line to that at the shortest.
const BOUND: f64 = 1.2;

struct Rig {
    _folder: tempfile::TempDir,
    store: Embedded<SledRows>,
    ids: Arc<Ids>,
    now: u64,
}

/// A key, and the waits that were opened there and that were answered.
struct Hot {
    key: KeyId,
    has_tokens: bool,
    length: u64,
    opened: u64,
    answered: u64,
}

/// Bytes of the journal and nanoseconds of processors.
#[derive(Debug, Default, Clone, Copy)]
struct Cost {
    bytes: u64,
    cpu: u64,
}

impl Hot {
    fn token(&self, n: u64) -> Option<String> {
        self.has_tokens.then(|| format!("token-{n:08}"))
    }
}

impl Rig {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Embedded::new(SledRows::open(folder.path(), Options::default()).unwrap());
        Self { _folder: folder, store, ids: Arc::new(Ids::counted(0)), now: 1_767_225_600_000 }
    }

    fn draft(&mut self) -> Draft<'_> {
        self.now += 1;
        Draft::new(&self.store, &AnyBrain, &self.ids, Scope(0), Timestamp::from_millis(self.now))
    }

    async fn commit(&self, batch: Batch) {
        let outcome = self.store.commit(batch, Admission::Wait).await.unwrap();
        assert!(matches!(outcome, Outcome::Committed { .. }), "{outcome:?}");
    }

    /// Starts runs, each of which opens a wait.
    async fn park(&mut self, hot: &mut Hot, count: u64) {
        let ids = Arc::clone(&self.ids);
        let mut draft = self.draft();
        for _ in 0..count {
            start(&mut draft, &ids, hot).await;
        }
        let batch = draft.into_batch();
        self.commit(batch).await;
    }

    /// Answers the oldest wait, as an accepted event does.
    async fn resume(&mut self, hot: &mut Hot) -> RunId {
        let token = hot.token(hot.answered);
        let mut draft = self.draft();
        let at = draft.now();
        let token = token.as_deref();
        let arrival = Arrival { token, starts: false, early: None, queue_limit: 1, at };
        let candidates = draft.candidates(&hot.key, token).await.unwrap();
        let route = draft.key(&hot.key).await.unwrap().route(&candidates, &arrival);
        let Route::Resume(wait) = route else { panic!("{route:?}") };
        let response = Response {
            wait: wait.wait,
            index: wait.index,
            key: Some(hot.key.clone()),
            event: None,
            delivery: None,
            response: json!({"text": "yes"}),
            test: None,
        };
        draft.command(wait.run, Command::Respond(Box::new(response))).await.unwrap();
        let batch = draft.into_batch();
        self.commit(batch).await;
        hot.answered += 1;
        wait.run
    }

    fn cost(&self) -> Cost {
        Cost { bytes: self.store.inspect().unwrap().stats().journal_bytes, cpu: cpu() }
    }
}

async fn start(draft: &mut Draft<'_>, ids: &Ids, hot: &mut Hot) {
    let info = AnyBrain.brain("hot").unwrap();
    let state = json!({"notes": "x".repeat(200)});
    let run = draft.start(Start::of(info, state.clone(), Cause::Api)).await.unwrap();
    draft.command(run, Command::BeginStep { index: 0 }).await.unwrap();
    let registration =
        Registration { key: hot.key.clone(), token: hot.token(hot.opened), schema: 1, ask: None };
    hot.opened += 1;
    let wait = Wait {
        id: ids.wait(draft.now()),
        mode: WaitMode::Any,
        collected: Vec::new(),
        answered: Vec::new(),
        registrations: vec![registration],
        opened_at: draft.now(),
        deadline: None,
        fresh: false,
        picked: false,
        reminders: Vec::new(),
    };
    let outcome = StepOutcome {
        state,
        after: After::Step("step".into()),
        then: Then::Wait(wait),
        takes_kept: None,
        labels: px_core::Labels::new(),
    };
    draft.command(run, Command::ReturnStep(Box::new(outcome))).await.unwrap();
}

/// Time of the processors that all threads of this process have had, nanoseconds.
fn cpu() -> u64 {
    let threads = fs::read_dir("/proc/self/task").unwrap();
    threads
        .map(|thread| fs::read_to_string(thread.unwrap().path().join("schedstat")).unwrap_or_default())
        .filter_map(|text| text.split(' ').next()?.parse::<u64>().ok())
        .sum()
}

impl Cost {
    fn add(&mut self, from: Self, to: Self) {
        self.bytes += to.bytes - from.bytes;
        self.cpu += to.cpu - from.cpu;
    }
}

async fn measure(has_tokens: bool, most: u64) -> bool {
    let mut rig = Rig::new();
    let mut hot: Vec<Hot> = [most / 1_000, most / 10, most]
        .map(|length| {
            let key = KeyId::new("hub", format!("line-of-{length:07}"));
            Hot { key, has_tokens, length, opened: 0, answered: 0 }
        })
        .into();
    for hot in &mut hot {
        while hot.opened < hot.length {
            let count = AT_ONCE.min(hot.length - hot.opened);
            rig.park(hot, count).await;
        }
    }
    rig.store.backing().checkpoint().unwrap();
    let mut costs = vec![(Cost::default(), Cost::default()); hot.len()];
    for _ in 0..BLOCKS {
        for (hot, (starts, resumes)) in hot.iter_mut().zip(&mut costs) {
            let before = rig.cost();
            for _ in 0..BLOCK {
                rig.park(hot, 1).await;
            }
            let between = rig.cost();
            for _ in 0..BLOCK {
                rig.resume(hot).await;
            }
            starts.add(before, between);
            resumes.add(between, rig.cost());
        }
    }
    rig.store.close().unwrap();
    let what = if has_tokens { "with tokens" } else { "without tokens" };
    let mut is_good = true;
    let Some(least) = costs.first().copied() else { return false };
    for (hot, (starts, resumes)) in hot.iter().zip(costs) {
        for (act, cost, least) in [("start", starts, least.0), ("resume", resumes, least.1)] {
            let each = |total: u64| total as f64 / (BLOCK * BLOCKS) as f64;
            let (bytes, cpu) = (cost.bytes as f64 / least.bytes as f64, cost.cpu as f64 / least.cpu as f64);
            is_good &= bytes <= BOUND && cpu <= BOUND;
            println!(
                "hot_key: a {act} beside {} {what}: {:.0} bytes and {:.0} µs of processors, {bytes:.2} and {cpu:.2} \
                 times as much as at the shortest line (at most {BOUND})",
                hot.length,
                each(cost.bytes),
                each(cost.cpu) / 1e3,
            );
        }
    }
    is_good
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let most = std::env::args().nth(1).map_or(MOST, |text| text.parse().unwrap());
    let without = measure(false, most).await;
    let with = measure(true, most).await;
    if without && with { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
