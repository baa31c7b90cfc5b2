//! The thread that looks at polls under way. While nothing is polled it sleeps,
//! and the first poll wakes it.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use px_core::Stopwatch;
use tokio::task::JoinHandle;

use crate::driver::Driver;
use crate::pool::Shared;

/// The time after which a poll counts as blocked, and its thread is replaced.
pub(crate) const BLOCKED: Duration = Duration::from_millis(100);

/// The time after which a poll is named: in the log, the figures and the answers.
pub const STALLED: Duration = Duration::from_secs(1);

/// The time for which a kind of work that was blocked runs on threads of its own.
pub(crate) const PROBATION: Duration = Duration::from_secs(10);

/// The time between two looks.
const TICK: Duration = Duration::from_millis(20);

/// Looks at nothing before it sleeps: a second of them, so that a calm stream
/// of work does not wake it each time.
const IDLE_LOOKS: u32 = 50;

/// The longest sleep while nothing is polled.
const SLEEP: Duration = Duration::from_secs(1);

#[derive(Default)]
pub(crate) struct Watchdog {
    sleeps: AtomicBool,
    is_stopping: AtomicBool,
    lock: Mutex<()>,
    wake: Condvar,
}

impl Watchdog {
    /// Tells it that a poll begins. Whoever calls has noted the poll before: the
    /// watchdog says that it sleeps, then looks once more, and only then does;
    /// so of the two, one sees the other.
    pub(crate) fn look(&self) {
        if self.sleeps.load(Ordering::SeqCst) {
            self.wake();
        }
    }

    pub(crate) fn stop(&self) {
        self.is_stopping.store(true, Ordering::SeqCst);
        self.wake();
    }

    fn wake(&self) {
        let _lock = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        self.sleeps.store(false, Ordering::SeqCst);
        self.wake.notify_one();
    }

    fn wait(&self, time: Duration, until: impl Fn() -> bool) {
        let lock = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        let waits = |(): &mut ()| !self.is_stopping.load(Ordering::SeqCst) && !until();
        drop(self.wake.wait_timeout_while(lock, time, waits).unwrap_or_else(PoisonError::into_inner));
    }
}

/// Starts the thread. It ends with [`Watchdog::stop`].
pub(crate) fn start(shared: Arc<Shared>) -> io::Result<()> {
    std::thread::Builder::new().name("px-watchdog".to_owned()).spawn(move || watch(&shared)).map(drop)
}

fn watch(shared: &Arc<Shared>) {
    let dog = &shared.watchdog;
    let mut idle = 0;
    let mut nudge: Option<(JoinHandle<()>, Stopwatch)> = None;
    while !dog.is_stopping.load(Ordering::SeqCst) {
        let has_tasks = Driver::has_tasks(&shared.driver);
        nudge = nudge.filter(|(task, _)| !task.is_finished());
        let waits = nudge.as_ref().is_some_and(|(_, since)| since.elapsed() >= STALLED);
        shared.note_driver(!waits);
        if has_tasks && nudge.is_none() {
            nudge = Some((Driver::nudge(&shared.driver), Stopwatch::start()));
        }
        // Both are looked at, whatever the first says.
        let is_busy = shared.steps.inspect(shared) | shared.handlers.inspect(shared) | has_tasks;
        idle = if is_busy { 0 } else { idle + 1 };
        if idle < IDLE_LOOKS {
            dog.sleeps.store(false, Ordering::SeqCst);
            dog.wait(TICK, || false);
        } else if dog.sleeps.swap(true, Ordering::SeqCst) {
            // It has looked since it said so, and saw nothing.
            dog.wait(SLEEP, || !dog.sleeps.load(Ordering::SeqCst));
            idle = 0;
        }
    }
}
