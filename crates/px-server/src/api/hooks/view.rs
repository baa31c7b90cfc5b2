//! How hooks and their deliveries look on the wire. No secret, and no header's
//! value, is ever shown.

use px_core::Timestamp;
use px_outbound::Operator;
use px_store::outbox::{Attempt, Hook, Outgoing, OutgoingState, RetryPolicy, Signing, Source};
use serde_json::{Map, Value, json};

/// The state of what is due while its endpoint is left alone.
pub(super) const PARKED: &str = "parked";

/// A hook, as its `operator` shows it.
pub(super) fn hook(operator: &Operator, hook: &Hook) -> Value {
    let mut out = json!({
        "id": hook.id,
        "name": hook.name,
        "url": hook.url,
        "events": hook.events,
        "brains": hook.brains,
        "format": hook.format.as_str(),
        "signature": signing(&hook.signing),
        "hasSecret": hook.secrets.current.is_some(),
        "oldSecretsUntil": hook.secrets.old.iter().map(|old| old.until).collect::<Vec<_>>(),
        "retry": retry(&hook.retry),
        "headers": hook.headers.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
        "timeoutMs": hook.timeout_ms,
        "maxInFlight": hook.max_in_flight,
        "rate": hook.rate_per_second,
        "ordered": hook.ordered,
        "allowPrivate": hook.allow_private,
        "enabled": hook.disabled.is_none(),
        "createdAt": hook.created_at,
    });
    if let Value::Object(fields) = &mut out {
        let (source, run) = match hook.source {
            Source::Run(run) => ("run", Some(run)),
            Source::Config => ("config", None),
            Source::Api => ("api", None),
        };
        fields.insert("source".into(), source.into());
        if let Some(run) = run {
            fields.insert("brainRunId".into(), run.to_string().into());
        }
        if let Some(disabled) = hook.disabled {
            fields.insert("disabled".into(), json!({ "by": disabled.by, "at": disabled.at }));
        }
        let keys: Vec<String> = operator.public_keys(hook).map(|key| key.to_string()).collect();
        if let Some(key) = keys.first() {
            fields.insert("publicKey".into(), key.clone().into());
            fields.insert("publicKeys".into(), keys.into());
        }
        if let Some(since) = hook.failing_since {
            fields.insert("failingSince".into(), json!(since));
        }
    }
    out
}

fn signing(signing: &Signing) -> Value {
    match signing {
        Signing::Timestamped { timestamp_header, signature_header } => json!({
            "mode": signing.as_str(), "timestampHeader": timestamp_header, "signatureHeader": signature_header,
        }),
        Signing::Stripe { header } => json!({ "mode": signing.as_str(), "header": header }),
        _ => signing.as_str().into(),
    }
}

fn retry(policy: &RetryPolicy) -> Value {
    let text = |millis: u64| format!("{millis}ms");
    let is_preset = |name: &&&str| RetryPolicy::preset(name).as_ref() == Some(policy);
    if let Some(name) = RetryPolicy::PRESETS.iter().find(is_preset) {
        return (*name).into();
    }
    match policy {
        RetryPolicy::List { delays_ms } => delays_ms.iter().map(|millis| text(*millis)).collect(),
        RetryPolicy::Exponential { base_ms, factor, max_ms, attempts } => json!({
            "base": text(*base_ms), "factor": factor, "max": text(*max_ms), "attempts": attempts,
        }),
    }
}

/// A delivery in a list. One that is due while its endpoint is left alone is parked.
pub(super) fn delivery_in_list(outgoing: &Outgoing, parked_until: Option<Timestamp>) -> Value {
    let parked = parked_until.filter(|until| {
        outgoing.state == OutgoingState::Pending && outgoing.due.is_some_and(|due| due < *until)
    });
    let state = if parked.is_some() { PARKED } else { outgoing.state.as_str() };
    let mut out = json!({
        "id": outgoing.id,
        "hookId": outgoing.hook,
        "eventId": outgoing.event,
        "type": outgoing.kind,
        "brainRunId": outgoing.run,
        "state": state,
        "createdAt": outgoing.created_at,
        "attempts": outgoing.recent,
    });
    if let Value::Object(fields) = &mut out {
        if outgoing.run.is_some() {
            fields.insert("seq".into(), outgoing.seq.into());
        }
        if let Some(due) = outgoing.due {
            fields.insert("nextAttemptAt".into(), json!(parked.unwrap_or(due).max(due)));
        }
        if let Some(until) = parked {
            fields.insert("parkedUntil".into(), json!(until));
        }
        if let Some(reason) = &outgoing.reason {
            fields.insert("reason".into(), reason.clone().into());
        }
    }
    out
}

/// A delivery on its own, with every attempt and its body.
pub(super) fn delivery(outgoing: &Outgoing, attempts: &[Attempt], parked_until: Option<Timestamp>) -> Value {
    let mut out = delivery_in_list(outgoing, parked_until);
    if let Value::Object(fields) = &mut out {
        fields.insert("attempts".into(), attempts.iter().map(attempt).collect());
        fields.insert("format".into(), outgoing.format.as_str().into());
        let body = serde_json::from_slice(&outgoing.body)
            .unwrap_or_else(|_| String::from_utf8_lossy(&outgoing.body).into_owned().into());
        fields.insert("body".into(), body);
    }
    out
}

fn attempt(attempt: &Attempt) -> Value {
    let headers: Map<String, Value> =
        attempt.headers.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect();
    json!({
        "number": attempt.number,
        "at": attempt.at,
        "status": attempt.status,
        "error": attempt.error,
        "message": attempt.message,
        "durationMs": attempt.timing.total_ms,
        "timing": attempt.timing,
        "retryAfter": attempt.retry_after,
        "response": { "headers": headers, "body": attempt.body },
    })
}
