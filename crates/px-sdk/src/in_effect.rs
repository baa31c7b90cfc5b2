//! Effects while they are polled. What an effect does beside its result is not done again when its step runs
//! again, so some of what a step may do is refused within one. Known is the poll and not the whole effect:
//! what a step does beside an effect, at once with it, is no part of it.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::pin;

thread_local! {
    /// The executions of steps whose effects are polled on this thread, the innermost last.
    static POLLED: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}

/// A poll of an effect, which ends with this, by a panic too.
struct Polled;

impl Polled {
    fn begin(execution: usize) -> Self {
        POLLED.with_borrow_mut(|polled| polled.push(execution));
        Self
    }
}

impl Drop for Polled {
    fn drop(&mut self) {
        POLLED.with_borrow_mut(Vec::pop);
    }
}

/// The work of an effect of this execution, polled so that [`is_in_effect`] says so.
pub(crate) async fn in_effect<T>(execution: usize, work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    poll_fn(|context| {
        let _polled = Polled::begin(execution);
        work.as_mut().poll(context)
    })
    .await
}

/// Returns whether an effect of this execution is what is polled here and now.
pub(crate) fn is_in_effect(execution: usize) -> bool {
    POLLED.with_borrow(|polled| polled.contains(&execution))
}
