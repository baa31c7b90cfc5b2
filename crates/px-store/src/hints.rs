//! Hints: "something durable changed, have a look". A hint may be lost; whoever
//! depends on one also polls (docs/rules.md#41).

use std::collections::{BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use px_core::RunId;
use tokio::sync::{Notify, broadcast};

/// Number of groups of run hints that a slow subscriber may fall behind before it is
/// told that it lagged and must read the store again.
const RUN_HINTS: usize = 1024;

/// Maximum number of ready runs that the bus remembers until the engine asks. One that does
/// not fit is found by the engine's poll.
const READY_RUNS: usize = 65_536;

/// Maximum number of lanes of the outbox that the bus remembers until the sender asks. One
/// that does not fit is found by the sender's poll.
const OUTGOING_LANES: usize = 65_536;

/// One hint of a committed batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hint {
    /// This run is ready for the engine.
    Work(RunId),
    /// This run is ready, and was claimed under this fence by the commit that
    /// made it so.
    Claimed(RunId, u64),
    /// The claim of this run is gone: whoever runs its step can commit nothing more.
    Revoked(RunId),
    /// A due time was added; the timer may have to ring earlier.
    Timer,
    /// The log of this run grew.
    Run(RunId),
    /// Something is due, or is to be due, in this lane of the outbox.
    Callback(u64),
    /// Hooks have changed.
    Hooks,
}

/// A run that became ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ready {
    /// The run.
    pub run: RunId,
    /// The fence of its claim, if it was born claimed.
    pub claimed: Option<u64>,
}

/// Carries hints from the committer to the engine and to watchers.
#[derive(Debug)]
pub struct HintBus {
    ready: Mutex<VecDeque<Ready>>,
    work: Notify,
    timer: Notify,
    // Made for the first who follows: tests open stores by the thousand.
    runs: OnceLock<broadcast::Sender<RunId>>,
    revoked: OnceLock<broadcast::Sender<RunId>>,
    lanes: Mutex<BTreeSet<u64>>,
    callback: Notify,
    hook_changes: AtomicU64,
    published: AtomicU64,
    muted: AtomicBool,
}

impl Default for HintBus {
    fn default() -> Self {
        Self {
            ready: Mutex::default(),
            work: Notify::new(),
            timer: Notify::new(),
            runs: OnceLock::new(),
            revoked: OnceLock::new(),
            lanes: Mutex::default(),
            callback: Notify::new(),
            hook_changes: AtomicU64::new(0),
            published: AtomicU64::new(0),
            muted: AtomicBool::new(false),
        }
    }
}

impl HintBus {
    /// A bus of its own, behind an `Arc` as every user holds it.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    /// Publishes the hints of a batch that is durable.
    pub fn publish(&self, hints: &[Hint]) {
        // No hint that may be lost: who holds hooks must not miss a change of them.
        if hints.contains(&Hint::Hooks) {
            self.hook_changes.fetch_add(1, Ordering::SeqCst);
        }
        if self.muted.load(Ordering::Relaxed) {
            return;
        }
        if !hints.is_empty() {
            self.published.fetch_add(1, Ordering::Relaxed);
        }
        for hint in hints {
            match hint {
                Hint::Work(run) => self.tell_ready(Ready { run: *run, claimed: None }),
                Hint::Claimed(run, fence) => self.tell_ready(Ready { run: *run, claimed: Some(*fence) }),
                Hint::Revoked(run) => {
                    if let Some(revoked) = self.revoked.get() {
                        // No receiver is no error: no step runs.
                        let _ = revoked.send(*run);
                    }
                }
                Hint::Timer => self.timer.notify_one(),
                Hint::Hooks => self.callback.notify_one(),
                Hint::Callback(lane) => {
                    let mut lanes = self.lanes();
                    if lanes.len() < OUTGOING_LANES {
                        lanes.insert(*lane);
                    }
                    drop(lanes);
                    self.callback.notify_one();
                }
                Hint::Run(run) => {
                    if let Some(runs) = self.followed() {
                        // No receiver is no error: the last has just gone.
                        let _ = runs.send(*run);
                    }
                }
            }
        }
    }

    /// A number that grows with every batch that told something: whoever shows what may
    /// have changed looks at it now and then, and costs those who commit nothing.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.published.load(Ordering::Relaxed)
    }

    fn tell_ready(&self, run: Ready) {
        let mut ready = self.ready();
        if ready.len() < READY_RUNS {
            ready.push_back(run);
        }
        drop(ready);
        self.work.notify_one();
    }

    fn ready(&self) -> std::sync::MutexGuard<'_, VecDeque<Ready>> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The runs that became ready since the last call, in order; waits for one
    /// if there are none.
    pub async fn work(&self) -> VecDeque<Ready> {
        loop {
            let ready = std::mem::take(&mut *self.ready());
            if !ready.is_empty() {
                return ready;
            }
            self.work.notified().await;
        }
    }

    /// Returns true if a run became ready since the last call of [`HintBus::work`].
    #[must_use]
    pub fn has_work(&self) -> bool {
        !self.ready().is_empty()
    }

    /// Resolves after the next `Hint::Timer`.
    pub async fn timer(&self) {
        self.timer.notified().await;
    }

    fn lanes(&self) -> std::sync::MutexGuard<'_, BTreeSet<u64>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until something of the outbox or its hooks changed, and gives the
    /// lanes that got something since the last call.
    pub async fn callback(&self) -> BTreeSet<u64> {
        self.callback.notified().await;
        std::mem::take(&mut *self.lanes())
    }

    /// Returns the number of changes of hooks so far.
    #[must_use]
    pub fn hook_changes(&self) -> u64 {
        self.hook_changes.load(Ordering::SeqCst)
    }

    /// Follows the runs whose logs grow.
    #[must_use]
    pub fn runs(&self) -> broadcast::Receiver<RunId> {
        self.runs.get_or_init(channel).subscribe()
    }

    /// Returns whether anybody follows the runs whose logs grow. While nobody does,
    /// their hints cost nothing.
    #[must_use]
    pub fn has_followers(&self) -> bool {
        self.followed().is_some()
    }

    fn followed(&self) -> Option<&broadcast::Sender<RunId>> {
        self.runs.get().filter(|runs| runs.receiver_count() > 0)
    }

    /// Follows the runs whose claims are revoked.
    #[must_use]
    pub fn revoked(&self) -> broadcast::Receiver<RunId> {
        self.revoked.get_or_init(channel).subscribe()
    }

    /// Drops every hint from now on: the tests' way to show that nothing
    /// depends on one.
    pub fn mute(&self) {
        self.muted.store(true, Ordering::Relaxed);
    }
}

fn channel() -> broadcast::Sender<RunId> {
    broadcast::channel(RUN_HINTS).0
}
