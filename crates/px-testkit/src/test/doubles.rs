//! Test doubles: what stands for effects and resources, so that a test sends
//! nothing to anybody and sees what would have been sent.
//!
//! A stub is known by a brain and the name of an effect. It answers for that
//! effect wherever the brain makes it: in any step, turn of a loop or item of a
//! list, and in the brains inside it; of two, the one of the inner brain does.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use px_sdk::{Brain, EffectCall, Error, Need, Resource, Result, Secret, SecretReader, SecretSource, StandIn};
use serde::Serialize;
use serde_json::Value;

use super::windy::Windy;
use super::world::World;

/// A call of an effect, as its receiver would see it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Call {
    /// The idempotency key. Calls with the same key are about the same effect: the
    /// process died before it could remember the first of them.
    pub key: String,
    /// The state that the step began with, as JSON; in a `map`, the item.
    pub input: Value,
    /// The number of the call among those of this brain and name, from 1. Calls
    /// that are made again count.
    pub nth: usize,
    /// The step that makes it.
    pub step: String,
}

/// The secrets of a world.
#[derive(Default)]
pub(super) struct TestSecrets(Mutex<BTreeMap<String, Secret>>);

impl SecretSource for TestSecrets {
    fn read(&self, name: &str, _: SecretReader<'_>) -> Option<Secret> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }
}

type Answer = Arc<dyn Fn(&Call) -> Result<Value> + Send + Sync>;

/// The stubs of a world, and the calls that they have answered.
#[derive(Default)]
pub(super) struct Doubles(Mutex<Book>);

#[derive(Default)]
struct Book {
    /// By brain and name.
    stubs: Vec<((String, String), Answer)>,
    calls: Vec<Made>,
}

struct Made {
    brains: Vec<String>,
    name: String,
    call: Call,
}

impl Made {
    fn is_of(&self, brain: &str, name: &str) -> bool {
        self.name == name && self.brains.iter().any(|other| other == brain)
    }
}

impl Doubles {
    fn book(&self) -> std::sync::MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stub(&self, brain: String, name: &str, answer: Answer) {
        let of = (brain, name.to_owned());
        let mut book = self.book();
        book.stubs.retain(|(other, _)| *other != of);
        book.stubs.push((of, answer));
    }

    fn calls(&self, brain: &str, name: &str) -> Vec<Call> {
        self.book()
            .calls
            .iter()
            .filter(|made| made.is_of(brain, name))
            .map(|made| made.call.clone())
            .collect()
    }
}

impl Book {
    /// Notes a call; returns it with whoever answers, if anybody does.
    fn note(&mut self, call: EffectCall<'_>) -> Option<(Call, Answer)> {
        let EffectCall { brains, step, name, key, input } = call;
        let stub_of = |brain: &String| self.stubs.iter().find(|((of, stub), _)| of == brain && stub == name);
        let ((brain, _), answer) = brains.iter().rev().find_map(stub_of)?;
        let nth = self.calls.iter().filter(|made| made.is_of(brain, name)).count() + 1;
        let call = Call { key: key.to_owned(), input: input.clone(), nth, step: step.to_owned() };
        let answer = Arc::clone(answer);
        self.calls.push(Made { brains: brains.to_vec(), name: name.to_owned(), call: call.clone() });
        Some((call, answer))
    }
}

impl StandIn for Doubles {
    fn answer(&self, call: EffectCall<'_>) -> Result<Value> {
        // A statement of its own: the stub may ask for the calls.
        let noted = self.book().note(call);
        match noted {
            Some((call, answer)) => answer(&call),
            None => Err(unstubbed(call)),
        }
    }
}

/// The error of an effect without a stub: it would have been made.
fn unstubbed(call: EffectCall<'_>) -> Error {
    let EffectCall { brains, step, name, .. } = call;
    let brain = brains.last().map(String::as_str).unwrap_or_default();
    Error::permanent(format_args!(
        "effect '{name}' in step '{step}' of brain '{brain}' has no stub, and a test makes no effects: say what it \
         returns by `world.stub(.., \"{name}\", value)` with the function that makes the brain, before the run starts"
    ))
}

fn title<I, O>(brain: impl FnOnce() -> Brain<I, O>) -> String {
    brain().title().to_owned()
}

impl World {
    /// Lets this value stand for the resource of its type, for each step and
    /// handler that needs it, also after a crash. Of two values of one type the
    /// later one counts. Returns the same world:
    /// `let world = px::test::world().provide(FakeMail::default());`.
    pub fn provide<T: Resource>(&self, value: T) -> Self {
        self.inner.world.borrow().resources().add(Need::of::<T>(), Arc::new(value));
        self.clone()
    }

