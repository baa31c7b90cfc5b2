//! Requests of callers about runs: start one, cancel it, resume it, run it again from a step, fork it. They
//! use the same drafts and the same commit as the engine's own work.

use px_core::RunId;
use px_core::event::Cause;
use px_core::hook::Hook;
use px_core::run::{Command, Refusal, Start};
use px_store::{BornClaimed, Conflict, Contended, DraftError, Round, RoundError, StartKey};
use serde_json::Value;

use crate::files;
use crate::history::PositionError;
use crate::shared::{Parts, ROUNDS_OF_CALLERS};

/// A run to be started by a caller.
#[derive(Debug, Clone)]
pub struct StartRequest {
    /// The brain's exact title.
    pub brain: String,
    /// The state of the first step, an object.
    pub initial_state: Value,
    /// The run's options, an object.
    pub options: Value,
    /// The caller's own name for the request.
    pub request_id: Option<String>,
    /// The trace that the request belongs to.
    pub traceparent: Option<String>,
    /// Starting again with this key and the same input gives the same run.
    pub idempotency_key: Option<String>,
    /// What says that two starts by one key tell the same receiver, as a text.
    pub callback: Option<String>,
    /// Hook that is told of this run alone; its id and its run are set at the start.
    pub hook: Option<Hook>,
}

/// A run to be forked off another.
#[derive(Debug, Clone)]
pub struct ForkRequest {
    /// The run that it begins like.
    pub run: RunId,
    /// The step that it begins with, from 1.
    pub starts_at: u32,
    /// The state of that step, instead of the one that it had: an object.
    pub state: Option<Value>,
    /// The caller's own name for the request.
    pub request_id: Option<String>,
    /// The trace that the request belongs to.
    pub traceparent: Option<String>,
    /// Hook that is told of the new run alone.
    pub hook: Option<Hook>,
}

/// Result of a start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Started {
    /// The run is new, and its start durable.
    New(RunId),
    /// The idempotency key is known, with the same input.
    Known(RunId),
    /// The idempotency key is known, with another input.
    OtherInput(RunId),
    /// The idempotency key is known, with the same input and another callback.
    OtherCallback(RunId),
}

/// Reason that a caller's request was not carried out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ControlError {
    /// The brain is not in this binary.
    #[error("brain '{0}' is not registered")]
    UnknownBrain(String),
    /// The run does not exist, or refuses.
    #[error(transparent)]
    Draft(#[from] DraftError),
    /// The store could not take it.
    #[error(transparent)]
    Store(#[from] px_store::Error),
    /// The run cannot go on from there.
    #[error(transparent)]
    Position(#[from] PositionError),
    /// The run would begin with more references to files than are held for one.
    #[error(
        "the run would begin with references to more than {} files, which is the most that are kept for one: fork it \
         with a state that has fewer",
        files::MAX_FILES
    )]
    TooManyFiles,
    /// The run changed too often while the request was carried out; try again.
    #[error("the run changed too often, try again")]
    TooManyRounds,
}

impl From<Contended> for ControlError {
    fn from(_: Contended) -> Self {
        Self::TooManyRounds
    }
}

impl RoundError for ControlError {
    fn may_be_stale(&self) -> bool {
        matches!(self, Self::Draft(error) if error.may_be_stale())
    }
}

impl Parts {
    /// Starts a run. Its `brain:start` is durable when this returns.
    ///
    /// # Errors
    /// See [`ControlError`].
    pub async fn start_run(&self, request: StartRequest) -> Result<Started, ControlError> {
        let def = self
            .registry
            .as_ref()
            .brain(&request.brain)
            .ok_or_else(|| ControlError::UnknownBrain(request.brain.clone()))?;
        let brain = def.info();
        let (options, bad_options) = match def.complete_options(request.options.clone()) {
            Ok(options) => (options, None),
            Err(why) => (request.options.clone(), Some(why)),
        };
        let input = serde_json::json!([request.initial_state, request.options]).to_string();
        if let Some(key) = &request.idempotency_key
            && let Some(known) = self.store.start_key(self.scope, &request.brain, key).await?
        {
            return Ok(same_or_other(&known, &input, request.callback.as_deref()));
        }
        let mut start = Start::of(brain, request.initial_state, Cause::Api);
        start.options = options;
        start.request_id = request.request_id;
        start.traceparent = request.traceparent;
        start.bad_options = bad_options;
        let (brain, key, hook) = (&request.brain, &request.idempotency_key, &request.hook);
        let (start, input, callback) = (&start, &input, &request.callback);
        let started = self.transact(ROUNDS_OF_CALLERS, |lost| async move {
            // Other conflicts are with runs of its brain that took their turns meanwhile.
            if let Some(Conflict::Started(known)) = lost {
                return Ok(Round::Done(BornClaimed::none(same_or_other(&known, input, callback.as_deref()))));
            }
            let mut draft = self.draft();
            if let Some(hook) = hook {
                draft.hook_next_run(hook.clone());
            }
            let run = draft.start(start.clone()).await?;
            if let Some(key) = key {
                let known = StartKey { run, input: input.clone(), callback: callback.clone() };
                draft.put_start_key(brain.clone(), key.clone(), known);
            }
            Ok(self.round(draft, Started::New(run)))
        });
        started.await
    }

