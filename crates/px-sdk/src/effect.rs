//! Effects, as a test stands for them. Where no test does, an effect is code of
//! the step that runs: see [`Cx::effect`](crate::Cx::effect).

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use crate::error::Result;

/// A call of an effect that its code would answer, and in a test a stub does.
#[derive(Debug, Clone, Copy)]
pub struct EffectCall<'a> {
    /// Titles of the brains that are around it, the outermost first.
    pub brains: &'a [String],
    /// The step that makes it.
    pub step: &'a str,
    /// Its name.
    pub name: &'a str,
    /// Its idempotency key.
    pub key: &'a str,
    /// The state that the step began with; in a `map`, the item.
    pub input: &'a Value,
}

/// Whoever answers for effects, so that nothing leaves the process.
pub trait StandIn: Send + Sync {
    /// Answers for an effect.
    ///
    /// # Errors
    /// The effect fails, or nothing is known of it.
    fn answer(&self, call: EffectCall<'_>) -> Result<Value>;
}

/// Whoever answers for the effects of one step.
#[derive(Clone)]
pub struct StepStandIn {
    /// Whoever answers.
    pub stand_in: Arc<dyn StandIn>,
    /// Titles of the brains that are around the step, the outermost first.
    pub brains: Vec<String>,
    /// The state that the step began with, or the item of a list.
    pub input: Value,
}

impl fmt::Debug for StepStandIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StepStandIn").field("brains", &self.brains).finish_non_exhaustive()
    }
}
