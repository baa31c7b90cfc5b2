//! The session of one running step: the run as it was last committed, and the
//! commits that the step may make while it runs. Every commit demands the
//! claim's fence, so an executor that was revoked can commit nothing.

use std::future::Future;
use std::sync::Arc;

use px_core::RunId;
use px_core::event::Cause;
use px_core::run::{Catalog, Command, Start};
use px_core::{Run, Timestamp};
use px_sdk::{Error, PortFuture, Result, StepPort};
use px_store::{Admission, Conflict, DraftError, LogTail, Outcome, RunRecord, Work};
use serde_json::Value;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Mutex, watch};

use crate::shared::{MAX_ROUNDS, Parts};

/// What became of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Committed {
    /// The run is ready for its next step, and still claimed.
    GoesOn,
    /// The run is parked, paused or ended.
    Rests,
    /// The claim is gone: nothing was committed.
    Revoked,
}

/// Why a session cannot commit.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SessionError {
    #[error(transparent)]
    Draft(#[from] DraftError),
    #[error(transparent)]
    Store(#[from] px_store::Error),
    #[error("the run changed too often")]
    TooManyRounds,
}

pub(crate) struct Session {
    parts: Parts,
    claim: Claim,
    run: RunId,
    current: Mutex<Current>,
    /// Whether the claim is gone, for the step that runs.
    gone: watch::Sender<bool>,
}

/// The right to run the steps of one run.
#[derive(Debug, Clone)]
pub(crate) struct Claim {
    /// What every commit demands.
    pub(crate) fence: u64,
    /// The row, as it was written.
    pub(crate) work: Work,
}

struct Current {
    /// Shared with the executor while its step runs.
    record: Arc<RunRecord>,
    /// The step to begin, unless its start is committed already: its place and time.
    begin: Option<(u32, Timestamp)>,
}

impl Current {
    /// The record; what is left behind must be replaced before it is used.
    fn take(&mut self, run: RunId) -> RunRecord {
        let vacant = Arc::new(RunRecord { run: Run::vacant(run), tail: LogTail::default() });
        Arc::unwrap_or_clone(std::mem::replace(&mut self.record, vacant))
    }
}

impl Session {
    pub(crate) fn new(parts: Parts, claim: Claim, record: RunRecord) -> Self {
        let run = record.run.id;
        let current = Mutex::new(Current { record: Arc::new(record), begin: None });
        Self { parts, claim, run, current, gone: watch::Sender::new(false) }
    }

    /// Resolves when the claim is gone. Meant for steps that take long: it may
    /// miss a hint, and then the step's own commit finds out.
    pub(crate) fn revoked(&self) -> impl Future<Output = ()> + use<> {
        let mut hints = self.parts.store.hints().revoked();
        let run = self.run;
        async move {
            loop {
                match hints.recv().await {
                    Ok(revoked) if revoked == run => return,
                    Ok(_) | Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => std::future::pending().await,
                }
            }
        }
    }

    /// The run as it was last committed. A commit copies what is still held.
    pub(crate) async fn run(&self) -> Arc<RunRecord> {
        Arc::clone(&self.current.lock().await.record)
    }

    /// Says that the step at this place begins now. It is committed with the
    /// next commit, whatever that is.
    pub(crate) async fn begin(&self, index: u32, at: Timestamp) {
        self.current.lock().await.begin = Some((index, at));
    }

    /// Commits that the step has begun, if nothing else has yet.
    pub(crate) async fn show(&self) -> Result<Committed, SessionError> {
        if self.current.lock().await.begin.is_none() {
            return Ok(Committed::GoesOn);
        }
        self.commit(None).await
    }

    /// Tells the step that nothing it does can be committed any more.
    pub(crate) fn revoke(&self) {
        self.gone.send_replace(true);
    }

    /// Commits a command, with the step's start if that is still due.
    pub(crate) async fn commit(&self, command: Option<Command>) -> Result<Committed, SessionError> {
        self.commit_with(command, None).await
    }

    /// The same, with a run that is started in the same commit.
    async fn commit_with(
        &self,
        command: Option<Command>,
        start: Option<(&Start, &Mutex<Option<RunId>>)>,
    ) -> Result<Committed, SessionError> {
        let mut current = self.current.lock().await;
        // Nothing looks at the run of an execution that is over.
        let is_last = command.as_ref().is_some_and(ends_step);
        let said = said(&current, command.as_ref());
        for _ in 0..MAX_ROUNDS {
            let mut draft = self.parts.draft();
            let now = draft.now();
            draft.adopt(if is_last { current.take(self.run) } else { (*current.record).clone() });
            draft.fence(self.run, self.claim.fence);
            if let Some((index, at)) = current.begin {
                draft.advance(at);
                draft.command(self.run, Command::BeginStep { index }).await?;
                draft.advance(now);
            }
            let mut command = command.clone();
            if let Some((start, started)) = start {
                let run = Box::pin(draft.start(start.clone())).await?;
                *started.lock().await = Some(run);
                if let Some(Command::RecordOnce { value, .. }) = &mut command {
                    *value = Value::String(run.to_string());
                }
            }
            if let Some(command) = command {
                draft.command(self.run, command).await?;
            }
            let rests = is_last && !draft.is_ready(self.run);
            if draft.is_ready(self.run) {
                // The next step runs here and now, in an execution of its own.
                let work = Work { since: now, deaths: 0, ..self.claim.work.clone() };
                draft.put_work(self.run, self.claim.fence, work);
            }
            let next = if rests { None } else { draft.after_commit(self.run) };
            match self.parts.store.commit(draft.into_batch(), Admission::Wait).await? {
                Outcome::Committed { .. } => {
                    if let Some(next) = next {
                        current.record = Arc::new(next);
                    }
                    current.begin = None;
                    said.tell();
                    return Ok(if rests { Committed::Rests } else { Committed::GoesOn });
                }
                Outcome::Conflict(Conflict::Fence(_)) => {
                    self.revoke();
                    return Ok(Committed::Revoked);
                }
                Outcome::Conflict(_) => {
                    // Somebody changed the run or a key and left the claim: read anew.
                    match self.parts.store.run(self.parts.scope, self.run).await? {
                        Some(record) => current.record = Arc::new(record),
                        None => return Ok(Committed::Revoked),
                    }
                }
            }
        }
        Err(SessionError::TooManyRounds)
    }
}

/// What the log is told of a commit, once it is made.
enum Said {
    Nothing,
    /// For whoever follows a server at the level `debug`.
    Step {
        step: String,
        begins: bool,
        ends: bool,
    },
    /// The code gives the reason why the run cannot go on, or an operator does.
    Paused(String),
}

fn said(current: &Current, command: Option<&Command>) -> Said {
    if let Some(Command::Halt { reason: Some(reason) }) = command {
        return Said::Paused(reason.clone());
    }
    let (begins, ends) = (current.begin.is_some(), command.is_some_and(ends_step));
    if !tracing::enabled!(tracing::Level::DEBUG) || !(begins || ends) {
        return Said::Nothing;
    }
    let step = current.record.run.frame().map(|frame| frame.step.clone()).unwrap_or_default();
    Said::Step { step, begins, ends }
}

impl Said {
    fn tell(self) {
        match self {
            Self::Nothing => {}
            Self::Step { step, begins, ends: false } if begins => tracing::debug!(step, "the step runs"),
            Self::Step { step, .. } => tracing::debug!(step, "the step has run"),
            Self::Paused(reason) => tracing::warn!(reason, "the run is paused"),
        }
    }
}

/// Whether a command is the last of a step's execution.
fn ends_step(command: &Command) -> bool {
    !matches!(
        command,
        Command::RecordOnce { .. }
            | Command::RecordItem { .. }
            | Command::Emit { .. }
            | Command::Migrate { .. }
    )
}

/// What a step is told of a commit that it asked for.
fn told(result: Result<Committed, SessionError>, what: &str) -> Result<()> {
    match result {
        Ok(Committed::Revoked) => {
            Err(Error::permanent("the run was cancelled, or another process has taken it over"))
        }
        Ok(_) => Ok(()),
        Err(error) => Err(Error::msg(format_args!("{what} could not be recorded: {error}"))),
    }
}

impl Session {
    /// Commits the result of an item.
    pub(crate) async fn record_item(&self, index: u32, total: u32, item: Value, result: Value) -> Result<()> {
        let command = Command::RecordItem { index, total, item, result };
        told(self.commit(Some(command)).await, "the item's result")
    }
}

impl StepPort for Session {
    fn record_once(&self, item: Option<u32>, name: String, value: Value) -> PortFuture<'_, Result<()>> {
        Box::pin(async move {
            let command = Command::RecordOnce { name, value, item };
            told(self.commit(Some(command)).await, "the side effect")
        })
    }

    fn start_run(
        &self,
        item: Option<u32>,
        name: String,
        brain: String,
        input: Value,
    ) -> PortFuture<'_, Result<RunId>> {
        Box::pin(async move {
            let Some(info) = Catalog::brain(&*self.parts.registry, &brain) else {
                return Err(Error::permanent(format_args!("brain '{brain}' is not registered")));
            };
            let mut start = Start::of(info, input, Cause::Run(self.run));
            start.traceparent = self.current.lock().await.record.run.traceparent.clone();
            if let Some(def) = self.parts.registry.as_ref().brain(&brain) {
                match def.complete_options(start.options.clone()) {
                    Ok(options) => start.options = options,
                    Err(why) => start.bad_options = Some(why),
                }
            }
            let started = Mutex::new(None);
            let command = Command::RecordOnce { name, value: Value::Null, item };
            told(self.commit_with(Some(command), Some((&start, &started))).await, "the start of the run")?;
            started.into_inner().ok_or_else(|| Error::msg("the run was not started"))
        })
    }

    fn emit(&self, name: String, data: Value, durable: bool) -> PortFuture<'_, Result<()>> {
        Box::pin(async move {
            told(self.commit(Some(Command::Emit { name, data, durable })).await, "the progress")
        })
    }

    fn is_cancelled(&self) -> bool {
        *self.gone.borrow()
    }

    fn cancelled(&self) -> PortFuture<'_, ()> {
        Box::pin(async move {
            let mut gone = self.gone.subscribe();
            // The sender lives as long as this session does.
            let _ = gone.wait_for(|gone| *gone).await;
        })
    }
}
