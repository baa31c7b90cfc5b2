//! A brain without its types: what the engine runs, the registry lists and
//! `px check` compares parked runs with.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use px_core::event::{Given, StepInfo};
use px_core::run::BrainInfo;
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::label::InputLabel;
use super::migration::Migrations;
use super::output::{StepError, StepOutput};
use super::part_def::{Branched, Repeated};
use super::remind::ReminderDef;
use super::state_type::StateType;
use crate::cx::Cx;
use crate::error::{Error, Result};
use crate::options::StepOptions;
use crate::resource::Need;

/// A step's future, types gone.
pub type StepFuture = Pin<Box<dyn Future<Output = Result<StepOutput, StepError>> + Send>>;
/// The future of an item of a map.
pub type ItemFuture = Pin<Box<dyn Future<Output = Result<Value, Error>> + Send>>;

pub(super) type ErasedStep = Arc<dyn Fn(Cx, Value, Option<Given>) -> StepFuture + Send + Sync>;
pub(super) type Migration = Arc<dyn Fn(u32, Value) -> Result<Value> + Send + Sync>;

/// Work of a step.
#[derive(Clone)]
pub enum Body {
    /// Code runs.
    Code(ErasedStep),
    /// Another brain runs.
    Brain(Nested),
    /// Code runs for each item of a list.
    Map(MapBody),
    /// A part of the brain runs in turns.
    Repeat(Repeated),
    /// One of several parts of the brain runs.
    Branch(Branched),
}

/// A brain inside a step.
#[derive(Clone)]
pub struct Nested {
    /// The brain.
    pub brain: Arc<BrainDef>,
    /// The type of its last state, as the outer brain takes it.
    pub result: StateType,
    pub(super) enter: Arc<dyn Fn(Value) -> Result<Value, StepError> + Send + Sync>,
    pub(super) leave: Arc<dyn Fn(Value, Value, bool) -> Result<Value, StepError> + Send + Sync>,
}

impl Nested {
    /// The state that the inner brain begins with, from the outer one's.
    ///
    /// # Errors
    /// The stored state does not fit.
    pub fn enter(&self, outer: Value) -> Result<Value, StepError> {
        (self.enter)(outer)
    }

    /// The state of the outer brain once the inner one is through.
    ///
    /// # Errors
    /// A stored state does not fit.
    pub fn leave(&self, outer: Value, inner: Value, halted: bool) -> Result<Value, StepError> {
        (self.leave)(outer, inner, halted)
    }
}

type List = Arc<dyn Fn(&Value) -> Result<Vec<ErasedItem>, StepError> + Send + Sync>;

/// Code for each item of a list.
#[derive(Clone)]
pub struct MapBody {
    /// Number of items that are worked on at once.
    pub parallel: usize,
    /// The type of an item's result.
    pub result: StateType,
    pub(super) list: List,
    pub(super) collect: Arc<dyn Fn(Value, Vec<Value>) -> Result<Value, StepError> + Send + Sync>,
}

/// One item of a list: how it is written, and what is done with it.
pub struct ErasedItem {
    /// The item.
    pub value: Value,
    pub(super) run: Box<dyn FnMut(Cx) -> ItemFuture + Send>,
}

impl ErasedItem {
    /// Runs the item's code. It is run again where what it read has changed meanwhile.
    #[must_use]
    pub fn run(&mut self, cx: Cx) -> ItemFuture {
        (self.run)(cx)
    }
}

impl fmt::Debug for ErasedItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ErasedItem").field(&self.value).finish()
    }
}

impl MapBody {
    /// The items, in order.
    ///
    /// # Errors
    /// The stored state does not fit.
    pub fn list(&self, state: &Value) -> Result<Vec<ErasedItem>, StepError> {
        (self.list)(state)
    }

    /// The state after the step, from the one before and the results in the order of the items.
    ///
    /// # Errors
    /// The stored state or a result does not fit.
    pub fn collect(&self, state: Value, results: Vec<Value>) -> Result<Value, StepError> {
        (self.collect)(state, results)
    }
}

