//! Context of a step beside its state: who it is, and what it may ask of
//! the engine.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use px_core::reminder::turn_of;
use px_core::run::OnceValue;
use px_core::{Labels, RunId};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::brain::{Brain, start_of};
use crate::effect::{EffectCall, StepStandIn};
use crate::error::{Error, Result};
use crate::in_effect::in_effect;
use crate::kv::KvLog;
use crate::link::LinkSource;
use crate::port::StepPort;
use crate::resource::{Resource, Resources};
use crate::secret::{Secret, SecretReader};

/// The context of a step. Cheap to clone.
#[derive(Clone)]
pub struct Cx(Arc<Inner>);

struct Inner {
    about: StepContext,
    used: Mutex<HashSet<String>>,
    /// Side effects that this execution has made.
    made: Mutex<Vec<OnceValue>>,
    kv: Mutex<KvLog>,
    labels: Mutex<Labels>,
    port: Arc<dyn StepPort>,
}

/// Facts of the engine about the step that it runs.
#[derive(Debug, Clone)]
pub struct StepContext {
    /// The run.
    pub run: RunId,
    /// The brain's title.
    pub brain: String,
    /// The step's name.
    pub step: String,
    /// The steps around it, if its brain is inside another, by `/`.
    pub path: Option<String>,
    /// Number of the turn of a reminder that has several, from 1; none for everything else.
    pub turn: Option<u32>,
    /// From 0; grows in a loop.
    pub iteration: u32,
    /// The item of a list that this is about, from 0.
    pub item: Option<u32>,
    /// From 1; grows with each retry.
    pub attempt: u32,
    /// The run's options.
    pub options: Value,
    /// Side effects that earlier attempts of this execution have made, so that they are not made twice.
    pub once: Vec<OnceValue>,
    /// Bytes of JSON that a value which outlives runs may have.
    pub max_kv_value_bytes: usize,
    /// Labels that the run has; none where it cannot be labelled.
    pub labels: Option<Labels>,
    /// Resources that its brain needs.
    pub resources: Resources,
    /// Whoever answers for its effects; in a test only.
    pub stand_in: Option<StepStandIn>,
}

impl std::fmt::Debug for Cx {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Cx").field(&self.0.about).finish()
    }
}

impl Cx {
    /// The engine makes one for each execution of a step.
    #[must_use]
    pub fn new(about: StepContext, port: Arc<dyn StepPort>) -> Self {
        Self(Arc::new(Inner {
            about,
            used: Mutex::default(),
            made: Mutex::default(),
            kv: Mutex::default(),
            labels: Mutex::default(),
            port,
        }))
    }

    /// The context of another execution of the same, which knows the side effects that this one has made.
    #[must_use]
    pub fn again(&self) -> Self {
        let mut about = self.0.about.clone();
        about.once.extend(self.0.made.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned());
        Self::new(about, Arc::clone(&self.0.port))
    }

    pub(crate) fn kv_log(&self) -> MutexGuard<'_, KvLog> {
        self.0.kv.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The labels that this execution has put on the run.
    pub(crate) fn written_labels(&self) -> &Mutex<Labels> {
        &self.0.labels
    }

    /// True in a step, whose end may open a wait; false for a reminder and for the work on an item of a list.
    pub(crate) fn may_wait(&self) -> bool {
        self.0.about.labels.is_some()
    }

    /// The labels that the run had when the step began; none where it cannot be labelled.
    pub(crate) fn run_labels(&self) -> Option<&Labels> {
        self.0.about.labels.as_ref()
    }

    pub(crate) fn port(&self) -> &dyn StepPort {
        &*self.0.port
    }

    /// The maker of links.
    pub(crate) fn links(&self) -> Result<&dyn LinkSource> {
        let links = self.0.about.resources.links();
        links.ok_or_else(|| Error::permanent("links are made where px serves, and in `px::test`"))
    }

    pub(crate) fn max_kv_value_bytes(&self) -> usize {
        self.0.about.max_kv_value_bytes
    }

    /// The run's id.
    #[must_use]
    pub fn run_id(&self) -> RunId {
        self.0.about.run
    }

    /// The brain's title.
    #[must_use]
    pub fn brain(&self) -> &str {
        &self.0.about.brain
    }

    /// The step's name.
    #[must_use]
    pub fn step(&self) -> &str {
        &self.0.about.step
    }

    /// Returns the number of the turn of a loop, from 0.
    #[must_use]
    pub fn iteration(&self) -> u32 {
        self.0.about.iteration
    }

    /// Returns the number of the turn of a reminder, from 1; 1 for whatever has no turns.
    #[must_use]
    pub fn nth(&self) -> u32 {
        self.0.about.turn.unwrap_or(1)
    }

