//! Steps that wait in some cases and go on at once in others.

use std::marker::PhantomData;
use std::time::Duration;

use px_core::Timestamp;

use crate::collect::Collecting;
use crate::error::Result;
use crate::outcome::{Pending, Waiting, wait_for};
use crate::wait::{Timed, Waits};

/// The step is done, and waits for an `R` or does not: the next step takes `Option<R>`,
/// `None` if there was nothing to wait for.
#[must_use = "a wait is opened only if the step returns it"]
#[derive(Debug)]
pub struct MayWait<S, R> {
    state: S,
    /// What it waits on; an error if that could never be complete.
    on: Result<Option<Pending>>,
    response: PhantomData<fn() -> R>,
}

impl<S, R> MayWait<S, R> {
    /// Waits for nothing: the next step runs at once, with `None`.
    pub const fn go(state: S) -> Self {
        Self { state, on: Ok(None), response: PhantomData }
    }

    /// Waits as [`wait_for`] does; the next step gets the response in `Some`. A wait
    /// that was made by `wait_for` is turned into one by `.into()`.
    pub fn wait<W: Waits<Response = R>>(state: S, on: W) -> Self {
        wait_for(state, on).into()
    }

    /// Ends the wait unanswered after this time; the next step gets `Some(Timed::TimedOut)` then.
    pub fn timeout(self, after: Duration) -> MayWait<S, Timed<R>> {
        let on = self.on.map(|on| on.map(|on| on.timeout(after)));
        MayWait { state: self.state, on, response: PhantomData }
    }

    /// Ends the wait unanswered at this point in time, as [`timeout`](Self::timeout) does after a while.
    pub fn deadline(self, at: Timestamp) -> MayWait<S, Timed<R>> {
        let on = self.on.map(|on| on.map(|on| on.deadline(at)));
        MayWait { state: self.state, on, response: PhantomData }
    }

    /// Gives up the state and the wait, if there is one.
    ///
    /// # Errors
    /// The wait could never be complete.
    pub(crate) fn into_parts(self) -> Result<(S, Option<Pending>)> {
        Ok((self.state, self.on?))
    }
}

impl<S, R> MayWait<S, Timed<R>> {
    /// Ends the wait at this point in time, if it has not ended by then: the earlier of both counts.
    pub fn no_later_than(self, at: Timestamp) -> Self {
        Self { on: self.on.map(|on| on.map(|on| on.map(|request| request.until(at)))), ..self }
    }

    /// Ends the wait after this time, if it has not ended by then: the earlier of both counts.
    pub fn no_longer_than(self, after: Duration) -> Self {
        Self { on: self.on.map(|on| on.map(|on| on.map(|request| request.timeout(after)))), ..self }
    }
}

impl<S, R> From<Waiting<S, R>> for MayWait<S, R> {
    fn from(waiting: Waiting<S, R>) -> Self {
        let (state, on) = waiting.into_parts();
        Self { state, on: Ok(Some(on)), response: PhantomData }
    }
}

impl<S, R> From<Collecting<S, R>> for MayWait<S, R> {
    fn from(collecting: Collecting<S, R>) -> Self {
        let (state, on) = collecting.into_state_and_wait();
        Self { state, on: on.map(|request| Some(Pending::Wait(request))), response: PhantomData }
    }
}
