//! State of a run between two events of its log.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::event::{Cause, Failure, Given, Part, StepInfo, StepStatus, TestMark};
use crate::id::{RunId, WaitId};
use crate::key::KeyId;
use crate::label::Labels;
use crate::reminder::{Reminder, Reminding};
use crate::time::Timestamp;
use crate::wait::{Wait, WaitMode};

/// Status of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// Created, and waiting for its turn.
    Pending,
    /// A step runs or is about to.
    Running,
    /// Parked on a wait.
    Waiting,
    /// Standing still until it is resumed.
    Paused,
    /// Ended with a result.
    Complete,
    /// Ended with an error.
    Error,
    /// Ended from outside.
    Cancelled,
}

impl RunStatus {
    /// Every status, in the order in which a run can meet them.
    pub const ALL: [Self; 7] = [
        Self::Pending,
        Self::Running,
        Self::Waiting,
        Self::Paused,
        Self::Complete,
        Self::Error,
        Self::Cancelled,
    ];

    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Paused => "paused",
            Self::Complete => "complete",
            Self::Error => "error",
            Self::Cancelled => "cancelled",
        }
    }

    /// The status of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == name)
    }

    /// Returns true if nothing more can happen to the run.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Complete | Self::Error | Self::Cancelled)
    }
}

/// One level of a run's position. The last frame is the innermost brain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Frame {
    /// The brain's title.
    pub brain: String,
    /// The brain's version when the frame was entered.
    pub version: u32,
    /// The step that runs, or that runs next. Empty when the pipeline is through.
    pub step: String,
    /// From 0; only steps that repeat get further.
    pub iteration: u32,
    /// The attempt that runs or failed last, from 1; 0 before the first.
    pub attempt: u32,
    /// The state that the step is given.
    pub state: Value,
    /// The item of a map step, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<u32>,
    /// The steps of a nested brain; the outermost ones are the run's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<StepInfo>,
    /// Progress of each of these steps.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub progress: Vec<StepStatus>,
    /// True if a guard ended the nested brain before its last step.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub halted: bool,
    /// The part of the brain around it that it runs. None for a brain of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<Part>,
}

impl Frame {
    /// Returns true if the brain has ended, and the step around it is to take the result.
    #[must_use]
    pub const fn is_through(&self) -> bool {
        self.step.is_empty()
    }

    /// The name of its step in the path of what runs inside it.
    pub(crate) fn name_around(&self, part: Option<&Part>) -> String {
        match part {
            None => self.step.clone(),
            Some(Part::Turn) => format!("{}[{}]", self.step, self.iteration),
            Some(Part::Arm(arm)) => format!("{}/{arm}", self.step),
        }
    }
}

/// The result of an item of the current map step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ItemResult {
    /// The item's place in the list, from 0.
    pub index: u32,
    /// Its result.
    pub result: Value,
}

/// A side effect that the current step has made and that is not made again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OnceValue {
    /// The depth of the frame it belongs to.
    pub depth: u32,
    /// The iteration it belongs to.
    pub iteration: u32,
    /// Its name.
    pub name: String,
    /// Value that it returned.
    pub value: Value,
    /// The item of a map step that it belongs to, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<u32>,
}

/// A run. Everything here follows from its log by [`super::apply`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Its id.
    pub id: RunId,
    /// The `seq` of the last event; 0 before the first.
    pub seq: u64,
    /// Status of the run.
    pub status: RunStatus,
    /// The brain's title.
    pub brain: String,
    /// The brain's description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The name of the last event about the run as a whole.
    pub last_event: String,
    /// The pipeline as it was at the start.
    pub steps: Vec<StepInfo>,
    /// Progress of each step.
    pub progress: Vec<StepStatus>,
    /// The position, outermost first: one frame for each brain that is inside another.
    pub frames: Vec<Frame>,
    /// Input of the next step beside its state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given: Option<Given>,
    /// Open waits.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waits: Vec<Wait>,
    /// Reminder of an open wait that is under way; the run waits meanwhile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reminding: Option<Reminding>,
    /// Side effects of the current step.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub once: Vec<OnceValue>,
    /// Results of items of the current step, in the order in which they came.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<ItemResult>,
    /// True if the current step has begun and not yet returned.
    #[serde(default)]
    pub in_step: bool,
    /// Answers by hand that came before the run waits, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept_answers: Vec<Value>,
    /// True if the run pauses when its step returns (docs/rules.md#35).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pause_requested: bool,
    /// Cause of its pause or cancellation, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Time of the next attempt of the step that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<Timestamp>,
    /// The options it was started with.
    pub options: Value,
    /// Error that ended it, if it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Failure>,
    /// Time of its creation.
    pub created_at: Timestamp,
    /// Time at which its first step began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// Time of its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<Timestamp>,
    /// The caller's own name for the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// Reason that the run exists.
    pub cause: Cause,
    /// Set if a test event is at the beginning of what caused it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<TestMark>,
    /// The trace it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// The key it owns until it ends (docs/rules.md#4).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owns: Option<KeyId>,
    /// Key at which it takes its turn among the runs of its brain, until it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<KeyId>,
    /// True if another run waits for its end; otherwise the end need not look for waiters.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub awaited: bool,
    /// Texts by which people find it, by name.
    #[serde(default, skip_serializing_if = "Labels::is_empty")]
    pub labels: Labels,
    /// The keys it has waited on: events queued there go when the run ends (docs/rules.md#5).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waited_on: Vec<KeyId>,
}

