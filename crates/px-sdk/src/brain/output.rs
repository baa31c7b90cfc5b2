//! Output of a step, with its types and without: the state that is
//! committed, and what has to happen before the next step.

use std::future::Future;

use px_core::Labels;
use px_core::event::Given;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::State;
use super::builder::{MayResume, Ready, Resumed, Streamed};
use crate::collect::Collecting;
use crate::error::{Error, Result};
use crate::given::decode;
use crate::may_wait::MayWait;
use crate::outcome::{Again, Next, Pending, Sleeping, Turn, Waiting};
use crate::stream::{More, Streaming};
use crate::wait::WaitRequest;

mod sealed {
    pub trait Sealed {}
}

/// Output that a step may return.
#[diagnostic::on_unimplemented(
    message = "a step cannot return `Result<{Self}>`",
    label = "this step's outcome",
    note = "return `Result<Next<S>>` to go on, or `Result<Waiting<S, R>>` to wait: `Ok(Next(state))`, `Ok(wait_for(state, ..))`",
    note = "a step that returns `Again` is a loop: add it by `.each(..)`, after a step that waits"
)]
pub trait Outcome: sealed::Sealed + Send + 'static {
    /// The state of the next step.
    type State: State;
    /// Phase of the next step.
    type Phase;

    #[doc(hidden)]
    fn into_output(self) -> Result<StepOutput>;
}

impl<S> sealed::Sealed for Next<S> {}
impl<S: State> Outcome for Next<S> {
    type State = S;
    type Phase = Ready;

    fn into_output(self) -> Result<StepOutput> {
        Ok(StepOutput::on(to_object(&self.0)?, Continue::Go))
    }
}

impl<S, R> sealed::Sealed for Waiting<S, R> {}
impl<S: State, R: 'static> Outcome for Waiting<S, R> {
    type State = S;
    type Phase = Resumed<R>;

    fn into_output(self) -> Result<StepOutput> {
        let (state, pending) = self.into_parts();
        Ok(StepOutput::on(to_object(&state)?, pending.into_continue()?))
    }
}

impl<S, R> sealed::Sealed for MayWait<S, R> {}
impl<S: State, R: 'static> Outcome for MayWait<S, R> {
    type State = S;
    type Phase = MayResume<R>;

    fn into_output(self) -> Result<StepOutput> {
        let (state, on) = self.into_parts()?;
        let then = on.map_or(Ok(Continue::Given(Given::passed())), Pending::into_continue)?;
        Ok(StepOutput::on(to_object(&state)?, then))
    }
}

/// Future of an `async fn`, as a step's function returns it.
#[diagnostic::on_unimplemented(
    message = "a step is an `async fn` that returns a `Result`, and this one returns `{Self}`",
    label = "not an `async fn` with a `Result`",
    note = "write `async fn` and `-> Result<..>`: `async fn name(cx: Cx, state: S) -> Result<Next<T>>`"
)]
pub trait Async: Future<Output = Result<<Self as Async>::Outcome>> {
    /// The value in the `Result`.
    type Outcome;
}

#[diagnostic::do_not_recommend]
impl<F: Future<Output = Result<O>>, O> Async for F {
    type Outcome = O;
}

impl<S, R> sealed::Sealed for Collecting<S, R> {}
impl<S: State, R: 'static> Outcome for Collecting<S, R> {
    type State = S;
    type Phase = Resumed<R>;

    fn into_output(self) -> Result<StepOutput> {
        let (state, request) = self.into_parts()?;
        Ok(StepOutput::on(to_object(&state)?, Continue::Wait(request)))
    }
}

impl<S> sealed::Sealed for Sleeping<S> {}
impl<S: State> Outcome for Sleeping<S> {
    type State = S;
    type Phase = Ready;

    fn into_output(self) -> Result<StepOutput> {
        let (state, request) = self.into_parts();
        Ok(StepOutput::on(to_object(&state)?, Continue::Wait(request)))
    }
}

impl<S, R> sealed::Sealed for Streaming<S, R> {}
impl<S: State, R: 'static> Outcome for Streaming<S, R> {
    type State = S;
    type Phase = Streamed<R>;

    fn into_output(self) -> Result<StepOutput> {
        let (state, request) = self.into_parts();
        Ok(StepOutput::on(to_object(&state)?, Continue::Wait(request)))
    }
}

