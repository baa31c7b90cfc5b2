//! The run log as the HTTP API, the watch streams and the command line show
//! it: flat, camelCase, with the vocabulary of docs/api.md. This is the
//! one function that makes it (docs/rules.md#33).

use serde_json::{Map, Value, json};

use crate::event::{Event, EventBody, Failure, FailureKind, Part, StepStatus, TestMark};
use crate::reminder::{Reminder, ReminderTurn};
use crate::run::Run;
use crate::wait::{Wait, WaitMode};

/// One event in the flat form. `run` gives what every event repeats: the id,
/// the options, the titles; it may be at any later point of the log.
#[must_use]
pub fn event(run: &Run, event: &Event) -> Value {
    let mut out = Map::new();
    out.insert("type".into(), name(&event.event).into());
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

/// The type's name on the wire: nested brains and streams use the words that
/// clients of plain runs know.
fn name(event: &EventBody) -> &'static str {
    match event {
        EventBody::InnerStart { part: None, .. } => "brain:start",
        EventBody::InnerComplete { part: None, .. } => "brain:complete",
        EventBody::WaitAgain { .. } => "brain:webhook",
        other => other.name(),
    }
}

/// Returns the members that every event of a step has: its name, and an id that is unique in the run.
fn step(title: &str, path: Option<&str>) -> Value {
    let id = path.map_or_else(|| title.to_owned(), |path| format!("{path}/{title}"));
    let mut out = json!({ "stepTitle": title, "stepId": id });
    insert(&mut out, "path", path);
    out
}

fn insert(out: &mut Value, name: &str, value: Option<impl Into<Value>>) {
    if let (Some(value), Value::Object(fields)) = (value, out) {
        fields.insert(name.into(), value.into());
    }
}

/// Adds the fields of one object to another.
fn with(mut out: Value, more: Value) -> Value {
    if let (Value::Object(out), Value::Object(more)) = (&mut out, more) {
        out.extend(more);
    }
    out
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
        EventBody::BrainStart { initial_state, cause, test, request_id, brain_version, labels, .. } => {
            let mut out = json!({
                "status": "running",
                "initialState": initial_state,
                "currentUser": { "name": "root" },
                "brainVersion": brain_version,
                "cause": marked(json!(cause), test.as_ref()),
            });
            insert(&mut out, "requestId", request_id.clone());
            insert(&mut out, "labels", (!labels.is_empty()).then(|| json!(labels)));
            out
        }
        EventBody::InnerStart { brain, description, brain_version, initial_state, depth, part, .. } => {
            let mut out = json!({
                "brainTitle": brain,
                "status": "running",
                "initialState": initial_state,
                "currentUser": { "name": "root" },
                "brainVersion": brain_version,
                "depth": depth,
            });
            insert(&mut out, "brainDescription", description.clone());
            with(out, part_body(part.as_ref()))
        }
        EventBody::InnerComplete { brain, depth, part, .. } => with(
            json!({ "brainTitle": brain, "status": "complete", "depth": depth }),
            part_body(part.as_ref()),
        ),
        EventBody::BrainComplete => json!({ "status": "complete" }),
        EventBody::BrainCancelled { reason } => with_reason("cancelled", reason.as_deref()),
        EventBody::BrainPaused { reason } => with_reason("paused", reason.as_deref()),
        EventBody::BrainResumed | EventBody::Admitted => json!({ "status": "running" }),
        EventBody::Rerun { position } => json!({
            "status": "running",
            "startsAt": position.starts_at,
            "resetTo": position.reset_to,
            "stepTitle": position.step,
        }),
        EventBody::Awaited { by } => json!({ "by": by }),
        EventBody::Migrated { step, version, patch, depth, items } => {
            let mut out = json!({ "stepTitle": step, "brainVersion": version, "patch": patch });
            insert(&mut out, "depth", *depth);
            insert(&mut out, "items", (!items.is_empty()).then(|| json!(items)));
            out
        }
        EventBody::BrainError { error } => json!({
            "status": "error",
            "error": failure(error),
            "kind": match error.kind {
                FailureKind::Step => "step",
                FailureKind::Panic => "panic",
                FailureKind::Engine => "engine",
            },
        }),
        EventBody::PauseRequested { reason } => with_reason("running", reason.as_deref()),
        EventBody::AnswerKept { response } => json!({ "response": response }),
        EventBody::StepStatus { steps: letters, inner } => {
            let progress = crate::run::progress_of(letters);
            match inner {
                None => json!({ "steps": steps(run, &progress) }),
                Some(inner) => {
                    let steps: Value = inner
                        .titles
                        .iter()
                        .zip(&progress)
                        .map(|(title, status)| {
                            let id = format!("{}/{title}", inner.path);
                            json!({ "id": id, "title": title, "status": status.as_str() })
                        })
                        .collect();
                    json!({ "steps": steps, "path": inner.path, "depth": inner.depth })
                }
            }
        }
        EventBody::WaitOpened { .. }
        | EventBody::WaitAgain { .. }
        | EventBody::WaitAnswered { .. }
        | EventBody::WaitCollected { .. }
        | EventBody::WaitClosed { .. }
        | EventBody::WaitTimedOut { .. } => wait_body(&event.event),
        other => step_body(other),
    }
}

