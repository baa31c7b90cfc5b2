//! Brains: the typestate builder, and what is left of a brain once its types
//! are checked.
//!
//! After a step that returns [`Next<S>`] the next one must take `(Cx, S)`;
//! after one that returns [`Waiting<S, R>`] it must take `(Cx, S, R)`. Two
//! inherent `impl`s say so, since the compiler's messages are then about the
//! user's function and not about a trait of ours. The compiler shows a bound
//! with the whole line that it stands on, so some lines here end with a word
//! to whoever wrote the step. `tests/compile_fail` holds the messages.

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use px_core::event::{Given, StepInfo, StepKind};
use px_core::run::BrainInfo;
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::collect::Collecting;
use crate::cx::Cx;
use crate::error::{Error, Result};
use crate::options::{Retry, StepOptions};
use crate::outcome::{Again, Next, Pending, Sleeping, Turn, Waiting};
use crate::wait::{WaitRequest, decode};

/// What goes from step to step: a struct that is written and read as a JSON object.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the state of a step",
    label = "not a state",
    note = "a state is stored between steps: `#[derive(serde::Serialize, serde::Deserialize)]`, and own what it holds"
)]
pub trait State: Serialize + DeserializeOwned + Send + 'static {}
// Else the compiler would explain `Serialize`, and not what a state is.
#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned + Send + 'static> State for T {}

/// What a brain is started with: a [`State`] that has a JSON Schema.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the input of a brain",
    label = "not an input",
    note = "the input of the first step comes from outside: \
            `#[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]`"
)]
pub trait Input: State + JsonSchema {}
#[diagnostic::do_not_recommend]
impl<T: State + JsonSchema> Input for T {}

/// The next step takes `(Cx, S)`.
#[derive(Debug)]
pub struct Ready;

/// The next step takes `(Cx, S, R)`.
#[derive(Debug)]
pub struct Resumed<R>(PhantomData<fn() -> R>);

mod sealed {
    pub trait Sealed {}
}

/// What a step may return.
#[diagnostic::on_unimplemented(
    message = "a step cannot return `Result<{Self}>`",
    label = "this step's outcome",
    note = "return `Result<Next<S>>` to go on, or `Result<Waiting<S, R>>` to wait: `Ok(Next(state))`, `Ok(wait_for(state, ..))`",
    note = "a step that returns `Again` is a loop: add it by `.each(..)`, after a step that waits"
)]
pub trait Outcome: sealed::Sealed + Send + 'static {
    /// The state of the next step.
    type State: State;
    /// What the next step takes.
    type Phase;

    #[doc(hidden)]
    fn into_output(self) -> Result<StepOutput>;
}

impl<S> sealed::Sealed for Next<S> {}
impl<S: State> Outcome for Next<S> {
    type State = S;
    type Phase = Ready;

    fn into_output(self) -> Result<StepOutput> {
        Ok(StepOutput { state: to_object(&self.0)?, then: Continue::Go, repeats: false })
    }
}

impl<S, R> sealed::Sealed for Waiting<S, R> {}
impl<S: State, R: 'static> Outcome for Waiting<S, R> {
    type State = S;
    type Phase = Resumed<R>;

    fn into_output(self) -> Result<StepOutput> {
        let (state, pending) = self.into_parts();
        Ok(StepOutput { state: to_object(&state)?, then: pending.into_continue()?, repeats: false })
    }
}

/// What a step is called with returns this: the future of an `async fn`.
#[diagnostic::on_unimplemented(
    message = "a step is an `async fn` that returns a `Result`, and this one returns `{Self}`",
    label = "not an `async fn` with a `Result`",
    note = "write `async fn` and `-> Result<..>`: `async fn name(cx: Cx, state: S) -> Result<Next<T>>`"
)]
pub trait Async: Future<Output = Result<<Self as Async>::Outcome>> {
    /// What is in the `Result`.
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
        let (state, request) = self.into_parts();
        Ok(StepOutput { state: to_object(&state)?, then: Continue::Wait(request), repeats: false })
    }
}

impl<S> sealed::Sealed for Sleeping<S> {}
impl<S: State> Outcome for Sleeping<S> {
    type State = S;
    type Phase = Ready;

