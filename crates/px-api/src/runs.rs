//! Runs.

#![expect(missing_docs, reason = "a field whose name says it all has no description in the document either")]

use px_core::{Labels, RunId, Timestamp, event};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::open::{listed_words, plain_words, words};
use crate::{Nullable, Object, Registration, Wait};

words! {
    /// Status of a run.
    pub enum RunStatus {
        /// It is created, and waits for its turn.
        Pending = "pending",
        /// A step runs or is about to.
        Running = "running",
        /// It is parked on a wait.
        Waiting = "waiting",
        /// It stands still until it is resumed.
        Paused = "paused",
        /// It ended with a result.
        Complete = "complete",
        /// It ended with an error.
        Error = "error",
        /// It was ended from outside.
        Cancelled = "cancelled",
    }
}
listed_words!(RunStatus, Self::KNOWN, "What a run does.");

impl RunStatus {
    /// Returns whether nothing more can happen to the run. `false` for a status that
    /// this version does not know.
    #[must_use]
    pub const fn is_terminal(&self) -> bool {
        matches!(self, Self::Complete | Self::Error | Self::Cancelled)
    }

    /// Returns the sign that stands before the word where people read it.
    #[must_use]
    pub const fn sign(&self) -> &'static str {
        match self {
            Self::Pending => "○",
            Self::Running => "▶",
            Self::Waiting => "◷",
            Self::Paused => "‖",
            Self::Complete => "✓",
            Self::Error => "✕",
            Self::Cancelled => "⊘",
            Self::Other(_) => "?",
        }
    }
}

impl From<px_core::RunStatus> for RunStatus {
    fn from(status: px_core::RunStatus) -> Self {
        Self::from(status.as_str())
    }
}

words! {
    /// Progress of a step.
    pub enum StepProgress {
        /// It has not begun.
        Pending = "pending",
        /// It has begun.
        Running = "running",
        /// Its result is committed.
        Complete = "complete",
        /// It failed for good.
        Error = "error",
        /// A guard passed over it.
        Halted = "halted",
    }
}
plain_words!(StepProgress);

/// Every run is the one user's, as the ancestor's clients expect.
pub(crate) const ROOT: &str = "root";

/// A run on its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct Run {
    pub brain_run_id: RunId,
    pub brain_title: String,
    #[schemars(with = "Nullable<String>")]
    pub brain_description: Option<String>,
    #[serde(rename = "type")]
    pub kind: String,
    pub status: RunStatus,
    #[schemars(with = "Object")]
    pub options: Value,
    #[schemars(with = "Nullable<Failure>")]
    pub error: Option<Failure>,
    pub created_at: Timestamp,
    #[schemars(with = "Nullable<Timestamp>")]
    pub started_at: Option<Timestamp>,
    #[schemars(with = "Nullable<Timestamp>")]
    pub completed_at: Option<Timestamp>,
    pub user_name: String,
    /// As it was committed last.
    pub state: Value,
    pub waiting_for: Vec<Wait>,
    pub steps: Vec<StepStatus>,
    /// Number of entries its log has.
    pub seq: u64,
    /// The step that it is at, or that comes next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// Titles of the steps around that step, if it is inside other steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Time since which its step has not yielded, if that is a second or longer: it
    /// computes or blocks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stalled_since: Option<Timestamp>,
    /// The runs that it waits for its turn behind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turn: Option<Turn>,
    /// Cause of its pause or cancellation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Name that the caller gave to the request that started it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// Texts by which it is found, by name.
    #[serde(default, skip_serializing_if = "Labels::is_empty")]
    pub labels: Labels,
    /// Reason that the run exists.
    pub cause: Cause,
}

impl Run {
    /// Returns the step that it is at with the steps around it, as its log names it: `pay[2]/book`.
    #[must_use]
    pub fn step_id(&self) -> Option<String> {
        let step = self.step.as_deref().filter(|step| !step.is_empty())?;
        Some(self.path.as_ref().map_or_else(|| step.to_owned(), |path| format!("{path}/{step}")))
    }
}