impl Pending {
    fn into_continue(self) -> Result<Continue> {
        Ok(match self {
            Self::Wait(request) => Continue::Wait(request),
            Self::Given(given) => Continue::Given(given?),
        })
    }
}

/// Output of a step, types gone.
#[derive(Debug)]
pub struct StepOutput {
    /// The state after the step.
    pub state: Value,
    /// Condition of the next one.
    pub then: Continue,
    /// True if the next one is the same step again.
    pub repeats: bool,
    /// True if the brain ends here: the step is a guard.
    pub halts: bool,
    /// Labels that it has put on the run.
    pub labels: Labels,
}

impl StepOutput {
    /// The next step comes, as `then` says.
    pub(super) fn on(state: Value, then: Continue) -> Self {
        Self { state, then, repeats: false, halts: false, labels: Labels::new() }
    }

    /// The same step comes again.
    pub(super) fn again(state: Value, then: Continue) -> Self {
        Self { repeats: true, ..Self::on(state, then) }
    }
}

/// Condition of the next step's turn.
#[derive(Debug)]
pub enum Continue {
    /// Nothing.
    Go,
    /// A wait.
    Wait(WaitRequest),
    /// Nothing; the response is here.
    Given(Given),
    /// Another response of the open stream.
    Stream,
}

/// Reason that a step has no outcome.
#[derive(Debug)]
pub enum StepError {
    /// The stored state does not fit the step: the brain has changed.
    State(String),
    /// The stored response does not fit the step.
    Response(String),
    /// The step's own error.
    Failed(Error),
}

impl<S: State, R, T: State> Again<S, R, T> {
    pub(super) fn into_output(self) -> Result<StepOutput> {
        Ok(match self.turn {
            Turn::Wait(state, pending) => StepOutput::again(to_object(&state)?, pending.into_continue()?),
            Turn::Done(state) => StepOutput::on(to_object(&state)?, Continue::Go),
        })
    }
}

impl<S: State, T: State> More<S, T> {
    pub(super) fn into_output(self) -> Result<StepOutput> {
        Ok(match self {
            Self::Next(state) => StepOutput::again(to_object(&state)?, Continue::Stream),
            Self::Done(state) => StepOutput::on(to_object(&state)?, Continue::Go),
        })
    }
}

pub(super) fn resumed<S: State, R: DeserializeOwned>(
    state: Value,
    given: Option<Given>,
) -> Result<(S, R), StepError> {
    let state = from_object(state).map_err(StepError::State)?;
    let given = given.ok_or_else(|| StepError::Response("the run has no response for this step".into()))?;
    let response = decode(given).map_err(|error| StepError::Response(error.to_string()))?;
    Ok((state, response))
}

/// Like [`resumed`], behind a step that may have waited for nothing; a rerun from here
/// has no response either.
pub(super) fn perhaps_resumed<S: State, R: DeserializeOwned>(
    state: Value,
    given: Option<Given>,
) -> Result<(S, Option<R>), StepError> {
    match given.filter(|given| !given.passed) {
        None => Ok((from_object(state).map_err(StepError::State)?, None)),
        given => resumed(state, given).map(|(state, response)| (state, Some(response))),
    }
}

/// A state as it is stored: an object, where `()` stands for the empty one.
pub(super) fn to_object<S: Serialize>(state: &S) -> Result<Value> {
    as_object(crate::finite::to_value(state)?, std::any::type_name::<S>())
}

/// What a state of this type was written as, if it can be stored.
pub(super) fn as_object(written: Value, type_name: &str) -> Result<Value> {
    match written {
        Value::Null => Ok(Value::Object(serde_json::Map::new())),
        value @ Value::Object(_) => Ok(value),
        other => Err(Error::permanent(format_args!(
            "a state must be written as a JSON object, and {type_name} is written as {}",
            kind_of(&other)
        ))),
    }
}

pub(super) fn from_object<S: DeserializeOwned>(value: Value) -> Result<S, String> {
    let is_empty = value.as_object().is_some_and(serde_json::Map::is_empty);
    crate::read::leniently(value, serde_json::from_value).or_else(|error| {
        // `()` is stored as the empty object.
        if is_empty && let Ok(unit) = serde_json::from_value(Value::Null) {
            Ok(unit)
        } else {
            Err(error.to_string())
        }
    })
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// A value that starts a run of the brain that `F` makes.
pub(crate) fn start_of<I: Serialize>(title: &str, input: &I) -> Result<(String, Value)> {
    Ok((title.to_owned(), to_object(input)?))
}
