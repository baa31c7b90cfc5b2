//! The cost of an event of a large delivery: what is read and written for one does
//! not grow with the number of the others.

#![expect(clippy::unwrap_used, reason = "a test says by panicking that it failed")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use px_core::event::Cause;
use px_core::run::{After, Catalog as _, Command, Start, StepOutcome, TakenAnswer, Then};
use px_core::wait::{Registration, Wait};
use px_core::{Ids, KeyId, RunId, Scope, Timestamp};
use px_store::conformance::{AnyBrain, block_on};
use px_store::{
    Admission, BoxFuture, Delivery, Draft, Error, HintBus, InboxEvent, InboxState, Outcome, QueuedEvent,
    RowStats, Store as _,
};
use px_store_rows::{Backing, Embedded, MemoryRows, Order, RowBatch, RowOp, RowOutcome};
use serde_json::json;
use tokio::sync::watch;

const SCOPE: Scope = Scope(0);

/// Rows in memory, and the bytes that went in and out.
#[derive(Default)]
struct Counted {
    rows: MemoryRows,
    bytes: AtomicUsize,
}

impl Counted {
    fn count(&self, bytes: usize) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }
}

impl Backing for Counted {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, Error> {
        let found = self.rows.get(key)?;
        self.count(key.len() + found.as_ref().map_or(0, Bytes::len));
        Ok(found)
    }

    fn range(
        &self,
        from: &[u8],
        to: &[u8],
        order: Order,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Bytes)>, Error> {
        let found = self.rows.range(from, to, order, limit)?;
        self.count(found.iter().map(|(key, value)| key.len() + value.len()).sum());
        Ok(found)
    }

    fn postings(
        &self,
        list: &[u8],
        beyond: Option<[u8; 16]>,
        order: Order,
        limit: usize,
    ) -> Result<Vec<[u8; 16]>, Error> {
        self.rows.postings(list, beyond, order, limit)
    }

    fn submit(&self, batch: RowBatch, admission: Admission) -> BoxFuture<'static, Result<RowOutcome, Error>> {
        let size = |op: &RowOp| match op {
            RowOp::Put { key, value } => key.len() + value.len(),
            RowOp::Remove { key } => key.len(),
            RowOp::Post { list, id } | RowOp::Unpost { list, id } => list.len() + id.len(),
        };
        self.count(batch.ops.iter().map(size).sum());
        self.rows.submit(batch, admission)
    }

    fn hints(&self) -> &Arc<HintBus> {
        self.rows.hints()
    }

    fn stats(&self) -> RowStats {
        self.rows.stats()
    }

    fn failure(&self) -> watch::Receiver<Option<String>> {
        self.rows.failure()
    }

    fn close(&self) -> Result<(), Error> {
        self.rows.close()
    }
}

struct Rig {
    store: Embedded<Counted>,
    ids: Ids,
    at: Timestamp,
}

