//! State that callers, the committer and the applier share, and the reads, which need nothing else.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use px_store::{Error, HintBus, RowStats};
use px_store_rows::{Check, Committed, Order, RowKey, version_of};

use crate::applier::Signals;
use crate::disk_space::DiskSpace;
use crate::health::Health;
use crate::options::Options;
use crate::overlay::{Generation, Overlay, Window};
use crate::pace::{Pace, Speed};
use crate::packing::{Head, Stored};
use crate::postings::{self, row_key};
use crate::queue::Queue;
use crate::tree::{Pair, Tree};

/// Rows of each generation that a range read looks at first.
const WINDOW: usize = 32;

/// Factor by which a range read looks farther when the first look was too short.
const WINDOW_GROWTH: usize = 8;

/// Range reads that are done again because the overlay moved on; the one after
/// holds the overlay still.
const RANGE_TRIES: usize = 8;

/// Longest time between two looks at whether the store still lives.
const HEARTBEAT: Duration = Duration::from_millis(100);

/// Counts since the store was opened.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) commits: AtomicU64,
    pub(crate) conflicts: AtomicU64,
    pub(crate) groups: AtomicU64,
    pub(crate) syncs: AtomicU64,
    pub(crate) journal_bytes: AtomicU64,
    pub(crate) ops: AtomicU64,
    pub(crate) applied_rows: AtomicU64,
    pub(crate) checkpoints: AtomicU64,
}

#[derive(Debug)]
struct LagState {
    bytes: u64,
    peak: u64,
    speed: Speed,
    /// The store is going down or ill; nobody should wait.
    released: bool,
}

/// Bytes of the journal that the tree does not have yet.
#[derive(Debug)]
pub(crate) struct Lag {
    state: Mutex<LagState>,
    less: Condvar,
    limit: u64,
}

impl Lag {
    pub(crate) fn new(bytes: u64, limit: u64) -> Self {
        Self {
            state: Mutex::new(LagState { bytes, peak: bytes, speed: Speed::new(), released: false }),
            less: Condvar::new(),
            limit: limit.max(1),
        }
    }