    /// Returns the number of the attempt at the step, from 1. A start after a crash is no new attempt.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.0.about.attempt
    }

    /// A text that is the same for every execution of this step in this turn
    /// of this run, across retries and restarts, and for nothing else. An
    /// [`effect`](Self::effect) is given a key of its own, which begins with it.
    #[must_use]
    pub fn idempotency_key(&self) -> String {
        let about = &self.0.about;
        let path = about.path.as_ref().map(|path| format!("{path}/")).unwrap_or_default();
        let item = about.item.map(|item| format!(":{item}")).unwrap_or_default();
        let step = turn_of(&about.step, about.turn);
        format!("{}:{path}{step}:{}{item}", about.run, about.iteration)
    }

    /// Does something once, and remembers what it returned: when the step runs
    /// again after a crash or a failure, it is not done again. The value is
    /// durable before this returns. For what has to come out the same each time,
    /// such as a random number or the time; what leaves the process is an
    /// [`effect`](Self::effect).
    ///
    /// It can still be done twice, if the process dies after it and before the commit.
    ///
    /// # Errors
    /// Its own; a value that is no JSON; a name that was used before in this
    /// execution (docs/rules.md#15); a run that was cancelled meanwhile.
    pub async fn once<T>(&self, name: &str, work: impl AsyncFnOnce() -> Result<T>) -> Result<T>
    where
        T: Serialize + DeserializeOwned,
    {
        if let Some(known) = self.known("once", name)? {
            return self.read_again("once", name, known);
        }
        let made = in_effect(self.execution(), work()).await?;
        self.remembered("once", name, made).await
    }

    /// Makes an effect on somebody else, such as a payment or a message, and
    /// remembers what it returned: when the step runs again after a crash or a
    /// failure, the effect is not made again. The value is durable before this
    /// returns.
    ///
    /// ```
    /// # use px_sdk::{Cx, Result};
    /// # struct Client;
    /// # impl Client {
    /// #     async fn book(&self, _key: &str, _room: &str) -> Result<u64> { Ok(7) }
    /// # }
    /// # async fn step(cx: Cx, client: Client, room: String) -> Result<()> {
    /// let booking = cx.effect("book", async |key| client.book(key, &room).await).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// The effect itself can still be made twice, if the process dies after it
    /// and before the commit. So it is given a key that is the same each time and
    /// is no other effect's: pass it to whoever takes idempotency keys. It is
    /// [`Cx::idempotency_key`] with the effect's name at its end.
    ///
    /// In `px::test` no effect is made: a stub answers, and an effect without one
    /// fails the step for good.
    ///
    /// # Errors
    /// The effect's own; a value that is no JSON; a name that was used before in
    /// this execution (docs/rules.md#15); a run that was cancelled meanwhile.
    pub async fn effect<T, F>(&self, name: &str, effect: F) -> Result<T>
    where
        T: Serialize + DeserializeOwned,
        F: AsyncFnOnce(&str) -> Result<T>, // an effect borrows its key: write `async |key| ..`
    {
        if let Some(known) = self.known("effect", name)? {
            return self.read_again("effect", name, known);
        }
        let key = format!("{}/{name}", self.idempotency_key());
        let made = match &self.0.about.stand_in {
            Some(stand_in) => self.stubbed(stand_in, name, &key)?,
            None => in_effect(self.execution(), effect(&key)).await?,
        };
        self.remembered("effect", name, made).await
    }

    /// The value of a test's stub.
    fn stubbed<T: DeserializeOwned>(&self, stand_in: &StepStandIn, name: &str, key: &str) -> Result<T> {
        let StepStandIn { stand_in, brains, input } = stand_in;
        let value = stand_in.answer(EffectCall { brains, step: self.step(), name, key, input })?;
        serde_json::from_value(value).map_err(|error| {
            Error::permanent(format_args!(
                "the stub of effect '{name}' returns what step '{}' of brain '{}' cannot read: {error}",
                self.step(),
                self.brain()
            ))
        })
    }

    /// The value that was memoised under a name; none the first time.
    fn known(&self, what: &str, name: &str) -> Result<Option<Value>> {
        let is_new = self.0.used.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned());
        if !is_new {
            return Err(Error::permanent(format_args!(
                "`{what}` was called twice with the name '{name}' in one execution of step '{}'; \
                 give each side effect a name of its own",
                self.step()
            )));
        }
        let about = &self.0.about;
        let is_this = |once: &&OnceValue| {
            once.iteration == about.iteration && once.item == about.item && once.name == name
        };
        Ok(about.once.iter().find(is_this).map(|once| once.value.clone()))
    }

    /// A number that no other execution has meanwhile.
    pub(crate) fn execution(&self) -> usize {
        Arc::as_ptr(&self.0).addr()
    }

    fn has_made(&self, name: &str, value: Value) {
        let (iteration, item) = (self.iteration(), self.item());
        // Nobody asks for the depth here: it is the step's own.
        let made = OnceValue { depth: 0, iteration, item, name: name.to_owned(), value };
        self.0.made.lock().unwrap_or_else(PoisonError::into_inner).push(made);
    }

    /// Records what an effect gave, and returns it. It is read again at once: a value that a retry could not
    /// read would show only after a crash.
    async fn remembered<T>(&self, what: &str, name: &str, made: T) -> Result<T>
    where
        T: Serialize + DeserializeOwned,
    {
        let value = crate::finite::to_value(&made)?;
        self.0.port.record_once(self.item(), name.to_owned(), value.clone()).await?;
        self.has_made(name, value.clone());
        self.read_again::<T>(what, name, value)?;
        Ok(made)
    }

    /// The value that is recorded for an effect. The effect is made: so the run is paused where it cannot be
    /// read, and goes on with code that can.
    fn read_again<T: DeserializeOwned>(&self, what: &str, name: &str, value: Value) -> Result<T> {
        serde_json::from_value(value).map_err(|error| {
            Error::unfit(format_args!(
                "what `{what}` '{name}' of step '{}' has recorded cannot be read as `{}`: {error}",
                self.step(),
                std::any::type_name::<T>()
            ))
        })
    }

    /// The resource of this type, which `px::app().provide(..)` has made.
    ///
    /// # Panics
    /// The brain does not declare it by [`needs`](crate::Blank::needs). The run
    /// then fails for good, with the line to add.
    #[must_use]
    #[track_caller]
    pub fn get<T: Resource>(&self) -> &T {
        match self.0.about.resources.find() {
            Ok(resource) => resource,
            Err(missing) => {
                let (brain, step) = (self.brain(), self.step());
                let who = format!("step '{step}' of brain '{brain}'");
                let line = format!(".needs::<{}>()", missing.need);
                panic!("{}", missing.text(&who, &line, &format!("`brain(\"{brain}\")`")))
            }
        }
    }

    /// The secret of this name, as it is now: from the environment, from the file that
    /// `NAME_FILE` names there, or from the store, in this order. It is noted who has
    /// read it. Keep it out of the state, of what [`Cx::once`] remembers and of errors:
    /// these are stored as they are.
    ///
    /// # Errors
    /// The brain does not declare it by [`secrets`](crate::Blank::secrets), and the run
    /// fails for good; or it is set nowhere.
    pub fn secret(&self, name: &str) -> Result<Secret> {
        let reader = SecretReader::Step { brain: self.brain(), step: self.step(), run: self.run_id() };
        self.0.about.resources.secret_for(name, reader)
    }

    /// Starts a run of another brain, once: when the step runs again, it gets
    /// the same run. The name is one for [`Cx::once`]. Wait for its end by
    /// [`end_of`](crate::end_of).
    ///
    /// # Errors
    /// The brain is not registered, or takes no more runs now; a name that was
    /// used before in this execution; a run that was cancelled meanwhile.
    pub async fn start<I: Serialize, O>(
        &self,
        name: &str,
        brain: impl FnOnce() -> Brain<I, O>,
        input: I,
    ) -> Result<RunId> {
        let (title, input) = start_of(brain().title(), &input)?;
        if let Some(known) = self.known("start", name)? {
            return self.read_again("start", name, known);
        }
        let run = self.0.port.start_run(self.item(), name.to_owned(), title, input).await?;
        self.has_made(name, Value::String(run.to_string()));
        Ok(run)
    }

    /// The run's options, as [`options`](crate::Blank::options) declared them.
    ///
    /// # Errors
    /// They are of another type.
    pub fn options<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_value(self.0.about.options.clone()).map_err(|error| {
            Error::permanent(format_args!("the options of brain '{}' do not fit: {error}", self.brain()))
        })
    }

    /// Returns the index of the item of a list, from 0, in the work of a `map`.
    #[must_use]
    pub fn item(&self) -> Option<u32> {
        self.0.about.item
    }

    /// Returns whether the run was cancelled while this step runs: nothing that it
    /// does can be committed any more. It has a moment to clean up, and is
    /// then dropped where it stands.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.port.is_cancelled()
    }

    /// Resolves when the run is cancelled while this step runs.
    pub async fn cancelled(&self) {
        self.0.port.cancelled().await;
    }
}
