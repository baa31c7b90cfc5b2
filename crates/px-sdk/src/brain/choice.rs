//! Choices: a branch over an enum, with an arm for each of its variants.
//! `#[derive(Choice)]` makes the enum's `ways()`, which is given the arms one
//! by one; the types here say which are still missing, and that all end with
//! the same state.

use std::marker::PhantomData;
use std::sync::Arc;

use px_core::event::StepKind;
use serde_json::Value;

use super::State;
use super::builder::{Builder, Ready, Sure};
use super::def::{Body, BrainDef, Takes};
use super::output::{StepError, from_object, to_object};
use super::part::{InPart, Or, PartOf, arm};
use super::part_def::{Arm, Branched};
use crate::error::Result;

/// State that is an enum whose variants are the ways on: made by `#[derive(Choice)]`.
#[diagnostic::on_unimplemented(
    message = "`.choose` takes one way for each variant of an enum, and the state here is `{Self}`",
    label = "not a choice",
    note = "let the step before return `Result<Next<Route>>`, with \
            `#[derive(Choice, Serialize, Deserialize)] enum Route {{ Card(CardOrder), Invoice(InvoiceOrder) }}`",
    note = "for two ways by a condition write `.when_else(name, predicate, |b| .., |b| ..)`"
)]
pub trait Choice: State {
    #[doc(hidden)]
    fn take(self) -> Result<(usize, Value)>;
}

/// No arm has said yet with what state a choice ends.
#[derive(Debug)]
pub struct Unsettled;

/// A choice ends with a `T`.
#[derive(Debug)]
pub struct Settled<T>(PhantomData<fn() -> T>);

/// The variant `V` of a choice has no arm yet.
#[derive(Debug)]
pub struct Missing<V>(PhantomData<fn() -> V>);

/// A variant of a choice has an arm.
#[derive(Debug)]
pub struct Taken;

/// A variant that has an arm.
#[diagnostic::on_unimplemented(
    message = "a variant of this choice has no arm: `{Self}`",
    label = "not every variant has an arm",
    note = "add one for each variant, by its name in lower case: `.invoice(|b| b.step(\"bill\", bill))`",
    note = "an arm that has nothing to do is `.invoice(|b| b)`"
)]
pub trait HasArm {}
impl HasArm for Taken {}

/// All arms of a choice end with the same state.
#[diagnostic::on_unimplemented(
    message = "this arm ends with the state `{Self}`, and an arm before it with another: `{T}`",
    label = "ends with another state",
    note = "let the last step of each arm return `Result<Next<..>>` of the same state"
)]
pub trait EndsAlike<T> {}
impl<U> EndsAlike<Unsettled> for U {}
impl<U> EndsAlike<Settled<U>> for U {}

/// The arms of all variants of the choice `C`.
pub trait Ways<C> {
    /// The state that they end with.
    type State: State;
    /// Tells if a guard may end the brain in one of them.
    type Halts;

    #[doc(hidden)]
    fn arms(self) -> Vec<Arm>;
}

/// Arms of a choice that were given so far: what the types made by `#[derive(Choice)]` hold.
#[doc(hidden)]
#[derive(Debug)]
pub struct WayArms<T, E = Sure>(Vec<(usize, Arm)>, PhantomData<fn() -> (T, E)>);

impl WayArms<Unsettled> {
    /// No arms.
    #[must_use]
    pub const fn none() -> Self {
        Self(Vec::new(), PhantomData)
    }
}

impl<T, E> WayArms<T, E> {
    /// Adds the arm of the variant at a place.
    #[must_use]
    pub fn with<S, U, P, F>(
        mut self,
        place: usize,
        name: &str,
        steps: impl FnOnce(PartOf<S>) -> Builder<InPart, U, P, F>,
    ) -> WayArms<Settled<U>, E::Either>
    where
        S: State,
        E: Or<F>,
    {
        self.0.push((place, arm(name, steps(Builder::new(BrainDef::part_of("", 1))))));
        WayArms(self.0, PhantomData)
    }

    /// The arms, in the order of the variants.
    #[must_use]
    pub fn in_order(mut self) -> Vec<Arm> {
        self.0.sort_by_key(|(place, _)| *place);
        self.0.into_iter().map(|(_, arm)| arm).collect()
    }
}

/// The place of a variant and the state in it, as it is stored.
#[doc(hidden)]
pub fn way<S: State>(place: usize, state: &S) -> Result<(usize, Value)> {
    Ok((place, to_object(state)?))
}

impl<I, S: State, E> Builder<I, S, Ready, E> {
    /// Adds a branch with an arm for each variant of the state, which is an enum with
    /// `#[derive(Choice)]`: an arm begins with the state in its variant, and all end with the
    /// same one. The choice is in the run's log: no crash and no redeploy changes it.
    ///
    /// ```ignore
    /// .choose("how", Route::ways().card(|b| b.step("charge", charge)).invoice(|b| b.step("bill", bill)))
    /// ```
    pub fn choose<W>(self, name: &str, ways: W) -> Builder<I, W::State, Ready, <E as Or<W::Halts>>::Either>
    where
        S: Choice,
        W: Ways<S>,
        E: Or<W::Halts>,
    {
        let choose = Arc::new(|state| {
            let choice: S = from_object(state).map_err(StepError::State)?;
            choice.take().map_err(StepError::Failed)
        });
        let branched = Branched { arms: ways.arms(), choose };
        self.push(name, StepKind::Branch, Takes::Nothing, Body::Branch(branched))
    }
}
