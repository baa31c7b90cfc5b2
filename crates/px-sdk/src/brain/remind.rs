//! Reminders of a wait: declared behind the step that opens it, with options of their own.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::State;
use super::builder::{Builder, MayResume, Resumed, Streamed};
use super::def::{BrainDef, StepDef};
use super::output::{StepError, from_object};
use crate::cx::Cx;
use crate::error::Result as StepResult;
use crate::options::StepOptions;

/// A reminder's future, types gone.
pub type ReminderFuture = Pin<Box<dyn Future<Output = Result<(), StepError>> + Send>>;

/// Least time between two turns of a reminder.
const LEAST_INTERVAL: Duration = Duration::from_millis(1);

/// Maximum number of turns of a reminder: each one is in the log of its run, which is read as a whole.
const MOST_TURNS: u32 = 10_000;

/// One reminder of a step's wait, types gone.
#[derive(Clone)]
pub struct ReminderDef {
    /// Its name, unique among those of its step.
    pub name: String,
    /// Time from the opening of the wait to the first turn, and between two turns.
    pub after: Duration,
    /// True if it has several turns.
    pub repeats: bool,
    /// Maximum number of its turns; 0: it never comes.
    pub at_most: u32,
    /// Its retries and its time limit.
    pub options: StepOptions,
    /// Names in older versions.
    pub formerly: Vec<String>,
    /// Its work, given the state of the wait.
    pub code: Arc<dyn Fn(Cx, Value) -> ReminderFuture + Send + Sync>,
}

impl fmt::Debug for ReminderDef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReminderDef")
            .field("name", &self.name)
            .field("after", &self.after)
            .finish_non_exhaustive()
    }
}

impl ReminderDef {
    /// The reminder as it is shown beside its step, its times in milliseconds.
    pub(super) fn shown(&self) -> Value {
        let after = u64::try_from(self.after.as_millis()).unwrap_or(u64::MAX);
        let mut shown = json!({ "name": self.name, "after": after, "atMost": self.at_most });
        if let (true, Value::Object(fields)) = (self.repeats, &mut shown) {
            fields.insert("every".into(), after.into());
        }
        shown
    }

    /// The mistake in it as one of this step, in words.
    fn mistake(&self, step: &str) -> Option<String> {
        let name = &self.name;
        if self.formerly.iter().chain([name]).any(String::is_empty) {
            return Some(format!(
                "A reminder of step '{step}' has an empty name: give it one, its wait and its effects are known by it."
            ));
        }
        // Its effects are known by `step/name[2]`, so that these would be another turn's, or another thing's.
        if let Some(mark) = name.chars().find(|char| matches!(char, '/' | '[')) {
            return Some(format!(
                "Reminder '{name}' of step '{step}' has a '{mark}' in its name, by which the idempotency keys of its \
                 effects could be those of something else: leave it out."
            ));
        }
        if self.repeats && self.after < LEAST_INTERVAL {
            return Some(format!(
                "Reminder '{name}' of step '{step}' comes every {:?}: let it be at least {LEAST_INTERVAL:?}, since \
                 each turn is an entry of the run's log.",
                self.after
            ));
        }
        (self.at_most > MOST_TURNS).then(|| {
            format!(
                "Reminder '{name}' of step '{step}' has up to {} turns: let it have at most {MOST_TURNS}, since each \
                 is in the run's log.",
                self.at_most
            )
        })
    }

    /// Returns true if a reminder of this name in a wait is this one.
    #[must_use]
    pub fn is_called(&self, name: &str) -> bool {
        self.name == name || self.formerly.iter().any(|old| old == name)
    }
}

impl StepDef {
    /// The options that a line behind this step is about: those of its last reminder, if it has one.
    pub(super) fn last_options(&mut self) -> &mut StepOptions {
        match self.reminders.last_mut() {
            Some(reminder) => &mut reminder.options,
            None => &mut self.options,
        }
    }

    /// The older names that a line behind this step is about, likewise.
    pub(super) fn last_formerly(&mut self) -> &mut Vec<String> {
        match self.reminders.last_mut() {
            Some(reminder) => &mut reminder.formerly,
            None => &mut self.formerly,
        }
    }
}

impl BrainDef {
    /// The mistake in the reminders of it, or of a brain inside it, in words.
    pub(crate) fn mistake_in_reminders(&self) -> Option<String> {
        for step in &self.steps {
            let names = step.reminders.iter().flat_map(|one| one.formerly.iter().chain([&one.name]));
            let mut seen = std::collections::BTreeSet::new();
            if let Some(name) = names.into_iter().find(|name| !seen.insert(name.as_str())) {
                return Some(format!(
                    "Step '{}' has two reminders called '{name}': a wait knows them by their names, so give each \
                     one of its own.",
                    step.info.title
                ));
            }
            if let Some(mistake) = step.reminders.iter().find_map(|one| one.mistake(&step.info.title)) {
                return Some(mistake);
            }
            if let Some(mistake) = step.body.inside().iter().find_map(|def| def.mistake_in_reminders()) {
                return Some(mistake);
            }
        }
        None
    }
}