    fn lock(&self) -> MutexGuard<'_, LagState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn grew(&self, bytes: u64) {
        let mut state = self.lock();
        state.bytes += bytes;
        state.peak = state.peak.max(state.bytes);
    }

    /// The most bytes that the tree was behind.
    pub(crate) fn peak(&self) -> u64 {
        self.lock().peak
    }

    /// The tree took `bytes` of journal in `took`.
    pub(crate) fn shrank(&self, bytes: u64, took: Duration) {
        let mut state = self.lock();
        state.bytes = state.bytes.saturating_sub(bytes);
        state.speed.measured(bytes, took);
        drop(state);
        self.less.notify_all();
    }

    /// Bytes behind, and the tree's speed in bytes a second.
    pub(crate) fn now(&self) -> (u64, u64) {
        let state = self.lock();
        (state.bytes, state.speed.bytes_per_second())
    }

    /// Waits below the far hard limit, for when pacing was not enough. Nobody waits while the disk is
    /// short of room: the tree may not be written until there is more, and commits are refused, each with
    /// the reason, instead of standing in a line that does not move.
    pub(crate) fn wait_below_limit(&self, room: &DiskSpace) {
        let mut state = self.lock();
        while state.bytes >= self.limit && !state.released && !room.is_short() {
            state = self.less.wait_timeout(state, HEARTBEAT).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Lets nobody wait any more.
    pub(crate) fn release(&self) {
        self.lock().released = true;
        self.less.notify_all();
    }
}

/// The store without its threads.
pub(crate) struct Shared {
    pub(crate) options: Options,
    pub(crate) queue: Queue,
    pub(crate) overlay: Overlay,
    pub(crate) tree: Arc<dyn Tree>,
    pub(crate) hints: Arc<HintBus>,
    pub(crate) health: Health,
    pub(crate) lag: Lag,
    pub(crate) room: DiskSpace,
    pub(crate) pace: Pace,
    pub(crate) applier: Signals,
    pub(crate) counters: Counters,
}

impl Shared {
    /// Returns true if the active generation is large enough to be applied at once.
    pub(crate) fn is_due(&self, active: &Generation) -> bool {
        let lag = self.options.lag_bytes.min(self.options.lag_limit_bytes);
        active.bytes >= self.options.apply_bytes || active.journal_bytes >= lag / 2
    }

    /// Reads one row as of the newest durable commit.
    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Bytes>, Error> {
        let known = self.overlay.read().get(key);
        match known {
            Some(row) => row.as_ref().map(Stored::value).transpose(),
            None => self.tree.get(&row_key(key)),
        }
    }

    /// Reads how one row begins, as of the newest durable commit.
    fn head(&self, key: &[u8]) -> Result<Option<Head>, Error> {
        let known = self.overlay.read().get(key);
        match known {
            Some(row) => Ok(row.as_ref().map(Stored::head)),
            None => self.tree.head(&row_key(key)),
        }
    }

    /// Reads the version of one row, likewise.
    pub(crate) fn version(&self, key: &[u8]) -> Result<Option<u64>, Error> {
        self.head(key)?.map(|head| version_of(head.as_slice())).transpose()
    }

    /// Reads rows in a range as of one moment.
    pub(crate) fn range(
        &self,
        from: &[u8],
        to: &[u8],
        order: Order,
        limit: usize,
    ) -> Result<Vec<Pair>, Error> {
        if from >= to || limit == 0 {
            return Ok(Vec::new());
        }
        for _ in 0..RANGE_TRIES {
            let (freezes, rows) = self.range_once(from, to, order, limit)?;
            // What was committed after the look at the overlay can be in the
            // tree only if the active generation was frozen meanwhile.
            if self.overlay.read().freezes == freezes {
                return Ok(rows);
            }
        }
        // The applier froze one generation after another. Now it waits with the
        // next freeze for as long as one read takes; nobody else does.
        self.applier.hold(|| self.range_once(from, to, order, limit).map(|(_, rows)| rows))
    }

    fn range_once(
        &self,
        from: &[u8],
        to: &[u8],
        order: Order,
        limit: usize,
    ) -> Result<(u64, Vec<Pair>), Error> {
        let mut most = WINDOW.max(limit.saturating_add(1).min(4096));
        loop {
            let window = self.overlay.window(from, to, order, most);
            let freezes = window.freezes;
            if let Some(rows) = self.merge(from, to, order, limit, window)? {
                return Ok((freezes, rows));
            }
            most = most.saturating_mul(WINDOW_GROWTH);
        }
    }

    /// The rows of a window and of the tree together; `None` if the window is
    /// too short to tell.
    fn merge(
        &self,
        from: &[u8],
        to: &[u8],
        order: Order,
        limit: usize,
        window: Window,
    ) -> Result<Option<Vec<Pair>>, Error> {
        // Rows of the tree that the window hides do not count.
        let want = limit.saturating_add(window.rows.len());
        let found = self.tree.range(&row_key(from), &row_key(to), order, want)?;
        let mut rows: BTreeMap<RowKey, Option<Stored>> = BTreeMap::new();
        for (key, value) in found {
            rows.insert(key.get(1..).unwrap_or_default().into(), Some(Stored::Whole(value)));
        }
        rows.extend(window.rows);
        if let Some(horizon) = &window.horizon {
            rows.retain(|key, _| match order {
                Order::Ascending => key <= horizon,
                Order::Descending => key >= horizon,
            });
        }
        let live = rows.into_iter().filter_map(|(key, value)| value.map(|value| (key, value)));
        let pair = |(key, value): (RowKey, Stored)| Ok((key.into_vec(), value.value()?));
        let rows: Vec<Pair> = match order {
            Order::Ascending => live.take(limit).map(pair).collect::<Result<_, Error>>()?,
            Order::Descending => live.rev().take(limit).map(pair).collect::<Result<_, Error>>()?,
        };
        let whole = rows.len() >= limit || window.horizon.is_none();
        Ok(whole.then_some(rows))
    }

    /// Reads ids of a posting list, newest or oldest first.
    pub(crate) fn postings(
        &self,
        list: &[u8],
        beyond: Option<[u8; 16]>,
        order: Order,
        limit: usize,
    ) -> Result<Vec<[u8; 16]>, Error> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        // The overlay first: what the applier moves meanwhile is then seen twice, not never.
        let known = self.overlay.ids(list, beyond, order, limit);
        let mut ids = known.entered;
        // As many more as the overlay may take away again.
        let most = limit.saturating_add(known.left.len());
        let below = postings::read(&*self.tree, list, beyond, order, most)?;
        ids.extend(below.into_iter().filter(|id| !known.left.contains(id)));
        ids.sort_unstable();
        if order == Order::Descending {
            ids.reverse();
        }
        ids.dedup();
        ids.truncate(limit);
        Ok(ids)
    }

    pub(crate) fn stats(&self) -> RowStats {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        RowStats {
            commits: count(&self.counters.commits),
            conflicts: count(&self.counters.conflicts),
            groups: count(&self.counters.groups),
            syncs: count(&self.counters.syncs),
            journal_bytes: count(&self.counters.journal_bytes),
            ops: count(&self.counters.ops),
            applied_rows: count(&self.counters.applied_rows),
            overlay_bytes: self.overlay.read().bytes() as u64,
            checkpoints: count(&self.counters.checkpoints),
            damaged_reads: 0,
        }
    }
}

impl Committed for Shared {
    fn satisfies(&self, check: &Check) -> Result<bool, Error> {
        if check.wants_whole_value() {
            return Ok(check.holds(self.get(&check.key)?.as_deref()));
        }
        Ok(check.holds(self.head(&check.key)?.as_ref().map(Head::as_slice)))
    }

    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, Error> {
        self.get(key)
    }
}
