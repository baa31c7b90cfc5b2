//! The short way between a thread of the server and one of the pool.
//!
//! To wake a thread that sleeps costs more than most handlers take, above all on
//! a virtual machine, where an idle core is left to the host. So a thread of the
//! quick lane stays awake for a moment after its last task, and whoever hands a
//! task to it stays for the result for a moment too. Both give way: the one by
//! yielding its core, and by going to sleep once somebody else took it, since a
//! busy core needs no interrupt to be woken; the other by not waiting at all where
//! that was in vain, or where others come first.

use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};
use std::time::Duration;

use px_core::Stopwatch;

/// The time for which a thread without a task stays awake.
const AWAKE: Duration = Duration::from_micros(100);

/// The time between two looks after which somebody else must have had the core.
const WANTED: Duration = Duration::from_micros(20);

/// The time for which a result is awaited without sleeping.
const STAY: Duration = Duration::from_micros(15);

/// Results that came in time, of which the memory holds so many.
const MAX_CREDIT: i32 = 16;

/// Credit that is lost with each wait in vain; a result in time earns one. From
/// full credit, four waits in vain in a row end all waiting, and so does any mix
/// in which fewer than four of five results come in time.
const IN_VAIN: i32 = 4;

/// Number of results that are not waited for once the credit is used up. The
/// one after them is waited for as a probe: if it comes in time, waiting is on
/// again, and if not, as many are passed over once more.
const PROBE: i32 = 32;

/// Turns of the processor between two looks.
const TURNS: u32 = 16;

pub(crate) struct Standby {
    /// More than one, or whoever stays awake keeps the core from the other.
    has_cores: bool,
    /// Threads that look for a task without sleeping: one at most.
    awake: AtomicUsize,
    /// Tasks in the queue of the quick lane.
    queued: AtomicUsize,
    /// Threads of the quick lane that sleep.
    idle: AtomicUsize,
    /// Above zero: results have come while they were waited for. Below: one of
    /// them was passed over each time.
    credit: AtomicI32,
}

impl Standby {
    pub(crate) fn of_this_machine() -> Self {
        Self::new(std::thread::available_parallelism().map_or(1, std::num::NonZero::get))
    }

    /// For a machine with so many cores.
    pub(crate) fn new(cores: usize) -> Self {
        let (awake, queued, idle) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
        Self { has_cores: cores > 1, awake, queued, idle, credit: AtomicI32::new(MAX_CREDIT) }
    }

    pub(crate) fn note_queued(&self, tasks: usize) {
        self.queued.store(tasks, Ordering::SeqCst);
    }

    pub(crate) fn note_idle(&self, threads: usize) {
        self.idle.store(threads, Ordering::Relaxed);
    }

    pub(crate) fn is_awake(&self) -> bool {
        self.awake.load(Ordering::SeqCst) > 0
    }

    /// Returns whether a thread sleeps and none is awake.
    pub(crate) fn may_wake(&self) -> bool {
        !self.is_awake() && self.idle.load(Ordering::Relaxed) > 0
    }

    /// Makes the calling thread the one that is awake, if none is. The caller
    /// holds the lock of the queue.
    pub(crate) fn begin(&self) -> bool {
        self.has_cores && self.awake.compare_exchange(0, 1, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }

    /// Returns when a task is queued, when somebody else wants the core, or after [`AWAKE`].
    pub(crate) fn watch(&self) {
        self.watch_yielding(std::thread::yield_now);
    }

    /// The same; `give_way` lets whatever else could run on this core do so.
    fn watch_yielding(&self, give_way: impl Fn()) {
        let (begun, mut looked) = (Stopwatch::start(), Duration::ZERO);
        while self.queued.load(Ordering::SeqCst) == 0 {
            turn();
            give_way();
            let now = begun.elapsed();
            if now >= AWAKE || now.saturating_sub(looked) >= WANTED {
                return;
            }
            looked = now;
        }
    }

    /// Ends what [`Standby::begin`] began. The caller holds the lock of the queue.
    pub(crate) fn end(&self) {
        self.awake.store(0, Ordering::SeqCst);
    }

    /// Waits for a moment until `is_over`, if that was worth it lately.
    pub(crate) fn stay(&self, is_over: impl Fn() -> bool) {
        let credit = self.credit.load(Ordering::Relaxed);
        // Besides the one task there are others, which are polled first.
        if !self.has_cores || self.queued.load(Ordering::Relaxed) > 1 {
            return;
        }
        if credit <= 0 && credit > -PROBE {
            self.credit.store(credit - 1, Ordering::Relaxed);
            return;
        }
        let begun = Stopwatch::start();
        while !is_over() {
            if begun.elapsed() >= STAY {
                // After a probe that failed it is left off once more.
                self.credit.store((credit - IN_VAIN).max(0), Ordering::Relaxed);
                return;
            }
            turn();
        }
        self.credit.store((credit.max(0) + 1).min(MAX_CREDIT), Ordering::Relaxed);
    }
}

fn turn() {
    for _ in 0..TURNS {
        std::hint::spin_loop();
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn whoever_waited_in_vain_leaves_it_off_and_tries_it_again_now_and_then() {
        let standby = Standby::new(2);
        let looks = Cell::new(0);
        let stay = |is_over: bool| {
            let before = looks.get();
            standby.stay(|| {
                looks.set(looks.get() + 1);
                is_over
            });
            looks.get() > before
        };
        assert!((0..100).all(|_| stay(true)), "while results come in time they are waited for");
        let in_vain = (0..40).filter(|_| stay(false)).count();
        assert_eq!(in_vain, 5, "four that did not come, and one to see whether it is worth it again");
        assert!((0..32).any(|_| stay(true)) && stay(true), "one that comes in time brings it back");
    }

    #[test]
    fn on_one_core_nobody_stays_awake() {
        let standby = Standby::new(1);
        assert!(!standby.begin());
        standby.stay(|| panic!("nobody looks"));
    }

    #[test]
    fn one_thread_is_awake_at_a_time_until_something_is_queued() {
        let standby = Standby::new(2);
        standby.note_idle(1);
        assert!(standby.may_wake());
        assert!(standby.begin() && !standby.begin());
        assert!(!standby.may_wake(), "one is awake");
        standby.note_queued(1);
        standby.watch();
        standby.end();
        assert!(standby.begin());
    }

    /// Gives way for so long, and counts.
    fn taking(time: Duration, looks: &Cell<u32>) {
        let begun = Stopwatch::start();
        looks.set(looks.get() + 1);
        while begun.elapsed() < time {
            std::hint::spin_loop();
        }
    }

    #[test]
    fn whoever_is_awake_goes_to_sleep_once_somebody_else_had_the_core() {
        let (standby, looks) = (Standby::new(2), Cell::new(0));
        standby.watch_yielding(|| taking(WANTED, &looks));
        assert_eq!(looks.get(), 1, "a core that is wanted is left at the first look");
        standby.note_queued(1);
        standby.watch_yielding(|| panic!("what is queued is taken at once"));
    }

    #[test]
    fn a_result_that_others_come_before_is_not_stayed_for() {
        let standby = Standby::new(2);
        standby.note_queued(2);
        standby.stay(|| panic!("nobody looks"));
        standby.note_queued(1);
        let looks = Cell::new(0);
        standby.stay(|| {
            looks.set(looks.get() + 1);
            true
        });
        assert_eq!(looks.get(), 1);
    }
}
