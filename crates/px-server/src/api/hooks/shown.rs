//! Hooks and callbacks as the API shows them. No secret, and no header's value,
//! is ever shown.

use px_api::{
    Attempt, AttemptSummary, Callback, CallbackState, CallbackSummary, CreateHook, Disabled, Open, Response,
    Retry, Signature, Timing,
};
use px_core::Timestamp;
use px_core::hook::{DisabledBy, Hook, RetryPolicy, Signing, Source};
use px_outbound::operate::Input;
use px_store::outbox;

use crate::api::guard::Sight;
use crate::app::App;

/// A hook, as far as a request may see it. The query of a URL, and its path
/// where that is asked for, are often its receiver's secret (docs/rules.md#69).
pub(super) fn hook(app: &App, sight: Sight, hook: &Hook) -> px_api::Hook {
    let keys: Vec<String> = app.operator.public_keys(hook).map(|key| key.to_string()).collect();
    let unknown = hook.brains.iter().filter(|brain| crate::outbound::is_unknown(app.registry(), brain));
    let name = px_outbound::operate::name_of(hook);
    let warnings: Vec<String> = unknown.map(|brain| crate::outbound::unknown_brain(&name, brain)).collect();
    let (source, brain_run_id) = match hook.source {
        Source::Run(run) => ("run", Some(run)),
        Source::Config => ("config", None),
        Source::Api => ("api", None),
    };
    px_api::Hook {
        id: hook.id,
        name: hook.name.clone(),
        url: match sight {
            Sight::Whole => hook.url.clone(),
            Sight::Redacted => px_outbound::guard::redacted(&hook.url, app.redact_paths),
        },
        events: hook.events.clone(),
        brains: hook.brains.clone(),
        format: hook.format.as_str().to_owned(),
        signature: Open::Known(signature(&hook.signing)),
        has_secret: hook.secrets.current.is_some(),
        old_secrets_until: hook.secrets.old.iter().map(|old| old.until).collect(),
        retry: Open::Known(retry(&hook.retry)),
        headers: hook.headers.iter().map(|(name, _)| name.clone()).collect(),
        timeout_ms: hook.timeout_ms,
        max_in_flight: hook.max_in_flight,
        rate: hook.rate_per_second,
        ordered: hook.ordered,
        allow_private: hook.allow_private,
        enabled: hook.disabled.is_none(),
        created_at: hook.created_at,
        source: source.to_owned(),
        brain_run_id,
        disabled: hook.disabled.map(disabled),
        failing_since: hook.failing_since,
        public_key: keys.first().cloned(),
        public_keys: (!keys.is_empty()).then_some(keys),
        secret: None,
        kept: None,
        warnings: (!warnings.is_empty()).then_some(warnings),
    }
}

fn disabled(disabled: px_core::hook::Disabled) -> Disabled {
    let by = match disabled.by {
        DisabledBy::Operator => "operator",
        DisabledBy::Gone => "gone",
        DisabledBy::Failing => "failing",
    };
    Disabled { by: by.to_owned(), at: disabled.at }
}

fn signature(signing: &Signing) -> Signature {
    let mode = signing.as_str().to_owned();
    match signing {
        Signing::Timestamped { timestamp_header, signature_header } => Signature::Named {
            mode,
            header: None,
            timestamp_header: Some(timestamp_header.clone()),
            signature_header: Some(signature_header.clone()),
        },
        Signing::Stripe { header } => Signature::Named {
            mode,
            header: Some(header.clone()),
            timestamp_header: None,
            signature_header: None,
        },
        _ => Signature::Mode(mode),
    }
}

