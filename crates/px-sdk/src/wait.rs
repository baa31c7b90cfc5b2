//! Waits of a step, and what it gets: one webhook, or a list of one
//! webhook, each with a timeout; unions of several are in [`super::union`].
//!
//! A response reaches the next step as a `Given` of the run log. A plain
//! response type reads itself from the response; the types here ask the
//! deserializer, by names that only they use, which registration answered
//! (`given.rs` knows them). To anybody else they are plain JSON.

use std::marker::PhantomData;
use std::time::Duration;

use px_core::wait::{Registration, WaitMode};
use px_core::{KeyId, Timestamp};
use serde::{Deserialize, Serialize};

/// A webhook and an identifier: what a webhook's `on(identifier)` gives.
#[derive(Debug)]
pub struct On<R> {
    pub(crate) registration: Registration,
    response: PhantomData<fn() -> R>,
}

impl<R> Clone for On<R> {
    fn clone(&self) -> Self {
        Self { registration: self.registration.clone(), response: PhantomData }
    }
}

impl<R> On<R> {
    #[doc(hidden)]
    pub fn registered(slug: &'static str, identifier: String, schema: u64) -> Self {
        let key = KeyId::new(slug, identifier);
        Self { registration: Registration { key, token: None, schema, ask: None }, response: PhantomData }
    }

    /// Returns where runs meet runs; there the response has no schema of a webhook.
    pub(crate) fn at(key: KeyId) -> Self {
        Self { registration: Registration { key, token: None, schema: 0, ask: None }, response: PhantomData }
    }

    /// Takes only events that bring this token, by `?token=` or by the handler.
    #[must_use]
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.registration.token = Some(token.into());
        self
    }
}

pub(crate) mod sealed {
    pub trait Sealed {}
}

/// Something that a step can wait for.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is nothing that a step can wait for",
    label = "not a webhook",
    note = "wait for a webhook by its `on` function: `wait_for(state, slack::on(thread))`",
    note = "for the first of several write a tuple, `(slack::on(thread), twilio::on(phone))`, or a `Vec` of one kind"
)]
pub trait Waits: sealed::Sealed {
    /// The response that the next step is given.
    type Response;

    #[doc(hidden)]
    fn registrations(self) -> Vec<Registration>;
}

impl<R> sealed::Sealed for On<R> {}
impl<R> Waits for On<R> {
    type Response = R;

    fn registrations(self) -> Vec<Registration> {
        vec![self.registration]
    }
}

impl<R> sealed::Sealed for Vec<On<R>> {}
impl<R> Waits for Vec<On<R>> {
    type Response = Picked<R>;

    fn registrations(self) -> Vec<Registration> {
        self.into_iter().map(|on| on.registration).collect()
    }
}

/// The response of one of several registrations, and which: of a wait on a list, or of a wait for
/// several responses with `.picked()`.
///
/// In a state it is `{"index": 0, "slug": "votes", "identifier": "…", "response": …}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename = "$px::Picked")]
#[non_exhaustive]
pub struct Picked<R> {
    /// Index of the entry of the list or tuple, from 0.
    pub index: usize,
    /// The webhook of that entry, of an answer by hand too. Empty where the run was
    /// answered by a version of px that did not write it down.
    #[serde(default)]
    pub slug: String,
    /// The identifier of that entry; empty where the slug is.
    #[serde(default)]
    pub identifier: String,
    /// Its response.
    pub response: R,
}

/// The outcome of a wait with a timeout.
///
/// In a state it is `{"answered": …}` or `"timedOut"`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename = "$px::Timed", rename_all = "camelCase")]
pub enum Timed<R> {
    /// The response came in time.
    Answered(R),
    /// No response came before the deadline.
    TimedOut,
}

/// Wait that a step asked for, before the engine gives it an id and a time.
#[derive(Debug, Clone)]
pub struct WaitRequest {
    /// Webhooks to listen to.
    pub registrations: Vec<Registration>,
    /// Time after which the wait ends unanswered.
    pub timeout: Option<Duration>,
    /// Point in time at which the wait ends unanswered.
    pub until: Option<Timestamp>,
    /// True if it leaves alone what was queued before it.
    pub fresh: bool,
    /// Condition under which the wait is complete.
    pub mode: WaitMode,
    /// True if each response that is collected is kept with its key.
    pub picked: bool,
}

impl WaitRequest {
    pub(crate) fn new(registrations: Vec<Registration>) -> Self {
        Self { registrations, timeout: None, until: None, fresh: false, mode: WaitMode::Any, picked: false }
    }

    /// The earliest of all limits that are said counts.
    pub(crate) fn timeout(self, after: Duration) -> Self {
        Self { timeout: Some(self.timeout.map_or(after, |said| said.min(after))), ..self }
    }

    /// Likewise.
    pub(crate) fn until(self, at: Timestamp) -> Self {
        Self { until: Some(self.until.map_or(at, |said| said.min(at))), ..self }
    }

    /// The time at which the wait ends unanswered if it is opened at `now`; none without a limit.
    #[must_use]
    pub fn deadline(&self, now: Timestamp) -> Option<Timestamp> {
        let limits = [self.until, self.timeout.map(|timeout| now.after(timeout))];
        limits.into_iter().flatten().min()
    }

    pub(crate) fn fresh(self) -> Self {
        Self { fresh: true, ..self }
    }

    pub(crate) fn picked(self) -> Self {
        Self { picked: true, ..self }
    }
}