    /// Ends a run. A running step's claim is revoked in the same commit.
    ///
    /// # Errors
    /// The run does not exist, or has ended already.
    pub async fn cancel_run(&self, run: RunId, reason: Option<String>) -> Result<(), ControlError> {
        self.command(run, Command::Cancel { reason }).await
    }

    /// Lets a run stand still: at once if it waits, else when its step returns.
    ///
    /// # Errors
    /// The run does not exist, has ended, or is paused already.
    pub async fn pause_run(&self, run: RunId, reason: Option<String>) -> Result<(), ControlError> {
        self.command(run, Command::Pause { reason }).await
    }

    /// Lets a paused run go on. From here on this hook is told of it, if one
    /// is given, instead of the one that it had.
    ///
    /// # Errors
    /// The run does not exist, or is not paused.
    pub async fn resume_run(&self, run: RunId, hook: Option<Hook>) -> Result<(), ControlError> {
        self.command_with(run, Command::Resume, hook).await
    }

    /// Lets a run go back to its step `starts_at`, from 1, and on from there:
    /// with the state and the response that the step had. Nothing of its log
    /// is deleted; waits that are open are closed in the same commit. From there on it
    /// holds the files that it begins with. Gives the brain's title.
    ///
    /// # Errors
    /// The run does not exist, is running or has not had its turn yet, or
    /// cannot begin there; or its files cannot be held for one more run.
    pub async fn rerun(
        &self,
        run: RunId,
        starts_at: u32,
        hook: Option<Hook>,
    ) -> Result<String, ControlError> {
        let record = self.store.run(self.scope, run).await?.ok_or(DraftError::NoRun(run))?;
        let past = self.position_of(&record.run, starts_at, None).await?;
        self.command_with(run, Command::Rerun(Box::new(past.position)), hook).await?;
        Ok(record.run.brain.clone())
    }

    /// Starts a run that begins where another was before its step
    /// `starts_at`. The other is left as it is. The new run's start is durable
    /// when this returns, and it holds the files that it begins with.
    ///
    /// # Errors
    /// The run does not exist, or none can begin there, or its files cannot be held for one
    /// more run.
    pub async fn fork(&self, request: ForkRequest) -> Result<RunId, ControlError> {
        let id = request.run;
        let origin = self.store.run(self.scope, id).await?.ok_or(DraftError::NoRun(id))?.run;
        let past = self.position_of(&origin, request.starts_at, request.state).await?;
        let def = self.registry.as_ref().brain(&origin.brain);
        let def = def.ok_or_else(|| ControlError::UnknownBrain(origin.brain.clone()))?;
        let mut start = Start::of(def.info(), past.initial_state, Cause::Fork(id));
        // The steps and options are the origin's: its position is one among them.
        (start.steps, start.options, start.version) =
            (origin.steps.clone(), origin.options.clone(), past.initial_version);
        start.request_id = request.request_id;
        start.traceparent = request.traceparent;
        start.position = Some(past.position);
        start.test.clone_from(&origin.test);
        // It may meet others that take turns with it, and is then drafted anew.
        let (hook, start) = (&request.hook, &start);
        let forked = self.transact(ROUNDS_OF_CALLERS, |_| async move {
            let mut draft = self.draft();
            if let Some(hook) = hook {
                draft.hook_next_run(hook.clone());
            }
            let run = draft.start(start.clone()).await?;
            // The files that it was given came with another run's deliveries.
            Box::pin(files::hold(&mut draft, run)).await?;
            Ok(self.round(draft, run))
        });
        forked.await
    }

    /// Lets a waiting run go on as if its wait had timed out.
    ///
    /// # Errors
    /// The run does not exist, does not wait, or waits without a timeout.
    pub async fn end_wait(&self, run: RunId) -> Result<(), ControlError> {
        let record = self.store.run(self.scope, run).await?.ok_or(DraftError::NoRun(run))?;
        match record.run.waits.first() {
            Some(wait) => self.command(run, Command::EndWait { wait: wait.id }).await,
            None => Err(DraftError::Refused(Refusal::WaitOver).into()),
        }
    }

    async fn command(&self, run: RunId, command: Command) -> Result<(), ControlError> {
        self.command_with(run, command, None).await
    }

    async fn command_with(
        &self,
        run: RunId,
        command: Command,
        hook: Option<Hook>,
    ) -> Result<(), ControlError> {
        let (command, hook) = (&command, &hook);
        let done = self.transact(ROUNDS_OF_CALLERS, |_| async move {
            let mut draft = self.draft();
            if let Some(hook) = hook {
                draft.hook_run(run, hook.clone()).await?;
            }
            draft.command(run, command.clone()).await?;
            // One that had ended has held nothing since.
            if matches!(command, Command::Rerun(_)) {
                Box::pin(files::hold(&mut draft, run)).await?;
            }
            Ok(self.round(draft, ()))
        });
        done.await
    }
}

fn same_or_other(known: &StartKey, input: &str, callback: Option<&str>) -> Started {
    let is_other = |stored: &str| callback.is_some_and(|callback| callback != stored);
    if known.input != input {
        Started::OtherInput(known.run)
    } else if known.callback.as_deref().is_some_and(is_other) {
        Started::OtherCallback(known.run)
    } else {
        Started::Known(known.run)
    }
}

impl ControlError {
    /// The rule that refused, if one did.
    #[must_use]
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Draft(DraftError::Refused(refusal)) => Some(refusal),
            _ => None,
        }
    }
}
