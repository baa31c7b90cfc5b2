//! What a step is given beside its state: who it is, and what it may ask of
//! the engine.

use std::collections::HashSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use px_core::RunId;
use px_core::run::OnceValue;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::{Error, Result};

/// The engine's side of a step: where its memoised side effects are committed.
pub trait StepPort: Send + Sync {
    /// Commits a side effect. Resolves when it is durable.
    fn record_once(
        &self,
        name: String,
        value: Value,
    ) -> Pin<Box<dyn Future<Output = Result<()>> + Send + '_>>;
}

/// The context of a step. Cheap to clone.
#[derive(Clone)]
pub struct Cx(Arc<Inner>);

struct Inner {
    about: StepContext,
    used: Mutex<HashSet<String>>,
    port: Arc<dyn StepPort>,
}

/// What the engine says about a step when it runs it.
#[derive(Debug, Clone)]
pub struct StepContext {
    /// The run.
    pub run: RunId,
    /// The brain's title.
    pub brain: String,
    /// The step's name.
    pub step: String,
    /// From 0; grows in a loop.
    pub iteration: u32,
    /// From 1; grows with each retry.
    pub attempt: u32,
    /// The run's options.
    pub options: Value,
    /// What this execution has already made.
    pub once: Vec<OnceValue>,
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
        Self(Arc::new(Inner { about, used: Mutex::default(), port }))
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

    /// Which turn of a loop this is, from 0.
    #[must_use]
    pub fn iteration(&self) -> u32 {
        self.0.about.iteration
    }

    /// Which attempt at the step this is, from 1. A start after a crash is no new attempt.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.0.about.attempt
    }

    /// A text that is the same for every execution of this step in this turn
    /// of this run, across retries and restarts, and for nothing else. Give it
    /// to a provider that takes idempotency keys.
    #[must_use]
    pub fn idempotency_key(&self) -> String {
        format!("{}:{}:{}", self.0.about.run, self.0.about.step, self.0.about.iteration)
    }

    /// Makes a side effect, and remembers what it returned: when the step runs
    /// again after a crash or a failure, the effect is not made again. The
    /// value is durable before this returns.
    ///
    /// The effect itself can still happen twice, if the process dies after it
    /// and before the commit: pass [`Cx::idempotency_key`] to the other side.
    ///
    /// # Errors
    /// The effect's own; a value that is no JSON; a name that was used before
    /// in this execution (RULES 15); a run that was cancelled meanwhile.
    pub async fn once<T, F, Fut>(&self, name: &str, effect: F) -> Result<T>
    where
        T: Serialize + DeserializeOwned,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T>>,
    {
        let is_new = self.0.used.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned());
        if !is_new {
            return Err(Error::permanent(format_args!(
                "`once` was called twice with the name '{name}' in one execution of step '{}'; \
                 give each side effect a name of its own",
                self.step()
            )));
        }
        let known =
            self.0.about.once.iter().find(|once| once.iteration == self.iteration() && once.name == name);
        if let Some(known) = known {
            return Ok(serde_json::from_value(known.value.clone())?);
        }
        let made = effect().await?;
        let value = serde_json::to_value(&made)?;
        self.0.port.record_once(name.to_owned(), value).await?;
        Ok(made)
    }
}
