//! Reasons that a draft could not be filled. They tell a command that was refused, which leaves the draft
//! as it was, from what follows from a command and was refused, which does not.

use px_core::run::{IllegalEvent, Refusal};
use px_core::{DeliveryId, KeyId, RunId};

use super::holds::MAX_HOLDERS;
use crate::error::Error;

/// Reason that a draft could not be filled.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DraftError {
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] Error),
    /// The run does not take the command.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// There is no such run.
    #[error("there is no run {0}")]
    NoRun(RunId),
    /// As many runs as may wait for their turn there.
    #[error("{} runs wait for their turn already", px_core::key::MAX_PENDING)]
    TurnsFull(KeyId),
    /// As many runs as may hold the files of a delivery have not ended.
    #[error(
        "{MAX_HOLDERS} runs that have not ended hold the files of delivery {0} already, which is the most: let some of \
         these forks end or cancel them, then try again"
    )]
    TooManyHolders(DeliveryId),
    /// A run's record contradicts its rules.
    #[error(transparent)]
    Illegal(#[from] IllegalEvent),
    /// The command was taken, and another run does not take what follows from it. The records that
    /// were read may not fit together, since another commit came between two reads: then a draft that is
    /// made anew fits.
    #[error("what follows from it was refused: {0}")]
    Unsettled(#[source] Box<DraftError>),
}

impl DraftError {
    /// The failure of what follows from a command, which no caller may take for one of the command.
    pub(super) fn of_what_follows(error: Self) -> Self {
        match error {
            Self::Refused(_) | Self::NoRun(_) => Self::Unsettled(Box::new(error)),
            other => other,
        }
    }

    /// Returns true if a draft of records that are read anew may have another outcome.
    #[must_use]
    pub fn may_be_stale(&self) -> bool {
        matches!(self, Self::Unsettled(_))
    }
}
