//! Jobs that do one thing with many runs: which runs these are is decided when the job starts,
//! and lies in the store with how far it has come, so that a restart goes on.
//!
//! A job and the pieces of its list are values beside those of brains, under a title that no
//! brain can have: the rows, their preconditions and their audit are the same. What was done is
//! counted after it was done, so a process that dies between the two comes to the same runs again. The log of
//! each says whether the deed was done to it since the job's start: then it is left as it is by now, whatever
//! somebody has made of it meanwhile, and counts as done, once.

mod work;

use px_core::event::EventBody;
use px_core::run::{Command, decide};
use px_core::{BulkId, KvChange, KvId, Run, RunId, RunStatus, Timestamp};
use px_store::{BornClaimed, Round, Versioned};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::control::ControlError;
use crate::shared::{Parts, ROUNDS_OF_CALLERS};

/// The title that the rows of jobs are under: every brain's has a letter.
const TITLE: &str = "";

/// The scope of jobs, and the one of the pieces of their lists, which comes after it.
const JOBS: &str = "job";
const LISTS: &str = "list";

/// Runs of a piece of a list: a row.
const PIECE: usize = 1_000;

/// Jobs that are kept, the ones that have ended included.
const MAX_JOBS: usize = 100;

/// Refused runs that a job names.
const MAX_REFUSALS: usize = 20;

/// Something that is done with runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BulkAction {
    /// They end.
    Cancel,
    /// They stand still.
    Pause,
    /// They go on.
    Resume,
}

impl BulkAction {
    fn command(self) -> Command {
        match self {
            Self::Cancel => Command::Cancel { reason: None },
            Self::Pause => Command::Pause { reason: None },
            Self::Resume => Command::Resume,
        }
    }

    /// Returns why a run as it is now would refuse, if it would.
    #[must_use]
    pub fn refusal(self, run: &Run, now: Timestamp) -> Option<String> {
        let refused = decide(run, self.command(), now).err()?;
        // The statuses in which a run is over are one reason.
        Some(if run.status.is_terminal() { "over".to_owned() } else { refused.to_string() })
    }

    /// Returns whether a run of this status is as it is to be.
    const fn is_done(self, status: RunStatus) -> bool {
        match self {
            Self::Cancel => matches!(status, RunStatus::Cancelled),
            Self::Pause => matches!(status, RunStatus::Paused),
            Self::Resume => matches!(status, RunStatus::Pending | RunStatus::Running | RunStatus::Waiting),
        }
    }

    /// Returns whether an entry of a run's log says that the deed was done to it for this reason. The entry of
    /// a resume has none: whoever resumed a run, it is as the job wanted it.
    fn is_told_by(self, event: &EventBody, reason: &str) -> bool {
        match (self, event) {
            (Self::Cancel, EventBody::BrainCancelled { reason: told })
            | (
                Self::Pause,
                EventBody::BrainPaused { reason: told } | EventBody::PauseRequested { reason: told },
            ) => told.as_deref() == Some(reason),
            (Self::Resume, EventBody::BrainResumed) => true,
            _ => false,
        }
    }

    const fn done(self) -> &'static str {
        match self {
            Self::Cancel => "cancelled",
            Self::Pause => "paused",
            Self::Resume => "resumed",
        }
    }
}

/// State of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BulkState {
    /// It goes on.
    Running,
    /// It came to the end of its list.
    Done,
    /// Somebody stopped it.
    Stopped,
}

/// A run that refused, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BulkRefusal {
    /// The run.
    pub run: RunId,
    /// A fragment of a sentence.
    pub why: String,
}

/// A job to be.
#[derive(Debug, Clone)]
pub struct NewBulk {
    /// The deed.
    pub action: BulkAction,
    /// The filter in the words of its caller, to be shown.
    pub filter: Value,
    /// The name of who wants it.
    pub by: String,
    /// The runs that would not refuse.
    pub runs: Vec<RunId>,
    /// Runs of the filter that would refuse, and the first of them.
    pub refused: u64,
    /// The first of these.
    pub refusals: Vec<BulkRefusal>,
}

/// A job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BulkJob {
    /// Its id.
    pub id: BulkId,
    /// The deed.
    pub action: BulkAction,
    /// The filter in the words of its caller.
    pub filter: Value,
    /// The name of who wanted it.
    pub by: String,
    /// Its state.
    pub state: BulkState,
    /// Time of its start, at which its list was made.
    pub created_at: Timestamp,
    /// Time of its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// Runs of its list, without those that refused at once.
    pub total: u64,
    /// Runs of its list that it is through with.
    pub place: u64,
    /// Runs that are as they were to be.
    pub done: u64,
    /// Runs that refused, at the start or later.
    pub refused: u64,
    /// The first of these.
    pub refusals: Vec<BulkRefusal>,
}

/// Reason that a job is not started, or not stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BulkError {
    /// As many are under way as may be.
    #[error("there are {MAX_JOBS} bulk jobs under way; stop one, or wait for one to end")]
    TooMany,
    /// It has ended already.
    #[error("the bulk job is over")]
    Over,
    /// The store could not take it.
    #[error(transparent)]
    Control(#[from] ControlError),
}

fn job_row(id: BulkId) -> KvId {
    KvId { brain: TITLE.into(), scope: JOBS.into(), key: id.to_string() }
}

fn piece_row(id: BulkId, piece: usize) -> KvId {
    KvId { brain: TITLE.into(), scope: LISTS.into(), key: format!("{id}/{piece:04}") }
}

