//! Errors of a world.

use px_engine::ControlError;
use px_inbound::{EndpointError, OperatorError};
use px_store::Error;

/// Error of a world that no test planned.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorldError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] Error),
    /// A webhook is not usable.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// A run could not be started, cancelled or resumed.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// An operator's request was not carried out.
    #[error(transparent)]
    Operator(#[from] OperatorError),
    /// A brain's input, or a payload, is no JSON.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// The simulated process has died; `restart` begins a new one.
    #[error("the process has died")]
    Died,
}
