//! The run log: what happened to a run, one event after the other, gap-free.
//! This is the *stored* form, adjacently tagged; the flat form of the wire is
//! made from it by [`crate::wire`] (docs/rules.md#33).

mod body;
mod position;
mod step;

use serde::{Deserialize, Serialize};

use crate::id::{EventId, RunId};
use crate::time::Timestamp;

pub use body::EventBody;
pub use position::{Inner, Position};
pub use step::{Given, KeptAnswer, Part, StepInfo, StepKind, StepStatus};

/// The version of the stored form. A store refuses newer ones.
pub const FORMAT_VERSION: u32 = 1;

/// One entry of a run's log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Its place in the log, from 1, without gaps.
    pub seq: u64,
    /// Time of the decision. Clocks jump, so entries are ordered by `seq` and never by this.
    pub at: Timestamp,
    /// The entry's type and content.
    pub event: EventBody,
}

/// Reason that a run exists (docs/rules.md#32).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "id", rename_all = "snake_case")]
pub enum Cause {
    /// A caller of the API or the command line.
    Api,
    /// A webhook event.
    Event(EventId),
    /// Another run.
    Run(RunId),
    /// A schedule, by name.
    Schedule(String),
    /// A rerun of a run.
    Rerun(RunId),
    /// A fork of a run.
    Fork(RunId),
}

/// Mark of a test: an event that px sent to itself as somebody asked, and whatever follows from it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestMark {
    /// Name of the API token that asked for it; none where there are no tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// Party that caused an error: the code of the step, or px (docs/rules.md#31).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The step returned an error, and its retries are spent.
    Step,
    /// The step panicked.
    Panic,
    /// The engine could not go on.
    Engine,
}

/// An error as the log keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Party that caused it.
    pub kind: FailureKind,
    /// A short name, for example the error's type.
    pub name: String,
    /// The sentence to show.
    pub message: String,
    /// Causes, one a line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stack: Option<String>,
}
