//! The threads of one family, steps or handlers, in two lanes.
//!
//! The **quick** lane has a fixed number of threads, each of which is replaced
//! when a poll on it is blocked. Kinds of work of which that was seen run in the
//! **patient** lane. So a kind that blocks delays the others once, for as long as
//! it takes to see it, and not with each of its executions.
//!
//! The patient lane grows while it stands still: some threads at once where work
//! is queued and none was taken up for [`BLOCKED`]. Polls that merely compute for
//! long, or a machine that is overloaded, get none: there each poll ends, and
//! more threads would only make them all slower.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use px_core::Stopwatch;

use crate::metrics;
use crate::pool::Shared;
use crate::standby::Standby;
use crate::subject::{Family, Kind};
use crate::task::Task;
use crate::watchdog::{BLOCKED, PROBATION, STALLED};

/// Threads that the patient lane begins with, and by which it grows.
const GROWTH: usize = 4;

/// A thread of the patient lane that had nothing to do for so long ends.
const IDLE: Duration = Duration::from_secs(10);

pub(crate) struct Crew {
    family: Family,
    quick_threads: usize,
    max_patient: usize,
    /// Threads of the patient lane for one kind of work, at most.
    max_of_a_kind: usize,
    state: Mutex<State>,
    quick: Condvar,
    patient: Condvar,
    pub(crate) standby: Standby,
}

#[derive(Default)]
struct State {
    quick: Lane,
    patient: Lane,
    threads: Vec<Arc<Thread>>,
    /// Kinds of work that were blocked, each with the time since the last one.
    suspects: HashMap<Kind, Stopwatch, foldhash::fast::FixedState>,
    /// The time since a thread could not be started, once that was said.
    failed: Option<Stopwatch>,
    is_stopping: bool,
}

#[derive(Default)]
struct Lane {
    queue: VecDeque<Arc<Task>>,
    threads: usize,
    /// Threads of these that wait for work.
    idle: usize,
    /// The time since a thread took a task from the queue.
    taken: Option<Stopwatch>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    Quick,
    Patient,
}

