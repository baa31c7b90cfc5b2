//! The places of an engine: how many runs have their steps executed at once,
//! which runs these are, and which places are reserved for runs that a commit
//! is about to make ready.
//!
//! A reservation is entered before its commit is handed over and taken once the
//! commit is durable: by the hint that tells of the claim, or by the poll that
//! finds the row. Both compare the fence, so one of a commit that lost a conflict
//! is never taken for another. A row that names this member, with neither a
//! reservation nor an executor, is claimed anew: its caller went away before it
//! knew.
//!
//! While somebody waits for a place nobody reserves one: what became ready first
//! runs first.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use px_core::RunId;
use px_sdk::Registry;
use px_store::{Claimer, RunRecord, Work};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::position::levels;
use crate::suspects::Suspects;

/// A place for a run, and the run as the commit that reserved it leaves it.
pub(crate) struct Reserved {
    pub(crate) fence: u64,
    pub(crate) work: Work,
    pub(crate) record: RunRecord,
    pub(crate) place: OwnedSemaphorePermit,
    /// True once its commit is known to be durable.
    is_durable: bool,
}

/// A run that has an executor.
#[derive(Debug, Default)]
struct Running {
    /// It became ready once more while its executor was about to let go.
    rerun_requested: bool,
}

#[derive(Default)]
struct Table {
    running: HashMap<RunId, Running>,
    reserved: HashMap<RunId, Reserved>,
}

/// The places of one engine.
pub struct Places {
    me: u64,
    registry: Arc<Registry>,
    free: Arc<Semaphore>,
    table: Mutex<Table>,
    /// True while ready runs wait for a place.
    is_behind: AtomicBool,
    is_closed: AtomicBool,
    pub(crate) suspects: Suspects,
}

impl std::fmt::Debug for Places {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Places").field("free", &self.free.available_permits()).finish_non_exhaustive()
    }
}

impl Places {
    /// Places for so many runs at once, of the brains in this registry, claimed
    /// by this member.
    #[must_use]
    pub fn new(me: u64, registry: Arc<Registry>, max_concurrent_steps: usize) -> Arc<Self> {
        Arc::new(Self {
            me,
            registry,
            free: Arc::new(Semaphore::new(max_concurrent_steps)),
            table: Mutex::default(),
            is_behind: AtomicBool::new(false),
            is_closed: AtomicBool::new(false),
            suspects: Suspects::default(),
        })
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // Every change is one insert or remove.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place, if one is free. Else nobody reserves one before
    /// [`Places::caught_up`].
    pub(crate) fn try_acquire(&self) -> Option<OwnedSemaphorePermit> {
        let place = Arc::clone(&self.free).try_acquire_owned().ok();
        if place.is_none() {
            self.is_behind.store(true, Ordering::SeqCst);
        }
        place
    }

    /// A place, now or when one is free.
    pub(crate) async fn acquire(&self) -> Option<OwnedSemaphorePermit> {
        match self.try_acquire() {
            Some(place) => Some(place),
            None => Arc::clone(&self.free).acquire_owned().await.ok(),
        }
    }

    /// Says that no ready run waits for a place any more.
    pub(crate) fn caught_up(&self) {
        self.is_behind.store(false, Ordering::SeqCst);
    }

    /// Reserves nothing more.
    pub(crate) fn close(&self) {
        self.is_closed.store(true, Ordering::SeqCst);
    }

    /// Returns true if nothing more is reserved: the engine is going down.
    pub(crate) fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::SeqCst)
    }

    /// Returns true if the run has an executor, and asks that executor to look at the run once more before
    /// it lets go.
    pub(crate) fn asks_again(&self, run: RunId) -> bool {
        match self.table().running.get_mut(&run) {
            Some(running) => {
                running.rerun_requested = true;
                true
            }
            None => false,
        }
    }

    /// Returns true if a place is reserved for the run by a commit that makes it ready.
    pub(crate) fn is_reserved(&self, run: RunId) -> bool {
        self.table().reserved.contains_key(&run)
    }

    /// Returns true if the run has an executor.
    pub(crate) fn is_running(&self, run: RunId) -> bool {
        self.table().running.contains_key(&run)
    }

    /// Says that the run has an executor.
    pub(crate) fn begin(&self, run: RunId) {
        self.table().running.insert(run, Running::default());
    }

    /// Returns true if the executor has to go on since the run became ready once more. If it returns false
    /// the executor has let go of the run.
    pub(crate) fn goes_on(&self, run: RunId) -> bool {
        let mut table = self.table();
        match table.running.get_mut(&run) {
            Some(running) if running.rerun_requested && !self.is_closed.load(Ordering::SeqCst) => {
                running.rerun_requested = false;
                true
            }
            _ => {
                table.running.remove(&run);
                false
            }
        }
    }

    /// Takes the reservation of a claim that is durable.
    pub(crate) fn take(&self, run: RunId, fence: u64) -> Option<Reserved> {
        let mut table = self.table();
        if table.reserved.get(&run)?.fence != fence {
            return None;
        }
        table.reserved.remove(&run)
    }

    /// The reservations that are known to be durable and that no hint told of.
    pub(crate) fn durable(&self) -> Vec<(RunId, u64)> {
        let table = self.table();
        let durable = table.reserved.iter().filter(|(_, reserved)| reserved.is_durable);
        durable.map(|(run, reserved)| (*run, reserved.fence)).collect()
    }

    /// Every run that has an executor.
    pub(crate) fn running(&self) -> Vec<RunId> {
        self.table().running.keys().copied().collect()
    }
}

impl Claimer for Places {
    fn has_room(&self) -> bool {
        !self.is_closed.load(Ordering::SeqCst) && !self.is_behind.load(Ordering::SeqCst)
    }

    fn reserve(&self, fence: u64, work: &Work, record: RunRecord) -> Option<u64> {
        if !self.has_room() || levels(&self.registry, &record.run).is_err() {
            return None;
        }
        let place = self.try_acquire()?;
        let run = record.run.id;
        let work = Work { owner: Some(self.me), ..work.clone() };
        let reserved = Reserved { fence, work, record, place, is_durable: false };
        // One that is there is of another commit for the same run, and one of the
        // two conflicts. If that is this one, the other is claimed anew.
        self.table().reserved.insert(run, reserved);
        Some(self.me)
    }

    fn keep(&self, run: RunId, fence: u64) {
        if let Some(reserved) = self.table().reserved.get_mut(&run).filter(|one| one.fence == fence) {
            reserved.is_durable = true;
        }
    }

    fn give_back(&self, run: RunId, fence: u64) {
        drop(self.take(run, fence));
    }
}
