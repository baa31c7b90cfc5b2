//! Runs.

use std::fmt::Display;

use http::Method;
use px_api::{
    DiffRun, Events, Explained, ForkRun, LabelFilter, ListRuns, RerunRun, RestartedRun, ResumeRun, Resumed,
    Run, RunEvents, RunPage, ShowRun, SignalRun, SignalTaken, StartRun, StartedRun, StateDiff,
};

use crate::answer::Answer;
use crate::client::{Client, encode};
use crate::error::Result;

fn path(run: impl Display, tail: &str) -> String {
    format!("/brains/runs/{}{tail}", encode(run))
}

impl Client {
    /// Starts a run, durably (`POST /brains/runs`). With an idempotency key it can
    /// be sent again when its answer was lost.
    ///
    /// # Errors
    /// 404 if there is no such brain, 409 if several could be meant or the key had
    /// another input, 422 if the state does not fit; see [`crate::Error`].
    pub async fn start_run(&self, start: &StartRun) -> Result<Answer<StartedRun>> {
        let is_repeatable = start.idempotency_key.is_some();
        self.send(Method::POST, "/brains/runs", start, is_repeatable).await
    }

    /// Lists runs, newest first, in pages (`GET /brains/runs`).
    ///
    /// # Errors
    /// 300 or 404 if the query's brain is not one; see [`crate::Error`].
    pub async fn runs(&self, query: &ListRuns) -> Result<Answer<RunPage>> {
        let labels: Vec<_> = query.label.iter().map(|label| ("label", label)).collect();
        let rest = ListRuns { label: LabelFilter::default(), ..query.clone() };
        self.list_with("/brains/runs", &rest, &labels).await
    }

    /// Shows a run, with its state and what it waits for (`GET /brains/runs/{id}`).
    ///
    /// # Errors
    /// 404 if there is none; see [`crate::Error`].
    pub async fn run(&self, run: impl Display) -> Result<Answer<Run>> {
        self.get(&path(run, "")).await
    }

    /// Shows a run as it was after the event of this number.
    ///
    /// # Errors
    /// 404 if there is no such run or no such event; see [`crate::Error`].
    pub async fn run_at(&self, run: impl Display, seq: u64) -> Result<Answer<Run>> {
        self.list(&path(run, ""), &ShowRun { at: Some(seq) }).await
    }

    /// Lists a page of a run's log, oldest first (`GET /brains/runs/{id}/events`).
    ///
    /// # Errors
    /// 404 if there is no such run; see [`crate::Error`].
    pub async fn run_events(&self, run: impl Display, query: &RunEvents) -> Result<Answer<Events>> {
        self.list(&path(run, "/events"), query).await
    }

    /// Says in words why a run is where it is, and what would move it
    /// (`GET /brains/runs/{id}/explain`).
    ///
    /// # Errors
    /// 404 if there is no such run; see [`crate::Error`].
    pub async fn explain_run(&self, run: impl Display) -> Result<Answer<Explained>> {
        self.get(&path(run, "/explain")).await
    }

    /// Returns the changes that a stretch of its log made to a run's state
    /// (`GET /brains/runs/{id}/diff`).
    ///
    /// # Errors
    /// 404 if there is no such run or no such event; see [`crate::Error`].
    pub async fn diff_run(&self, run: impl Display, query: &DiffRun) -> Result<Answer<StateDiff>> {
        self.list(&path(run, "/diff"), query).await
    }

    /// Cancels a run (`DELETE /brains/runs/{id}`).
    ///
    /// # Errors
    /// 404 if there is none, 409 if it is over; see [`crate::Error`].
    pub async fn cancel_run(&self, run: impl Display) -> Result<()> {
        self.delete(&path(run, "")).await
    }

    /// Resumes a paused run (`POST /brains/runs/{id}/resume`).
    ///
    /// # Errors
    /// 404 if there is none, 409 if it is not paused; see [`crate::Error`].
    pub async fn resume_run(&self, run: impl Display, resume: &ResumeRun) -> Result<Answer<Resumed>> {
        self.post(&path(run, "/resume"), resume).await
    }

    /// Sends a run a signal (`POST /brains/runs/{id}/signals`).
    ///
    /// # Errors
    /// 404 if there is none, 409 if its status takes no such signal, 422 if a
    /// response fits nothing that is awaited; see [`crate::Error`].
    pub async fn signal_run(&self, run: impl Display, signal: &SignalRun) -> Result<Answer<SignalTaken>> {
        self.post(&path(run, "/signals"), signal).await
    }

    /// Sends a run that is over back to a step (`POST /brains/runs/rerun`).
    ///
    /// # Errors
    /// 404 if there is none, 409 if it is not over or did not come as far, 422 if
    /// the state of then does not fit any more; see [`crate::Error`].
    pub async fn rerun_run(&self, rerun: &RerunRun) -> Result<Answer<RestartedRun>> {
        self.post("/brains/runs/rerun", rerun).await
    }

    /// Starts a run from a step of another one, which stays as it is
    /// (`POST /brains/runs/{id}/fork`).
    ///
    /// # Errors
    /// 404 if there is none, 409 if it did not come as far, 422 if the state does
    /// not fit; see [`crate::Error`].
    pub async fn fork_run(&self, run: impl Display, fork: &ForkRun) -> Result<Answer<StartedRun>> {
        self.post(&path(run, "/fork"), fork).await
    }
}
