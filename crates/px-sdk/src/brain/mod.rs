//! Brains: the typestate builder, and the untyped definition that it makes once
//! the types are checked.
//!
//! After a step that returns [`Next<S>`] the next one must take `(Cx, S)`;
//! after one that returns [`Waiting<S, R>`] it must take `(Cx, S, R)`. Two
//! inherent `impl`s say so, since the compiler's messages are then about the
//! user's function and not about a trait of ours. The compiler shows a bound
//! with the whole line that it stands on, so some lines here end with a word
//! to whoever wrote the step. `tests/compile_fail` holds the messages.

mod builder;
mod choice;
mod def;
mod expect;
mod label;
mod migration;
mod nest;
mod output;
mod part;
mod part_def;
mod remind;
mod state_type;
mod to_come;

use std::marker::PhantomData;

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::cx::Cx;
use crate::error::Result;
use crate::resource::{Need, Resource};

pub use builder::{
    Builder, Finished, MayHalt, MayResume, Opened, PhaseAfter, Ready, Resumed, Started, StateAfter, Streamed,
    Sure, Waited,
};
pub use choice::{Choice, EndsAlike, HasArm, Missing, Settled, Taken, Unsettled, WayArms, Ways, way};
pub use def::{
    Body, BrainDef, ErasedItem, ItemFuture, MapBody, Nested, OptionsDef, StepDef, StepFuture, Takes, Turns,
};
pub use expect::Expectable;
use label::InputLabel;
pub use migration::{MigrationPath, Migrations};
pub use nest::{AwaitedResult, Guarded, InnerResult, ItemResult, Items, ResultOf, Untold, items};
pub(crate) use output::start_of;
pub use output::{Async, Continue, Outcome, StepError, StepOutput};
pub use part::{Ends, InPart, Joins, Or, PartOf};
pub use part_def::{Arm, Branched, Repeated};
pub use remind::{Remindable, ReminderDef, ReminderFuture, Reminds};
pub use state_type::{OldState, StateType};

/// State that goes from step to step: a struct that is written and read as a JSON object.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the state of a step",
    label = "not a state",
    note = "a state is stored between steps: `#[derive(serde::Serialize, serde::Deserialize)]`, and own what it holds"
)]
pub trait State: Serialize + DeserializeOwned + Send + 'static {}
// Else the compiler would explain `Serialize`, and not what a state is.
#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned + Send + 'static> State for T {}

/// Input that a brain is started with: a [`State`] that has a JSON Schema.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the input of a brain",
    label = "not an input",
    note = "the input of the first step comes from outside: \
            `#[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]`"
)]
pub trait Input: State + JsonSchema {}
#[diagnostic::do_not_recommend]
impl<T: State + JsonSchema> Input for T {}

/// A brain whose runs are started with an `I`. `O` is what they result in; it
/// need only be said of a brain that another one has inside it, by `.brain(..)`.
#[derive(Debug)]
pub struct Brain<I, O = Untold> {
    def: BrainDef,
    types: PhantomData<fn(I) -> O>,
}

impl<I, O> Brain<I, O> {
    /// The brain's title.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.def.title
    }

    /// The brain without its types.
    #[must_use]
    pub fn into_def(self) -> BrainDef {
        self.def
    }
}

/// Begins a brain. The title is what runs and callers know it by; it is unique
/// in the project.
pub fn brain(title: impl Into<String>) -> Blank {
    Blank {
        title: title.into(),
        description: None,
        version: 1,
        options: None,
        turns: None,
        needs: Vec::new(),
        migrations: Migrations::default(),
        secrets: Vec::new(),
        labels: Vec::new(),
    }
}

/// A brain without steps.
#[must_use = "a brain is made by `.build()`"]
#[derive(Debug)]
pub struct Blank {
    title: String,
    description: Option<String>,
    version: u32,
    options: Option<OptionsDef>,
    needs: Vec<Need>,
    secrets: Vec<String>,
    turns: Option<Turns>,
    migrations: Migrations,
    labels: Vec<InputLabel>,
}

