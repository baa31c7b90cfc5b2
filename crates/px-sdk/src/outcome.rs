//! Outcomes of a step: the state of the next one, or the state and a wait.

use std::marker::PhantomData;
use std::time::Duration;

use px_core::Timestamp;
use px_core::event::Given;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::error::Result;
use crate::given::asks_for_more;
use crate::inbound::object;
use crate::wait::{Timed, WaitRequest, Waits};

/// The step is done; the next one runs with this state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Next<S>(pub S);

/// The step is done; the next one runs with this state and the response `R`
/// once there is one. Made by [`wait_for`].
#[must_use = "a wait is opened only if the step returns it"]
#[derive(Debug)]
pub struct Waiting<S, R> {
    state: S,
    on: Pending,
    response: PhantomData<fn() -> R>,
}

/// Outcome of a step of a loop: it waits and runs again with the next
/// response, or it is done.
#[must_use = "a loop goes on only with what the step returns"]
#[derive(Debug)]
pub struct Again<S, R, T> {
    pub(crate) turn: Turn<S, T>,
    response: PhantomData<fn() -> R>,
}

#[derive(Debug)]
pub(crate) enum Turn<S, T> {
    Wait(S, Pending),
    Done(T),
}

#[derive(Debug)]
pub(crate) enum Pending {
    Wait(WaitRequest),
    Given(Result<Given>),
}

impl Pending {
    /// Makes a `Timed<R>` of what is waited for, or was given, as an `R`.
    pub(crate) fn timeout(self, after: Duration) -> Self {
        self.timed(|request| request.timeout(after))
    }

    /// The same, with a point in time.
    pub(crate) fn deadline(self, at: Timestamp) -> Self {
        self.timed(|request| request.until(at))
    }

    /// Changes what is waited for, if something is.
    pub(crate) fn map(self, change: impl FnOnce(WaitRequest) -> WaitRequest) -> Self {
        match self {
            Self::Wait(request) => Self::Wait(change(request)),
            given => given,
        }
    }

    fn timed(self, limit: impl FnOnce(WaitRequest) -> WaitRequest) -> Self {
        let answered = |given: Given| match given.response {
            // Written as the whole of an `R`, it is read as the whole of a `Timed<R>`.
            Some(response) if given.whole => Given::whole(json!({ "answered": response })),
            _ => given,
        };
        match self {
            Self::Wait(request) => Self::Wait(limit(request)),
            Self::Given(given) => Self::Given(given.map(answered)),
        }
    }
}

/// Parks the run until one of `on` has a response. `on` is what a webhook's
/// `on(identifier)` gives, a tuple of these (the response is then an
/// [`Either`](crate::Either), [`OneOf3`](crate::OneOf3) or [`OneOf4`](crate::OneOf4) of theirs), or a `Vec` of one kind (the response
/// is then a [`Picked`](crate::Picked)).
pub fn wait_for<S, W: Waits>(state: S, on: W) -> Waiting<S, W::Response> {
    Waiting { state, on: Pending::Wait(WaitRequest::new(on.registrations())), response: PhantomData }
}

/// The step is done; the next one runs with this state when the time has come.
#[must_use = "a run sleeps only if the step returns it"]
#[derive(Debug)]
pub struct Sleeping<S> {
    state: S,
    request: WaitRequest,
}

/// Parks the run for this long. The next step takes the state alone.
pub fn sleep<S>(state: S, time: Duration) -> Sleeping<S> {
    Sleeping { state, request: WaitRequest::new(Vec::new()).timeout(time) }
}

/// Parks the run until this time.
pub fn sleep_until<S>(state: S, until: Timestamp) -> Sleeping<S> {
    Sleeping { state, request: WaitRequest { until: Some(until), ..WaitRequest::new(Vec::new()) } }
}

impl<S> Sleeping<S> {
    pub(crate) fn into_parts(self) -> (S, WaitRequest) {
        (self.state, self.request)
    }
}

