//! A step as the log names it, and what it was given beside its state.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::key::KeyId;
use crate::wait::Collected;

/// Kind of pipeline part that a step is (docs/rules.md#38).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepKind {
    /// A plain step, also one that waits.
    Step,
    /// A step that may end the run early.
    Guard,
    /// A step for each item of a list.
    Map,
    /// A step that repeats.
    Loop,
    /// Another brain inside this one.
    Brain,
    /// One of several ways on.
    Branch,
    /// A part of the brain that runs in turns.
    Repeat,
}

impl StepKind {
    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Step => "step",
            Self::Guard => "guard",
            Self::Map => "map",
            Self::Loop => "loop",
            Self::Brain => "brain",
            Self::Branch => "branch",
            Self::Repeat => "repeat",
        }
    }
}

/// One step of the pipeline as a run remembers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepInfo {
    /// Its name, unique in the brain; a run resumes by it.
    pub title: String,
    /// Kind of pipeline part.
    pub kind: StepKind,
}

/// Part of a brain that runs inside one of its steps, in a frame of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// The arm of this name, of a branch.
    Arm(String),
    /// A turn of a loop; the frame around it counts them.
    Turn,
}

impl Part {
    /// The name of the arm, if it is one.
    #[must_use]
    pub fn arm(&self) -> Option<&str> {
        match self {
            Self::Arm(name) => Some(name),
            Self::Turn => None,
        }
    }
}

/// Progress of one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepStatus {
    /// Not begun.
    Pending,
    /// Begun, or waiting between two iterations.
    Running,
    /// Its result is committed.
    Complete,
    /// It failed for good.
    Error,
    /// Passed over by a guard.
    Halted,
}

impl StepStatus {
    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Complete => "complete",
            Self::Error => "error",
            Self::Halted => "halted",
        }
    }
}

/// Input of a step beside its state: the outcome of a wait, or a value that the step before it supplied
/// without a wait.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Given {
    /// Index of the wait's registration that answered, from 0.
    pub index: u32,
    /// The response; `None` means that the wait timed out.
    pub response: Option<Value>,
    /// The key that answered, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<KeyId>,
    /// Fingerprint of the response's schema when the wait was opened: with
    /// another one the response may not be what the step expects (docs/rules.md#14).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<u64>,
    /// All responses of a wait that needs several, the last one included; what
    /// there is of them, if it timed out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub collected: Vec<Collected>,
    /// True if the step before might have waited and did not: there is nothing to respond to.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub passed: bool,
    /// Key of the registration at `index` where an answer by hand was put to one of several. `key` is
    /// none then, since nothing came for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<KeyId>,
    /// True if `response` is all that the step takes, written as its type writes itself, and not the
    /// response of one registration: a step gave it, and the type says which registration answered.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub whole: bool,
}

impl Given {
    /// A response that came by no webhook.
    #[must_use]
    pub fn by_hand(response: Value) -> Self {
        Self { response: Some(response), ..Self::timed_out() }
    }

    /// All that a step takes, timeouts and places in lists included, as its type writes itself.
    #[must_use]
    pub fn whole(response: Value) -> Self {
        Self { whole: true, response: Some(response), ..Self::timed_out() }
    }

    /// The argument of a step whose wait was passed over.
    #[must_use]
    pub fn passed() -> Self {
        Self { passed: true, ..Self::timed_out() }
    }

    /// The argument of a step whose wait timed out.
    #[must_use]
    pub const fn timed_out() -> Self {
        Self {
            index: 0,
            response: None,
            key: None,
            schema: None,
            collected: Vec::new(),
            passed: false,
            place: None,
            whole: false,
        }
    }
}

/// The answer among those that a run has kept which a wait was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeptAnswer {
    /// The one at this place, from 0.
    Taken(usize),
    /// None of them: the wait was open when it was answered.
    Untouched,
}
