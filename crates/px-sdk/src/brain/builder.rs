//! The builder: what may follow what, in types. What goes into other brains
//! and over lists is in [`super::nest`].

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use px_core::event::{StepInfo, StepKind};
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::def::{Body, BrainDef, ErasedStep, OptionsDef, StepDef, Takes, Turns};
use super::nest::ResultOf;
use super::output::{Async, Outcome, StepError, from_object, perhaps_resumed, resumed};
use super::state_type::StateType;
use super::to_come::ToCome;
use super::{Brain, State};
use crate::cx::Cx;
use crate::options::{Retry, StepOptions};
use crate::outcome::Again;
use crate::resource::{Need, Resource};
use crate::stream::More;

/// The next step takes `(Cx, S)`.
#[derive(Debug)]
pub struct Ready;

/// The next step takes `(Cx, S, R)`.
#[derive(Debug)]
pub struct Resumed<R>(PhantomData<fn() -> R>);

/// The next step takes `(Cx, S, R)` for each response of a stream.
#[derive(Debug)]
pub struct Streamed<R>(PhantomData<fn() -> R>);

/// The next step takes `(Cx, S, Option<R>)`.
#[derive(Debug)]
pub struct MayResume<R>(PhantomData<fn() -> R>);

/// A brain that runs to its last step.
#[derive(Debug)]
pub struct Sure;

/// A brain that a guard may end before.
#[derive(Debug)]
pub struct MayHalt;

/// The state after a step that returns `Fut`.
pub type StateAfter<Fut> = <<Fut as Async>::Outcome as Outcome>::State;
/// The argument, beside the state, of the step after one that returns `Fut`.
pub type PhaseAfter<Fut> = <<Fut as Async>::Outcome as Outcome>::Phase;

/// A brain in the making: started with an `I`, its next step takes an `S` and
/// what `P` says.
#[must_use = "a brain is made by `.build()`"]
#[derive(Debug)]
pub struct Builder<I, S, P, E = Sure> {
    pub(super) def: BrainDef,
    pub(super) next: ToCome,
    types: PhantomData<fn(I, S, E) -> P>,
}

impl<I, S, P, E> Builder<I, S, P, E> {
    pub(super) fn new(def: BrainDef) -> Self {
        Self { def, next: ToCome::default(), types: PhantomData }
    }

    /// Adds a step whose state is an `S`.
    pub(super) fn push<T, Q, F>(
        mut self,
        name: &str,
        kind: StepKind,
        takes: Takes,
        body: Body,
    ) -> Builder<I, T, Q, F>
    where
        S: State,
    {
        let info = StepInfo { title: name.to_owned(), kind };
        let migration = self.next.of_step(name, &mut self.def);
        self.def.steps.push(StepDef {
            info,
            takes,
            state: StateType::of::<S>(),
            options: StepOptions::default(),
            formerly: Vec::new(),
            reminders: Vec::new(),
            expect: None,
            body,
            migration,
        });
        Builder::new(self.def)
    }

    /// Lets runs go on at the step before this line that were parked when it
    /// was called by this name. Behind a reminder it is a former name of that.
    pub fn formerly(mut self, name: impl Into<String>) -> Self {
        if let Some(step) = self.step_before("formerly") {
            step.last_formerly().push(name.into());
        }
        self
    }

    /// Says what the brain is for. Like all options of a brain it may stand before its
    /// steps or behind them: see [`Blank::describe`](super::Blank::describe).
    pub fn describe(mut self, description: impl Into<String>) -> Self
    where
        I: Started,
    {
        self.def.description = Some(description.into());
        self
    }

    /// Declares the version: see [`Blank::version`](super::Blank::version).
    pub fn version(mut self, version: u32) -> Self
    where
        I: Started,
    {
        self.def.version = version;
        self
    }

    /// Takes options of this type when a run is started: see [`Blank::options`](super::Blank::options).
    pub fn options<T>(mut self) -> Self
    where
        I: Started,
        T: Serialize + DeserializeOwned + JsonSchema,
    {
        self.def.options = Some(OptionsDef::of::<T>());
        self
    }

    /// Lets at most so many runs of this brain be under way at once: see
    /// [`Blank::at_most`](super::Blank::at_most).
    pub fn at_most(mut self, runs: u32) -> Self
    where
        I: Started,
    {
        self.def.turns = Some(Turns::of_all(runs));
        self
    }

    /// Like [`at_most`](Self::at_most), for each key that is made from the run's input. It stands
    /// behind the first step, which says what the input is.
    pub fn at_most_by<K: Into<String>>(
        mut self,
        runs: u32,
        key: impl Fn(&I) -> K + Send + Sync + 'static,
    ) -> Self
    where
        I: Started + State,
    {
        let key = move |input| from_object::<I>(input).map(|input| key(&input).into());
        self.def.turns = Some(Turns { limit: runs.max(1), key: Arc::new(key) });
        self
    }