impl Rig {
    fn draft(&self) -> Draft<'_> {
        Draft::new(&self.store, &AnyBrain, &self.ids, SCOPE, self.at)
    }

    fn commit(&self, draft: Draft<'_>) {
        let outcome = block_on(self.store.commit(draft.into_batch(), Admission::Wait)).unwrap();
        assert!(matches!(outcome, Outcome::Committed { .. }), "{outcome:?}");
    }

    /// One delivery of so many events, each queued at the key of its place.
    fn deliver(&self, events: u32, key: impl Fn(u32) -> KeyId) {
        let mut draft = self.draft();
        let delivery = self.ids.delivery(self.at);
        let mut entries = Vec::new();
        for place in 0..events {
            let key = key(place);
            let mut entry = InboxEvent {
                provider_id: Some(format!("id{place:04}")),
                identifier: Some(key.identifier.to_string()),
                response: Some(json!({"text": "as long as the others"})),
                ..InboxEvent::new(self.ids.event(self.at), InboxState::Queued, self.at)
            };
            draft.lay_apart(&mut entry);
            let queued = QueuedEvent {
                event: entry.id,
                delivery,
                token: None,
                at: self.at,
                expires_at: None,
                starts: false,
                place: Some(place),
            };
            block_on(draft.enqueue(&key, queued)).unwrap();
            entries.push(entry);
        }
        draft.put_delivery(Delivery {
            id: delivery,
            slug: "hub".into(),
            received_at: self.at,
            remote: String::new(),
            method: "POST".into(),
            target: "/webhooks/hub".into(),
            headers: Vec::new(),
            verdict: "verified".into(),
            status: 200,
            took_us: 0,
            size: 0,
            events: entries,
            body: Bytes::new(),
            holders: Vec::new(),
            emptied: false,
            test: None,
            files: Vec::new(),
            contents: Vec::new(),
            revision: 0,
        });
        self.commit(draft);
    }

    fn started(&self) -> RunId {
        let mut draft = self.draft();
        let start = Start::of(AnyBrain.brain("one").unwrap(), json!({}), Cause::Api);
        let run = block_on(draft.start(start)).unwrap();
        block_on(draft.command(run, Command::BeginStep { index: 0 })).unwrap();
        self.commit(draft);
        run
    }

    /// A run waits on a key, and takes what is queued there. Returns the bytes that this
    /// read and wrote.
    fn taken(&self, key: KeyId) -> usize {
        let run = self.started();
        let before = self.store.backing().bytes.load(Ordering::Relaxed);
        let registration = Registration { key, token: None, schema: 0, ask: None };
        let id = self.ids.wait(self.at);
        let wait = json!({"id": id, "registrations": [registration], "opened_at": self.at, "fresh": false});
        let wait: Wait = serde_json::from_value(wait).unwrap();
        let outcome = StepOutcome {
            state: json!({}),
            after: After::Step("step".into()),
            then: Then::Wait(wait),
            takes_kept: Some(TakenAnswer { answer: 0, index: 0 }),
            labels: px_core::Labels::new(),
        };
        let mut draft = self.draft();
        block_on(draft.command(run, Command::ReturnStep(Box::new(outcome)))).unwrap();
        self.commit(draft);
        let after = self.store.backing().bytes.load(Ordering::Relaxed);
        assert!(block_on(self.store.run(SCOPE, run)).unwrap().unwrap().run.waits.is_empty(), "it took one");
        after - before
    }
}

fn rig() -> Rig {
    let store = Embedded::new(Counted::default());
    Rig { store, ids: Ids::counted(0), at: Timestamp::from_millis(1_700_000_000_000) }
}

/// The bytes for the event of the last place, where each has a key of its own.
fn last_of(events: u32) -> usize {
    let rig = rig();
    let key = |place: u32| KeyId::new("hub", format!("k{place:04}"));
    rig.deliver(events, key);
    rig.taken(key(events - 1))
}

/// The bytes for the first and the last event, where all of them are in one queue.
fn ends_of_a_queue(events: u32) -> (usize, usize) {
    let rig = rig();
    let key = || KeyId::new("hub", "k");
    rig.deliver(events, |_| key());
    let taken: Vec<usize> = (0..events).map(|_| rig.taken(key())).collect();
    (*taken.first().unwrap(), *taken.last().unwrap())
}

fn assert_no_growth(few: usize, many: usize) {
    assert!(10 * many <= 12 * few, "of few: {few} bytes, of many: {many} bytes");
}

#[test]
fn the_last_event_of_a_thousand_costs_no_more_than_the_last_of_ten() {
    assert_no_growth(last_of(10), last_of(1_000));
}

#[test]
fn an_event_of_a_long_queue_costs_no_more_than_one_of_a_short_queue() {
    let ((first, last), (first_of_many, last_of_many)) = (ends_of_a_queue(20), ends_of_a_queue(500));
    assert_no_growth(first, first_of_many);
    assert_no_growth(last, last_of_many);
}
