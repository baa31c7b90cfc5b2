//! A job: one delivery that was taken up, and what came of it.

use px_core::CallbackId;
use px_store::cluster::SlotRight;
use px_store::outbox::Due;

use super::attempt::{self, Ended};
use super::{Error, SenderContext};

/// A delivery that was taken up; [`Job::run`] sends it.
#[derive(Debug, Clone, Copy)]
pub struct Job {
    pub(super) due: Due,
    /// The right to the lane's slot when it was taken up.
    pub(super) right: SlotRight,
}

/// Outcome of a job, for `Scheduler::done`.
#[derive(Debug)]
pub struct Report {
    pub(super) due: Due,
    pub(super) ended: Result<Ended, Error>,
}

impl Job {
    /// Makes the attempt and commits its end.
    pub async fn run(self, parts: &SenderContext) -> Report {
        Report { due: self.due, ended: attempt::attempt(parts, self.due, self.right).await }
    }

    /// The delivery.
    #[must_use]
    pub fn delivery(&self) -> CallbackId {
        self.due.id
    }
}