/// Argument of a step, besides its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// Nothing.
    Nothing,
    /// The response that the step before it waited for.
    Response,
    /// The response that the step before it may have waited for.
    Perhaps,
    /// The responses of a stream, one at a time.
    Stream,
}

/// One step of a brain, types gone.
#[derive(Clone)]
pub struct StepDef {
    /// Its name and kind.
    pub info: StepInfo,
    /// Its argument, besides its state.
    pub takes: Takes,
    /// The type of the state that it takes.
    pub state: StateType,
    /// Its retries and its time limit.
    pub options: StepOptions,
    /// Names in older versions.
    pub formerly: Vec<String>,
    /// Reminders of the wait that it opens, in the order in which they were declared.
    pub reminders: Vec<ReminderDef>,
    /// Time within which the wait that it opens is expected to be answered.
    pub expect: Option<Duration>,
    /// Its work.
    pub body: Body,
    pub(super) migration: Option<Migration>,
}

impl fmt::Debug for StepDef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.info.fmt(f)
    }
}

impl StepDef {
    /// Returns whether a run that is at a step of this name is at this one.
    #[must_use]
    pub fn is_called(&self, name: &str) -> bool {
        self.info.title == name || self.formerly.iter().any(|old| old == name)
    }

    /// Returns whether a stored state is one that this step can take.
    ///
    /// # Errors
    /// What does not fit.
    pub fn fits(&self, state: &Value) -> Result<(), String> {
        self.state.fits(state)
    }

    /// Returns true if this very step says how it brings over what another version of the brain left for it.
    #[must_use]
    pub fn migrates(&self) -> bool {
        self.migration.is_some()
    }

    /// Brings a state that another version of the brain left for this step to
    /// what this version expects; as it is, if the step does not say how.
    ///
    /// # Errors
    /// The migration's own.
    pub fn migrate(&self, from: u32, state: Value) -> Result<Value> {
        match &self.migration {
            Some(migration) => migration(from, state),
            None => Ok(state),
        }
    }
}

/// The options that a brain takes.
#[derive(Clone)]
pub struct OptionsDef {
    /// Their JSON Schema.
    pub schema: Value,
    complete: fn(Value) -> Result<Value, String>,
}

impl fmt::Debug for OptionsDef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OptionsDef").field("schema", &self.schema).finish_non_exhaustive()
    }
}

impl OptionsDef {
    pub(super) fn of<T: Serialize + DeserializeOwned + JsonSchema>() -> Self {
        Self {
            schema: schemars::schema_for!(T).to_value(),
            complete: |given| {
                let options: T = super::from_value(given)?;
                serde_json::to_value(options).map_err(|error| error.to_string())
            },
        }
    }

    /// The options with their defaults filled in.
    ///
    /// # Errors
    /// What does not fit.
    pub fn complete(&self, given: Value) -> Result<Value, String> {
        (self.complete)(given)
    }
}

/// Number of runs of a brain that are under way at once, for each key.
#[derive(Clone)]
pub struct Turns {
    /// Maximum number of runs under way at once that have the same key.
    pub limit: u32,
    pub(super) key: Arc<dyn Fn(Value) -> Result<String, String> + Send + Sync>,
}

impl fmt::Debug for Turns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turns").field("limit", &self.limit).finish_non_exhaustive()
    }
}

impl Turns {
    /// Turns of all runs of the brain, whatever their input.
    pub(super) fn of_all(runs: u32) -> Self {
        Self { limit: runs.max(1), key: Arc::new(|_| Ok(String::new())) }
    }

    /// The key of a run with this input.
    ///
    /// # Errors
    /// The input does not fit.
    pub fn key(&self, input: Value) -> Result<String, String> {
        (self.key)(input)
    }
}