/// Returns an object with the mark of a test: `test`, and `testedBy` if a token asked for it.
pub(crate) fn marked(mut object: Value, test: Option<&TestMark>) -> Value {
    if let Some(test) = test {
        insert(&mut object, "test", Some(true));
        insert(&mut object, "testedBy", test.by.clone());
    }
    object
}

/// Returns the members that tell a part of a brain from a brain of its own.
fn part_body(part: Option<&Part>) -> Value {
    match part {
        None => json!({}),
        Some(Part::Arm(arm)) => json!({ "part": "arm", "arm": arm }),
        Some(Part::Turn) => json!({ "part": "turn" }),
    }
}

fn wait_body(event: &EventBody) -> Value {
    match event {
        EventBody::WaitOpened { wait } | EventBody::WaitAgain { wait } => {
            let mut out = json!({ "waitFor": wait_for(wait), "waitId": wait.id });
            insert(&mut out, "mode", (wait.mode != WaitMode::Any).then(|| json!(wait.mode)));
            let timeout = wait.deadline.map(|due| due.as_millis().saturating_sub(wait.opened_at.as_millis()));
            insert(&mut out, "timeout", timeout);
            let reminders: Vec<_> = wait.reminders.iter().filter_map(reminder_to_come).collect();
            insert(&mut out, "reminders", (!reminders.is_empty()).then_some(reminders));
            out
        }
        EventBody::WaitAnswered { wait, given, event, delivery, test, .. } => marked(
            json!({
                "response": given.response,
                "slug": given.key.as_ref().map(|key| &*key.slug),
                "identifier": given.key.as_ref().map(|key| &*key.identifier),
                "deliveryId": delivery,
                "eventId": event,
                "waitId": wait,
                "index": given.index,
            }),
            test.as_ref(),
        ),
        EventBody::WaitCollected { wait, collected, key, event, delivery, have, need, test } => marked(
            json!({
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
            test.as_ref(),
        ),
        EventBody::WaitTimedOut { wait } | EventBody::WaitClosed { wait } => json!({ "waitId": wait }),
        _ => json!({}),
    }
}

/// A reminder of a wait that is opened; none if no turn of it comes any more.
fn reminder_to_come(reminder: &Reminder) -> Option<Value> {
    let mut out = json!({ "name": reminder.name, "nextAt": reminder.due?, "atMost": reminder.at_most });
    insert(&mut out, "every", reminder.every_ms);
    Some(out)
}

fn reminder_body(turn: &ReminderTurn) -> Value {
    let mut out = with(
        step(&turn.step, turn.path.as_deref()),
        json!({
            "waitId": turn.wait,
            "name": turn.name,
            "nth": turn.nth,
            "attempt": turn.attempt,
            "progress": turn.progress.as_str(),
        }),
    );
    insert(&mut out, "error", turn.error.as_ref().map(failure));
    insert(&mut out, "nextAt", turn.next.map(crate::Timestamp::as_millis));
    out
}

fn step_body(event: &EventBody) -> Value {
    match event {
        EventBody::Reminder(turn) => reminder_body(turn),
        EventBody::StepStart { step: title, index, attempt, iteration, path } => {
            let mut out =
                with(step(title, path.as_deref()), json!({ "stepIndex": index, "attempt": attempt }));
            insert(&mut out, "iteration", (*iteration > 0).then_some(*iteration));
            out
        }
        EventBody::StepComplete { step: title, patch, halted, arm, labels, path, .. } => {
            let mut out = with(step(title, path.as_deref()), json!({ "patch": patch }));
            insert(&mut out, "halted", halted.then_some(true));
            insert(&mut out, "arm", arm.clone());
            insert(&mut out, "labels", (!labels.is_empty()).then(|| json!(labels)));
            out
        }
        EventBody::StepRetry { step: title, attempt, error, due_at, path } => with(
            step(title, path.as_deref()),
            json!({ "attempt": attempt, "error": failure(error), "dueAt": due_at }),
        ),
        EventBody::StepOnce { step: title, name, value, item, path, .. } => {
            let mut out = with(step(title, path.as_deref()), json!({ "name": name, "value": value }));
            insert(&mut out, "itemIndex", *item);
            out
        }
        EventBody::StepEmit { step: title, name, data, path, .. } => {
            with(step(title, path.as_deref()), json!({ "name": name, "data": data }))
        }
        EventBody::ItemComplete { step: title, index, total, done, item, result, path } => with(
            step(title, path.as_deref()),
            json!({
                "itemIndex": index,
                "item": item,
                "result": result,
                "processedCount": done,
                "totalItems": total,
                "stateKey": title,
            }),
        ),
        _ => json!({}),
    }
}

fn with_reason(status: &str, reason: Option<&str>) -> Value {
    match reason {
        Some(reason) => json!({ "status": status, "reason": reason }),
        None => json!({ "status": status }),
    }
}
