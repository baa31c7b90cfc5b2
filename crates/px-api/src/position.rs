//! Position of a parked run, for whoever asks whether a binary can go on with it.

use px_core::event::{Given, StepInfo};
use px_core::run::{Frame, ItemResult};
use serde::{Deserialize, Serialize};

/// As much of a run as decides whether a binary can go on with it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Position {
    /// The brain and the brains inside it, outermost first.
    pub frames: Vec<Frame>,
    /// Input of the next step beside its state.
    pub given: Option<Given>,
    /// The steps that the run knows; none from an older server.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<StepInfo>,
    /// Results of items of the step, if it is a map that is under way.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<ItemResult>,
}

impl From<&px_core::Run> for Position {
    fn from(run: &px_core::Run) -> Self {
        Self {
            frames: run.frames.clone(),
            given: run.given.clone(),
            steps: run.steps.clone(),
            items: run.items.clone(),
        }
    }
}
