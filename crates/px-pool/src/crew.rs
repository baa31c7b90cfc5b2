//! The threads of one family, steps or handlers, in two lanes.
//!
//! The **quick** lane has a fixed number of threads, each of which is replaced
//! when a poll on it is blocked. Kinds of work of which that was seen run in the
//! **patient** lane, whose threads come and go, one for each blocked poll up to a
//! bound. So a kind that blocks delays the others once, for as long as it takes
//! to see it, and not with each of its executions.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use px_core::Stopwatch;

use crate::metrics;
use crate::nice;
use crate::pool::Shared;
use crate::subject::Kind;
use crate::task::Task;
use crate::watchdog::{BLOCKED, PROBATION, STALLED};

/// A thread of the patient lane that had nothing to do for so long ends.
const IDLE: Duration = Duration::from_secs(10);

pub(crate) struct Crew {
    family: Family,
    quick_threads: usize,
    max_patient: usize,
    state: Mutex<State>,
    quick: Condvar,
    patient: Condvar,
}

/// The work that a crew is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    Steps,
    Handlers,
}

#[derive(Default)]
struct State {
    quick: Lane,
    patient: Lane,
    threads: Vec<Arc<Thread>>,
    /// Kinds of work that were blocked, each with the time since the last one.
    suspects: HashMap<Kind, Stopwatch, foldhash::fast::FixedState>,
    is_stopping: bool,
}

#[derive(Default)]
struct Lane {
    queue: VecDeque<Arc<Task>>,
    threads: usize,
    /// Threads of these that wait for work.
    idle: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    Quick,
    Patient,
}

impl State {
    fn lane(&mut self, which: Which) -> &mut Lane {
        match which {
            Which::Quick => &mut self.quick,
            Which::Patient => &mut self.patient,
        }
    }
}

/// One thread, and the execution that it polls.
struct Thread {
    which: Which,
    now: Mutex<Option<Polled>>,
}

struct Polled {
    task: Arc<Task>,
    is_blocked: bool,
    is_named: bool,
}

