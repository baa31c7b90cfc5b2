//! Parts of a pipeline beside plain steps: guards, other brains inside it, and
//! work over a list.

use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;

use px_core::event::StepKind;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::builder::{Builder, MayHalt, Ready, Sure};
use super::def::{Body, ErasedItem, MapBody, Nested, Takes};
use super::output::{Async, Continue, StepError, StepOutput, from_object, to_object};
use super::state_type::StateType;
use super::{Brain, Input, State};
use crate::cx::Cx;
use crate::error::{Error, Result};

/// A brain that does not say what its runs result in.
#[derive(Debug)]
pub struct Untold;

/// The result of a brain that has a guard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Guarded<O> {
    /// The last step's state.
    Complete(O),
    /// A guard ended the brain, with the state that it saw.
    Halted(Value),
}

mod sealed {
    pub trait Sealed {}
}

/// Result that a brain may declare for its runs.
#[diagnostic::on_unimplemented(
    message = "runs of this brain do not result in a `{Self}`",
    label = "the last step's state is `{S}`",
    note = "write `Brain<Input>`, or `Brain<Input, {S}>`; with a guard in it `Brain<Input, Guarded<{S}>>`"
)]
pub trait ResultOf<S, E> {}
impl<S, E> ResultOf<S, E> for Untold {}
impl<S: State> ResultOf<S, Sure> for S {}
impl<S: State> ResultOf<S, MayHalt> for Guarded<S> {}

/// The result of a brain whose runs' ends are awaited.
#[diagnostic::on_unimplemented(
    message = "the awaited brain does not say what its runs result in",
    label = "its result is not known: `{Self}`",
    note = "say it in its signature, as the state of its last step: `fn review() -> Brain<Request, Verdict>`",
    note = "a brain with a guard has two results: put it into another brain by `.brain(..)`, and wait for that one's runs"
)]
pub trait AwaitedResult: sealed::Sealed {
    /// The result that is read when the run is complete.
    type Result;
}

#[diagnostic::do_not_recommend]
impl<O: State> AwaitedResult for O {
    type Result = O;
}

/// The result of an inner brain, as the outer one takes it.
#[diagnostic::on_unimplemented(
    message = "the inner brain does not say what its runs result in",
    label = "its result is not known",
    note = "say it in its signature: `fn review() -> Brain<Request, Verdict>`"
)]
pub trait InnerResult: sealed::Sealed + Sized {
    #[doc(hidden)]
    fn read(state: Value, halted: bool) -> Result<Self, String>;

    #[doc(hidden)]
    fn state_type() -> StateType;
}

impl<O: State> sealed::Sealed for O {}
#[diagnostic::do_not_recommend]
impl<O: State> InnerResult for O {
    fn read(state: Value, _halted: bool) -> Result<Self, String> {
        from_object(state)
    }

    fn state_type() -> StateType {
        StateType::of::<O>()
    }
}

impl<O> sealed::Sealed for Guarded<O> {}
#[diagnostic::do_not_recommend]
impl<O: State> InnerResult for Guarded<O> {
    fn read(state: Value, halted: bool) -> Result<Self, String> {
        if halted { Ok(Self::Halted(state)) } else { from_object(state).map(Self::Complete) }
    }

    fn state_type() -> StateType {
        StateType::of::<O>()
    }
}

/// Result of the work on an item of a list.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the result of an item",
    label = "not the result of an item",
    note = "the work on an item returns `Result<R>` with `#[derive(serde::Serialize, serde::Deserialize)]` on `R`",
    note = "items do not wait: wait in a step before or after, or start a run for each item and wait for its end"
)]
pub trait ItemResult: Serialize + DeserializeOwned + Send + 'static {}
#[diagnostic::do_not_recommend]
impl<R: Serialize + DeserializeOwned + Send + 'static> ItemResult for R {}

type List<S, T> = Arc<dyn Fn(&S) -> Vec<T> + Send + Sync>;
type Work<T> = Arc<dyn Fn(Cx, T) -> super::def::ItemFuture + Send + Sync>;
type OnError<T, R> = Arc<dyn Fn(T, Error) -> Result<R> + Send + Sync>;

/// Work over a list: made by [`items`], given to [`Builder::map`].
pub struct Items<S, T, R> {
    list: List<S, T>,
    work: Work<T>,
    on_error: Option<OnError<T, R>>,
    parallel: usize,
    result: PhantomData<fn() -> R>,
}

impl<S, T, R> std::fmt::Debug for Items<S, T, R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Items").field("parallel", &self.parallel).finish_non_exhaustive()
    }
}

/// Number of items that are worked on at once, unless said otherwise.
const PARALLEL: usize = 8;

