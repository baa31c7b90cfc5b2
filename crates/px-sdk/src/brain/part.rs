//! Parts of a pipeline that are pipelines of their own: loops and branches. The
//! functions that make them are given a builder whose first step takes the
//! state that is there, and give it back with their steps.

use std::sync::Arc;

use px_core::event::StepKind;
use serde_json::Value;

use super::State;
use super::builder::{Builder, MayHalt, Ready, Sure};
use super::def::{Body, BrainDef, Takes};
use super::output::{StepError, from_object};
use super::part_def::{Arm, Branched, Repeated};

/// Marks the builder of a part: it is started by no input of its own.
#[derive(Debug)]
pub struct InPart;

/// The builder that a loop or an arm begins with: its first step takes an `S`.
pub type PartOf<S> = Builder<InPart, S, Ready>;

/// A part may end after a step that does not wait.
#[diagnostic::on_unimplemented(
    message = "the last step of this arm or loop waits, and no step in it takes the response",
    label = "the response would be lost",
    note = "add a step that takes it, inside the same `|b| ..`: \
            `.step(\"name\", name)` with `async fn name(cx: Cx, state: S, response: R) -> Result<Next<T>>`",
    note = "after a step that returns `MayWait` it takes `Option<R>`"
)]
pub trait Ends {}
impl Ends for Ready {}

/// The state at the end of a part is one that the brain can go on with.
#[diagnostic::on_unimplemented(
    message = "this arm or loop ends with the state `{Self}`, and the brain goes on with `{S}`",
    label = "ends with another state",
    note = "let its last step return `Result<Next<{S}>>`",
    note = "`.when` and `.repeat_until` end with the state that they begin with; \
            the arms of `.when_else` and `.choose` all end with the same one"
)]
pub trait Joins<S> {}
impl<S> Joins<S> for S {}

/// Union of two pieces of a brain: a guard may end it if one may end either of them.
pub trait Or<E> {
    /// [`Sure`] or [`MayHalt`].
    type Either;
}
impl<E> Or<E> for Sure {
    type Either = E;
}
impl<E> Or<E> for MayHalt {
    type Either = Self;
}

/// The arms of `.when` and `.when_else`.
const YES: &str = "yes";
const NO: &str = "no";

impl<I, S: State, E> Builder<I, S, Ready, E> {
    /// A builder of a part of this brain that begins with an `S2`.
    fn part<S2>(&self) -> PartOf<S2> {
        Builder::new(BrainDef::part_of(&self.def.title, self.def.version))
    }

    /// Adds a loop: its steps run, again and again, until `until` says of the state that a
    /// turn left that it was the last. There is at least one turn. Each turn begins with
    /// the state that the one before it left; a step is known by its turn, as
    /// `pay[2]/book`, so an effect in it has a key of its own in each.
    ///
    /// `until` looks at the state alone: it is asked once for each turn, and a crash
    /// may have it asked again.
    ///
    /// ```ignore
    /// .repeat_until("pay", |order: &Order| order.open == 0, |b| b.step("book", book).step("note", note))
    /// ```
    pub fn repeat_until<T, P, F>(
        self,
        name: &str,
        until: impl Fn(&S) -> bool + Send + Sync + 'static,
        turn: impl FnOnce(PartOf<S>) -> Builder<InPart, T, P, F>,
    ) -> Builder<I, S, Ready, E::Either>
    where
        P: Ends,
        T: Joins<S>,
        E: Or<F>,
    {
        let turn = Arc::new(turn(self.part()).finish());
        let until = Arc::new(move |state| Ok(until(&from_object(state).map_err(StepError::State)?)));
        self.push(name, StepKind::Repeat, Takes::Nothing, Body::Repeat(Repeated { turn, until }))
    }

    /// Adds steps that run if `predicate` is true of the state; else the brain goes on behind
    /// them. They end with the state that they begin with. It is asked once, and the answer is in
    /// the run's log: no crash and no redeploy changes it.
    ///
    /// ```ignore
    /// .when("is large", |order: &Order| order.cents > 10_000, |b| b.step("ask", ask).step("hear", hear))
    /// ```
    pub fn when<T, P, F>(
        self,
        name: &str,
        predicate: impl Fn(&S) -> bool + Send + Sync + 'static,
        yes: impl FnOnce(PartOf<S>) -> Builder<InPart, T, P, F>,
    ) -> Builder<I, S, Ready, E::Either>
    where
        P: Ends,
        T: Joins<S>,
        E: Or<F>,
    {
        let arms = vec![arm(YES, yes(self.part())), arm(NO, self.part::<S>())];
        self.branch(name, arms, predicate)
    }

    /// Adds a choice between two arms by a predicate, as [`when`](Self::when) does for one.
    /// Both end with the same state.
    pub fn when_else<T, P, F, U, Q, G>(
        self,
        name: &str,
        predicate: impl Fn(&S) -> bool + Send + Sync + 'static,
        yes: impl FnOnce(PartOf<S>) -> Builder<InPart, T, P, F>,
        no: impl FnOnce(PartOf<S>) -> Builder<InPart, U, Q, G>,
    ) -> Builder<I, T, Ready, <E::Either as Or<G>>::Either>
    where
        P: Ends,
        Q: Ends,
        U: Joins<T>,
        E: Or<F>,
        E::Either: Or<G>,
    {
        let arms = vec![arm(YES, yes(self.part())), arm(NO, no(self.part()))];
        self.branch(name, arms, predicate)
    }

    fn branch<T, F>(
        self,
        name: &str,
        arms: Vec<Arm>,
        predicate: impl Fn(&S) -> bool + Send + Sync + 'static,
    ) -> Builder<I, T, Ready, F> {
        let choose = Arc::new(move |state: Value| {
            let is_true = predicate(&from_object(state.clone()).map_err(StepError::State)?);
            Ok((usize::from(!is_true), state))
        });
        self.push(name, StepKind::Branch, Takes::Nothing, Body::Branch(Branched { arms, choose }))
    }
}

/// An arm with the steps of this builder.
pub(super) fn arm<T, P, F>(name: &str, steps: Builder<InPart, T, P, F>) -> Arm {
    Arm { name: name.to_owned(), steps: Arc::new(steps.finish()) }
}
