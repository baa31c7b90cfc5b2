//! Rows in memory: the backing of tests and of `px::test`. It is also the
//! reference that the journal with sled is compared against.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use px_store::{Admission, BoxFuture, Error, HintBus, RowStats};
use tokio::sync::watch;

use crate::decide::{Committed, Group, Verdict};
use crate::rows::{Backing, Check, Order, RowBatch, RowKey, RowOp, RowOutcome};

#[derive(Debug, Default, Clone)]
struct Tables {
    rows: BTreeMap<RowKey, Bytes>,
    lists: BTreeMap<RowKey, BTreeSet<[u8; 16]>>,
    sequence: u64,
    closed: bool,
    stats: RowStats,
}

/// An ordered map behind a mutex. Cloning shares the rows, so that a test can
/// "restart" everything above it.
#[derive(Debug, Clone)]
pub struct MemoryRows {
    tables: Arc<Mutex<Tables>>,
    hints: Arc<HintBus>,
    failure: watch::Sender<Option<String>>,
}

impl Default for MemoryRows {
    fn default() -> Self {
        Self { tables: Arc::default(), hints: HintBus::new(), failure: watch::channel(None).0 }
    }
}

impl MemoryRows {
    /// An empty backing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A backing of its own with the rows of this moment. What happens to one
    /// of the two does not happen to the other; hints start anew.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self { tables: Arc::new(Mutex::new(self.lock().clone())), ..Self::default() }
    }

    /// The same rows as another process has them: what one of the two commits is
    /// told only to those who listen there.
    #[must_use]
    pub fn beside(&self) -> Self {
        Self { tables: Arc::clone(&self.tables), ..Self::default() }
    }

    /// Every row of this moment, in order: for tests that compare stores.
    #[must_use]
    pub fn rows(&self) -> Vec<(Vec<u8>, Bytes)> {
        self.lock().rows.iter().map(|(key, value)| (key.to_vec(), value.clone())).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Tables> {
        // A panic while the lock is held leaves whole rows: every change below
        // is one insert or remove, and the checks come first.
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn commit(&self, batch: &RowBatch) -> Result<RowOutcome, Error> {
        let mut tables = self.lock();
        if tables.closed {
            return Err(Error::Closed);
        }
        match Group::<Bytes>::default().decide(&batch.checks, &*tables) {
            Verdict::Commit => {}
            Verdict::Conflict { check, found, .. } => {
                tables.stats.conflicts += 1;
                return Ok(RowOutcome::Conflict { check, found });
            }
            Verdict::Fail(error) => return Err(error),
        }
        for op in &batch.ops {
            match op {
                RowOp::Put { key, value } => {
                    tables.rows.insert(key.clone(), value.clone());
                }
                RowOp::Remove { key } => {
                    tables.rows.remove(key);
                }
                RowOp::Post { list, id } => {
                    tables.lists.entry(list.clone()).or_default().insert(*id);
                }
                RowOp::Unpost { list, id } => {
                    if let Some(ids) = tables.lists.get_mut(list) {
                        ids.remove(id);
                    }
                }
            }
        }
        tables.sequence += 1;
        tables.stats.commits += 1;
        tables.stats.ops += batch.ops.len() as u64;
        let sequence = tables.sequence;
        drop(tables);
        self.hints.publish(&batch.hints);
        Ok(RowOutcome::Committed { sequence })
    }
}

impl Committed for Tables {
    fn satisfies(&self, check: &Check) -> Result<bool, Error> {
        Ok(check.holds(self.rows.get(&check.key).map(AsRef::as_ref)))
    }

    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, Error> {
        Ok(self.rows.get(key).cloned())
    }
}

impl Backing for MemoryRows {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, Error> {
        Ok(self.lock().rows.get(key).cloned())
    }

    fn range(
        &self,
        from: &[u8],
        to: &[u8],
        order: Order,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Bytes)>, Error> {
        if from >= to {
            return Ok(Vec::new());
        }
        let tables = self.lock();
        let rows = tables.rows.range::<[u8], _>((Bound::Included(from), Bound::Excluded(to)));
        let own = |(key, value): (&RowKey, &Bytes)| (key.to_vec(), value.clone());
        Ok(match order {
            Order::Ascending => rows.take(limit).map(own).collect(),
            Order::Descending => rows.rev().take(limit).map(own).collect(),
        })
    }

    fn postings(
        &self,
        list: &[u8],
        beyond: Option<[u8; 16]>,
        order: Order,
        limit: usize,
    ) -> Result<Vec<[u8; 16]>, Error> {
        let tables = self.lock();
        let Some(ids) = tables.lists.get(list) else { return Ok(Vec::new()) };
        let bound = beyond.map_or(Bound::Unbounded, Bound::Excluded);
        Ok(match order {
            Order::Descending => ids.range((Bound::Unbounded, bound)).rev().take(limit).copied().collect(),
            Order::Ascending => ids.range((bound, Bound::Unbounded)).take(limit).copied().collect(),
        })
    }

    fn submit(
        &self,
        batch: RowBatch,
        _admission: Admission,
    ) -> BoxFuture<'static, Result<RowOutcome, Error>> {
        let backing = self.clone();
        Box::pin(async move { backing.commit(&batch) })
    }

    fn hints(&self) -> &Arc<HintBus> {
        &self.hints
    }

    fn stats(&self) -> RowStats {
        self.lock().stats
    }

    fn failure(&self) -> watch::Receiver<Option<String>> {
        self.failure.subscribe()
    }

    fn close(&self) -> Result<(), Error> {
        self.lock().closed = true;
        Ok(())
    }
}