impl<S, R> Waiting<S, R> {
    /// Does not wait: the next step runs at once with this response. For the
    /// first turn of a loop, or for an answer that is already there. A response that is not
    /// written as a JSON object fails the step, unless it is one of px's own types, such as [`Timed`].
    pub fn given(state: S, response: R) -> Self
    where
        R: Serialize + DeserializeOwned,
    {
        if asks_for_more::<R>() {
            return Self::with(state, crate::finite::to_value(&response).map(Given::whole));
        }
        Self::with(state, plain(&response))
    }

    fn with(state: S, given: Result<Given>) -> Self {
        Self { state, on: Pending::Given(given), response: PhantomData }
    }

    /// Ends the wait unanswered after this time. The next step is told by
    /// [`Timed`] and cannot forget it.
    pub fn timeout(self, after: Duration) -> Waiting<S, Timed<R>> {
        Waiting { state: self.state, on: self.on.timeout(after), response: PhantomData }
    }

    /// Ends the wait unanswered at this point in time, as [`timeout`](Self::timeout) does after a while. Of one
    /// that has passed already, what is queued is taken, and else the wait ends at once. Where both are to count,
    /// the second is said by [`no_longer_than`](Waiting::no_longer_than) or
    /// [`no_later_than`](Waiting::no_later_than).
    pub fn deadline(self, at: Timestamp) -> Waiting<S, Timed<R>> {
        Waiting { state: self.state, on: self.on.deadline(at), response: PhantomData }
    }

    /// Leaves alone what was queued before the wait was opened (docs/rules.md#6).
    pub fn fresh(self) -> Self {
        Self { on: self.on.map(WaitRequest::fresh), ..self }
    }

    pub(crate) fn into_parts(self) -> (S, Pending) {
        (self.state, self.on)
    }
}

/// A response as a webhook would have brought it.
fn plain<R: Serialize>(response: &R) -> Result<Given> {
    object("the response that a step gives", response).map(Given::by_hand)
}

impl<S, R> Waiting<S, Timed<R>> {
    /// Ends the wait at this point in time, if it has not ended by then: the earlier of both counts.
    pub fn no_later_than(self, at: Timestamp) -> Self {
        Self { on: self.on.map(|request| request.until(at)), ..self }
    }

    /// Ends the wait after this time, if it has not ended by then: the earlier of both counts.
    pub fn no_longer_than(self, after: Duration) -> Self {
        Self { on: self.on.map(|request| request.timeout(after)), ..self }
    }

    /// Does not wait: the next step runs at once, as if this response had come in time.
    pub fn answered(state: S, response: R) -> Self
    where
        R: Serialize + DeserializeOwned,
    {
        if asks_for_more::<R>() {
            return Self::given(state, Timed::Answered(response));
        }
        Self::with(state, plain(&response))
    }

    /// Does not wait: the next step runs at once, as if nothing had come in time.
    pub fn timed_out(state: S) -> Self {
        Self::with(state, Ok(Given::timed_out()))
    }
}

impl<S, R, T> Again<S, Timed<R>, T> {
    /// Does not wait, and runs the step again at once with this state. There is no response to the
    /// turn, so it gets [`Timed::TimedOut`]; each turn is a commit, and counts as one.
    pub fn now(state: S) -> Self {
        Self::from(Waiting::timed_out(state))
    }
}

impl<S, R, T> Again<S, R, T> {
    /// Waits, and runs the step again with the next response.
    pub fn wait<W: Waits<Response = R>>(state: S, on: W) -> Self {
        Self::from(wait_for(state, on))
    }

    /// The loop is done; the next step runs with this state.
    pub fn done(state: T) -> Self {
        Self { turn: Turn::Done(state), response: PhantomData }
    }
}

impl<S, R, T> From<Waiting<S, R>> for Again<S, R, T> {
    fn from(waiting: Waiting<S, R>) -> Self {
        let (state, on) = waiting.into_parts();
        Self { turn: Turn::Wait(state, on), response: PhantomData }
    }
}