/// Number of pieces of a list of so many runs.
fn pieces(total: u64) -> usize {
    usize::try_from(total).unwrap_or(usize::MAX).div_ceil(PIECE)
}

fn value_of<T: Serialize>(value: &T) -> Value {
    // Its keys are texts.
    serde_json::to_value(value).unwrap_or_default()
}

fn read<T: for<'de> Deserialize<'de>>(id: &KvId, value: Value) -> Result<T, px_store::Error> {
    serde_json::from_value(value)
        .map_err(|error| px_store::Error::Corrupt(format!("the bulk row {} does not parse: {error}", id.key)))
}

impl Parts {
    /// The jobs that are kept, oldest first.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn bulk_jobs(&self) -> Result<Vec<BulkJob>, px_store::Error> {
        let jobs = self.bulk_rows().await?;
        Ok(jobs.into_iter().map(|job| job.record).collect())
    }

    async fn bulk_rows(&self) -> Result<Vec<Versioned<BulkJob>>, px_store::Error> {
        let rows = self.store.kv().values(self.scope, TITLE, Some((JOBS, "")), MAX_JOBS).await?;
        let jobs = rows.into_iter().filter(|(id, _)| id.scope == JOBS);
        jobs.map(|(id, row)| Ok(Versioned { version: row.version, record: read(&id, row.record.value)? }))
            .collect()
    }

    /// A job.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn bulk_job(&self, id: BulkId) -> Result<Option<Versioned<BulkJob>>, px_store::Error> {
        let id = job_row(id);
        let Some(row) = self.store.kv().value(self.scope, &id).await? else { return Ok(None) };
        Ok(Some(Versioned { version: row.version, record: read(&id, row.record.value)? }))
    }

    /// Starts a job. It and its list are durable when this returns; [`Parts::work_on_bulk`] does
    /// what it is about. The oldest of the jobs that have ended make room for it.
    ///
    /// # Errors
    /// See [`BulkError`].
    pub async fn start_bulk(&self, new: NewBulk) -> Result<BulkJob, BulkError> {
        let now = self.clock.now();
        let total = u64::try_from(new.runs.len()).unwrap_or(u64::MAX);
        let mut job = BulkJob {
            id: self.ids.bulk(now),
            action: new.action,
            filter: new.filter,
            by: new.by,
            state: if total == 0 { BulkState::Done } else { BulkState::Running },
            created_at: now,
            ended_at: (total == 0).then_some(now),
            total,
            place: 0,
            done: 0,
            refused: new.refused,
            refusals: new.refusals,
        };
        job.refusals.truncate(MAX_REFUSALS);
        let (job, runs) = (&job, &new.runs);
        let started = self.transact(ROUNDS_OF_CALLERS, |_| async move {
            let kept = self.bulk_rows().await?;
            let mut draft = self.draft();
            if kept.len() >= MAX_JOBS {
                let Some(oldest) = kept.iter().find(|job| job.record.state != BulkState::Running) else {
                    return Ok(Round::Done(BornClaimed::none(false)));
                };
                draft.write_kv(job_row(oldest.record.id), oldest.version, KvChange::Remove);
            }
            draft.write_kv(job_row(job.id), 0, KvChange::Put(value_of(job)));
            for (piece, runs) in runs.chunks(PIECE).enumerate() {
                draft.write_kv(piece_row(job.id, piece), 0, KvChange::Put(value_of(&runs)));
            }
            // How many jobs there are is bounded above.
            let _ = draft.count_kv(u64::MAX).await?;
            Ok::<_, ControlError>(self.round(draft, true))
        });
        if started.await? { Ok(job.clone()) } else { Err(BulkError::TooMany) }
    }

    /// Ends a job where it is. What it has done stays done.
    ///
    /// # Errors
    /// See [`BulkError`].
    pub async fn stop_bulk(&self, id: BulkId) -> Result<Option<BulkJob>, BulkError> {
        let stopped = self.change_bulk(id, |job| {
            let is_running = job.state == BulkState::Running;
            if is_running {
                job.state = BulkState::Stopped;
            }
            is_running
        });
        match stopped.await? {
            None => Ok(None),
            Some((_, false)) => Err(BulkError::Over),
            Some((job, true)) => Ok(Some(job)),
        }
    }

    /// Changes a job, and removes its list where that ends it. `change` returns false to leave
    /// the job as it is.
    async fn change_bulk(
        &self,
        id: BulkId,
        change: impl Fn(&mut BulkJob) -> bool,
    ) -> Result<Option<(BulkJob, bool)>, ControlError> {
        let change = &change;
        self.transact(ROUNDS_OF_CALLERS, |_| async move {
            let Some(row) = self.bulk_job(id).await? else { return Ok(Round::Done(BornClaimed::none(None))) };
            let mut job = row.record;
            if !change(&mut job) {
                return Ok(Round::Done(BornClaimed::none(Some((job, false)))));
            }
            let mut draft = self.draft();
            if job.state != BulkState::Running && job.ended_at.is_none() {
                job.ended_at = Some(self.clock.now());
                for piece in 0..pieces(job.total) {
                    let row = piece_row(id, piece);
                    if let Some(found) = self.store.kv().value(self.scope, &row).await? {
                        draft.write_kv(row, found.version, KvChange::Remove);
                    }
                }
            }
            draft.write_kv(job_row(id), row.version, KvChange::Put(value_of(&job)));
            let _ = draft.count_kv(u64::MAX).await?;
            Ok::<_, ControlError>(self.round(draft, Some((job, true))))
        })
        .await
    }
}
