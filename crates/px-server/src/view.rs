//! How runs and deliveries look on the wire.

use px_core::{Run, wire};
use px_store::{Delivery, InboxEvent};
use serde_json::{Map, Value, json};

/// A run in a list, where options and error are JSON texts.
pub(crate) fn run_in_list(run: &Run) -> Value {
    let error = run.error.as_ref().map(|error| wire::failure(error).to_string());
    run_with(run, run.options.to_string().into(), error.map_or(Value::Null, Value::from))
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

/// A delivery on its own.
pub(crate) fn delivery(delivery: &Delivery) -> Value {
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
        fields.insert("why".into(), why(delivery).into());
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
        "original": event.original,
        "reason": event.reason,
        "response": event.response,
        "wouldStart": event.start.as_ref().map(|start| start.brain.clone()),
    })
}

/// What became of a delivery, in a sentence an event.
fn why(delivery: &Delivery) -> String {
    let sentences: Vec<String> = delivery.events.iter().map(|event| sentence(delivery, event)).collect();
    if sentences.is_empty() { "The delivery carries no event.".to_owned() } else { sentences.join(" ") }
}

fn sentence(delivery: &Delivery, event: &InboxEvent) -> String {
    use px_store::InboxState as S;
    let slug = &delivery.slug;
    let identifier = event.identifier.as_deref().map(|id| format!(" for '{id}'")).unwrap_or_default();
    let run = event.run.map(|run| run.to_string()).unwrap_or_else(|| "no run".to_owned());
    let reason = event.reason.as_deref().map(|why| format!(": {why}")).unwrap_or_default();
    match event.state {
        S::Resumed => format!("{run} waited on {slug}{identifier}, and took this event."),
        S::Started => format!("Nobody waited on {slug}{identifier}, and the handler started {run}."),
        S::Queued if event.run.is_some() => {
            format!("{run} owns {slug}{identifier} and is busy; the event is kept until it waits again.")
        }
        S::Queued => format!("Nobody waits on {slug}{identifier} yet; the event is kept for a wait to come."),
        S::Collected => format!("{run} needs several responses{identifier}, and this is one of them."),
        S::Duplicate => match event.original {
            Some(original) => {
                format!("The provider's id was seen before, in {original}; nothing was done again.")
            }
            None => "The provider's id was seen before; nothing was done again.".to_owned(),
        },
        S::Ignored => format!("Nothing follows from this event{reason}."),
        S::Late => format!("{run} had waited on {slug}{identifier}, but this came too late{reason}."),
        S::Expired => format!("The event was kept{identifier} and has expired{reason}."),
        S::Quarantined => format!("The delivery was set aside{reason}."),
        S::Rejected => format!("The sender was not believed{reason}."),
    }
}