impl Thread {
    fn now(&self) -> MutexGuard<'_, Option<Polled>> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Crew {
    pub(crate) fn new(family: Family, quick_threads: usize, max_patient: usize) -> Self {
        let (quick_threads, max_patient) = (quick_threads.max(1), max_patient.max(1));
        let (state, quick, patient) = (Mutex::default(), Condvar::new(), Condvar::new());
        Self { family, quick_threads, max_patient, state, quick, patient }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the threads of the quick lane that are not there.
    pub(crate) fn fill(&self, shared: &Arc<Shared>) -> io::Result<()> {
        self.replace(shared, &mut self.state())
    }

    pub(crate) fn stop(&self) {
        self.state().is_stopping = true;
        self.quick.notify_all();
        self.patient.notify_all();
    }

    /// Puts a task that was woken where a thread finds it.
    pub(crate) fn queue(&self, shared: &Arc<Shared>, task: Arc<Task>) {
        let mut state = self.state();
        if state.is_stopping {
            return;
        }
        if state.suspects.is_empty() || !state.suspects.contains_key(&task.kind) {
            state.quick.queue.push_back(task);
            let is_awaited = state.quick.idle > 0;
            drop(state);
            if is_awaited {
                self.quick.notify_one();
            }
            return;
        }
        state.patient.queue.push_back(task);
        self.serve_patient(shared, &mut state);
    }

    /// Wakes or starts a thread for the patient lane, if there is work for one.
    fn serve_patient(&self, shared: &Arc<Shared>, state: &mut State) {
        if state.patient.queue.len() > state.patient.idle && state.patient.threads < self.max_patient {
            match self.spawn(shared, state, Which::Patient) {
                Ok(()) => return,
                Err(error) => tracing::error!(%error, "no thread for code that does not yield"),
            }
        }
        self.patient.notify_one();
    }

    fn spawn(&self, shared: &Arc<Shared>, state: &mut State, which: Which) -> io::Result<()> {
        let thread = Arc::new(Thread { which, now: Mutex::new(None) });
        let (its, shared, family) = (Arc::clone(&thread), Arc::clone(shared), self.family);
        let name = match family {
            Family::Steps => "px-step",
            Family::Handlers => "px-handler",
        };
        std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            nice::lower();
            let _entered = shared.driver.enter();
            let crew = shared.crew(family);
            crew.work(&shared, &its);
            crew.state().threads.retain(|thread| !Arc::ptr_eq(thread, &its));
        })?;
        state.threads.push(thread);
        state.lane(which).threads += 1;
        Ok(())
    }

    /// Polls what is queued, until there is no need of this thread any more.
    fn work(&self, shared: &Shared, thread: &Thread) {
        while let Some(task) = self.next(thread.which) {
            *thread.now() = Some(Polled { task: Arc::clone(&task), is_blocked: false, is_named: false });
            shared.watchdog.look();
            task.poll();
            let polled = thread.now().take();
            if let Some(Polled { is_blocked: true, is_named, .. }) = polled {
                if is_named {
                    tracing::info!("{} has yielded", task.subject);
                }
                if thread.which == Which::Quick {
                    // Another thread has its place since.
                    return;
                }
            }
        }
    }

    /// The next task of a lane. `None` for a thread that is to end.
    fn next(&self, which: Which) -> Option<Arc<Task>> {
        let mut state = self.state();
        loop {
            if state.is_stopping {
                state.lane(which).threads -= 1;
                return None;
            }
            if let Some(task) = state.lane(which).queue.pop_front() {
                return Some(task);
            }
            state.lane(which).idle += 1;
            let mut is_late = false;
            state = match which {
                Which::Quick => self.quick.wait(state).unwrap_or_else(PoisonError::into_inner),
                Which::Patient => {
                    let woken = self.patient.wait_timeout(state, IDLE);
                    let (state, time) = woken.unwrap_or_else(PoisonError::into_inner);
                    is_late = time.timed_out();
                    state
                }
            };
            let lane = state.lane(which);
            lane.idle -= 1;
            if is_late && lane.queue.is_empty() {
                lane.threads -= 1;
                return None;
            }
        }
    }

    /// Finds polls that take too long: replaces their threads, names them, and
    /// moves work of their kind out of the others' way. Returns whether any
    /// poll is under way.
    pub(crate) fn inspect(&self, shared: &Arc<Shared>) -> bool {
        let mut guard = self.state();
        let state = &mut *guard;
        let (mut is_busy, mut has_news) = (false, false);
        state.suspects.retain(|_, since| since.elapsed() < PROBATION);
        for thread in &state.threads {
            let mut now = thread.now();
            let Some(polled) = now.as_mut() else { continue };
            is_busy = true;
            let Some(time) = polled.task.polled_for().filter(|time| *time >= BLOCKED) else { continue };
            state.suspects.insert(polled.task.kind, Stopwatch::start());
            if !std::mem::replace(&mut polled.is_blocked, true) {
                has_news = true;
                metrics::BLOCKED.increment();
                if thread.which == Which::Quick {
                    state.quick.threads -= 1;
                }
            }
            if time >= STALLED && !std::mem::replace(&mut polled.is_named, true) {
                polled.task.subject.warn(time);
            }
        }
        if has_news {
            self.make_way(shared, state);
        }
        if let Err(error) = self.replace(shared, state) {
            tracing::error!(%error, "no thread in place of one that does not yield; the next look tries again");
        }
        is_busy
    }

    /// Moves what is queued of kinds that were blocked to the patient lane.
    fn make_way(&self, shared: &Arc<Shared>, state: &mut State) {
        for task in std::mem::take(&mut state.quick.queue) {
            if state.suspects.contains_key(&task.kind) {
                state.patient.queue.push_back(task);
                self.serve_patient(shared, state);
            } else {
                state.quick.queue.push_back(task);
            }
        }
    }

    fn replace(&self, shared: &Arc<Shared>, state: &mut State) -> io::Result<()> {
        while !state.is_stopping && state.quick.threads < self.quick_threads {
            self.spawn(shared, state, Which::Quick)?;
        }
        Ok(())
    }

    /// The tasks that are polled now.
    pub(crate) fn polled(&self) -> Vec<Arc<Task>> {
        let state = self.state();
        state.threads.iter().filter_map(|thread| Some(Arc::clone(&thread.now().as_ref()?.task))).collect()
    }

    /// Tasks of a kind that was seen not to yield: those that are polled, and
    /// those that wait for a thread of the patient lane. 0 for any other kind.
    pub(crate) fn suspects(&self, kind: Kind) -> usize {
        let state = self.state();
        if !state.suspects.contains_key(&kind) {
            return 0;
        }
        let is_this = |thread: &&Arc<Thread>| thread.now().as_ref().is_some_and(|now| now.task.kind == kind);
        let queued = state.patient.queue.iter().filter(|task| task.kind == kind);
        state.threads.iter().filter(is_this).count() + queued.count()
    }
}