    /// Sets a secret for each step and handler that may read it, in the place of what it
    /// was before. Nothing but this sets secrets in a test: no variable of the
    /// environment is read. Returns the same world:
    /// `let world = px::test::world().secret("STRIPE_KEY", "sk_test_1");`.
    pub fn secret(&self, name: &str, value: &str) -> Self {
        let secrets = &self.inner.secrets;
        secrets.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), value.into());
        self.inner.world.borrow().resources().set_secrets(Arc::clone(secrets) as _);
        self.clone()
    }

    /// Lets an effect of a brain return this value: `world.stub(order, "book", json!({"room": 7}))`.
    /// The effect's own code does not run. Of two stubs for it the later one counts.
    ///
    /// The name is the one that is said in `cx.effect(name, ..)`, whatever step, turn of a loop, item
    /// of a list or brain inside this one makes it.
    ///
    /// # Panics
    /// The value cannot be written as JSON.
    #[track_caller]
    pub fn stub<I, O>(
        &self,
        brain: impl FnOnce() -> Brain<I, O>,
        name: &str,
        value: impl Serialize,
    ) -> &Self {
        match serde_json::to_value(value) {
            Ok(value) => self.stub_with(brain, name, move |_| Ok(value.clone())),
            Err(error) => panic!("the value of the stub '{name}' cannot be written as JSON: {error}"),
        }
    }

    /// Lets an effect of a brain fail each time, as [`stub`](Self::stub) lets it
    /// return. The step is tried again if its options say so and the error is
    /// not permanent.
    pub fn stub_error<I, O>(
        &self,
        brain: impl FnOnce() -> Brain<I, O>,
        name: &str,
        error: impl Into<Error>,
    ) -> &Self {
        let error = error.into();
        self.stub_with(brain, name, move |_| Err::<Value, _>(error.clone()))
    }

    /// Lets an effect of a brain return what a function says of each call:
    ///
    /// ```ignore
    /// world.stub_with(order, "book", |call| {
    ///     if call.nth == 1 { px::bail!("the hotel does not answer") }
    ///     Ok(json!({"room": 7, "guest": call.input["guest"]}))
    /// });
    /// ```
    pub fn stub_with<I, O, T: Serialize>(
        &self,
        brain: impl FnOnce() -> Brain<I, O>,
        name: &str,
        answer: impl Fn(&Call) -> Result<T> + Send + Sync + 'static,
    ) -> &Self {
        let answer = move |call: &Call| Ok(serde_json::to_value(answer(call)?)?);
        self.inner.doubles.stub(title(brain), name, Arc::new(answer));
        self
    }

    /// The calls of an effect of a brain so far, oldest first. A call that was
    /// made again, since the process died before it was remembered, is there
    /// twice with one key.
    #[must_use]
    pub fn calls<I, O>(&self, brain: impl FnOnce() -> Brain<I, O>, name: &str) -> Vec<Call> {
        self.inner.doubles.calls(&title(brain), name)
    }
}

impl Windy {
    /// Sets a secret: see [`World::secret`].
    pub fn secret(&self, name: &str, value: &str) -> &Self {
        self.world().secret(name, value);
        self
    }

    /// Lets this value stand for the resource of its type: see [`World::provide`].
    pub fn provide<T: Resource>(&self, value: T) -> &Self {
        self.world().provide(value);
        self
    }

    /// Lets an effect of a brain return this value: see [`World::stub`].
    ///
    /// # Panics
    /// The value cannot be written as JSON.
    #[track_caller]
    pub fn stub<I, O>(
        &self,
        brain: impl FnOnce() -> Brain<I, O>,
        name: &str,
        value: impl Serialize,
    ) -> &Self {
        self.world().stub(brain, name, value);
        self
    }

    /// Lets an effect of a brain fail: see [`World::stub_error`].
    pub fn stub_error<I, O>(
        &self,
        brain: impl FnOnce() -> Brain<I, O>,
        name: &str,
        error: impl Into<Error>,
    ) -> &Self {
        self.world().stub_error(brain, name, error);
        self
    }

    /// Lets an effect of a brain return what a function says of each call: see [`World::stub_with`].
    pub fn stub_with<I, O, T: Serialize>(
        &self,
        brain: impl FnOnce() -> Brain<I, O>,
        name: &str,
        answer: impl Fn(&Call) -> Result<T> + Send + Sync + 'static,
    ) -> &Self {
        self.world().stub_with(brain, name, answer);
        self
    }

    /// The calls of an effect of a brain so far: see [`World::calls`]. In bad
    /// weather, count the different keys.
    #[must_use]
    pub fn calls<I, O>(&self, brain: impl FnOnce() -> Brain<I, O>, name: &str) -> Vec<Call> {
        self.world().calls(brain, name)
    }
}