impl State {
    /// The threads that poll a task of this kind.
    fn polled(&self, kind: Kind) -> impl Iterator<Item = &Arc<Thread>> {
        let is_this =
            move |thread: &&Arc<Thread>| thread.now().as_ref().is_some_and(|now| now.task.kind == kind);
        self.threads.iter().filter(is_this)
    }

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
    pub(crate) fn new(
        family: Family,
        quick_threads: usize,
        max_patient: usize,
        max_of_a_kind: usize,
    ) -> Self {
        let (quick_threads, max_patient) = (quick_threads.max(1), max_patient.max(1));
        let max_of_a_kind = max_of_a_kind.max(1);
        let (state, quick, patient) = (Mutex::default(), Condvar::new(), Condvar::new());
        let standby = Standby::of_this_machine();
        Self { family, quick_threads, max_patient, max_of_a_kind, state, quick, patient, standby }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the threads of the quick lane that are not there.
    pub(crate) fn fill(&self, shared: &Arc<Shared>) -> io::Result<()> {
        self.replace(shared, &mut self.state())
    }

    /// Lets the threads end that are not in a poll. What is queued is dropped.
    pub(crate) fn stop(&self) {
        let left: Vec<_> = {
            let mut state = self.state();
            state.is_stopping = true;
            let quick = std::mem::take(&mut state.quick.queue);
            quick.into_iter().chain(std::mem::take(&mut state.patient.queue)).collect()
        };
        left.iter().for_each(|task| task.close());
        self.quick.notify_all();
        self.patient.notify_all();
    }

    /// Puts a task that was woken where a thread finds it.
    pub(crate) fn queue(&self, shared: &Arc<Shared>, task: Arc<Task>) {
        let mut state = self.state();
        if state.is_stopping {
            drop(state);
            task.close();
            return;
        }
        if state.suspects.is_empty() || !state.suspects.contains_key(&task.kind) {
            state.quick.queue.push_back(task);
            self.standby.note_queued(state.quick.queue.len());
            let must_wake = state.quick.idle > 0 && !self.standby.is_awake();
            drop(state);
            if must_wake {
                self.quick.notify_one();
            }
            return;
        }
        state.patient.queue.push_back(task);
        self.serve_patient(shared, &mut state);
    }

    /// Wakes a thread of the quick lane for work that is about to come, if none
    /// is awake. A hint: one that is lost costs some microseconds.
    pub(crate) fn expect(&self) {
        if self.standby.may_wake() {
            self.quick.notify_one();
        }
    }

    /// Wakes a thread for what is queued in the patient lane, or starts one of
    /// the first. Later ones are the watchdog's to start.
    fn serve_patient(&self, shared: &Arc<Shared>, state: &mut State) {
        if state.patient.idle == 0 && state.patient.threads < GROWTH {
            self.grow(shared, state, 1);
        }
        self.patient.notify_one();
    }

    /// Starts so many threads of the patient lane, as far as it may have them.
    fn grow(&self, shared: &Arc<Shared>, state: &mut State, threads: usize) {
        for _ in 0..threads.min(self.max_patient.saturating_sub(state.patient.threads)) {
            if let Err(error) = self.spawn(shared, state, Which::Patient) {
                return no_thread(state, &error);
            }
        }
    }

    /// Lets the patient lane grow if it stands still.
    fn relieve(&self, shared: &Arc<Shared>, state: &mut State) {
        let stands_still = state.patient.taken.is_none_or(|taken| taken.elapsed() >= BLOCKED);
        if !stands_still || state.is_stopping || self.first_of(state, Which::Patient).is_none() {
            return;
        }
        let queued = state.patient.queue.len();
        // From here on, until the next growth.
        state.patient.taken = Some(Stopwatch::start());
        self.grow(shared, state, queued.min(GROWTH));
        self.patient.notify_all();
    }

    /// The place in a lane's queue of the task to poll next. In the patient lane
    /// a kind that has as many threads as it may have is passed over; what is
    /// abandoned only has to be dropped.
    fn first_of(&self, state: &State, which: Which) -> Option<usize> {
        let queue = match which {
            Which::Quick => return (!state.quick.queue.is_empty()).then_some(0),
            Which::Patient => &state.patient.queue,
        };
        let may_run = |task: &Arc<Task>| {
            self.max_of_a_kind == usize::MAX
                || task.is_abandoned()
                || state.polled(task.kind).count() < self.max_of_a_kind
        };
        queue.iter().position(may_run)
    }

    fn spawn(&self, shared: &Arc<Shared>, state: &mut State, which: Which) -> io::Result<()> {
        let thread = Arc::new(Thread { which, now: Mutex::new(None) });
        let (its, shared, family) = (Arc::clone(&thread), Arc::clone(shared), self.family);
        let name = match family {
            Family::Steps => "px-step",
            Family::Handlers => "px-handler",
        };
        std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            shared.nice.lower();
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
        while let Some(task) = self.next(thread) {
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
    fn next(&self, thread: &Thread) -> Option<Arc<Task>> {
        let which = thread.which;
        let mut state = self.state();
        let mut has_stood_by = false;
        loop {
            if state.is_stopping {
                state.lane(which).threads -= 1;
                return None;
            }
            let first = self.first_of(&state, which);
            let lane = state.lane(which);
            if let Some(task) = first.and_then(|at| lane.queue.remove(at)) {
                if which == Which::Patient {
                    lane.taken = Some(Stopwatch::start());
                } else {
                    self.standby.note_queued(lane.queue.len());
                    if !lane.queue.is_empty() && lane.idle > 0 && !self.standby.is_awake() {
                        self.quick.notify_one();
                    }
                }
                // Under the lock, so that the next one counts it among its kind.
                *thread.now() = Some(Polled { task: Arc::clone(&task), is_blocked: false, is_named: false });
                return Some(task);
            }
            if which == Which::Quick && !std::mem::replace(&mut has_stood_by, true) && self.standby.begin() {
                drop(state);
                self.standby.watch();
                state = self.state();
                self.standby.end();
                continue;
            }
            has_stood_by = false;
            state.lane(which).idle += 1;
            self.standby.note_idle(state.quick.idle);
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
            state.lane(which).idle -= 1;
            self.standby.note_idle(state.quick.idle);
            // What is queued of a kind that has all its threads needs no other.
            if is_late && self.first_of(&state, which).is_none() {
                let lane = state.lane(which);
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
            polled.task.note_blocked();
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
        self.relieve(shared, state);
        if let Err(error) = self.replace(shared, state) {
            no_thread(state, &error);
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
        self.standby.note_queued(state.quick.queue.len());
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

    /// Threads that do not yield and poll tasks of this kind.
    pub(crate) fn blocked(&self, kind: Kind) -> usize {
        let state = self.state();
        if !state.suspects.contains_key(&kind) {
            return 0;
        }
        let is_blocked = |thread: &&Arc<Thread>| thread.now().as_ref().is_some_and(|now| now.is_blocked);
        state.polled(kind).filter(is_blocked).count()
    }
}

/// Says, at most once a second, that the system gives no more threads.
fn no_thread(state: &mut State, error: &io::Error) {
    if state.failed.is_none_or(|said| said.elapsed() >= STALLED) {
        state.failed = Some(Stopwatch::start());
        tracing::error!(
            %error,
            "no thread in place of one that does not yield: raise the limit of threads (ulimit -u, TasksMax=); \
             it is tried again"
        );
    }
}
