//! A store with many parked runs, and how long its audit takes.
//!
//! `parked_runs make DIR N` makes one: each run was started by an event and
//! waits on two keys, with a deadline three days later; the last one began now. `parked_runs audit DIR` opens it, audits
//! it, and prints the time and the peak of memory.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a measurement says by panicking that it failed"
)]

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use px_core::event::Cause;
use px_core::run::{After, Catalog as _, Command, Start, StepOutcome, Then};
use px_core::wait::{Registration, Wait, WaitMode};
use px_core::{Clock as _, Ids, KeyId, Scope, SystemClock, Timestamp};
use px_store::audit::{Progress, audit};
use px_store::conformance::AnyBrain;
use px_store::{Admission, Batch, DedupRecord, DedupWrite, Delivery, Draft, InboxEvent, InboxState, Store};
use px_store_rows::Embedded;
use px_store_sled::{Options, SledRows};
use serde_json::json;
use tokio::task::JoinSet;

/// Commits under way at once.
const ABREAST: usize = 512;

const USAGE: &str = "parked_runs make DIR N | parked_runs audit DIR";

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["make", dir, runs] => make(Path::new(dir), runs.parse().expect(USAGE)).await,
        ["audit", dir] => measure(Path::new(dir)).await,
        _ => panic!("{USAGE}"),
    }
}

async fn make(dir: &Path, runs: u64) {
    let store = Arc::new(Embedded::new(SledRows::open(dir, Options::default()).unwrap()));
    let ids = Ids::counted(0);
    let begun = Timestamp::from_millis(SystemClock.now().as_millis().saturating_sub(runs));
    let mut commits = JoinSet::new();
    for n in 0..runs {
        let now = Timestamp::from_millis(begun.as_millis() + n);
        let batch = parked(&*store, &ids, n, now).await;
        commits.spawn(store.commit(batch, Admission::Wait));
        if commits.len() >= ABREAST {
            commits.join_next().await.unwrap().unwrap().unwrap();
        }
    }
    while let Some(commit) = commits.join_next().await {
        commit.unwrap().unwrap();
    }
    store.close().unwrap();
    println!("{runs} parked runs in {}", dir.display());
}

/// All that leads to a parked run, in one commit.
async fn parked(store: &dyn Store, ids: &Ids, n: u64, now: Timestamp) -> Batch {
    let mut draft = Draft::new(store, &AnyBrain, ids, Scope(0), now);
    let (delivery, event) = (ids.delivery(now), ids.event(now));
    let info = AnyBrain.brain("parked").unwrap();
    let state = json!({"customer": n, "notes": "x".repeat(200)});
    let run = draft.start(Start::of(info, state.clone(), Cause::Event(event))).await.unwrap();
    draft.command(run, Command::BeginStep { index: 0 }).await.unwrap();
    let key = |slug: &str| Registration {
        key: KeyId::new(slug, format!("c{n}")),
        token: None,
        schema: 1,
        ask: None,
    };
    let wait = Wait {
        id: ids.wait(now),
        mode: WaitMode::Any,
        collected: Vec::new(),
        answered: Vec::new(),
        registrations: vec![key("slack"), key("sms")],
        opened_at: now,
        deadline: Some(Timestamp::from_millis(now.as_millis() + 259_200_000)),
        fresh: false,
        picked: false,
        reminders: Vec::new(),
    };
    let outcome = StepOutcome {
        state,
        after: After::Step("step".into()),
        then: Then::Wait(wait),
        takes_kept: Some(px_core::run::TakenAnswer { answer: 0, index: 0 }),
        labels: px_core::Labels::new(),
    };
    draft.command(run, Command::ReturnStep(Box::new(outcome))).await.unwrap();
    let body = Bytes::from(format!("{{\"customer\":{n},\"text\":\"{}\"}}", "y".repeat(300)));
    let entry = InboxEvent {
        provider_id: Some(format!("p{n}")),
        identifier: Some(format!("c{n}")),
        run: Some(run),
        ..InboxEvent::new(event, InboxState::Started, now)
    };
    draft.put_delivery(Delivery {
        id: delivery,
        slug: "form".into(),
        received_at: now,
        remote: "127.0.0.1:1".into(),
        method: "POST".into(),
        target: "/webhooks/form".into(),
        headers: vec![("content-type".into(), "application/json".into())],
        verdict: "verified".into(),
        status: 201,
        took_us: 1,
        size: body.len() as u64,
        events: vec![entry],
        body,
        holders: Vec::new(),
        emptied: false,
        files: Vec::new(),
        contents: Vec::new(),
        revision: 0,
    });
    draft.put_dedup(DedupWrite {
        slug: "form".into(),
        provider_id: format!("p{n}"),
        record: DedupRecord { delivery, action: "triggered".into(), run: Some(run), at: now, reply: None },
        expected: None,
    });
    draft.into_batch()
}

async fn measure(dir: &Path) {
    let begun = Instant::now();
    let store = Embedded::new(SledRows::open(dir, Options::default()).unwrap());
    let opened = begun.elapsed();
    let report = audit(&store, Scope(0), &mut |_: Progress| {}).await.unwrap();
    let took = begun.elapsed() - opened;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default();
    println!("{:?}", report.counts);
    println!(
        "clean: {}, opened in {opened:?}, audited {} runs in {took:?}",
        report.is_clean(),
        report.runs()
    );
    println!("{}", peak.split_whitespace().collect::<Vec<_>>().join(" "));
    drop(store);
}
