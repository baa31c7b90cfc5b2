//! The pool: where an execution is begun, and what it is asked about those that
//! do not yield.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use px_core::RunId;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::crew::Crew;
use crate::driver::Driver;
use crate::execution::Execution;
use crate::nice::Nice;
use crate::panics::{Panic, caught, note_places};
use crate::subject::{Family, Stalled, Subject};
use crate::task::{Place, Task};
use crate::watchdog::{self, STALLED, Watchdog};

/// Bounds of the pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Threads that poll steps which yield, at least 1. Steps that do not have
    /// threads beside these.
    pub step_threads: usize,
    /// Threads that poll handlers which yield, at least 1.
    pub handler_threads: usize,
    /// Threads for steps that were seen not to yield, at most. Each holds a
    /// place among the steps that run at once, so more than those are not needed.
    pub blocked_steps: usize,
    /// Threads for handlers that were seen not to yield, at most.
    pub blocked_handlers: usize,
    /// Threads for the handlers of one webhook that was seen not to yield, at
    /// most; see [`Pool::is_crowded`].
    pub blocked_of_a_webhook: usize,
    /// Threads that are written off to steps before their executions keep their
    /// places, and before the pool says that it [is at its bound](Pool::is_at_bound).
    pub max_stalled: usize,
}

impl Default for Limits {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        Self {
            step_threads: cores.max(2),
            handler_threads: cores.max(2),
            blocked_steps: 1_024,
            blocked_handlers: 256,
            blocked_of_a_webhook: 8,
            max_stalled: 16,
        }
    }
}

/// Threads for users' code. Clones share them; they end with the last one.
#[derive(Clone)]
pub struct Pool(Option<Arc<Threads>>);

struct Threads {
    shared: Arc<Shared>,
    _driver: Driver,
}

/// The part that tasks and threads hold.
pub(crate) struct Shared {
    pub(crate) steps: Crew,
    pub(crate) handlers: Crew,
    pub(crate) watchdog: Watchdog,
    pub(crate) driver: Handle,
    pub(crate) nice: Nice,
    limits: Limits,
    /// Steps and handlers apart: what a webhook does costs no step its place.
    written_off_steps: AtomicUsize,
    written_off_handlers: AtomicUsize,
    has_driver: AtomicBool,
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() { "Pool" } else { "Pool (inline)" })
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.shared.steps.stop();
        self.shared.handlers.stop();
        self.shared.watchdog.stop();
    }
}

impl Pool {
    /// Starts the threads.
    ///
    /// # Errors
    /// The system gives no more threads.
    pub fn start(limits: Limits) -> io::Result<Self> {
        note_places();
        let nice = Nice::below_the_process();
        let driver = Driver::start(nice)?;
        let (steps, handlers) = (limits.step_threads, limits.handler_threads);
        let of_a_webhook = limits.blocked_of_a_webhook;
        let shared = Arc::new(Shared {
            steps: Crew::new(Family::Steps, steps, limits.blocked_steps, usize::MAX),
            handlers: Crew::new(Family::Handlers, handlers, limits.blocked_handlers, of_a_webhook),
            watchdog: Watchdog::default(),
            driver: driver.handle().clone(),
            nice,
            limits,
            written_off_steps: AtomicUsize::new(0),
            written_off_handlers: AtomicUsize::new(0),
            has_driver: AtomicBool::new(true),
        });
        let threads = Threads { shared: Arc::clone(&shared), _driver: driver };
        shared.steps.fill(&shared)?;
        shared.handlers.fill(&shared)?;
        watchdog::start(shared)?;
        Ok(Self(Some(Arc::new(threads))))
    }

    /// A pool without threads: code is polled where its execution is awaited.
    /// For tests in virtual time, where nothing may be left to other threads.
    #[must_use]
    pub fn inline() -> Self {
        Self(None)
    }

