//! A run: its state, and the two functions that are the whole rule book,
//! [`decide`] and [`apply`]. Both are pure: no clock, no randomness, no store.

mod apply;
mod command;
mod decide;
mod migrate;
mod remind;
mod state;

pub use apply::{IllegalEvent, apply};
pub use command::{
    After, BrainInfo, Catalog, Command, EnteredPart, MigratedFrame, PassedArm, Place, Response, Start,
    StepOutcome, TakenAnswer, Then,
};
pub use decide::{Decision, Effect, Refusal, decide, takes_response};
pub use state::{Frame, ItemResult, OnceValue, Run, RunStatus};

/// The statuses that the letters of a `step:status` event stand for.
#[must_use]
pub(crate) fn progress_of(letters: &str) -> Vec<crate::event::StepStatus> {
    decide::decode_progress(letters).unwrap_or_default()
}