/// An option of a step, said where there is no step yet.
#[diagnostic::on_unimplemented(
    message = "this is an option of a step, and the brain has no step yet",
    label = "no step comes before this",
    note = "a step's options follow their step: `brain(..).step(\"ask\", ask).retry(Retry::attempts(3))`"
)]
pub trait OfStepBefore {}

impl Blank {
    #[doc(hidden)]
    pub fn retry<T: OfStepBefore>(self, _: T) -> Self {
        self
    }

    #[doc(hidden)]
    pub fn timeout<T: OfStepBefore>(self, _: T) -> Self {
        self
    }

    #[doc(hidden)]
    pub fn formerly<T: OfStepBefore>(self, _: T) -> Self {
        self
    }

    #[doc(hidden)]
    pub fn expect<T: OfStepBefore>(self, _: T) -> Self {
        self
    }

    #[doc(hidden)]
    pub fn remind<T: OfStepBefore>(self, _: &str, _: std::time::Duration, _: T) -> Self {
        self
    }

    #[doc(hidden)]
    pub fn remind_every<T: OfStepBefore>(self, _: &str, _: std::time::Duration, _: u32, _: T) -> Self {
        self
    }

    /// Lets at most so many runs of this brain be under way at once, from
    /// their start to their end, waits included. The others are `pending` and
    /// begin in the order of their start; when a thousand do so, a start is
    /// refused for the time being.
    pub fn at_most(mut self, runs: u32) -> Self {
        self.turns = Some(Turns::of_all(runs));
        self
    }

    /// Says what the brain is for. A brain's options may stand before its steps or
    /// behind them; if one is said twice, the last one counts.
    pub fn describe(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// Declares the version, 1 if not said: raise it when a parked run of the
    /// old one could not go on with the new, and say by
    /// [`migrate_state`](Self::migrate_state), or for one step by [`Builder::migrate`], how it can.
    pub fn version(mut self, version: u32) -> Self {
        self.version = version;
        self
    }

    /// Takes options of this type when a run is started; a step reads them by
    /// [`Cx::options`]. Fields with `#[serde(default)]` may be left out: their
    /// defaults are written down with the run, so a later resume has them too.
    pub fn options<T>(mut self) -> Self
    where
        T: Serialize + DeserializeOwned + JsonSchema,
    {
        self.options = Some(OptionsDef::of::<T>());
        self
    }

    /// Declares a resource that steps of this brain use, such as a pool of
    /// connections: they get it by [`Cx::get`], `px::app().provide(..)` makes it.
    /// Say it once for each type. px does not start, and `px check` fails, where
    /// nobody provides what a brain needs. A brain inside another one declares
    /// its own needs.
    ///
    /// ```
    /// # use px_sdk::{Brain, Cx, Next, Result, brain};
    /// # #[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
    /// # struct Order { number: u32 }
    /// # struct Db;
    /// # impl Db { async fn insert(&self, _number: u32) -> Result<()> { Ok(()) } }
    /// fn orders() -> Brain<Order> {
    ///     brain("orders").needs::<Db>().step("file", file).build()
    /// }
    ///
    /// async fn file(cx: Cx, order: Order) -> Result<Next<Order>> {
    ///     cx.effect("insert", async |_key| cx.get::<Db>().insert(order.number).await).await?;
    ///     Ok(Next(order))
    /// }
    /// ```
    pub fn needs<T: Resource>(mut self) -> Self {
        self.needs.push(Need::of::<T>());
        self
    }

    /// Lets steps of this brain read these secrets, by [`Cx::secret`]. Another one is
    /// refused to them. A brain inside this one declares its own.
    ///
    /// ```
    /// # use px_sdk::{Brain, Cx, Next, Result, brain};
    /// # #[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
    /// # struct Order { number: u32 }
    /// # async fn charge(_key: &str, _secret: &str) -> Result<u64> { Ok(7) }
    /// fn orders() -> Brain<Order> {
    ///     brain("orders").secrets(["STRIPE_KEY"]).step("pay", pay).build()
    /// }
    ///
    /// async fn pay(cx: Cx, order: Order) -> Result<Next<Order>> {
    ///     let stripe = cx.secret("STRIPE_KEY")?;
    ///     cx.effect("charge", async |key| charge(key, stripe.expose()).await).await?;
    ///     Ok(Next(order))
    /// }
    /// ```
    pub fn secrets<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.secrets.extend(names.into_iter().map(Into::into));
        self
    }