fn retry(policy: &RetryPolicy) -> Retry {
    let text = |millis: u64| format!("{millis}ms");
    let is_preset = |name: &&&str| RetryPolicy::preset(name).as_ref() == Some(policy);
    if let Some(name) = RetryPolicy::PRESETS.iter().find(is_preset) {
        return Retry::Preset((*name).to_owned());
    }
    match policy {
        RetryPolicy::List { delays_ms } => {
            Retry::Delays(delays_ms.iter().map(|millis| text(*millis)).collect())
        }
        RetryPolicy::Exponential { base_ms, factor, max_ms, attempts } => {
            Retry::Growing { base: text(*base_ms), factor: *factor, max: text(*max_ms), attempts: *attempts }
        }
    }
}

/// Returns what a request says of a hook, for whoever reads hooks.
pub(super) fn input(hook: CreateHook) -> Input {
    Input {
        name: hook.name,
        url: hook.url,
        events: hook.events,
        brains: hook.brains,
        format: hook.format,
        signature: hook.signature,
        secret: hook.secret.map(Into::into),
        retry: hook.retry,
        headers: hook
            .headers
            .map(|headers| headers.into_iter().map(|(name, value)| (name, value.into())).collect()),
        timeout: hook.timeout,
        max_in_flight: hook.max_in_flight,
        rate: hook.rate,
        ordered: hook.ordered,
        allow_private: hook.allow_private,
    }
}

/// A callback in a list. One that is due while its endpoint is left alone is parked.
pub(super) fn summary(callback: &outbox::Callback, parked_until: Option<Timestamp>) -> CallbackSummary {
    let parked = parked_until.filter(|until| {
        callback.state == outbox::CallbackState::Pending && callback.due.is_some_and(|due| due < *until)
    });
    let attempts = callback.recent.iter().map(|attempt| AttemptSummary {
        at: attempt.at,
        status: attempt.status,
        error: attempt.error.clone(),
        duration_ms: attempt.duration_ms,
    });
    CallbackSummary {
        id: callback.id,
        hook_id: callback.hook,
        event_id: callback.event,
        kind: callback.kind.as_str().to_owned(),
        brain_run_id: callback.run,
        state: parked.map_or_else(|| callback.state.as_str().into(), |_| CallbackState::Parked),
        created_at: callback.created_at,
        attempts: attempts.collect(),
        seq: callback.run.map(|_| callback.seq),
        next_attempt_at: callback.due.map(|due| parked.unwrap_or(due).max(due)),
        parked_until: parked,
        reason: callback.reason.clone(),
        test: callback.test.as_ref().map(|_| true),
        tested_by: callback.test.as_ref().and_then(|test| test.by.clone()),
    }
}

/// A callback on its own, with every attempt and its body.
pub(super) fn callback(
    callback: &outbox::Callback,
    attempts: Vec<outbox::Attempt>,
    parked_until: Option<Timestamp>,
) -> Callback {
    let summary = summary(callback, parked_until);
    Callback {
        id: summary.id,
        hook_id: summary.hook_id,
        event_id: summary.event_id,
        kind: summary.kind,
        brain_run_id: summary.brain_run_id,
        state: summary.state,
        created_at: summary.created_at,
        attempts: attempts.into_iter().map(attempt).collect(),
        seq: summary.seq,
        next_attempt_at: summary.next_attempt_at,
        parked_until: summary.parked_until,
        reason: summary.reason,
        test: summary.test,
        tested_by: summary.tested_by,
        format: callback.format.as_str().to_owned(),
        body: crate::api::json_or_text(&callback.body),
    }
}

fn attempt(attempt: outbox::Attempt) -> Attempt {
    Attempt {
        number: attempt.number,
        at: attempt.at,
        status: attempt.status,
        error: attempt.error,
        message: attempt.message,
        duration_ms: attempt.timing.total_ms,
        timing: Timing {
            resolved_ms: attempt.timing.resolved_ms,
            head_ms: attempt.timing.head_ms,
            total_ms: attempt.timing.total_ms,
        },
        retry_after: attempt.retry_after,
        response: Response { headers: attempt.headers.into_iter().collect(), body: Some(attempt.body) },
    }
}
