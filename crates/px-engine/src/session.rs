//! The session of one running step: the run as it was last committed, and the
//! commits that the step may make while it runs. Every commit demands the
//! claim's fence, so an executor that was revoked can commit nothing.

use std::future::Future;
use std::pin::Pin;

use px_core::RunId;
use px_core::run::Command;
use px_core::{Run, Timestamp};
use px_sdk::{Error, Result, StepPort};
use px_store::{Admission, Conflict, DraftError, Outcome, RunRecord, Work};
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::sync::broadcast::error::RecvError;

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
    record: RunRecord,
    /// The step to begin, unless its start is committed already: its place and time.
    begin: Option<(u32, Timestamp)>,
}

impl Session {
    pub(crate) fn new(parts: Parts, claim: Claim, record: RunRecord) -> Self {
        let run = record.run.id;
        Self { parts, claim, run, current: Mutex::new(Current { record, begin: None }) }
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

    /// A copy of the run as it was last committed.
    pub(crate) async fn run(&self) -> Run {
        self.current.lock().await.record.run.clone()
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

    /// Commits a command, with the step's start if that is still due.
    pub(crate) async fn commit(&self, command: Option<Command>) -> Result<Committed, SessionError> {
        let mut current = self.current.lock().await;
        for _ in 0..MAX_ROUNDS {
            let mut draft = self.parts.draft();
            let now = draft.now();
            draft.adopt(current.record.clone());
            draft.fence(self.run, self.claim.fence);
            if let Some((index, at)) = current.begin {
                draft.advance(at);
                draft.command(self.run, Command::BeginStep { index }).await?;
                draft.advance(now);
            }
            if let Some(command) = &command {
                draft.command(self.run, command.clone()).await?;
            }
            let rests = command.as_ref().is_some_and(ends_step) && !draft.is_ready(self.run);
            if draft.is_ready(self.run) {
                // The next step runs here and now, in an execution of its own.
                let work = Work { since: now, deaths: 0, ..self.claim.work.clone() };
                draft.put_work(self.run, self.claim.fence, work);
            }
            let next = draft.after_commit(self.run);
            match self.parts.store.commit(draft.into_batch(), Admission::Wait).await? {
                Outcome::Committed { .. } => {
                    if let Some(next) = next {
                        current.record = next;
                    }
                    current.begin = None;
                    return Ok(if rests { Committed::Rests } else { Committed::GoesOn });
                }
                Outcome::Conflict(Conflict::Fence(_)) => return Ok(Committed::Revoked),
                Outcome::Conflict(_) => {
                    // Somebody changed the run or a key and left the claim: read anew.
                    match self.parts.store.run(self.parts.scope, self.run).await? {
                        Some(record) => current.record = record,
                        None => return Ok(Committed::Revoked),
                    }
                }
            }
        }
        Err(SessionError::TooManyRounds)
    }
}

/// Whether a command is the last of a step's execution.
fn ends_step(command: &Command) -> bool {
    !matches!(command, Command::RecordOnce { .. })
}

impl StepPort for Session {
    fn record_once(
        &self,
        name: String,
        value: Value,
    ) -> Pin<Box<dyn Future<Output = Result<()>> + Send + '_>> {
        Box::pin(async move {
            match self.commit(Some(Command::RecordOnce { name, value })).await {
                Ok(Committed::Revoked) => {
                    Err(Error::permanent("the run was cancelled, or another process has taken it over"))
                }
                Ok(_) => Ok(()),
                Err(error) => Err(Error::msg(format_args!("the side effect could not be recorded: {error}"))),
            }
        })
    }
}
