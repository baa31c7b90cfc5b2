//! Waits for the end of another run.

use px_core::RunId;
use px_core::event::Failure;
use px_core::key::KeyId;
use serde::Deserialize;

use crate::brain::{AwaitedResult, Brain};
use crate::wait::On;

/// End of another run.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum RunEnd<T> {
    /// It is complete.
    Complete {
        /// Its result.
        result: T,
    },
    /// It failed.
    Error {
        /// The error that ended it.
        error: Failure,
    },
    /// It was cancelled.
    Cancelled {
        /// Reason for the cancellation, if somebody gave one.
        #[serde(default)]
        reason: Option<String>,
    },
    /// There is no such run, or no more.
    Unknown,
}

/// Waits for the end of a run of this brain, also if it has ended already:
/// give it to `wait_for`. Runs are started by [`Cx::start`](crate::Cx::start).
/// The brain says in its signature what its runs result in.
pub fn end_of<I, O: AwaitedResult>(
    _brain: impl FnOnce() -> Brain<I, O>,
    run: RunId,
) -> On<RunEnd<O::Result>> {
    On::at(KeyId::end_of(run))
}
