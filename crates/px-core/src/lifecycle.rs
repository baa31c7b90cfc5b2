//! Lifecycle events, which tell the outside of a run; one pure function, [`lifecycle`], derives them from
//! the run's log. This file owns which entries of the log are told, under which name and with which data.
//! It knows no hook, no filter, no body format and no signature.
//!
//! An event follows from a change of the run's status and not from the name of the log's entry, so that the
//! end of a nested brain causes none. Tests: `tests/lifecycle.rs`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::event::{Event, EventBody, Failure, FailureKind, TestMark};
use crate::id::{EventId, RunId};
use crate::label::Labels;
use crate::run::{Run, RunStatus};
use crate::time::Timestamp;
use crate::wait::{Wait, WaitMode};
use crate::wire::marked;

/// The types of events that hooks can be told (docs/hooks.md).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Kind {
    /// A run was created.
    #[serde(rename = "run.started")]
    RunStarted,
    /// A run parked on a wait.
    #[serde(rename = "run.waiting")]
    RunWaiting,
    /// A run goes on: its wait ended, or somebody resumed it.
    #[serde(rename = "run.resumed")]
    RunResumed,
    /// A run stands still until somebody resumes it.
    #[serde(rename = "run.paused")]
    RunPaused,
    /// A run ended with a result.
    #[serde(rename = "run.completed")]
    RunCompleted,
    /// A step returned an error, and its retries are spent.
    #[serde(rename = "run.failed")]
    RunFailed,
    /// A step panicked, or the engine could not go on.
    #[serde(rename = "run.error")]
    RunError,
    /// A run was ended from outside.
    #[serde(rename = "run.cancelled")]
    RunCancelled,
    /// A step's code begins.
    #[serde(rename = "step.started")]
    StepStarted,
    /// A step's result is committed.
    #[serde(rename = "step.completed")]
    StepCompleted,
    /// A step failed and will be tried again.
    #[serde(rename = "step.retrying")]
    StepRetrying,
    /// A step reported `stream`: a piece of something longer.
    #[serde(rename = "agent.stream")]
    AgentStream,
    /// A step reported progress, under any name but the three others.
    #[serde(rename = "agent.message")]
    AgentMessage,
    /// A step reported `result`.
    #[serde(rename = "agent.result")]
    AgentResult,
    /// A step reported `error`.
    #[serde(rename = "agent.error")]
    AgentError,
    /// A webhook took an event in.
    #[serde(rename = "webhook.received")]
    WebhookReceived,
    /// A webhook event was kept, and nobody waited for it in time.
    #[serde(rename = "webhook.unmatched")]
    WebhookUnmatched,
    /// A hook was disabled by px itself.
    #[serde(rename = "hook.disabled")]
    HookDisabled,
    /// Somebody asked for an event to try a hook with.
    #[serde(rename = "hook.test")]
    HookTest,
}

impl Kind {
    /// Every type.
    pub const ALL: [Self; 19] = [
        Self::RunStarted,
        Self::RunWaiting,
        Self::RunResumed,
        Self::RunPaused,
        Self::RunCompleted,
        Self::RunFailed,
        Self::RunError,
        Self::RunCancelled,
        Self::StepStarted,
        Self::StepCompleted,
        Self::StepRetrying,
        Self::AgentStream,
        Self::AgentMessage,
        Self::AgentResult,
        Self::AgentError,
        Self::WebhookReceived,
        Self::WebhookUnmatched,
        Self::HookDisabled,
        Self::HookTest,
    ];

