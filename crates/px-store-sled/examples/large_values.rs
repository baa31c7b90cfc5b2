//! The cost of large values on disk: twenty events of 4 MB that a run takes one after
//! the other, over the real store.
//!
//! ```text
//! cargo run --release -p px-store-sled --example large_values
//! ```
//!
//! First the step keeps nothing of an event: once the store is idle, tree and
//! journal may have grown by 2.3 times the size of the events (each body once, each
//! response once, and room for what is beside them). Then the state keeps one of
//! them: a commit that changes something else may write a hundredth of it at most.
//! It fails where a bound is not kept.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::indexing_slicing,
    reason = "a measurement says by panicking that it failed"
)]

use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use bytes::Bytes;
use px_core::event::Cause;
use px_core::run::{After, Catalog as _, Command, Response, Start, StepOutcome, Then};
use px_core::wait::{Registration, Wait, WaitMode};
use px_core::{Ids, KeyId, RunId, Scope, Timestamp};
use px_store::conformance::AnyBrain;
use px_store::{Admission, Batch, Delivery, Draft, InboxEvent, InboxState, Outcome, Store};
use px_store_rows::Embedded;
use px_store_sled::{Options, SledRows};
use serde_json::{Value, json};

/// Bytes of a large event.
const LARGE: usize = 4 * 1024 * 1024;
/// Number of them.
const EVENTS: u64 = 20;
/// Maximum growth of the store, in sizes of the events.
const GROWTH: f64 = 2.3;
/// Maximum share of a large value that a commit beside it writes.
const SHARE: f64 = 0.01;

struct Rig {
    folder: tempfile::TempDir,
    store: Embedded<SledRows>,
    ids: Arc<Ids>,
    now: u64,
    noise: u64,
}

impl Rig {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Embedded::new(SledRows::open(folder.path(), Options::default()).unwrap());
        Self { folder, store, ids: Arc::new(Ids::counted(0)), now: 1_767_225_600_000, noise: 7 }
    }

    fn draft(&mut self) -> Draft<'_> {
        self.now += 1;
        Draft::new(&self.store, &AnyBrain, &self.ids, Scope(0), Timestamp::from_millis(self.now))
    }

    async fn commit(&self, batch: Batch) {
        let outcome = self.store.commit(batch, Admission::Wait).await.unwrap();
        assert!(matches!(outcome, Outcome::Committed { .. }), "{outcome:?}");
    }

    /// A text that no compression makes smaller than three quarters of it.
    fn text(&mut self, bytes: usize) -> String {
        const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let mut letter = || {
            self.noise =
                self.noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            char::from(LETTERS[usize::try_from(self.noise >> 58).unwrap()])
        };
        (0..bytes).map(|_| letter()).collect()
    }

    /// Starts a run that waits for its first event.
    async fn start(&mut self) -> RunId {
        let ids = Arc::clone(&self.ids);
        let mut draft = self.draft();
        let info = AnyBrain.brain("large").unwrap();
        let run = draft.start(Start::of(info, json!({"n": 0}), Cause::Api)).await.unwrap();
        step(&mut draft, &ids, run, json!({"n": 0})).await;
        let batch = draft.into_batch();
        self.commit(batch).await;
        run
    }

    /// Takes an event in, as an accepted webhook does, and runs the step that has
    /// it. Returns the response.
    async fn take(&mut self, run: RunId, bytes: usize, state: impl FnOnce(&Value) -> Value) {
        let response = json!({"text": self.text(bytes)});
        let ids = Arc::clone(&self.ids);
        let body = Bytes::from(serde_json::to_vec(&response).unwrap());
        let mut draft = self.draft();
        let now = draft.now();
        let wait = draft.run(run).await.unwrap().unwrap().waits[0].clone();
        let (delivery, event) = (ids.delivery(now), ids.event(now));
        draft
            .command(
                run,
                Command::Respond(Box::new(Response {
                    wait: wait.id,
                    index: 0,
                    key: Some(key()),
                    event: Some(event),
                    delivery: Some(delivery),
                    response: response.clone(),
                    test: None,
                })),
            )
            .await
            .unwrap();
        draft.put_delivery(Delivery {
            id: delivery,
            slug: "hub".into(),
            received_at: now,
            remote: "127.0.0.1:1".into(),
            method: "POST".into(),
            target: "/webhooks/hub".into(),
            headers: Vec::new(),
            verdict: "verified".into(),
            status: 200,
            took_us: 1,
            size: body.len() as u64,
            events: vec![InboxEvent {
                identifier: Some("large".into()),
                response: Some(response.clone()),
                run: Some(run),
                wait: Some(wait.id),
                ..InboxEvent::new(event, InboxState::Resumed, now)
            }],
            body,
            holders: Vec::new(),
            emptied: false,
            test: None,
            files: Vec::new(),
            contents: Vec::new(),
            revision: 0,
        });
        let batch = draft.into_batch();
        self.commit(batch).await;
        let mut draft = self.draft();
        step(&mut draft, &ids, run, state(&response)).await;
        let batch = draft.into_batch();
        self.commit(batch).await;
    }

    fn journal_bytes(&self) -> u64 {
        self.store.inspect().unwrap().stats().journal_bytes
    }
}