    /// Begins an execution. The code runs at once, whether it is awaited or
    /// not, until the returned value is dropped. `place` is dropped when the
    /// execution is over; if it is written off below the bound, at once.
    pub fn run<T: Send + 'static>(
        &self,
        subject: Subject,
        place: Option<Place>,
        code: impl Future<Output = T> + Send + 'static,
    ) -> Execution<T> {
        let Some(threads) = &self.0 else {
            return Execution::inline(async move {
                let done = code.await;
                drop(place);
                done
            });
        };
        let (sender, result) = oneshot::channel();
        let code = async move {
            // Nobody may wait for it any more.
            let _ = sender.send(Caught(Box::pin(code)).await);
        };
        let task = Task::new(Arc::clone(&threads.shared), subject, place, code);
        threads.shared.queue(Arc::clone(&task));
        Execution::pooled(task, result)
    }

    /// Says that a handler is about to be called, so that a thread can wake up
    /// meanwhile. Costs little, and nothing depends on it.
    pub fn expect_handler(&self) {
        if let Some(threads) = &self.0 {
            threads.shared.handlers.expect();
        }
    }

    /// Says that a step is about to be begun; like [`Pool::expect_handler`].
    pub fn expect_step(&self) {
        if let Some(threads) = &self.0 {
            threads.shared.steps.expect();
        }
    }

    /// The executions that have not yielded for [`STALLED`], longest first.
    #[must_use]
    pub fn stalled(&self) -> Vec<Stalled> {
        let Some(threads) = &self.0 else { return Vec::new() };
        let mut found = Vec::new();
        for task in threads.shared.steps.polled().into_iter().chain(threads.shared.handlers.polled()) {
            if let Some(time) = task.polled_for().filter(|time| *time >= STALLED) {
                let is_abandoned = task.is_abandoned();
                found.push(Stalled { subject: task.subject.clone(), time, is_abandoned });
            }
        }
        found.sort_by_key(|stalled| std::cmp::Reverse(stalled.time));
        found
    }

    /// The time for which the current step of a run has not yielded, if that
    /// is [`STALLED`] or longer. An execution that nobody waits for does not count.
    #[must_use]
    pub fn stalled_for(&self, id: RunId) -> Option<Duration> {
        let is_this = |stalled: &Stalled| {
            !stalled.is_abandoned && matches!(stalled.subject, Subject::Step { run, .. } if run == id)
        };
        self.stalled().into_iter().find(is_this).map(|stalled| stalled.time)
    }

    /// Returns whether as many executions of this kind hold a thread without yielding as
    /// may, so that one more has to be refused. Only handlers are refused;
    /// steps have their places.
    #[must_use]
    pub fn is_crowded(&self, subject: &Subject) -> bool {
        let (Some(threads), Subject::Handler { .. }) = (&self.0, subject) else { return false };
        let most = threads.shared.limits.blocked_of_a_webhook;
        threads.shared.handlers.blocked(subject.kind()) >= most
    }

    /// Threads that are left to executions which nobody waits for any more.
    #[must_use]
    pub fn written_off(&self) -> usize {
        self.0.as_ref().map_or(0, |threads| {
            let shared = &threads.shared;
            shared.written_off_steps.load(Ordering::SeqCst)
                + shared.written_off_handlers.load(Ordering::SeqCst)
        })
    }

    /// Returns whether an operator has to look: as many steps are written off as may
    /// be, so that those which are written off now keep their places until they
    /// yield; or tasks that users' code spawned keep every worker, so that its
    /// timers and sockets stand still. A restart ends both.
    #[must_use]
    pub fn is_at_bound(&self) -> bool {
        self.0.as_ref().is_some_and(|threads| {
            let shared = &threads.shared;
            shared.written_off_steps.load(Ordering::SeqCst) >= shared.limits.max_stalled
                || !shared.has_driver.load(Ordering::SeqCst)
        })
    }

    /// The runtime that users' timers and sockets belong to; `None` if inline.
    #[must_use]
    pub fn runtime(&self) -> Option<Handle> {
        self.0.as_ref().map(|threads| threads.shared.driver.clone())
    }
}

impl Shared {
    pub(crate) fn queue(self: &Arc<Self>, task: Arc<Task>) {
        self.crew(task.subject.family()).queue(self, task);
    }

    pub(crate) fn crew(&self, family: Family) -> &Crew {
        match family {
            Family::Steps => &self.steps,
            Family::Handlers => &self.handlers,
        }
    }

    /// Counts one more thread that is written off, unless there are as many as
    /// may be: then the watchdog asks again.
    pub(crate) fn write_off(&self, task: &Task) -> bool {
        if let Subject::Handler { .. } = task.subject {
            self.written_off_handlers.fetch_add(1, Ordering::SeqCst);
            return true;
        }
        let (most, count) = (self.limits.max_stalled, &self.written_off_steps);
        let more = |written_off: usize| (written_off < most).then_some(written_off + 1);
        let before = count.fetch_update(Ordering::SeqCst, Ordering::SeqCst, more);
        if before.is_ok_and(|before| before + 1 == most) {
            tracing::error!(
                "{most} threads are written off to steps that never yield: the next ones keep their places among \
                 the running steps. A restart frees them; the log names each step"
            );
        }
        before.is_ok()
    }

    /// A thread that was written off has come back.
    pub(crate) fn restore(&self, subject: &Subject) {
        let count = match subject {
            Subject::Handler { .. } => &self.written_off_handlers,
            Subject::Step { .. } | Subject::Resource { .. } => &self.written_off_steps,
        };
        count.fetch_sub(1, Ordering::SeqCst);
    }

    /// Notes whether the runtime of users' tasks has a worker to spare.
    pub(crate) fn note_driver(&self, is_served: bool) {
        if self.has_driver.swap(is_served, Ordering::SeqCst) && !is_served {
            tracing::error!(
                "tasks that steps or handlers have spawned keep every worker and do not yield: timers and \
                 sockets of users' code stand still. A restart ends them"
            );
        }
    }
}

/// Code whose panic is a value.
struct Caught<T>(Pin<Box<dyn Future<Output = T> + Send>>);

impl<T> Future for Caught<T> {
    type Output = Result<T, Panic>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match caught(|| self.0.as_mut().poll(context)) {
            Ok(polled) => polled.map(Ok),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    }
}
