//! Hints: "something durable changed, have a look". A hint may be lost; whoever
//! depends on one also polls (RULES 41).

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use px_core::RunId;
use tokio::sync::{Notify, broadcast};

/// How many groups of run hints a slow subscriber may fall behind before it is
/// told that it lagged and must read the store again.
const RUN_HINTS: usize = 1024;

/// How many ready runs the bus remembers until the engine asks. One that does
/// not fit is found by the engine's poll.
const READY_RUNS: usize = 65_536;

/// One hint of a committed batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hint {
    /// This run is ready for the engine.
    Work(RunId),
    /// The claim of this run is gone: whoever runs its step can commit nothing more.
    Revoked(RunId),
    /// A due time was added; the timer may have to ring earlier.
    Timer,
    /// The log of this run grew.
    Run(RunId),
}

/// Carries hints from the committer to the engine and to watchers.
#[derive(Debug)]
pub struct HintBus {
    ready: Mutex<VecDeque<RunId>>,
    work: Notify,
    timer: Notify,
    runs: broadcast::Sender<RunId>,
    revoked: broadcast::Sender<RunId>,
    muted: AtomicBool,
}

impl Default for HintBus {
    fn default() -> Self {
        Self {
            ready: Mutex::default(),
            work: Notify::new(),
            timer: Notify::new(),
            runs: broadcast::channel(RUN_HINTS).0,
            revoked: broadcast::channel(RUN_HINTS).0,
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
        if self.muted.load(Ordering::Relaxed) {
            return;
        }
        for hint in hints {
            match hint {
                Hint::Work(run) => {
                    let mut ready = self.ready();
                    if ready.len() < READY_RUNS {
                        ready.push_back(*run);
                    }
                    drop(ready);
                    self.work.notify_one();
                }
                // No receiver is no error: no step runs.
                Hint::Revoked(run) => drop(self.revoked.send(*run)),
                Hint::Timer => self.timer.notify_one(),
                Hint::Run(run) => {
                    if self.runs.receiver_count() > 0 {
                        // No receiver is no error: nobody watches.
                        let _ = self.runs.send(*run);
                    }
                }
            }
        }
    }

    fn ready(&self) -> std::sync::MutexGuard<'_, VecDeque<RunId>> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The runs that became ready since the last call, in order; waits for one
    /// if there are none.
    pub async fn work(&self) -> VecDeque<RunId> {
        loop {
            let ready = std::mem::take(&mut *self.ready());
            if !ready.is_empty() {
                return ready;
            }
            self.work.notified().await;
        }
    }

    /// Resolves after the next `Hint::Timer`.
    pub async fn timer(&self) {
        self.timer.notified().await;
    }

    /// Follows the runs whose logs grow.
    #[must_use]
    pub fn runs(&self) -> broadcast::Receiver<RunId> {
        self.runs.subscribe()
    }

    /// Follows the runs whose claims are revoked.
    #[must_use]
    pub fn revoked(&self) -> broadcast::Receiver<RunId> {
        self.revoked.subscribe()
    }

    /// Drops every hint from now on: the tests' way to show that nothing
    /// depends on one.
    pub fn mute(&self) {
        self.muted.store(true, Ordering::Relaxed);
    }
}
