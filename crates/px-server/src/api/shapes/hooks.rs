//! Hooks, and what is on its way to them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde_json::Value;

use super::{Millis, Nullable};

/// Hooks.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct Hooks {
    hooks: Vec<Hook>,
    count: u64,
}

/// A hook. Its secret and the values of its headers are never shown.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::api) struct Hook {
    id: String,
    name: String,
    url: String,
    /// Types of events, or patterns.
    events: Vec<String>,
    /// Titles of brains, or patterns.
    brains: Vec<String>,
    format: String,
    /// A mode, or an object with `mode` and the names of headers.
    signature: Value,
    has_secret: bool,
    /// Until when former secrets sign too.
    old_secrets_until: Vec<Millis>,
    /// A preset, a list of delays, or an object.
    retry: Value,
    /// The names of the headers that every request carries.
    headers: Vec<String>,
    timeout_ms: u64,
    max_in_flight: u32,
    rate: Nullable<u32>,
    ordered: bool,
    allow_private: bool,
    enabled: bool,
    created_at: Millis,
    /// `api`, `config` or `run`.
    source: String,
    /// The run that brought it.
    brain_run_id: Option<String>,
    disabled: Option<Disabled>,
    failing_since: Option<Millis>,
    public_key: Option<String>,
    public_keys: Option<Vec<String>>,
    /// Shown once, when the hook is made or its secret rotated.
    secret: Option<String>,
    /// How many deliveries were kept meanwhile, when it is enabled again.
    kept: Option<u64>,
}

/// Since when and why a hook takes no deliveries.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct Disabled {
    by: String,
    at: Millis,
}

/// A test is on its way.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::api) struct TestSent {
    delivery_id: String,
}

/// What is sent again.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::api) struct Recovered {
    deliveries: u64,
    /// When the last one is due.
    until: Nullable<Millis>,
    dry_run: bool,
}

/// How a hook does.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::api) struct HookStats {
    deliveries: u64,
    is_sample: bool,
    states: BTreeMap<String, u64>,
    attempts: u64,
    success_rate: Option<f64>,
    p50_ms: Option<u64>,
    p99_ms: Option<u64>,
    oldest_pending_at: Option<Millis>,
    parked_until: Option<Millis>,
}

/// A page of the outbox, newest first.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::api) struct OutgoingPage {
    deliveries: Vec<OutgoingInList>,
    next_cursor: Option<String>,
}

/// A delivery to a hook, in a list.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::api) struct OutgoingInList {
    id: String,
    hook_id: String,
    event_id: String,
    #[serde(rename = "type")]
    kind: String,
    brain_run_id: Nullable<String>,
    state: String,
    created_at: Millis,
    /// The newest attempts.
    attempts: Vec<AttemptInList>,
    seq: Option<u64>,
    next_attempt_at: Option<Millis>,
    parked_until: Option<Millis>,
    reason: Option<String>,
}

/// An attempt, in a list.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::api) struct AttemptInList {
    at: Millis,
    status: Option<u16>,
    error: Option<String>,
    duration_ms: u64,
}

/// A delivery to a hook, with every attempt.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::api) struct Outgoing {
    id: String,
    hook_id: String,
    event_id: String,
    #[serde(rename = "type")]
    kind: String,
    brain_run_id: Nullable<String>,
    state: String,
    created_at: Millis,
    attempts: Vec<Attempt>,
    seq: Option<u64>,
    next_attempt_at: Option<Millis>,
    parked_until: Option<Millis>,
    reason: Option<String>,
    format: String,
    /// What is sent.
    body: Value,
}

/// An attempt.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::api) struct Attempt {
    number: u32,
    at: Millis,
    status: Nullable<u16>,
    error: Nullable<String>,
    message: Nullable<String>,
    duration_ms: u64,
    timing: Timing,
    retry_after: Nullable<Millis>,
    response: Response,
}

/// Where the time of an attempt went.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::api) struct Timing {
    resolved_ms: Option<u64>,
    head_ms: Option<u64>,
    total_ms: u64,
}

/// What the receiver answered.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct Response {
    headers: BTreeMap<String, String>,
    /// The beginning of the body.
    body: Nullable<String>,
}

/// A hook that is to be made, or changed; what is left out stays as it is.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::api) struct HookInput {
    /// A name for people.
    name: Option<String>,
    /// Where requests go.
    url: Option<String>,
    /// Types of events, or patterns such as `run.*`.
    events: Option<Vec<String>>,
    /// Titles of brains, or patterns.
    brains: Option<Vec<String>>,
    /// `px`, `cloudevents`, `forge` or `rdev`.
    format: Option<String>,
    /// A mode, or an object with `mode` and the names of headers.
    signature: Option<Value>,
    /// The secret; a new one is made if there is none.
    secret: Option<String>,
    /// A preset, a list of delays, or `{base, factor, max, attempts}`.
    retry: Option<Value>,
    /// Headers that every request carries.
    headers: Option<BTreeMap<String, String>>,
    /// How long an attempt may take: `10s`, or seconds.
    timeout: Option<Value>,
    /// How many requests may be under way at once.
    max_in_flight: Option<u32>,
    /// How many requests a second.
    rate: Option<u32>,
    /// One delivery of a run at a time.
    ordered: Option<bool>,
    /// Whether private addresses are open.
    allow_private: Option<bool>,
}

/// What of a hook is to change.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::api) struct HookChange {
    #[serde(flatten)]
    hook: HookInput,
    /// Whether it takes deliveries.
    enabled: Option<bool>,
    /// Whether what was kept meanwhile is sent, when it is enabled again.
    send_kept: Option<bool>,
}

/// Another secret.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::api) struct RotationInput {
    /// The new secret; one is made if there is none.
    secret: Option<String>,
    /// How long the old one signs too: `24h`, or seconds.
    grace: Option<Value>,
}

/// What is to be sent again.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::api) struct RecoveryInput {
    /// Since when.
    since: Millis,
    /// Types of events; all if there are none.
    types: Option<Vec<String>>,
    /// Only counts.
    dry_run: Option<bool>,
    /// How many a second.
    rate: Option<u32>,
}

/// Public keys (RFC 7517).
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct Keys {
    keys: Vec<super::Object>,
}