    /// Declares a resource that steps of this brain use: they get it by
    /// [`Cx::get`]. See [`Blank::needs`](super::Blank::needs).
    pub fn needs<T: Resource>(mut self) -> Self {
        self.def.needs.push(Need::of::<T>());
        self
    }

    /// Lets steps of this brain read these secrets, by [`Cx::secret`]. See
    /// [`Blank::secrets`](super::Blank::secrets).
    pub fn secrets<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.def.secrets.extend(names.into_iter().map(Into::into));
        self
    }

    /// Tries the step or reminder before this line again when it fails, unless its error is permanent.
    pub fn retry(mut self, retry: Retry) -> Self {
        if let Some(step) = self.step_before("retry") {
            step.last_options().retry = Some(retry);
        }
        self
    }

    /// Lets an attempt at the step or reminder before this line take so long; its code is
    /// then dropped, and the attempt has failed.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        if let Some(step) = self.step_before("timeout") {
            step.last_options().timeout = Some(timeout);
        }
        self
    }

    /// Adds a step that runs for each response: `async fn(Cx, S, R) -> Result<Again<S, R, T>>`.
    /// The step before it waits.
    pub fn each<F, Fut, T>(self, name: &str, step: F) -> Builder<I, T, Ready, E>
    where
        P: Waited<Response: DeserializeOwned + Send + 'static>,
        F: Fn(Cx, S, P::Response) -> Fut + Send + Sync + 'static, // the step before waits: take (Cx, its state, the response)
        Fut: Async<Outcome = Again<S, P::Response, T>> + 'static,
        Fut: Send, // a step moves between threads: use `Arc`, and hold no lock guard over an `.await`
        S: State,
        T: State,
    {
        let step = Arc::new(step);
        let run: ErasedStep = Arc::new(move |cx, state, given| {
            let step = Arc::clone(&step);
            Box::pin(async move {
                let (state, response) = resumed(state, given)?;
                let again = step(cx, state, response).await.map_err(StepError::Failed)?;
                again.into_output().map_err(StepError::Failed)
            })
        });
        self.push(name, StepKind::Loop, Takes::Response, Body::Code(run))
    }

    /// Adds the step that takes a stream's responses, one at a time and in
    /// order: `async fn(Cx, S, R) -> Result<More<S, T>>`. The step before it
    /// opens the stream.
    pub fn for_each<F, Fut, T>(self, name: &str, step: F) -> Builder<I, T, Ready, E>
    where
        P: Opened<Response: DeserializeOwned + Send + 'static>,
        F: Fn(Cx, S, P::Response) -> Fut + Send + Sync + 'static, // the step before opens a stream: take (Cx, its state, a response)
        Fut: Async<Outcome = More<S, T>> + 'static,
        Fut: Send, // a step moves between threads: use `Arc`, and hold no lock guard over an `.await`
        S: State,
        T: State,
    {
        let step = Arc::new(step);
        let run: ErasedStep = Arc::new(move |cx, state, given| {
            let step = Arc::clone(&step);
            Box::pin(async move {
                let (state, response) = resumed(state, given)?;
                let more = step(cx, state, response).await.map_err(StepError::Failed)?;
                more.into_output().map_err(StepError::Failed)
            })
        });
        self.push(name, StepKind::Loop, Takes::Stream, Body::Code(run))
    }

    /// The brain is complete; the state of its last step is a run's result.
    /// The result's type need only be said if another brain has this one
    /// inside it: `fn review() -> Brain<Request, Verdict>`.
    #[must_use]
    pub fn build<O>(self) -> Brain<I, O>
    where
        P: Finished,
        O: ResultOf<S, E>,
    {
        let mut def = self.finish();
        def.settle();
        Brain { def, types: PhantomData }
    }
}

impl<I, S, E> Builder<I, S, Ready, E> {
    /// Adds a step: `async fn(Cx, S) -> Result<Next<T>>` or `… -> Result<Waiting<T, R>>`.
    pub fn step<F, Fut>(self, name: &str, step: F) -> Builder<I, StateAfter<Fut>, PhaseAfter<Fut>, E>
    where
        F: Fn(Cx, S) -> Fut + Send + Sync + 'static, // the step before does not wait: take (Cx, its state)
        Fut: Async + 'static,
        Fut: Send, // a step moves between threads: use `Arc`, and hold no lock guard over an `.await`
        Fut::Outcome: Outcome,
        S: State,
    {
        let step = Arc::new(step);
        let run: ErasedStep = Arc::new(move |cx, state, _| {
            let step = Arc::clone(&step);
            Box::pin(async move {
                let state = from_object(state).map_err(StepError::State)?;
                let outcome = step(cx, state).await.map_err(StepError::Failed)?;
                outcome.into_output().map_err(StepError::Failed)
            })
        });
        self.push(name, StepKind::Step, Takes::Nothing, Body::Code(run))
    }
}

