//! Jobs that do one thing with many runs.

use std::fmt::Display;

use px_api::{BulkJob, BulkJobs, BulkPreview, StartBulk};

use crate::answer::Answer;
use crate::client::{Client, encode};
use crate::error::Result;

impl Client {
    /// Says what a job would do, and does nothing (`POST /bulk` with `dryRun`).
    ///
    /// # Errors
    /// 400 if the filter cannot be read; see [`crate::Error`].
    pub async fn preview_bulk(&self, job: &StartBulk) -> Result<Answer<BulkPreview>> {
        let job = StartBulk { dry_run: true, ..job.clone() };
        self.post("/bulk", &job).await
    }

    /// Starts a job (`POST /bulk`).
    ///
    /// # Errors
    /// 403 for more than 10,000 runs without the scope `admin`, 409 if it is more of them than
    /// `at_most`; see [`crate::Error`].
    pub async fn start_bulk(&self, job: &StartBulk) -> Result<Answer<BulkJob>> {
        let job = StartBulk { dry_run: false, ..job.clone() };
        self.post("/bulk", &job).await
    }

    /// Lists the jobs, newest first (`GET /bulk`).
    ///
    /// # Errors
    /// See [`crate::Error`].
    pub async fn bulk_jobs(&self) -> Result<Answer<BulkJobs>> {
        self.get("/bulk").await
    }

    /// Shows a job (`GET /bulk/{id}`).
    ///
    /// # Errors
    /// 404 if there is none; see [`crate::Error`].
    pub async fn bulk_job(&self, id: impl Display) -> Result<Answer<BulkJob>> {
        self.get(&format!("/bulk/{}", encode(id))).await
    }

    /// Stops a job where it is (`DELETE /bulk/{id}`).
    ///
    /// # Errors
    /// 409 if it is over; see [`crate::Error`].
    pub async fn stop_bulk(&self, id: impl Display) -> Result<Answer<BulkJob>> {
        self.remove(&format!("/bulk/{}", encode(id))).await
    }
}