/// Work over the list that `list` makes of the state: `async fn(Cx, T) -> Result<R>`
/// for each item. `list` must give the same items whenever it is called with
/// the same state: after a crash the items that are done are not done again,
/// and they are known by their place.
pub fn items<S, T, R, F, Fut>(list: impl Fn(&S) -> Vec<T> + Send + Sync + 'static, work: F) -> Items<S, T, R>
where
    F: Fn(Cx, T) -> Fut + Send + Sync + 'static,
    Fut: Async<Outcome = R> + Future<Output = Result<R>> + 'static,
    Fut: Send, // items move between threads: use `Arc`, and hold no lock guard over an `.await`
    T: Send + 'static,
    R: ItemResult,
{
    let work = Arc::new(work);
    Items {
        list: Arc::new(list),
        work: Arc::new(move |cx, item| {
            let work = Arc::clone(&work);
            Box::pin(async move { crate::finite::to_value(&work(cx, item).await?) })
        }),
        on_error: None,
        parallel: PARALLEL,
        result: PhantomData,
    }
}

impl<S, T, R> Items<S, T, R> {
    /// Works on so many items at once; 8 if not said.
    #[must_use]
    pub fn parallel(mut self, items: usize) -> Self {
        self.parallel = items.max(1);
        self
    }

    /// Gives an item that failed a result all the same. Without it the step
    /// fails with the first item that does.
    #[must_use]
    pub fn on_error(mut self, handler: impl Fn(T, Error) -> Result<R> + Send + Sync + 'static) -> Self {
        self.on_error = Some(Arc::new(handler));
        self
    }
}

impl<T: Serialize + Clone + Send + 'static, S, R: ItemResult> Items<S, T, R> {
    fn erase(&self, state: &S) -> Result<Vec<ErasedItem>, StepError> {
        let erase = |item: T| {
            let value = serde_json::to_value(&item).map_err(|error| StepError::Failed(error.into()))?;
            let (work, on_error) = (Arc::clone(&self.work), self.on_error.clone());
            let run = Box::new(move |cx: Cx| -> super::def::ItemFuture {
                let (work, on_error, item) = (Arc::clone(&work), on_error.clone(), item.clone());
                Box::pin(async move {
                    match (work(cx.clone(), item.clone()).await, on_error) {
                        (Err(error), Some(handle)) => {
                            // What the work has written goes with its failure.
                            cx.forget_kv();
                            crate::finite::to_value(&handle(item, error)?)
                        }
                        (result, _) => result,
                    }
                })
            });
            Ok(ErasedItem { value, run })
        };
        (self.list)(state).into_iter().map(erase).collect()
    }
}

impl<I, S: State, E> Builder<I, S, Ready, E> {
    /// Adds a guard: the brain goes on if it returns true, and is complete
    /// here if not. What comes behind it is then not run.
    pub fn guard(
        self,
        name: &str,
        may_go_on: impl Fn(&S) -> bool + Send + Sync + 'static,
    ) -> Builder<I, S, Ready, MayHalt> {
        let may_go_on = Arc::new(may_go_on);
        let run: super::def::ErasedStep = Arc::new(move |_, state, _| {
            let may_go_on = Arc::clone(&may_go_on);
            Box::pin(async move {
                let halts = !may_go_on(&from_object(state.clone()).map_err(StepError::State)?);
                Ok(StepOutput { halts, ..StepOutput::on(state, Continue::Go) })
            })
        });
        self.push(name, StepKind::Guard, Takes::Nothing, Body::Code(run))
    }

    /// Adds a brain inside this one. `enter` makes its input of the state;
    /// `leave` makes the next state of the state and its result. It runs in
    /// the same run: its steps may wait, and are in the same log.
    pub fn brain<J: Input, R: InnerResult, T: State>(
        self,
        name: &str,
        inner: impl FnOnce() -> Brain<J, R>,
        enter: impl Fn(&S) -> J + Send + Sync + 'static,
        leave: impl Fn(S, R) -> T + Send + Sync + 'static,
    ) -> Builder<I, T, Ready, E> {
        let nested = Nested {
            brain: Arc::new(inner().into_def()),
            result: R::state_type(),
            enter: Arc::new(move |outer| {
                let outer = from_object(outer).map_err(StepError::State)?;
                to_object(&enter(&outer)).map_err(StepError::Failed)
            }),
            leave: Arc::new(move |outer, inner, halted| {
                let outer = from_object(outer).map_err(StepError::State)?;
                let result = R::read(inner, halted).map_err(StepError::State)?;
                to_object(&leave(outer, result)).map_err(StepError::Failed)
            }),
        };
        self.push(name, StepKind::Brain, Takes::Nothing, Body::Brain(nested))
    }

    /// Adds work over a list: `.map("mail all", items(|s: &S| s.people.clone(), mail), |s, sent| ..)`.
    /// Each item's result is committed as it comes; `collect` gets them in the
    /// order of the items.
    pub fn map<T, R, N: State>(
        self,
        name: &str,
        items: Items<S, T, R>,
        collect: impl Fn(S, Vec<R>) -> N + Send + Sync + 'static,
    ) -> Builder<I, N, Ready, E>
    where
        T: Serialize + Clone + Send + 'static,
        R: ItemResult,
    {
        let parallel = items.parallel;
        let map = MapBody {
            parallel,
            result: StateType::of::<R>(),
            list: Arc::new(move |state| {
                let state = from_object(state.clone()).map_err(StepError::State)?;
                items.erase(&state)
            }),
            collect: Arc::new(move |state, results| {
                let state = from_object(state).map_err(StepError::State)?;
                let results = results
                    .into_iter()
                    .map(serde_json::from_value)
                    .collect::<Result<_, _>>()
                    .map_err(|error: serde_json::Error| StepError::State(error.to_string()))?;
                to_object(&collect(state, results)).map_err(StepError::Failed)
            }),
        };
        self.push(name, StepKind::Map, Takes::Nothing, Body::Map(map))
    }
}