/// A pipeline may end after a step that does not wait.
#[diagnostic::on_unimplemented(
    message = "the last step of this brain waits, and no step takes the response",
    label = "the response would be lost",
    note = "before `.build()` add a step that takes it: `async fn name(cx: Cx, state: S, response: R) -> Result<Next<T>>`"
)]
pub trait Finished {}
impl Finished for Ready {}

/// A brain that runs are started of: it limits them, and has versions. A part of one does not.
#[diagnostic::on_unimplemented(
    message = "this belongs to a whole brain, and here is an arm or a loop in one",
    label = "a part is not started, and has no version of its own",
    note = "say it behind the last part of the brain, before `.build()`"
)]
pub trait Started {}
#[diagnostic::do_not_recommend]
impl<I: State> Started for I {}

/// A loop may follow a step that waits.
#[diagnostic::on_unimplemented(
    message = "a loop runs once for each response, and the step before it does not wait",
    label = "there is no response to begin with",
    note = "let the step before return `Result<Waiting<S, R>>`: `Ok(wait_for(state, ..))`, \
            or `Ok(Waiting::given(state, response))` where the first response is already there",
    note = "a step that returns `MayWait` may have no response: take it by a step, \
            `async fn name(cx: Cx, state: S, response: Option<R>)`"
)]
pub trait Waited {
    /// The response that was waited for.
    type Response;
}
impl<R> Waited for Resumed<R> {
    type Response = R;
}

/// A step for each response may follow a step that opens a stream.
#[diagnostic::on_unimplemented(
    message = "`for_each` takes the responses of a stream, and the step before it opens none",
    label = "there is no stream here",
    note = "let the step before return `Result<Streaming<S, R>>`: `Ok(stream(state, ..))`",
    note = "a step that takes one response is added by `.step(..)`, and a loop that waits anew for each by `.each(..)`"
)]
pub trait Opened {
    /// The responses of the stream.
    type Response;
}
impl<R> Opened for Streamed<R> {
    type Response = R;
}

impl<I, S, R, E> Builder<I, S, Resumed<R>, E> {
    /// Adds the step that takes the response: `async fn(Cx, S, R) -> Result<Next<T>>`
    /// or `… -> Result<Waiting<T, R2>>`.
    pub fn step<F, Fut>(self, name: &str, step: F) -> Builder<I, StateAfter<Fut>, PhaseAfter<Fut>, E>
    where
        F: Fn(Cx, S, R) -> Fut + Send + Sync + 'static, // the step before waits: take (Cx, its state, the response)
        Fut: Async + 'static,
        Fut: Send, // a step moves between threads: use `Arc`, and hold no lock guard over an `.await`
        Fut::Outcome: Outcome,
        S: State,
        R: DeserializeOwned + Send + 'static,
    {
        let step = Arc::new(step);
        let run: ErasedStep = Arc::new(move |cx, state, given| {
            let step = Arc::clone(&step);
            Box::pin(async move {
                let (state, response) = resumed(state, given)?;
                let outcome = step(cx, state, response).await.map_err(StepError::Failed)?;
                outcome.into_output().map_err(StepError::Failed)
            })
        });
        self.push(name, StepKind::Step, Takes::Response, Body::Code(run))
    }
}

impl<I, S, R, E> Builder<I, S, MayResume<R>, E> {
    /// Adds the step that takes the response, if there was something to wait for:
    /// `async fn(Cx, S, Option<R>) -> Result<Next<T>>`.
    pub fn step<F, Fut>(self, name: &str, step: F) -> Builder<I, StateAfter<Fut>, PhaseAfter<Fut>, E>
    where
        F: Fn(Cx, S, Option<R>) -> Fut + Send + Sync + 'static, // the step before may wait: take (Cx, state, Option<R>)
        Fut: Async + 'static,
        Fut: Send, // a step moves between threads: use `Arc`, and hold no lock guard over an `.await`
        Fut::Outcome: Outcome,
        S: State,
        R: DeserializeOwned + Send + 'static,
    {
        let step = Arc::new(step);
        let run: ErasedStep = Arc::new(move |cx, state, given| {
            let step = Arc::clone(&step);
            Box::pin(async move {
                let (state, response) = perhaps_resumed(state, given)?;
                let outcome = step(cx, state, response).await.map_err(StepError::Failed)?;
                outcome.into_output().map_err(StepError::Failed)
            })
        });
        self.push(name, StepKind::Step, Takes::Perhaps, Body::Code(run))
    }
}