impl Run {
    /// A run before its first event.
    #[must_use]
    pub fn vacant(id: RunId) -> Self {
        Self {
            id,
            seq: 0,
            status: RunStatus::Pending,
            brain: String::new(),
            description: None,
            last_event: String::new(),
            steps: Vec::new(),
            progress: Vec::new(),
            frames: Vec::new(),
            given: None,
            waits: Vec::new(),
            reminding: None,
            once: Vec::new(),
            items: Vec::new(),
            in_step: false,
            kept_answers: Vec::new(),
            pause_requested: false,
            reason: None,
            retry_at: None,
            options: Value::Null,
            error: None,
            created_at: Timestamp::EPOCH,
            started_at: None,
            completed_at: None,
            request_id: None,
            cause: Cause::Api,
            test: None,
            traceparent: None,
            owns: None,
            slot: None,
            awaited: false,
            labels: Labels::new(),
            waited_on: Vec::new(),
        }
    }

    /// The innermost frame: where the run is.
    #[must_use]
    pub fn frame(&self) -> Option<&Frame> {
        self.frames.last()
    }

    /// The state of the outermost brain: what the run shows and results in.
    #[must_use]
    pub fn state(&self) -> &Value {
        self.frames.first().map_or(&Value::Null, |frame| &frame.state)
    }

    /// The open wait of this id.
    #[must_use]
    pub fn wait(&self, id: WaitId) -> Option<&Wait> {
        self.waits.iter().find(|wait| wait.id == id)
    }

    /// Returns the reminder that is under way, with its wait.
    #[must_use]
    pub fn reminder_under_way(&self) -> Option<(&Wait, &Reminder)> {
        let Reminding { wait, name } = self.reminding.as_ref()?;
        let wait = self.wait(*wait)?;
        Some((wait, wait.reminder(name)?))
    }

    /// Returns true if users' code of the run is to be executed: a step, or a reminder of a wait.
    #[must_use]
    pub const fn is_executable(&self) -> bool {
        match self.status {
            RunStatus::Running => true,
            RunStatus::Waiting => self.reminding.is_some(),
            _ => false,
        }
    }

    /// Returns the nesting depth of the innermost brain; the run's own brain is at 0.
    #[must_use]
    pub fn depth(&self) -> u32 {
        u32::try_from(self.frames.len().saturating_sub(1)).unwrap_or(u32::MAX)
    }

    /// The steps around the innermost brain, outermost first, by `/`; none for
    /// the run's own. A loop is named with its turn, `pay[2]`, and a branch with its
    /// arm, `route/card`: the same step in another turn has another path.
    #[must_use]
    pub fn path(&self) -> Option<String> {
        self.path_at(self.frames.len().saturating_sub(1))
    }

    /// The steps around the brain at a level, from 0.
    pub(crate) fn path_at(&self, level: usize) -> Option<String> {
        let around = self.frames.get(..level)?;
        let inside = self.frames.iter().skip(1);
        let names: Vec<_> =
            around.iter().zip(inside).map(|(frame, inner)| frame.name_around(inner.part.as_ref())).collect();
        (!names.is_empty()).then(|| names.join("/"))
    }

    /// The steps of the innermost brain, and how far each is.
    #[must_use]
    pub(crate) fn pipeline(&self) -> (&[StepInfo], &[StepStatus]) {
        match self.frames.last() {
            Some(frame) if self.frames.len() > 1 => (&frame.steps, &frame.progress),
            _ => (&self.steps, &self.progress),
        }
    }

    /// The open stream, if the current step takes its responses one by one.
    #[must_use]
    pub fn stream(&self) -> Option<&Wait> {
        self.waits.iter().find(|wait| wait.mode == WaitMode::Stream)
    }

    /// A memoised side effect of the step that runs now, or of one of its items.
    #[must_use]
    pub(crate) fn once_value(&self, item: Option<u32>, name: &str) -> Option<&Value> {
        let depth = self.depth();
        let iteration = self.frame()?.iteration;
        self.once
            .iter()
            .find(|once| {
                once.depth == depth && once.iteration == iteration && once.item == item && once.name == name
            })
            .map(|once| &once.value)
    }

    /// The place of a step in the pipeline of the innermost brain.
    #[must_use]
    pub(crate) fn step_index(&self, title: &str) -> Option<usize> {
        self.pipeline().0.iter().position(|step| step.title == title)
    }
}
