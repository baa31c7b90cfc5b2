//! Type and content of each entry of the log.

use json_patch::Patch;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Cause, Failure, Given, Inner, KeptAnswer, Part, Position, StepInfo, TestMark};
use crate::id::{DeliveryId, EventId, RunId, WaitId};
use crate::key::KeyId;
use crate::label::Labels;
use crate::reminder::ReminderTurn;
use crate::run::ItemResult;
use crate::time::Timestamp;
use crate::wait::{Collected, Wait};

/// Type and content of an entry of the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
pub enum EventBody {
    /// The run was created, with its input and its pipeline.
    #[serde(rename = "brain:start")]
    BrainStart {
        /// The brain's title.
        brain: String,
        /// Its description.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        description: Option<String>,
        /// The brain's declared version.
        brain_version: u32,
        /// The state of the first step.
        initial_state: Value,
        /// The run's options.
        options: Value,
        /// The steps, in order.
        steps: Vec<StepInfo>,
        /// Reason that the run exists.
        cause: Cause,
        /// The caller's own name for the request.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        request_id: Option<String>,
        /// The W3C trace context of the request that caused the run.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        traceparent: Option<String>,
        /// The key that the run owns until it ends (docs/rules.md#4).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        owns: Option<KeyId>,
        /// Key at which the run waits for its turn, if its brain limits how many run at once.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        slot: Option<KeyId>,
        /// Labels that its brain takes from the input.
        #[serde(default, skip_serializing_if = "Labels::is_empty")]
        labels: Labels,
        /// Set if a test event started the run, or the run that started it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        test: Option<TestMark>,
    },
    /// A run that waited for its turn has it.
    #[serde(rename = "brain:admitted")]
    Admitted,
    /// The run goes back to a step, or begins at one; nothing is deleted (docs/rules.md#31).
    #[serde(rename = "brain:rerun")]
    Rerun {
        /// Step at which the run goes on, and that step's input.
        position: Position,
    },
    /// Another run waits for this one's end.
    #[serde(rename = "brain:awaited")]
    Awaited {
        /// The run that waits.
        by: RunId,
    },
    /// A stored state was brought to what this version of the brain expects.
    #[serde(rename = "brain:migrated")]
    Migrated {
        /// The step that takes the state; empty if the brain is through.
        step: String,
        /// The version that the state fits now.
        version: u32,
        /// From the old state to the new one (RFC 6902).
        patch: Patch,
        /// Nesting depth of the brain whose state it is; the innermost one if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        depth: Option<u32>,
        /// Results of items of the current step that were brought over too.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        items: Vec<ItemResult>,
    },
    /// A nested brain begins, inside the step that runs; or a part of the brain itself.
    #[serde(rename = "inner:start")]
    InnerStart {
        /// The nested brain's title.
        brain: String,
        /// Its description.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        description: Option<String>,
        /// Its declared version.
        brain_version: u32,
        /// The state of its first step.
        initial_state: Value,
        /// Its steps, in order.
        steps: Vec<StepInfo>,
        /// Nesting depth; the run's own brain is at 0.
        depth: u32,
        /// The part of the brain that begins: an arm or a turn. None for a brain of its own.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        part: Option<Part>,
    },
    /// A nested brain is through; the step around it takes its result.
    #[serde(rename = "inner:complete")]
    InnerComplete {
        /// The nested brain's title.
        brain: String,
        /// True if a guard ended the nested brain before its last step.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        halted: bool,
        /// Nesting depth; the run's own brain is at 0.
        depth: u32,
        /// The part of the brain that is through. None for a brain of its own.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        part: Option<Part>,
    },
    /// The pipeline ended; the state is the result.
    #[serde(rename = "brain:complete")]
    BrainComplete,
    /// The run was ended from outside.
    #[serde(rename = "brain:cancelled")]
    BrainCancelled {
        /// Person or rule that cancelled the run, in words for readers of the log.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// The run stands still until it is resumed.
    #[serde(rename = "brain:paused")]
    BrainPaused {
        /// Cause of the pause, in words for readers of the log.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// A paused run goes on.
    #[serde(rename = "brain:resumed")]
    BrainResumed,
    /// The run failed for good.
    #[serde(rename = "brain:error")]
    BrainError {
        /// Error that ended the run.
        error: Failure,
    },
    /// A wait was opened.
    #[serde(rename = "brain:webhook")]
    WaitOpened {
        /// The wait.
        wait: Wait,
    },
    /// A wait got what it needed.
    #[serde(rename = "brain:webhook_response")]
    WaitAnswered {
        /// The wait.
        wait: WaitId,
        /// Registration that was answered, and the response.
        given: Given,
        /// The event that brought it, unless somebody answered by hand.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        event: Option<EventId>,
        /// The delivery of that event.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        delivery: Option<DeliveryId>,
        /// True if the wait stays open: a stream takes another response when the step is done with it.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        open: bool,
        /// Of the answers that the run had kept, the one that this is. Without it an answer
        /// by hand was the oldest of them, if there was one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        kept: Option<KeptAnswer>,
        /// Set if the event was a test.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        test: Option<TestMark>,
    },
    /// The step has done with a stream's response, and the stream goes on.
    #[serde(rename = "brain:webhook_again")]
    WaitAgain {
        /// The wait, as it is open.
        wait: Wait,
    },
    /// A stream's step wants no more of it.
    #[serde(rename = "brain:webhook_closed")]
    WaitClosed {
        /// The wait.
        wait: WaitId,
    },
    /// A wait got one of several responses that it needs (docs/rules.md#8).
    #[serde(rename = "brain:webhook_partial")]
    WaitCollected {
        /// The wait.
        wait: WaitId,
        /// The response.
        collected: Collected,
        /// The key that it came by; none if given by hand.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<KeyId>,
        /// The event that brought it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        event: Option<EventId>,
        /// The delivery of that event.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        delivery: Option<DeliveryId>,
        /// Number of responses that the wait has, this one included.
        have: u32,
        /// Number of responses that the wait needs.
        need: u32,
        /// Set if the event was a test.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        test: Option<TestMark>,
    },
    /// A wait's deadline passed.
    #[serde(rename = "brain:wait_timeout")]
    WaitTimedOut {
        /// The wait.
        wait: WaitId,
    },
    /// A run whose step is under way is to pause when the step returns (docs/rules.md#35).
    #[serde(rename = "brain:pause_requested")]
    PauseRequested {
        /// Cause of the pause, in words for readers of the log.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// Somebody answered by hand before the run waits; its next wait takes it.
    #[serde(rename = "brain:answer_kept")]
    AnswerKept {
        /// The response, an object.
        response: Value,
    },
    /// The status of steps changed. One letter a step, in the pipeline's
    /// order: `p r c e h`; the wire spells them out.
    #[serde(rename = "step:status")]
    StepStatus {
        /// The letters.
        steps: String,
        /// The nested brain whose steps these are.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        inner: Option<Inner>,
    },
    /// A step's code begins.
    #[serde(rename = "step:start")]
    StepStart {
        /// The step's name.
        step: String,
        /// Its place in the pipeline, from 0.
        index: u32,
        /// From 1; a retry adds one.
        attempt: u32,
        /// From 0; only steps that repeat get further.
        iteration: u32,
        /// The steps around it, outermost first, by `/`: see [`Run::path`](crate::Run::path).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        path: Option<String>,
    },
    /// A step's result is committed.
    #[serde(rename = "step:complete")]
    StepComplete {
        /// The step's name.
        step: String,
        /// From the state before to the state after it (RFC 6902).
        patch: Patch,
        /// The step that comes next; none ends the pipeline.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        next: Option<String>,
        /// A response that the step supplied itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        given: Option<Given>,
        /// Passed over by a guard, or in an arm that was not taken.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        halted: bool,
        /// The arm that a branch took.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        arm: Option<String>,
        /// Labels that the step has put on the run.
        #[serde(default, skip_serializing_if = "Labels::is_empty")]
        labels: Labels,
        /// The steps around it, outermost first, by `/`: see [`Run::path`](crate::Run::path).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        path: Option<String>,
    },
    /// A step failed and will be tried again.
    #[serde(rename = "step:retry")]
    StepRetry {
        /// The step's name.
        step: String,
        /// The attempt that failed, from 1.
        attempt: u32,
        /// Error of the failed attempt.
        error: Failure,
        /// Time of the next attempt.
        due_at: Timestamp,
        /// The steps around it, outermost first, by `/`: see [`Run::path`](crate::Run::path).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        path: Option<String>,
    },
    /// A memoised side effect of a step.
    #[serde(rename = "step:once")]
    StepOnce {
        /// The step's name.
        step: String,
        /// From 0.
        iteration: u32,
        /// The name that the step gave to the effect.
        name: String,
        /// Value that the effect returned; a retry of the step gets it instead of running the effect again.
        value: Value,
        /// The item of a map that made it, from 0.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        item: Option<u32>,
        /// The steps around it, outermost first, by `/`: see [`Run::path`](crate::Run::path).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        path: Option<String>,
    },
    /// A turn of a wait's reminder begins, ends or fails.
    #[serde(rename = "step:reminder")]
    Reminder(Box<ReminderTurn>),
    /// Progress that a step reports while it runs.
    #[serde(rename = "step:emit")]
    StepEmit {
        /// The step's name.
        step: String,
        /// Name of the progress, chosen by the step.
        name: String,
        /// Content of the progress, chosen by the step.
        data: Value,
        /// True if hooks are told of it too, and not only those who watch the run (docs/rules.md#48).
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        durable: bool,
        /// The steps around it, outermost first, by `/`: see [`Run::path`](crate::Run::path).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        path: Option<String>,
    },
    /// A step over a list has done one item.
    #[serde(rename = "iterate:item_complete")]
    ItemComplete {
        /// The step's name.
        step: String,
        /// The item's place in the list, from 0.
        index: u32,
        /// Number of items in the list.
        total: u32,
        /// Number of items that are done, this one included.
        done: u32,
        /// The item.
        item: Value,
        /// Its result.
        result: Value,
        /// The steps around it, outermost first, by `/`: see [`Run::path`](crate::Run::path).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        path: Option<String>,
    },
}

impl EventBody {
    /// The type's name in the stored form, and on the wire but for nested brains
    /// and streams, which use the words that clients know.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::BrainStart { .. } => "brain:start",
            Self::BrainComplete => "brain:complete",
            Self::Admitted => "brain:admitted",
            Self::Rerun { .. } => "brain:rerun",
            Self::Awaited { .. } => "brain:awaited",
            Self::Migrated { .. } => "brain:migrated",
            Self::InnerStart { .. } => "inner:start",
            Self::InnerComplete { .. } => "inner:complete",
            Self::WaitAgain { .. } => "brain:webhook_again",
            Self::WaitClosed { .. } => "brain:webhook_closed",
            Self::BrainCancelled { .. } => "brain:cancelled",
            Self::BrainPaused { .. } => "brain:paused",
            Self::BrainResumed => "brain:resumed",
            Self::BrainError { .. } => "brain:error",
            Self::WaitOpened { .. } => "brain:webhook",
            Self::WaitAnswered { .. } => "brain:webhook_response",
            Self::WaitCollected { .. } => "brain:webhook_partial",
            Self::WaitTimedOut { .. } => "brain:wait_timeout",
            Self::PauseRequested { .. } => "brain:pause_requested",
            Self::AnswerKept { .. } => "brain:answer_kept",
            Self::StepStatus { .. } => "step:status",
            Self::StepStart { .. } => "step:start",
            Self::StepComplete { .. } => "step:complete",
            Self::StepRetry { .. } => "step:retry",
            Self::StepOnce { .. } => "step:once",
            Self::Reminder(_) => "step:reminder",
            Self::StepEmit { .. } => "step:emit",
            Self::ItemComplete { .. } => "iterate:item_complete",
        }
    }

    /// Returns true if this is about the run as a whole and not about one of its steps.
    #[must_use]
    pub fn is_brain_level(&self) -> bool {
        self.name().starts_with("brain:")
    }
}
