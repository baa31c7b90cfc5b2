//! The run log as the HTTP API, the watch streams and the command line show
//! it: flat, camelCase, with the vocabulary of API.md section 1. This is the
//! one function that makes it (RULES 33).

use serde_json::{Map, Value, json};

use crate::event::{Event, EventBody, Failure, FailureKind, StepStatus};
use crate::run::Run;
use crate::wait::{Wait, WaitMode};

/// One event in the flat form. `run` gives what every event repeats: the id,
/// the options, the titles; it may be at any later point of the log.
#[must_use]
pub fn event(run: &Run, event: &Event) -> Value {
    let mut out = Map::new();
    out.insert("type".into(), event.event.name().into());
    out.insert("seq".into(), event.seq.into());
    out.insert("timestamp".into(), event.at.as_millis().into());
    out.insert("brainRunId".into(), run.id.to_string().into());
    out.insert("options".into(), run.options.clone());
    if event.event.is_brain_level() {
        out.insert("brainTitle".into(), run.brain.clone().into());
        if let Some(description) = &run.description {
            out.insert("brainDescription".into(), description.clone().into());
        }
    }
    if let Value::Object(fields) = body(run, event) {
        out.extend(fields);
    }
    Value::Object(out)
}

/// An error in the flat form.
#[must_use]
pub fn failure(error: &Failure) -> Value {
    let mut out = json!({ "name": error.name, "message": error.message });
    if let (Some(stack), Value::Object(fields)) = (&error.stack, &mut out) {
        fields.insert("stack".into(), stack.clone().into());
    }
    out
}

/// The registrations of a wait in the flat form. Tokens are shown: whoever may
/// read a run may answer for it.
#[must_use]
pub fn wait_for(wait: &Wait) -> Value {
    wait.registrations
        .iter()
        .map(|registration| {
            let mut out = json!({
                "slug": registration.key.slug,
                "identifier": registration.key.identifier,
            });
            if let (Some(token), Value::Object(fields)) = (&registration.token, &mut out) {
                fields.insert("token".into(), token.clone().into());
            }
            out
        })
        .collect()
}

/// The statuses of all steps in the flat form.
#[must_use]
pub fn steps(run: &Run, progress: &[StepStatus]) -> Value {
    run.steps
        .iter()
        .zip(progress)
        .map(|(step, status)| json!({ "id": step.title, "title": step.title, "status": status.as_str() }))
        .collect()
}

fn body(run: &Run, event: &Event) -> Value {
    match &event.event {
        EventBody::BrainStart { initial_state, cause, request_id, brain_version, .. } => {
            let mut out = json!({
                "status": "running",
                "initialState": initial_state,
                "currentUser": { "name": "root" },
                "brainVersion": brain_version,
                "cause": cause,
            });
            if let (Some(id), Value::Object(fields)) = (request_id, &mut out) {
                fields.insert("requestId".into(), id.clone().into());
            }
            out
        }
        EventBody::BrainComplete => json!({ "status": "complete" }),
        EventBody::BrainCancelled { reason } => with_reason("cancelled", reason.as_deref()),
        EventBody::BrainPaused { reason } => with_reason("paused", reason.as_deref()),
        EventBody::BrainResumed => json!({ "status": "running" }),
        EventBody::BrainError { error } => json!({
            "status": "error",
            "error": failure(error),
            "kind": match error.kind {
                FailureKind::Step => "step",
                FailureKind::Panic => "panic",
                FailureKind::Engine => "engine",
            },
        }),
        EventBody::WaitOpened { wait } => {
            let mut out = json!({ "waitFor": wait_for(wait), "waitId": wait.id });
            if let Value::Object(fields) = &mut out {
                if wait.mode != WaitMode::Any {
                    fields.insert("mode".into(), json!(wait.mode));
                }
                if let Some(deadline) = wait.deadline {
                    let timeout = deadline.as_millis().saturating_sub(wait.opened_at.as_millis());
                    fields.insert("timeout".into(), timeout.into());
                }
            }
            out
        }
        EventBody::WaitAnswered { wait, given, event, delivery } => json!({
            "response": given.response,
            "slug": given.key.as_ref().map(|key| &*key.slug),
            "identifier": given.key.as_ref().map(|key| &*key.identifier),
            "deliveryId": delivery,
            "eventId": event,
            "waitId": wait,
            "index": given.index,
        }),
        EventBody::PauseRequested { reason } => with_reason("running", reason.as_deref()),
        EventBody::AnswerKept { response } => json!({ "response": response }),
        EventBody::WaitCollected { wait, collected, key, event, delivery, have, need } => json!({
            "response": collected.response,
            "slug": key.as_ref().map(|key| &*key.slug),
            "identifier": key.as_ref().map(|key| &*key.identifier),
            "deliveryId": delivery,
            "eventId": event,
            "waitId": wait,
            "index": collected.index,
            "have": have,
            "need": need,
        }),
        EventBody::WaitTimedOut { wait } => json!({ "waitId": wait }),
        EventBody::StepStatus { steps: letters } => {
            let progress = crate::run::progress_of(letters);
            json!({ "steps": steps(run, &progress) })
        }
        EventBody::StepStart { step, index, attempt, iteration } => {
            let mut out =
                json!({ "stepTitle": step, "stepId": step, "stepIndex": index, "attempt": attempt });
            if let (1.., Value::Object(fields)) = (*iteration, &mut out) {
                fields.insert("iteration".into(), (*iteration).into());
            }
            out
        }
        EventBody::StepComplete { step, patch, halted, .. } => {
            let mut out = json!({ "stepTitle": step, "stepId": step, "patch": patch });
            if let (true, Value::Object(fields)) = (*halted, &mut out) {
                fields.insert("halted".into(), true.into());
            }
            out
        }
        EventBody::StepRetry { step, attempt, error, due_at } => json!({
            "stepTitle": step, "stepId": step, "attempt": attempt,
            "error": failure(error), "dueAt": due_at,
        }),
        EventBody::StepOnce { step, name, value, .. } => {
            json!({ "stepTitle": step, "stepId": step, "name": name, "value": value })
        }
    }
}

fn with_reason(status: &str, reason: Option<&str>) -> Value {
    match reason {
        Some(reason) => json!({ "status": status, "reason": reason }),
        None => json!({ "status": status }),
    }
}
