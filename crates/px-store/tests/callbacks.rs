//! What a callback costs the rows under it.

#![expect(clippy::unwrap_used, reason = "a test says by panicking that it failed")]

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use px_core::event::Cause;
use px_core::run::{Catalog as _, Start};
use px_core::{HookId, Ids, Scope, Timestamp};
use px_store::conformance::{AnyBrain, block_on};
use px_store::outbox::{Hook, HookWrite, OutboxBatch, Source};
use px_store::rows::{Backing, BoxFuture, Expect, Order, RowBatch, RowOp, RowOutcome, RowStats};
use px_store::{Admission, Batch, Draft, Embedded, Error, HintBus, MemoryRows, Store};
use serde_json::json;
use tokio::sync::watch;

const SCOPE: Scope = Scope(0);

/// Rows in memory, and the batches that were handed to them.
#[derive(Default)]
struct Recording {
    rows: MemoryRows,
    batches: Mutex<Vec<RowBatch>>,
}

impl Backing for Recording {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, Error> {
        self.rows.get(key)
    }

    fn range(
        &self,
        from: &[u8],
        to: &[u8],
        order: Order,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Bytes)>, Error> {
        self.rows.range(from, to, order, limit)
    }

    fn postings(&self, list: &[u8], before: Option<[u8; 16]>, limit: usize) -> Result<Vec<[u8; 16]>, Error> {
        self.rows.postings(list, before, limit)
    }

    fn submit(&self, batch: RowBatch, admission: Admission) -> BoxFuture<'static, Result<RowOutcome, Error>> {
        self.batches.lock().unwrap().push(batch.clone());
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

/// A store that knows a row to be new forgets it when it goes, so that the next
/// look at what is due passes over nothing.
#[test]
fn the_row_that_says_when_a_new_callback_is_due_is_known_to_be_new() {
    let (store, ids) = (Embedded::new(Recording::default()), Ids::counted(0));
    let now = Timestamp::from_millis(1_000_000);
    let hook = Hook::new(HookId::from_bytes([7; 16]), "https://receiver.example/hook", Source::Api, now);
    let hooks = vec![HookWrite { hook, expected: 0, version: ids.version(now) }];
    let outbox = OutboxBatch { hooks, ..OutboxBatch::default() };
    block_on(store.commit(Batch { outbox, ..Batch::default() }, Admission::Wait)).unwrap();
    let mut draft = Draft::new(&store, &AnyBrain, &ids, SCOPE, now);
    let start = Start::of(AnyBrain.brain("any").unwrap(), json!({}), Cause::Api);
    block_on(draft.start(start)).unwrap();
    block_on(store.commit(draft.into_batch(), Admission::Wait)).unwrap();

    let batch = store.backing().batches.lock().unwrap().pop().unwrap();
    let due = batch.ops.iter().filter_map(|op| match op {
        RowOp::Put { key, .. } if key[2] == b'e' => Some(key),
        _ => None,
    });
    let due: Vec<_> = due.collect();
    assert!(!due.is_empty());
    for row in due {
        assert!(batch.checks.iter().any(|check| check.key == *row && check.expect == Expect::Absent));
    }
}