/// A brain, types gone: what the engine runs and the registry lists.
#[derive(Debug, Clone)]
pub struct BrainDef {
    /// Its title, unique in the project.
    pub title: String,
    /// Its purpose.
    pub description: Option<String>,
    /// Its declared version (docs/rules.md#32).
    pub version: u32,
    /// Its steps, in order.
    pub steps: Vec<StepDef>,
    /// The JSON Schema of its input.
    pub input_schema: Value,
    /// Options that its runs take.
    pub options: Option<OptionsDef>,
    /// Number of its runs that are under way at once.
    pub turns: Option<Turns>,
    /// Resources that its own steps use. A brain inside it has needs of its own.
    pub needs: Vec<Need>,
    /// Migrations of its stored states. A brain inside it may have migrations of its own.
    pub migrations: Migrations,
    /// Sentences about migrations that stand before no step, and would never be run.
    pub(crate) idle_migrations: Vec<String>,
    /// Options of a step that stand before the first one, and would do nothing.
    pub(crate) idle_options: Vec<&'static str>,
    /// Secrets that its own steps may read. A brain inside it has a list of its own.
    pub secrets: Vec<String>,
    /// Labels that its runs take from their input; those of a brain inside it are not taken.
    pub(crate) labels: Vec<InputLabel>,
}

impl BrainDef {
    /// Its description, or what stands for one.
    #[must_use]
    pub fn shown_description(&self) -> String {
        self.description.clone().unwrap_or_else(|| format!("{} brain", self.title))
    }

    /// The names of all secrets that its steps and those of the brains inside it may
    /// read.
    #[must_use]
    pub fn secret_names(&self) -> Vec<String> {
        let inside = self.steps.iter().flat_map(|step| step.body.inside());
        self.secrets.iter().cloned().chain(inside.flat_map(|brain| brain.secret_names())).collect()
    }

    /// Its steps as they are shown, with the brains inside them: for each its
    /// `type` and `title`, and its `innerBrain` if it has one.
    #[must_use]
    pub fn shown_steps(&self) -> Value {
        let shown = |step: &StepDef| {
            let mut fields = serde_json::Map::new();
            fields.insert("type".into(), step.info.kind.as_str().into());
            fields.insert("title".into(), step.info.title.clone().into());
            if let Body::Brain(nested) = &step.body {
                let inner = &nested.brain;
                fields.insert(
                    "innerBrain".into(),
                    json!({
                        "title": inner.title,
                        "description": inner.shown_description(),
                        "steps": inner.shown_steps(),
                    }),
                );
            }
            let parts = step.body.parts();
            if !parts.is_empty() {
                let shown = parts.iter().map(|(arm, part)| match arm {
                    Some(arm) => json!({ "arm": arm, "steps": part.shown_steps() }),
                    None => json!({ "steps": part.shown_steps() }),
                });
                fields.insert("parts".into(), shown.collect());
            }
            if let Some(within) = step.expect {
                let within = u64::try_from(within.as_millis()).unwrap_or(u64::MAX);
                fields.insert("expectedWithin".into(), within.into());
            }
            if !step.reminders.is_empty() {
                fields.insert("reminders".into(), step.reminders.iter().map(ReminderDef::shown).collect());
            }
            Value::Object(fields)
        };
        self.steps.iter().map(shown).collect()
    }

    /// Returns what is needed to start a run.
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

impl BrainDef {
    /// The options of a run that is started with `given`, defaults filled in.
    ///
    /// # Errors
    /// What does not fit, in words (docs/rules.md#30).
    pub fn complete_options(&self, given: Value) -> Result<Value, String> {
        match (&self.options, given) {
            (Some(options), given) => options
                .complete(given)
                .map_err(|why| format!("the options of brain '{}' do not fit: {why}", self.title)),
            (None, Value::Object(given)) if given.is_empty() => Ok(Value::Object(given)),
            (None, Value::Object(_)) => Err(format!("brain '{}' takes no options", self.title)),
            (None, _) => Err("options must be a JSON object".to_owned()),
        }
    }
}
