//! Reasons that a session cannot commit, and what follows from each.

use px_store::{Contended, DraftError, RoundError};

/// Reason that a session cannot commit.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SessionError {
    #[error(transparent)]
    Draft(#[from] DraftError),
    #[error(transparent)]
    Store(#[from] px_store::Error),
    #[error("the run changed too often")]
    TooManyRounds,
}

impl SessionError {
    /// Returns true if it is about the store, so that nobody else's commit would do better. Any other one
    /// is about the records of this commit alone.
    pub(crate) fn is_about_store(&self) -> bool {
        match self {
            Self::Draft(DraftError::Store(error)) | Self::Store(error) => !error.is_about_records(),
            Self::Draft(_) | Self::TooManyRounds => false,
        }
    }

    /// The reason for which a commit cannot be made however often it is tried; none if the next one may be.
    pub(crate) fn unkept(&self) -> Option<String> {
        match self {
            Self::Draft(DraftError::Refused(refusal)) => Some(refusal.to_string()),
            Self::Draft(DraftError::Store(store)) | Self::Store(store) if store.is_about_records() => {
                Some(store.to_string())
            }
            _ => None,
        }
    }
}

impl From<Contended> for SessionError {
    fn from(_: Contended) -> Self {
        Self::TooManyRounds
    }
}

impl RoundError for SessionError {
    fn may_be_stale(&self) -> bool {
        matches!(self, Self::Draft(error) if error.may_be_stale())
    }
}