impl From<&px_core::Run> for Run {
    fn from(run: &px_core::Run) -> Self {
        let is_open = !run.status.is_terminal();
        Self {
            brain_run_id: run.id,
            brain_title: run.brain.clone(),
            brain_description: run.description.clone(),
            kind: run.last_event.clone(),
            status: run.status.into(),
            options: run.options.clone(),
            error: run.error.as_ref().map(Failure::from),
            created_at: run.created_at,
            started_at: run.started_at,
            completed_at: run.completed_at,
            user_name: ROOT.to_owned(),
            state: run.state().clone(),
            waiting_for: run.waits.iter().map(|wait| Wait::of(run, wait)).collect(),
            steps: StepStatus::all(run),
            seq: run.seq,
            step: run.frame().filter(|_| is_open).map(|frame| frame.step.clone()),
            path: run.path().filter(|_| is_open),
            stalled_since: None,
            turn: None,
            reason: run.reason.clone(),
            request_id: run.request_id.clone(),
            labels: run.labels.clone(),
            cause: Cause::of(run),
        }
    }
}

impl Run {
    /// Everything that it listens to, over all of its open waits.
    pub fn registrations(&self) -> impl Iterator<Item = &Registration> {
        self.waiting_for.iter().flat_map(|wait| &wait.wait_for)
    }
}

/// Runs that are before another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct Turn {
    /// Those whose turn it is.
    pub under_way: Vec<RunId>,
    /// Those that come first.
    pub ahead: Vec<RunId>,
}

/// An error of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Failure {
    pub name: String,
    pub message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stack: Option<String>,
}

impl Failure {
    /// The error in words: its message, and of a panic that it is one, and where.
    #[must_use]
    pub fn in_words(&self) -> String {
        match (self.name.as_str(), &self.stack) {
            ("Panic", Some(place)) => format!("panicked {place}: {}", self.message),
            ("Panic", None) => format!("panicked: {}", self.message),
            _ => self.message.clone(),
        }
    }
}

impl From<&event::Failure> for Failure {
    fn from(error: &event::Failure) -> Self {
        Self { name: error.name.clone(), message: error.message.clone(), stack: error.stack.clone() }
    }
}

/// Reason that a run exists: `api`, or `event`, `run`, `schedule`, `rerun`, `fork` and its id.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct Cause {
    pub kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// True if a test event is at the beginning of what caused it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<bool>,
    /// Name of the token that asked for the test.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tested_by: Option<String>,
}

impl Cause {
    /// The cause of a run.
    #[must_use]
    pub fn of(run: &px_core::Run) -> Self {
        use event::Cause as C;
        let (kind, id) = match &run.cause {
            C::Api => ("api", None),
            C::Event(event) => ("event", Some(event.to_string())),
            C::Run(run) => ("run", Some(run.to_string())),
            C::Schedule(name) => ("schedule", Some(name.clone())),
            C::Rerun(run) => ("rerun", Some(run.to_string())),
            C::Fork(run) => ("fork", Some(run.to_string())),
        };
        let tested_by = run.test.as_ref().and_then(|test| test.by.clone());
        Self { kind: kind.to_owned(), id, test: run.test.as_ref().map(|_| true), tested_by }
    }
}

/// A step in the course of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct StepStatus {
    pub id: String,
    pub title: String,
    /// `pending`, `running`, `complete`, `error` or `halted`.
    pub status: StepProgress,
}

impl StepStatus {
    fn all(run: &px_core::Run) -> Vec<Self> {
        let steps = run.steps.iter().zip(&run.progress);
        let step = |(step, status): (&event::StepInfo, &event::StepStatus)| Self {
            id: step.title.clone(),
            title: step.title.clone(),
            status: status.as_str().into(),
        };
        steps.map(step).collect()
    }
}

/// A run was started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct StartedRun {
    pub brain_run_id: RunId,
}

/// A run goes back to a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct RestartedRun {
    pub brain_run_id: RunId,
    pub brain_title: String,
    /// Ids of files that its state or its response has and that are gone with their deliveries: a step that reads
    /// one fails. At most 100 are named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing_files: Option<Vec<String>>,
}

/// A signal was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct SignalTaken {
    pub success: bool,
    pub signal: SignalEntry,
}

/// The signal that was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct SignalEntry {
    #[serde(rename = "type")]
    pub kind: String,
    pub queued_at: Timestamp,
}

/// A run was resumed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Resumed {
    pub success: bool,
    pub action: String,
}
