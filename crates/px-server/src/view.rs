//! How runs and deliveries look on the wire.

use px_core::{Run, wire};
use px_store::{Delivery, InboxEvent};
use serde_json::{Map, Value, json};

/// A run in a list, where options and error are JSON texts.
pub(crate) fn run_in_list(run: &Run) -> Value {
    let error = run.error.as_ref().map(|error| wire::failure(error).to_string());
    run_with(run, run.options.to_string().into(), error.map_or(Value::Null, Value::from))
}

/// A run in a list, with all that decides whether a binary can go on with it.
pub(crate) fn run_with_position(run: &Run) -> Value {
    let mut out = run_in_list(run);
    if let Value::Object(fields) = &mut out {
        fields.insert("position".into(), json!({ "frames": run.frames, "given": run.given }));
    }
    out
}

/// A run on its own, with its state and what it waits for.
pub(crate) fn run(run: &Run) -> Value {
    let error = run.error.as_ref().map_or(Value::Null, wire::failure);
    let mut out = run_with(run, run.options.clone(), error);
    if let Value::Object(fields) = &mut out {
        fields.insert("state".into(), run.state().clone());
        fields.insert("waitingFor".into(), run.waits.iter().map(wait).collect());
        let steps = wire::steps(run, &run.progress);
        fields.insert("steps".into(), steps);
        fields.insert("seq".into(), run.seq.into());
        if let Some(frame) = run.frame().filter(|_| !run.status.is_terminal()) {
            fields.insert("step".into(), frame.step.clone().into());
        }
        if let Some(path) = run.path().filter(|_| !run.status.is_terminal()) {
            fields.insert("path".into(), path.into());
        }
        if let Some(reason) = &run.reason {
            fields.insert("reason".into(), reason.clone().into());
        }
        if let Some(id) = &run.request_id {
            fields.insert("requestId".into(), id.clone().into());
        }
        fields.insert("cause".into(), json!(run.cause));
    }
    out
}

fn run_with(run: &Run, options: Value, error: Value) -> Value {
    json!({
        "brainRunId": run.id,
        "brainTitle": run.brain,
        "brainDescription": run.description,
        "type": run.last_event,
        "status": run.status.as_str(),
        "options": options,
        "error": error,
        "createdAt": run.created_at,
        "startedAt": run.started_at,
        "completedAt": run.completed_at,
        "userName": "root",
    })
}

fn wait(wait: &px_core::wait::Wait) -> Value {
    json!({
        "waitId": wait.id,
        "waitFor": wire::wait_for(wait),
        "mode": wait.mode,
        "since": wait.opened_at,
        "deadline": wait.deadline,
        "have": wait.have(),
        "need": wait.need(),
    })
}

/// A delivery in a list: without headers and payload.
pub(crate) fn delivery_in_list(delivery: &Delivery) -> Value {
    let first = delivery.events.first();
    json!({
        "id": delivery.id,
        "slug": delivery.slug,
        "receivedAt": delivery.received_at,
        "state": first.map(|event| event.state.as_str()),
        "identifier": first.and_then(|event| event.identifier.clone()),
        "brainRunId": first.and_then(|event| event.run),
        "status": delivery.status,
        "size": delivery.size,
        "events": delivery.events.iter().map(event).collect::<Vec<_>>(),
    })
}

/// A delivery on its own, with why it became what it is.
pub(crate) fn delivery(delivery: &Delivery, why: String) -> Value {
    let mut out = delivery_in_list(delivery);
    if let Value::Object(fields) = &mut out {
        let headers: Map<String, Value> =
            delivery.headers.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect();
        fields.insert("method".into(), delivery.method.clone().into());
        fields.insert("target".into(), delivery.target.clone().into());
        fields.insert("remote".into(), delivery.remote.clone().into());
        fields.insert("headers".into(), headers.into());
        fields.insert("verdict".into(), delivery.verdict.clone().into());
        fields.insert("tookMicros".into(), delivery.took_us.into());
        fields.insert("payload".into(), payload(delivery));
        fields.insert("emptied".into(), delivery.emptied.into());
        fields.insert("why".into(), why.into());
    }
    out
}

fn payload(delivery: &Delivery) -> Value {
    serde_json::from_slice(&delivery.body)
        .unwrap_or_else(|_| String::from_utf8_lossy(&delivery.body).into_owned().into())
}

fn event(event: &InboxEvent) -> Value {
    json!({
        "id": event.id,
        "state": event.state.as_str(),
        "since": event.since,
        "providerId": event.provider_id,
        "identifier": event.identifier,
        "brainRunId": event.run,
        "waitId": event.wait,
        "passed": event.passed,
        "original": event.original,
        "reason": event.reason,
        "response": event.response,
        "wouldStart": event.start.as_ref().map(|start| start.brain.clone()),
    })
}
