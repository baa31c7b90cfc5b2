//! Work on a bulk job: some runs at a time, and the count behind them.

use futures_util::StreamExt as _;
use px_core::{RunId, Timestamp};
use px_store::DraftError;

use super::{BulkAction, BulkJob, BulkRefusal, BulkState, MAX_REFUSALS, PIECE, piece_row, read};
use crate::control::ControlError;
use crate::shared::Parts;

/// Runs between two counts.
const BATCH: usize = 64;

/// Runs that are worked on at once: their commits share syncs.
const AT_ONCE: usize = 16;

/// Entries of a run's log that are read at once, and how many at most: a run that has had more since the job's
/// start is taken for one to which nothing was done.
const EVENTS: u64 = 100;
const MAX_EVENTS: u64 = 10_000;

/// Outcome of a run of a list.
enum Outcome {
    Done,
    Refused(BulkRefusal),
    /// The job was stopped before its turn.
    Left,
}

impl Parts {
    /// Works on the oldest job that has not ended, some runs of it. Returns false if there is none.
    ///
    /// # Errors
    /// The store fails; the same runs are the next ones then.
    pub async fn work_on_bulk(&self) -> Result<bool, ControlError> {
        let jobs = self.bulk_jobs().await?;
        let Some(job) = jobs.into_iter().find(|job| job.state == BulkState::Running) else {
            return Ok(false);
        };
        let place = usize::try_from(job.place).unwrap_or(usize::MAX);
        let row = piece_row(job.id, place / PIECE);
        let runs: Vec<RunId> = match self.store.kv().value(self.scope, &row).await? {
            Some(piece) => read(&row, piece.record.value)?,
            None => Vec::new(),
        };
        let runs: Vec<RunId> = runs.into_iter().skip(place % PIECE).take(BATCH).collect();
        let deeds: Vec<_> = runs.iter().map(|run| self.work_on_run(&job, *run)).collect();
        let mut outcomes = futures_util::stream::iter(deeds).buffered(AT_ONCE);
        let (mut done, mut left, mut refusals) = (0, 0, Vec::new());
        while let Some(outcome) = outcomes.next().await {
            match outcome? {
                Outcome::Done => done += 1,
                Outcome::Refused(refusal) => refusals.push(refusal),
                Outcome::Left => left += 1,
            }
        }
        drop(outcomes);
        let (place, refusals) = (job.place, &refusals);
        let through = u64::try_from(runs.len() - left).unwrap_or(u64::MAX);
        let counted = self.change_bulk(job.id, |job| {
            // Another process may have counted the same runs.
            if job.place != place {
                return false;
            }
            job.place += through;
            job.done += done;
            job.refused += u64::try_from(refusals.len()).unwrap_or(u64::MAX);
            let room = MAX_REFUSALS.saturating_sub(job.refusals.len());
            job.refusals.extend(refusals.iter().take(room).cloned());
            // A list without its piece would never come to its end.
            if job.state == BulkState::Running && (job.place >= job.total || through == 0) {
                job.state = BulkState::Done;
            }
            true
        });
        counted.await?;
        Ok(true)
    }

    async fn work_on_run(&self, job: &BulkJob, run: RunId) -> Result<Outcome, ControlError> {
        // Between two runs, so that a stop counts at once.
        let now = self.bulk_job(job.id).await?;
        if now.is_none_or(|now| now.record.state != BulkState::Running) {
            return Ok(Outcome::Left);
        }
        let reason = format!("{} by bulk job {}", job.action.done(), job.id);
        if self.was_done(job, run, &reason).await? {
            return Ok(Outcome::Done);
        }
        let reason = Some(reason);
        let done = match job.action {
            BulkAction::Cancel => self.cancel_run(run, reason).await,
            BulkAction::Pause => self.pause_run(run, reason).await,
            BulkAction::Resume => self.resume_run(run, None).await,
        };
        let why = match done {
            Ok(()) => return Ok(Outcome::Done),
            Err(ControlError::Draft(DraftError::NoRun(_))) => "it is gone".to_owned(),
            Err(ControlError::Draft(DraftError::Refused(refusal))) => refusal.to_string(),
            Err(error @ ControlError::TooManyRounds) => error.to_string(),
            // One damaged row keeps nobody else's job from its end.
            Err(ControlError::Store(error) | ControlError::Draft(DraftError::Store(error)))
                if error.is_about_bytes() =>
            {
                return Ok(Outcome::Refused(BulkRefusal { run, why: error.to_string() }));
            }
            Err(error) => return Err(error),
        };
        let now = self.store.run(self.scope, run).await?;
        if now.is_some_and(|record| job.action.is_done(record.run.status)) {
            return Ok(Outcome::Done);
        }
        Ok(Outcome::Refused(BulkRefusal { run, why }))
    }

    /// Returns whether the log of a run says that the deed was done to it since the job's start: by the job, in
    /// a batch that it did not come to count.
    async fn was_done(&self, job: &BulkJob, run: RunId, reason: &str) -> Result<bool, ControlError> {
        let seq = match self.store.run_seq(self.scope, run).await {
            Ok(seq) => seq.unwrap_or_default(),
            // The deed itself says what is wrong with the run.
            Err(error) if error.is_about_bytes() => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        let mut until = seq;
        while until > 0 && seq - until < MAX_EVENTS {
            let after = until.saturating_sub(EVENTS);
            let count = usize::try_from(until - after).unwrap_or(usize::MAX);
            let events = match self.store.events(self.scope, run, after, count).await {
                Err(error) if error.is_about_bytes() => return Ok(false),
                events => events?,
            };
            let is_since = |at: Timestamp| at >= job.created_at;
            let mut since = events.iter().filter(|event| is_since(event.at));
            if since.any(|event| job.action.is_told_by(&event.event, reason)) {
                return Ok(true);
            }
            if events.first().is_none_or(|first| !is_since(first.at)) {
                return Ok(false);
            }
            until = after;
        }
        Ok(false)
    }
}