    fn begin<I: Input>(self) -> Builder<I, I, Ready> {
        Builder::new(BrainDef {
            title: self.title,
            description: self.description,
            version: self.version,
            steps: Vec::new(),
            input_schema: schemars::schema_for!(I).to_value(),
            options: self.options,
            turns: self.turns,
            needs: self.needs,
            migrations: self.migrations,
            idle_migrations: Vec::new(),
            idle_options: Vec::new(),
            labels: self.labels,
            secrets: self.secrets,
        })
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
        self.begin().step(name, step)
    }

    /// A guard as the first step: see [`Builder::guard`].
    pub fn guard<I: Input>(
        self,
        name: &str,
        may_go_on: impl Fn(&I) -> bool + Send + Sync + 'static,
    ) -> Builder<I, I, Ready, MayHalt> {
        self.begin().guard(name, may_go_on)
    }

    /// Another brain as the first step: see [`Builder::brain`].
    pub fn brain<I: Input, J: Input, R: InnerResult, T: State>(
        self,
        name: &str,
        inner: impl FnOnce() -> Brain<J, R>,
        enter: impl Fn(&I) -> J + Send + Sync + 'static,
        leave: impl Fn(I, R) -> T + Send + Sync + 'static,
    ) -> Builder<I, T, Ready> {
        self.begin().brain(name, inner, enter, leave)
    }

    /// A list as the first step: see [`Builder::map`].
    pub fn map<I: Input, E, R, T: State>(
        self,
        name: &str,
        items: Items<I, E, R>,
        collect: impl Fn(I, Vec<R>) -> T + Send + Sync + 'static,
    ) -> Builder<I, T, Ready>
    where
        E: Serialize + Clone + Send + 'static,
        R: ItemResult,
    {
        self.begin().map(name, items, collect)
    }

    /// A loop as the first part: see [`Builder::repeat_until`].
    pub fn repeat_until<I: Input, T, P, F>(
        self,
        name: &str,
        until: impl Fn(&I) -> bool + Send + Sync + 'static,
        turn: impl FnOnce(PartOf<I>) -> Builder<InPart, T, P, F>,
    ) -> Builder<I, I, Ready, F>
    where
        P: Ends,
        T: Joins<I>,
    {
        self.begin().repeat_until(name, until, turn)
    }

    /// A branch as the first part: see [`Builder::when`].
    pub fn when<I: Input, T, P, F>(
        self,
        name: &str,
        predicate: impl Fn(&I) -> bool + Send + Sync + 'static,
        yes: impl FnOnce(PartOf<I>) -> Builder<InPart, T, P, F>,
    ) -> Builder<I, I, Ready, F>
    where
        P: Ends,
        T: Joins<I>,
    {
        self.begin().when(name, predicate, yes)
    }

    /// A branch with two arms as the first part: see [`Builder::when_else`].
    pub fn when_else<I: Input, T, P, F, U, Q, G>(
        self,
        name: &str,
        predicate: impl Fn(&I) -> bool + Send + Sync + 'static,
        yes: impl FnOnce(PartOf<I>) -> Builder<InPart, T, P, F>,
        no: impl FnOnce(PartOf<I>) -> Builder<InPart, U, Q, G>,
    ) -> Builder<I, T, Ready, F::Either>
    where
        P: Ends,
        Q: Ends,
        U: Joins<T>,
        F: Or<G>,
    {
        self.begin().when_else(name, predicate, yes, no)
    }

    /// A choice as the first part: see [`Builder::choose`].
    pub fn choose<I: Input + Choice, W>(
        self,
        name: &str,
        ways: W,
    ) -> Builder<I, W::State, Ready, <Sure as Or<W::Halts>>::Either>
    where
        W: Ways<I>,
        Sure: Or<W::Halts>,
    {
        self.begin().choose(name, ways)
    }
}

/// The value of a stored state, or why it does not fit.
pub(crate) fn from_value<S: DeserializeOwned>(value: Value) -> Result<S, String> {
    output::from_object(value)
}