    fn into_output(self) -> Result<StepOutput> {
        let (state, request) = self.into_parts();
        Ok(StepOutput { state: to_object(&state)?, then: Continue::Wait(request), repeats: false })
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

/// What a step returned, types gone.
#[derive(Debug)]
pub struct StepOutput {
    /// The state after the step.
    pub state: Value,
    /// What has to happen before the next one.
    pub then: Continue,
    /// Whether the next one is the same step again.
    pub repeats: bool,
}

/// What has to happen before the next step runs.
#[derive(Debug)]
pub enum Continue {
    /// Nothing.
    Go,
    /// A wait.
    Wait(WaitRequest),
    /// Nothing; the response is here.
    Given(Given),
}

/// Why a step has no outcome.
#[derive(Debug)]
pub enum StepError {
    /// The stored state does not fit the step: the brain has changed.
    State(String),
    /// The stored response does not fit the step.
    Response(String),
    /// The step's own error.
    Failed(Error),
}

/// A step's future, types gone.
pub type StepFuture = Pin<Box<dyn Future<Output = Result<StepOutput, StepError>> + Send>>;
type ErasedStep = Arc<dyn Fn(Cx, Value, Option<Given>) -> StepFuture + Send + Sync>;

/// One step of a brain, types gone.
#[derive(Clone)]
pub struct StepDef {
    /// Its name and kind.
    pub info: StepInfo,
    /// How it is tried again, and how long it may take.
    pub options: StepOptions,
    run: ErasedStep,
}

impl std::fmt::Debug for StepDef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.info.fmt(f)
    }
}

impl StepDef {
    /// Runs the step's code.
    #[must_use]
    pub fn run(&self, cx: Cx, state: Value, given: Option<Given>) -> StepFuture {
        (self.run)(cx, state, given)
    }
}

/// A brain, types gone: what the engine runs and the registry lists.
#[derive(Debug, Clone)]
pub struct BrainDef {
    /// Its title, unique in the project.
    pub title: String,
    /// What it is for.
    pub description: Option<String>,
    /// Its declared version (RULES 32).
    pub version: u32,
    /// Its steps, in order.
    pub steps: Vec<StepDef>,
    /// The JSON Schema of its input.
    pub input_schema: Value,
}

impl BrainDef {
    /// Its description, or what stands for one.
    #[must_use]
    pub fn shown_description(&self) -> String {
        self.description.clone().unwrap_or_else(|| format!("{} brain", self.title))
    }

    /// What is needed to start a run.
    #[must_use]
    pub fn info(&self) -> BrainInfo {
        BrainInfo {
            title: self.title.clone(),
            description: self.description.clone(),
            version: self.version,
            steps: self.steps.iter().map(|step| step.info.clone()).collect(),
        }
    }
}

/// A brain whose runs are started with an `I`.
#[derive(Debug)]
pub struct Brain<I> {
    def: BrainDef,
    input: PhantomData<fn(I)>,
}

impl<I> Brain<I> {
    /// The brain's title.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.def.title
    }

    /// The brain without its type.
    #[must_use]
    pub fn into_def(self) -> BrainDef {
        self.def
    }
}

/// Begins a brain. The title is what runs and callers know it by; it is unique
/// in the project.
pub fn brain(title: impl Into<String>) -> Blank {
    Blank { title: title.into(), description: None, version: 1 }
}

/// A brain without steps.
#[must_use = "a brain is made by `.build()`"]
#[derive(Debug)]
pub struct Blank {
    title: String,
    description: Option<String>,
    version: u32,
}

impl Blank {
    /// Says what the brain is for.
    pub fn describe(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// Declares the version, 1 if not said: raise it when a parked run of the
    /// old one could not go on with the new.
    pub fn version(mut self, version: u32) -> Self {
        self.version = version;
        self
    }

    /// The first step; its state is the brain's input.
    pub fn step<I, F, Fut>(self, name: &str, step: F) -> Builder<I, StateAfter<Fut>, PhaseAfter<Fut>>
    where
        F: Fn(Cx, I) -> Fut + Send + Sync + 'static, // a first step takes (Cx, the brain's input)
        Fut: Async + 'static,
        Fut: Send, // a step moves between threads: use `Arc`, and hold no lock guard over an `.await`
        Fut::Outcome: Outcome,
        I: Input,
    {
        let def = BrainDef {
            title: self.title,
            description: self.description,
            version: self.version,
            steps: Vec::new(),
            input_schema: schemars::schema_for!(I).to_value(),
        };
        Builder::<I, I, Ready> { def, types: PhantomData }.step(name, step)
    }
}

/// The state after a step that returns `Fut`.
pub type StateAfter<Fut> = <<Fut as Async>::Outcome as Outcome>::State;
/// What the step after one that returns `Fut` takes.
pub type PhaseAfter<Fut> = <<Fut as Async>::Outcome as Outcome>::Phase;