fn key() -> KeyId {
    KeyId::new("hub", "large")
}

async fn step(draft: &mut Draft<'_>, ids: &Ids, run: RunId, state: Value) {
    draft.command(run, Command::BeginStep { index: 0 }).await.unwrap();
    let wait = Wait {
        id: ids.wait(draft.now()),
        mode: WaitMode::Any,
        collected: Vec::new(),
        answered: Vec::new(),
        registrations: vec![Registration { key: key(), token: None, schema: 1, ask: None }],
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

/// Bytes of the files in a folder, as the disk has them.
fn on_disk(folder: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    entries
        .map(|entry| {
            let about = entry.metadata().unwrap();
            if about.is_dir() { on_disk(&entry.path()) } else { about.blocks() * 512 }
        })
        .sum()
}

async fn dropped() -> bool {
    let mut rig = Rig::new();
    let run = rig.start().await;
    rig.store.backing().checkpoint().unwrap();
    let before = on_disk(rig.folder.path());
    let journal = rig.journal_bytes();
    for _ in 0..EVENTS {
        rig.take(run, LARGE, |_| json!({"n": 1})).await;
    }
    let journal = rig.journal_bytes() - journal;
    rig.store.backing().checkpoint().unwrap();
    let grown = on_disk(rig.folder.path()) - before;
    let in_tree = on_disk(&rig.folder.path().join("tree")) as f64 / (EVENTS as f64 * LARGE as f64);
    let events = EVENTS as f64 * LARGE as f64;
    let (grown, journal) = (grown as f64 / events, journal as f64 / events);
    println!(
        "large_values: {EVENTS} events of {LARGE} bytes that a step drops: the store grew by {grown:.2} times their size \
         (at most {GROWTH}), to {in_tree:.2} times in the tree, and {journal:.2} times went through the journal"
    );
    grown <= GROWTH
}

async fn kept() -> bool {
    let mut rig = Rig::new();
    let run = rig.start().await;
    rig.take(run, LARGE, |response| json!({"kept": response["text"]})).await;
    let mut kept = rig.store.run(Scope(0), run).await.unwrap().unwrap().run.state().clone();
    assert_eq!(kept["kept"].as_str().unwrap().len(), LARGE);
    let before = rig.journal_bytes();
    for n in 0..EVENTS {
        kept["n"] = json!(n);
        let state = kept.clone();
        rig.take(run, 100, move |_| state).await;
    }
    let each = (rig.journal_bytes() - before) as f64 / (2 * EVENTS) as f64;
    let share = each / LARGE as f64;
    println!(
        "large_values: a commit beside a state that keeps {LARGE} bytes: {each:.0} bytes, {share:.4} of that (at most {SHARE})"
    );
    let read = rig.store.run(Scope(0), run).await.unwrap().unwrap().run.state().clone();
    rig.store.close().unwrap();
    share <= SHARE && read == kept
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let dropped = dropped().await;
    let kept = kept().await;
    if dropped && kept { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