    /// The word on the wire, which is what a hook's `events` are matched against.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RunStarted => "run.started",
            Self::RunWaiting => "run.waiting",
            Self::RunResumed => "run.resumed",
            Self::RunPaused => "run.paused",
            Self::RunCompleted => "run.completed",
            Self::RunFailed => "run.failed",
            Self::RunError => "run.error",
            Self::RunCancelled => "run.cancelled",
            Self::StepStarted => "step.started",
            Self::StepCompleted => "step.completed",
            Self::StepRetrying => "step.retrying",
            Self::AgentStream => "agent.stream",
            Self::AgentMessage => "agent.message",
            Self::AgentResult => "agent.result",
            Self::AgentError => "agent.error",
            Self::WebhookReceived => "webhook.received",
            Self::WebhookUnmatched => "webhook.unmatched",
            Self::HookDisabled => "hook.disabled",
            Self::HookTest => "hook.test",
        }
    }

    /// The type of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// One thing that happened, before anybody is chosen to hear of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Lifecycle {
    /// Type of the event.
    pub kind: Kind,
    /// The `seq` of the run's log that it follows from; `data.logSeq` says it too.
    pub log_seq: u64,
    /// Time of the decision.
    pub at: Timestamp,
    /// The run's status before and after, if that changed.
    pub change: Option<(RunStatus, RunStatus)>,
    /// True if nothing more can happen to the run.
    pub is_final: bool,
    /// Set if a test event caused the run, or this change of it.
    pub test: Option<TestMark>,
    /// Data of this type of event, an object.
    pub data: Map<String, Value>,
}

/// The run that an event is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRef {
    /// Its id.
    pub id: RunId,
    /// Its brain's title.
    pub brain: String,
    /// Its status after the event.
    pub status: RunStatus,
    /// The caller's own name for the request that started it.
    #[serde(rename = "requestId", default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// Its labels after the event.
    #[serde(default, skip_serializing_if = "Labels::is_empty")]
    pub labels: Labels,
}

/// An event addressed to one hook: what a body is made of, whatever its format.
#[derive(Debug, Clone, PartialEq)]
pub struct Envelope {
    /// The idempotency key: the same for every retry.
    pub id: EventId,
    /// Type of the event.
    pub kind: Kind,
    /// From 1, gap-free per hook and run; 0 for events that belong to no run.
    pub seq: u64,
    /// Time of the decision.
    pub at: Timestamp,
    /// True if it is the run's last event.
    pub is_final: bool,
    /// The run it is about, if there is one.
    pub run: Option<RunRef>,
    /// The run's status before and after, if that changed.
    pub change: Option<(RunStatus, RunStatus)>,
    /// The place in the run's log, for the link to what came after it.
    pub log_seq: u64,
    /// Set if a test event caused it.
    pub test: Option<TestMark>,
    /// Data of this type of event.
    pub data: Map<String, Value>,
}

/// Derives the lifecycle event from an entry of the log, if there is one. `before` is the run's status
/// before the entry, `after` the run with the entry applied.
#[must_use]
pub fn lifecycle(before: RunStatus, after: &Run, event: &Event) -> Option<Lifecycle> {
    let kind =
        if before == after.status { of_step(&event.event)? } else { of_run(after.status, &event.event)? };
    let Value::Object(mut data) = data(after, event) else { return None };
    data.insert("logSeq".into(), event.seq.into());
    Some(Lifecycle {
        kind,
        log_seq: event.seq,
        at: event.at,
        change: (before != after.status).then_some((before, after.status)),
        is_final: after.status.is_terminal(),
        test: after.test.as_ref().or_else(|| answered_by_test(&event.event)).cloned(),
        data,
    })
}

/// Returns the mark of a test event that answered a wait.
const fn answered_by_test(event: &EventBody) -> Option<&TestMark> {
    match event {
        EventBody::WaitAnswered { test, .. } => test.as_ref(),
        _ => None,
    }
}

fn of_run(after: RunStatus, event: &EventBody) -> Option<Kind> {
    Some(match (after, event) {
        // A run that takes turns has started when it has its turn.
        (RunStatus::Running, EventBody::BrainStart { .. } | EventBody::Admitted) => Kind::RunStarted,
        (RunStatus::Waiting, EventBody::WaitOpened { .. } | EventBody::WaitAgain { .. }) => Kind::RunWaiting,
        // A paused run that goes on may find its wait still open.
        (RunStatus::Running | RunStatus::Waiting, _) => Kind::RunResumed,
        (RunStatus::Paused, _) => Kind::RunPaused,
        (RunStatus::Complete, _) => Kind::RunCompleted,
        (RunStatus::Error, EventBody::BrainError { error }) if error.kind == FailureKind::Step => {
            Kind::RunFailed
        }
        (RunStatus::Error, _) => Kind::RunError,
        (RunStatus::Cancelled, _) => Kind::RunCancelled,
        (RunStatus::Pending, _) => return None,
    })
}

