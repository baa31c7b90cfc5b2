//! The time within which a wait is expected to be answered: an alarm for people, and nothing to the run.

use std::time::Duration;

use super::State;
use super::builder::{Builder, MayResume, Resumed, Streamed};
use super::def::BrainDef;

impl BrainDef {
    /// The shortest time within which one of its waits, or of a brain inside it, is expected to be answered.
    #[must_use]
    pub fn least_expected(&self) -> Option<Duration> {
        let inside = |step: &super::StepDef| {
            step.body.inside().iter().filter_map(|brain| brain.least_expected()).min()
        };
        self.steps.iter().filter_map(|step| step.expect.into_iter().chain(inside(step)).min()).min()
    }
}

/// A time within which an answer is expected may follow a step that waits for somebody.
#[diagnostic::on_unimplemented(
    message = "an answer is expected of a wait, and the step before this does not wait for anybody",
    label = "there is no answer to expect",
    note = "let the step before return `Result<Waiting<S, R>>`: `Ok(wait_for(state, ..))`; `.expect(..)` stands directly \
            behind it, before the step that takes the response",
    note = "to end a step that takes too long: `.timeout(..)` behind it"
)]
pub trait Expectable {}
impl<R> Expectable for Resumed<R> {}
impl<R> Expectable for MayResume<R> {}
impl<R> Expectable for Streamed<R> {}

impl<I, S: State, P, E> Builder<I, S, P, E> {
    /// Says within which time the wait of the step before this line is expected to be answered. One that is open for
    /// longer needs attention: `px status`, `GET /waits/late`, the page and the gauge `px_waits_overdue` name it. It
    /// is an alarm and no timeout: the run goes on waiting, and nothing of it is in its log. What this binary
    /// says counts for waits that are open already, too.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use px_sdk::{Brain, Cx, Next, On, Result, Waiting, brain, wait_for};
    /// # #[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
    /// # struct Order { mail: String }
    /// # fn payment(mail: &str) -> On<Order> { On::registered("payments", mail.to_owned(), 0) }
    /// fn orders() -> Brain<Order> {
    ///     brain("orders")
    ///         .step("ask", ask)
    ///         .expect(Duration::from_hours(1))
    ///         .step("take", take)
    ///         .build()
    /// }
    ///
    /// async fn ask(_cx: Cx, order: Order) -> Result<Waiting<Order, Order>> {
    ///     let on = payment(&order.mail);
    ///     Ok(wait_for(order, on))
    /// }
    /// # async fn take(_cx: Cx, order: Order, _paid: Order) -> Result<Next<Order>> { Ok(Next(order)) }
    /// ```
    pub fn expect(mut self, within: Duration) -> Self
    where
        P: Expectable,
    {
        if let Some(waits) = self.def.steps.last_mut() {
            waits.expect = Some(within);
        }
        self
    }
}
