//! Places in a run that entries of its log name.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Given;

/// The pipeline of a nested brain, where the run itself does not say it any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inner {
    /// The steps that the brain is inside of, outermost first, by `/`.
    pub path: String,
    /// Its steps, in order.
    pub titles: Vec<String>,
    /// Nesting depth; the run's own brain is at 0.
    pub depth: u32,
}

/// Point at which a run begins anew: a step, and the input that the step was given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Position {
    /// The step's name.
    pub step: String,
    /// Its place in the pipeline, from 1, as the caller named it.
    pub starts_at: u32,
    /// The entry of the log up to which the run counts as it was.
    pub reset_to: u64,
    /// The state that the step is given.
    pub state: Value,
    /// The version of the brain that left this state.
    pub version: u32,
    /// The response that it is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given: Option<Given>,
}