fn of_step(event: &EventBody) -> Option<Kind> {
    Some(match event {
        EventBody::StepStart { .. } => Kind::StepStarted,
        // What a guard passed over did not happen.
        EventBody::StepComplete { halted: false, .. } => Kind::StepCompleted,
        EventBody::StepRetry { .. } => Kind::StepRetrying,
        // What is not durable is for those who watch (docs/rules.md#48).
        EventBody::StepEmit { name, durable: true, .. } => progress(name),
        _ => return None,
    })
}

/// The type of a step's report, by the name that the step gave it; `data.name` has it.
fn progress(name: &str) -> Kind {
    match name.strip_prefix("agent.").unwrap_or(name) {
        "stream" => Kind::AgentStream,
        "result" => Kind::AgentResult,
        "error" => Kind::AgentError,
        _ => Kind::AgentMessage,
    }
}

/// Makes the data of an event. A wait's token is never part of it: whoever has it may answer.
fn data(run: &Run, event: &Event) -> Value {
    match &event.event {
        EventBody::BrainStart { brain_version, initial_state, options, cause, test, .. } => json!({
            "brainVersion": brain_version,
            "initialState": initial_state,
            "options": options,
            "cause": marked(json!(cause), test.as_ref()),
        }),
        EventBody::BrainComplete => json!({ "result": run.state() }),
        EventBody::BrainCancelled { reason } | EventBody::BrainPaused { reason } => match reason {
            Some(reason) => json!({ "reason": reason }),
            None => json!({}),
        },
        EventBody::BrainResumed => json!({ "by": "operator" }),
        EventBody::BrainError { error } => json!({ "error": failure(error) }),
        EventBody::WaitOpened { wait } | EventBody::WaitAgain { wait } => waiting(wait),
        EventBody::Rerun { position } => json!({ "by": "rerun", "step": position.step }),
        EventBody::WaitAnswered { given, event, .. } => match &given.key {
            Some(key) => json!({
                "by": "webhook", "slug": key.slug, "identifier": key.identifier, "webhookEventId": event,
            }),
            None => json!({ "by": "hand" }),
        },
        EventBody::WaitTimedOut { .. } => json!({ "by": "timeout" }),
        other => step_data(run, other),
    }
}

/// Makes the data of an event of a step; `path` names what is around it, if something is.
fn step_data(run: &Run, event: &EventBody) -> Value {
    let (mut data, path) = match event {
        EventBody::StepStart { step, index, attempt, iteration, path } => {
            (json!({ "step": step, "stepIndex": index, "attempt": attempt, "iteration": iteration }), path)
        }
        EventBody::StepComplete { step, next, path, .. } => {
            (json!({ "step": step, "stepIndex": run.step_index(step), "next": next }), path)
        }
        EventBody::StepEmit { step, name, data, path, .. } => {
            (json!({ "step": step, "stepIndex": run.step_index(step), "name": name, "data": data }), path)
        }
        EventBody::StepRetry { step, attempt, error, due_at, path } => (
            json!({
                "step": step, "stepIndex": run.step_index(step), "attempt": attempt,
                "error": failure(error), "dueAt": due_at,
            }),
            path,
        ),
        _ => return json!({}),
    };
    if let (Some(path), Value::Object(fields)) = (path, &mut data) {
        fields.insert("path".into(), path.clone().into());
    }
    data
}

fn waiting(wait: &Wait) -> Value {
    let wait_for: Value = wait
        .registrations
        .iter()
        .map(|one| json!({ "slug": one.key.slug, "identifier": one.key.identifier }))
        .collect();
    let mut data = json!({ "waitFor": wait_for });
    if let Value::Object(fields) = &mut data {
        if wait.mode != WaitMode::Any {
            fields.insert("need".into(), wait.need().into());
        }
        if let Some(deadline) = wait.deadline {
            fields.insert("deadline".into(), deadline.as_millis().into());
        }
    }
    data
}

/// An error without its causes: those are for whoever may read the log.
fn failure(error: &Failure) -> Value {
    json!({ "name": error.name, "message": error.message })
}
