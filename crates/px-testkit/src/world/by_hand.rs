//! What people do with the runs of a world.

use px_core::{FileId, RunId};
use px_engine::ForkRequest;
use serde_json::Value;

use super::World;
use crate::error::WorldError;

impl World {
    /// Cancels a run.
    ///
    /// # Errors
    /// The run does not exist or has ended, or the process dies.
    pub async fn cancel(&self, run: RunId) -> Result<(), WorldError> {
        Ok(self.alive(self.parts.cancel_run(run, None)).await??)
    }

    /// Pauses a run.
    ///
    /// # Errors
    /// The run does not exist, has ended or is paused, or the process dies.
    pub async fn pause(&self, run: RunId) -> Result<(), WorldError> {
        Ok(self.alive(self.parts.pause_run(run, None)).await??)
    }

    /// Answers a run by hand.
    ///
    /// # Errors
    /// The run does not exist or takes no answer, or the process dies.
    pub async fn answer(&self, run: RunId, response: Value) -> Result<(), WorldError> {
        Ok(self.alive(Box::pin(self.stage.answer(run, response, None, None))).await??)
    }

    /// Answers a run by hand, as the webhook `slug` would.
    ///
    /// # Errors
    /// As [`World::answer`], or the run does not wait on that webhook.
    pub async fn answer_as(&self, run: RunId, slug: &str, response: Value) -> Result<(), WorldError> {
        Ok(self.alive(Box::pin(self.stage.answer(run, response, Some(slug), None))).await??)
    }

    /// Resumes a paused run.
    ///
    /// # Errors
    /// The run does not exist or is not paused, or the process dies.
    pub async fn resume(&self, run: RunId) -> Result<(), WorldError> {
        Ok(self.alive(Box::pin(self.parts.resume_run(run, None))).await??)
    }

    /// Files that a run refers to and that are gone.
    ///
    /// # Errors
    /// The store fails.
    pub async fn missing_files(&self, run: RunId) -> Result<Vec<FileId>, WorldError> {
        Ok(self.parts.missing_files(run).await?)
    }

    /// Lets a run go back to a step, from 1.
    ///
    /// # Errors
    /// The run cannot go back there, or the process dies.
    pub async fn rerun(&self, run: RunId, starts_at: u32) -> Result<(), WorldError> {
        self.alive(Box::pin(self.parts.rerun(run, starts_at, None))).await?.map(drop).map_err(Into::into)
    }

    /// Starts a run that begins where another was before a step, from 1.
    ///
    /// # Errors
    /// None can begin there, or the process dies.
    pub async fn fork(&self, run: RunId, starts_at: u32, state: Option<Value>) -> Result<RunId, WorldError> {
        let request = ForkRequest { run, starts_at, state, request_id: None, traceparent: None, hook: None };
        Ok(self.alive(Box::pin(self.parts.fork(request))).await??)
    }
}
