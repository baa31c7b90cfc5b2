//! One execution's life on the pool: idle until it is woken, queued, polled, over.
//!
//! The phase is behind a lock of its own, which is never held while users' code
//! runs; the future is touched by the thread that polls it and by nobody else.
//! A wake-up during a poll is remembered and queues the task once more, and so
//! does the end of the caller's interest: the future is then dropped by a thread
//! of the pool, since its destructors are users' code too.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use px_core::Stopwatch;
use tracing::Span;

use crate::metrics;
use crate::pool::Shared;
use crate::subject::{Kind, Subject};
use crate::watchdog::{BLOCKED, STALLED};

/// A place among all that runs at once: given back by being dropped.
pub(crate) type Place = Arc<dyn Any + Send + Sync>;

type Code = Pin<Box<dyn Future<Output = ()> + Send>>;

pub(crate) struct Task {
    pub(crate) subject: Subject,
    pub(crate) kind: Kind,
    /// Entered around each poll, so that log lines of the code belong to its run.
    span: Span,
    shared: Arc<Shared>,
    life: Mutex<Life>,
    code: Mutex<Option<Code>>,
}

struct Life {
    phase: Phase,
    /// Nobody waits for the result any more.
    is_abandoned: bool,
    /// Abandoned in the middle of a poll, and counted for it.
    is_written_off: bool,
    place: Option<Place>,
}

enum Phase {
    Idle,
    Queued,
    Polled { since: Stopwatch, is_woken: bool },
    Over,
}

impl Task {
    pub(crate) fn new(
        shared: Arc<Shared>,
        subject: Subject,
        place: Option<Place>,
        code: impl Future<Output = ()> + Send + 'static,
    ) -> Arc<Self> {
        let life = Life { phase: Phase::Queued, is_abandoned: false, is_written_off: false, place };
        Arc::new(Self {
            kind: subject.kind(),
            subject,
            span: Span::current(),
            shared,
            life: Mutex::new(life),
            code: Mutex::new(Some(Box::pin(code))),
        })
    }

    fn life(&self) -> MutexGuard<'_, Life> {
        self.life.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time since the poll began that has not returned; `None` between polls.
    pub(crate) fn polled_for(&self) -> Option<Duration> {
        match self.life().phase {
            Phase::Polled { since, .. } => Some(since.elapsed()),
            _ => None,
        }
    }

    pub(crate) fn is_stalled(&self) -> bool {
        self.polled_for().is_some_and(|time| time >= STALLED)
    }

    /// Waits for a moment for the end of a poll that is due or under way.
    pub(crate) fn stay(&self) {
        let crew = self.shared.crew(self.subject.family());
        crew.standby.stay(|| matches!(self.life().phase, Phase::Over | Phase::Idle));
    }

    pub(crate) fn is_abandoned(&self) -> bool {
        self.life().is_abandoned
    }

    /// Notes that its poll is blocked: if nobody waits for it any more, its
    /// thread is written off.
    pub(crate) fn note_blocked(self: &Arc<Self>) {
        let place = {
            let mut life = self.life();
            if life.is_abandoned { self.write_off(&mut life) } else { None }
        };
        drop(place);
    }

    /// Writes the thread of a poll off that does not return; gives the place that
    /// the caller has to drop once it has let go of the lock. At the bound
    /// nothing is written off: the task keeps its place until it yields, or until
    /// another one that was written off does.
    fn write_off(self: &Arc<Self>, life: &mut Life) -> Option<Place> {
        if life.is_written_off || !self.shared.write_off(self) {
            return None;
        }
        life.is_written_off = true;
        metrics::WRITTEN_OFF.increment();
        life.place.take()
    }

    /// Ends a task that no thread will poll any more.
    pub(crate) fn close(&self) {
        let place = {
            let mut life = self.life();
            life.phase = Phase::Over;
            life.place.take()
        };
        drop(place);
        let code = self.code.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.discard(code);
    }

    /// Polls the code once, on the calling thread. The task must come from a queue.
    pub(crate) fn poll(self: &Arc<Self>) {
        let is_abandoned = {
            let mut life = self.life();
            life.phase = Phase::Polled { since: Stopwatch::start(), is_woken: false };
            life.is_abandoned
        };
        let mut code = self.code.lock().unwrap_or_else(PoisonError::into_inner);
        let is_over = is_abandoned || {
            let _entered = self.span.enter();
            let waker = Waker::from(Arc::clone(self));
            let mut context = Context::from_waker(&waker);
            // A panic is caught within the code; this is for what escapes it.
            let polled = catch_unwind(AssertUnwindSafe(|| match code.as_mut() {
                Some(code) => code.as_mut().poll(&mut context),
                None => Poll::Ready(()),
            }));
            !matches!(polled, Ok(Poll::Pending))
        };
        if is_over {
            let done = code.take();
            drop(code);
            self.discard(done);
            self.leave(Phase::Over);
            return;
        }
        drop(code);
        self.leave(Phase::Idle);
    }

    /// Drops the code as part of the poll: a destructor may stall as well.
    fn discard(&self, code: Option<Code>) {
        let _entered = self.span.enter();
        if catch_unwind(AssertUnwindSafe(|| drop(code))).is_err() {
            tracing::error!("{} panicked while it was dropped", self.subject);
        }
    }

    /// Ends a poll.
    fn leave(self: &Arc<Self>, next: Phase) {
        let (is_queued, place) = {
            let mut life = self.life();
            if std::mem::take(&mut life.is_written_off) {
                self.shared.restore(&self.subject);
            }
            let is_woken = matches!(life.phase, Phase::Polled { is_woken: true, .. });
            let is_over = matches!(next, Phase::Over);
            let is_queued = is_woken && !is_over;
            life.phase = if is_queued { Phase::Queued } else { next };
            (is_queued, if is_over { life.place.take() } else { None })
        };
        drop(place);
        if is_queued {
            self.shared.queue(Arc::clone(self));
        }
    }

    /// Says that nobody waits for the result any more.
    pub(crate) fn abandon(self: &Arc<Self>) {
        let (is_queued, place) = {
            let mut life = self.life();
            life.is_abandoned = true;
            match &mut life.phase {
                Phase::Over => return,
                Phase::Queued => (false, life.place.take()),
                Phase::Idle => {
                    life.phase = Phase::Queued;
                    (true, life.place.take())
                }
                Phase::Polled { is_woken, since } => {
                    *is_woken = true;
                    // A poll that has just begun most likely returns at once; if
                    // it does not, the watchdog writes it off.
                    let is_blocked = since.elapsed() >= BLOCKED;
                    (false, if is_blocked { self.write_off(&mut life) } else { None })
                }
            }
        };
        drop(place);
        if is_queued {
            self.shared.queue(Arc::clone(self));
        }
    }
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        {
            let mut life = self.life();
            match &mut life.phase {
                Phase::Idle => life.phase = Phase::Queued,
                Phase::Polled { is_woken, .. } => {
                    *is_woken = true;
                    return;
                }
                Phase::Queued | Phase::Over => return,
            }
        }
        self.shared.queue(Arc::clone(self));
    }
}