/// A reminder may follow a step that waits for somebody.
#[diagnostic::on_unimplemented(
    message = "a reminder belongs to a wait, and the step before it does not wait for anybody",
    label = "there is nothing to remind of",
    note = "let the step before return `Result<Waiting<S, R>>`: `Ok(wait_for(state, ..))`; the reminder stands directly \
            behind it, before the step that takes the response",
    note = "to do something later without a wait: a step that returns `Ok(sleep(state, ..))`, and the next one does it"
)]
pub trait Remindable {}
impl<R> Remindable for Resumed<R> {}
impl<R> Remindable for MayResume<R> {}
impl<R> Remindable for Streamed<R> {}

/// Future of an `async fn`, as a reminder's function returns it.
#[diagnostic::on_unimplemented(
    message = "a reminder is an `async fn` that returns `Result<()>`, and this one returns `{Self}`",
    label = "not an `async fn` with `Result<()>`",
    note = "the wait goes on, so there is no state to return: `async fn nudge(cx: Cx, state: S) -> Result<()>`"
)]
pub trait Reminds: Future<Output = StepResult<()>> {}
#[diagnostic::do_not_recommend]
impl<F: Future<Output = StepResult<()>>> Reminds for F {}

impl<I, S: State, P, E> Builder<I, S, P, E> {
    /// Runs `step` once, this long after the step before this line has begun to wait, if it still waits then:
    /// `async fn(Cx, S) -> Result<()>`, with the state that waits. The wait stays open meanwhile. What ends it,
    /// or pauses the run, is taken at once, and a reminder that runs then is dropped.
    ///
    /// [`retry`](Self::retry) and [`timeout`](Self::timeout) behind it are its own. A reminder that fails is in the
    /// run's log and in px's; it never fails the run. Its effects are known by `ask/nudge`: the step's name and its
    /// own.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use px_sdk::{Brain, Cx, Next, On, Result, Retry, Waiting, brain, wait_for};
    /// # #[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
    /// # struct Order { mail: String }
    /// # fn payment(mail: &str) -> On<Order> { On::registered("payments", mail.to_owned(), 0) }
    /// # async fn send(_key: &str, _to: &str) -> Result<u64> { Ok(7) }
    /// fn orders() -> Brain<Order> {
    ///     brain("orders")
    ///         .step("ask", ask)
    ///         .remind("nudge", Duration::from_hours(24), nudge)
    ///         .retry(Retry::attempts(3))
    ///         .step("take", take)
    ///         .build()
    /// }
    ///
    /// async fn ask(_cx: Cx, order: Order) -> Result<Waiting<Order, Order>> {
    ///     let on = payment(&order.mail);
    ///     Ok(wait_for(order, on))
    /// }
    ///
    /// async fn nudge(cx: Cx, order: Order) -> Result<()> {
    ///     cx.effect("mail", async |key| send(key, &order.mail).await).await?;
    ///     Ok(())
    /// }
    /// # async fn take(_cx: Cx, order: Order, _paid: Order) -> Result<Next<Order>> { Ok(Next(order)) }
    /// ```
    pub fn remind<F, Fut>(self, name: &str, after: Duration, step: F) -> Self
    where
        P: Remindable,
        F: Fn(Cx, S) -> Fut + Send + Sync + 'static, // a reminder takes (Cx, the state that waits)
        Fut: Reminds + 'static,
        Fut: Send, // a reminder moves between threads: use `Arc`, and hold no lock guard over an `.await`
    {
        self.reminds(name, after, None, step)
    }

    /// Like [`remind`](Self::remind), again and again: `every` after the wait was opened, then `every` after that,
    /// `at_most` times in all. [`Cx::nth`] says which turn it is. Of the turns that fell due while px was down one
    /// is run, and the next one comes at its time. Effects of the second turn are known by `ask/nudge[2]`.
    /// `at_most` is at most 10,000, and 0 is never; `every` is at least a millisecond.
    pub fn remind_every<F, Fut>(self, name: &str, every: Duration, at_most: u32, step: F) -> Self
    where
        P: Remindable,
        F: Fn(Cx, S) -> Fut + Send + Sync + 'static, // a reminder takes (Cx, the state that waits)
        Fut: Reminds + 'static,
        Fut: Send, // a reminder moves between threads: use `Arc`, and hold no lock guard over an `.await`
    {
        self.reminds(name, every, Some(at_most), step)
    }

    fn reminds<F, Fut>(mut self, name: &str, after: Duration, at_most: Option<u32>, step: F) -> Self
    where
        F: Fn(Cx, S) -> Fut + Send + Sync + 'static,
        Fut: Reminds + Send + 'static,
    {
        let step = Arc::new(step);
        let reminder = ReminderDef {
            name: name.to_owned(),
            after,
            repeats: at_most.is_some(),
            at_most: at_most.unwrap_or(1),
            options: StepOptions::default(),
            formerly: Vec::new(),
            code: Arc::new(move |cx, state| {
                let step = Arc::clone(&step);
                Box::pin(async move {
                    let state = from_object(state).map_err(StepError::State)?;
                    step(cx, state).await.map_err(StepError::Failed)
                })
            }),
        };
        if let Some(waits) = self.def.steps.last_mut() {
            waits.reminders.push(reminder);
        }
        self
    }
}
