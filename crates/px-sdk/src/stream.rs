//! Streams: a wait that gives its step one response after the other, until the
//! step wants no more or the time is up.

use std::marker::PhantomData;
use std::time::Duration;

use px_core::Timestamp;
use px_core::wait::WaitMode;

use crate::wait::{Timed, WaitRequest, Waits};

/// The step is done; the next one, a [`for_each`](crate::Builder::for_each),
/// runs with each response of the stream. Made by [`stream`].
#[must_use = "a stream is opened only if the step returns it"]
#[derive(Debug)]
pub struct Streaming<S, R> {
    state: S,
    request: WaitRequest,
    response: PhantomData<fn() -> R>,
}

/// Outcome of the step that takes a stream's responses.
#[must_use = "a stream goes on only with what the step returns"]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum More<S, T> {
    /// The step runs again with the next response, and this state.
    Next(S),
    /// The stream is closed, and the next step runs with this state. What came
    /// and was not taken is late.
    Done(T),
}

/// Opens a stream of the responses of `on`. Unlike a wait in a loop it stays open
/// while its step works: responses that come meanwhile are kept for it, in order,
/// and one timeout holds for the whole stream.
pub fn stream<S, W: Waits>(state: S, on: W) -> Streaming<S, W::Response> {
    let request = WaitRequest { mode: WaitMode::Stream, ..WaitRequest::new(on.registrations()) };
    Streaming { state, request, response: PhantomData }
}

impl<S, R> Streaming<S, R> {
    /// Ends the stream after this time; the step then runs once
    /// more with [`Timed::TimedOut`], and must be done.
    pub fn timeout(self, after: Duration) -> Streaming<S, Timed<R>> {
        Streaming { state: self.state, request: self.request.timeout(after), response: PhantomData }
    }

    /// Ends the stream at this point in time, as [`timeout`](Self::timeout) does after a while.
    pub fn deadline(self, at: Timestamp) -> Streaming<S, Timed<R>> {
        Streaming { state: self.state, request: self.request.until(at), response: PhantomData }
    }

    /// Leaves alone what was queued before the stream was opened (docs/rules.md#6).
    pub fn fresh(self) -> Self {
        Self { request: self.request.fresh(), ..self }
    }

    pub(crate) fn into_parts(self) -> (S, WaitRequest) {
        (self.state, self.request)
    }
}

impl<S, R> Streaming<S, Timed<R>> {
    /// Ends the stream at this point in time, if it has not ended by then: the earlier of both counts.
    pub fn no_later_than(self, at: Timestamp) -> Self {
        Self { request: self.request.until(at), ..self }
    }

    /// Ends the stream after this time, if it has not ended by then: the earlier of both counts.
    pub fn no_longer_than(self, after: Duration) -> Self {
        Self { request: self.request.timeout(after), ..self }
    }
}