/// A brain in the making: started with an `I`, its next step takes an `S` and
/// what `P` says.
#[must_use = "a brain is made by `.build()`"]
#[derive(Debug)]
pub struct Builder<I, S, P> {
    def: BrainDef,
    types: PhantomData<fn(I, S) -> P>,
}

impl<I, S, P> Builder<I, S, P> {
    fn push<T, Q>(mut self, name: &str, kind: StepKind, run: ErasedStep) -> Builder<I, T, Q> {
        let info = StepInfo { title: name.to_owned(), kind };
        self.def.steps.push(StepDef { info, options: StepOptions::default(), run });
        Builder { def: self.def, types: PhantomData }
    }

    /// Tries the step before this line again when it fails, unless its error is permanent.
    pub fn retry(mut self, retry: Retry) -> Self {
        if let Some(step) = self.def.steps.last_mut() {
            step.options.retry = Some(retry);
        }
        self
    }

    /// Lets an attempt at the step before this line take so long; its code is
    /// then dropped, and the attempt has failed.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        if let Some(step) = self.def.steps.last_mut() {
            step.options.timeout = Some(timeout);
        }
        self
    }

    /// Adds a step that runs for each response: `async fn(Cx, S, R) -> Result<Again<S, R, T>>`.
    /// The step before it waits.
    pub fn each<F, Fut, T>(self, name: &str, step: F) -> Builder<I, T, Ready>
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
        self.push(name, StepKind::Loop, run)
    }

    /// The brain is complete; the state of its last step is a run's result.
    #[must_use]
    pub fn build(self) -> Brain<I>
    where
        P: Finished,
    {
        Brain { def: self.def, input: PhantomData }
    }
}

impl<I, S> Builder<I, S, Ready> {
    /// Adds a step: `async fn(Cx, S) -> Result<Next<T>>` or `… -> Result<Waiting<T, R>>`.
    pub fn step<F, Fut>(self, name: &str, step: F) -> Builder<I, StateAfter<Fut>, PhaseAfter<Fut>>
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
        self.push(name, StepKind::Step, run)
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

/// A loop may follow a step that waits.
#[diagnostic::on_unimplemented(
    message = "a loop runs once for each response, and the step before it does not wait",
    label = "there is no response to begin with",
    note = "let the step before return `Result<Waiting<S, R>>`: `Ok(wait_for(state, ..))`, \
            or `Ok(Waiting::given(state, response))` where the first response is already there"
)]
pub trait Waited {
    /// What was waited for.
    type Response;
}
impl<R> Waited for Resumed<R> {
    type Response = R;
}

impl<I, S, R> Builder<I, S, Resumed<R>> {
    /// Adds the step that takes the response: `async fn(Cx, S, R) -> Result<Next<T>>`
    /// or `… -> Result<Waiting<T, R2>>`.
    pub fn step<F, Fut>(self, name: &str, step: F) -> Builder<I, StateAfter<Fut>, PhaseAfter<Fut>>
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
        self.push(name, StepKind::Step, run)
    }
}

impl<S: State, R, T: State> Again<S, R, T> {
    fn into_output(self) -> Result<StepOutput> {
        Ok(match self.turn {
            Turn::Wait(state, pending) => {
                StepOutput { state: to_object(&state)?, then: pending.into_continue()?, repeats: true }
            }
            Turn::Done(state) => StepOutput { state: to_object(&state)?, then: Continue::Go, repeats: false },
        })
    }
}

fn resumed<S: State, R: DeserializeOwned>(state: Value, given: Option<Given>) -> Result<(S, R), StepError> {
    let state = from_object(state).map_err(StepError::State)?;
    let given = given.ok_or_else(|| StepError::Response("the run has no response for this step".into()))?;
    let response = decode(given).map_err(|error| StepError::Response(error.to_string()))?;
    Ok((state, response))
}

/// A state as it is stored: an object, where `()` stands for the empty one.
fn to_object<S: Serialize>(state: &S) -> Result<Value> {
    match serde_json::to_value(state)? {
        Value::Null => Ok(Value::Object(serde_json::Map::new())),
        value @ Value::Object(_) => Ok(value),
        other => Err(Error::permanent(format_args!(
            "a state must be written as a JSON object, and {} is written as {}",
            std::any::type_name::<S>(),
            kind_of(&other)
        ))),
    }
}

fn from_object<S: DeserializeOwned>(value: Value) -> Result<S, String> {
    let is_empty = value.as_object().is_some_and(serde_json::Map::is_empty);
    serde_json::from_value(value).or_else(|error| {
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
