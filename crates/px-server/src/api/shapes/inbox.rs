//! Webhooks and their deliveries.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde_json::Value;

use super::{Millis, Nullable, Object};

/// Webhooks.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct Webhooks {
    webhooks: Vec<Webhook>,
    count: u64,
}

/// A webhook.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct Webhook {
    slug: String,
    description: String,
    url: String,
    /// Whose scheme verifies its senders.
    provider: String,
    /// Whether senders are verified.
    verified: bool,
    /// The environment variable that the secret is in.
    secret: Nullable<String>,
}

/// What became of a webhook request.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::api) struct Accepted {
    received: bool,
    /// `triggered`, `resumed`, `queued`, `collected`, `late`, `duplicate` or `ignored`.
    action: String,
    delivery_id: String,
    identifier: Option<String>,
    brain_run_id: Option<String>,
    /// How many responses the wait has.
    have: Option<u32>,
    /// How many it needs.
    need: Option<u32>,
    reason: Option<String>,
    /// What a duplicate repeats.
    original: Option<Original>,
    /// Each event, if the request carried several.
    events: Option<Vec<Object>>,
}

/// What a duplicate repeats.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::api) struct Original {
    delivery_id: String,
    action: String,
    brain_run_id: Option<String>,
}

/// Which wait a form is for.
#[derive(JsonSchema)]
pub(in crate::api) struct FormQuery {
    /// As the wait has it.
    #[schemars(length(min = 1))]
    identifier: String,
    /// As the wait has it.
    token: Option<String>,
}

/// What became of a form.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::api) struct FormAccepted {
    received: bool,
    /// `resumed`; `queued` if the run is paused.
    action: String,
    identifier: String,
    brain_run_id: String,
    delivery_id: String,
}

/// A form without the right token.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct FormRefused {
    received: bool,
    action: String,
    identifier: String,
    reason: String,
}

/// A form that nobody waits for.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct FormNotFound {
    received: bool,
    action: String,
    identifier: String,
    message: String,
}

/// Either what became of it, or an error.
#[derive(JsonSchema)]
#[serde(untagged)]
pub(in crate::api) enum RefusedForm {
    Token(FormRefused),
    Error(super::Error),
}

/// A page of the inbox, newest first.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::api) struct DeliveryPage {
    deliveries: Vec<DeliveryInList>,
    next_cursor: Option<String>,
}

/// A delivery in a list.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::api) struct DeliveryInList {
    id: String,
    slug: String,
    received_at: Millis,
    state: Nullable<String>,
    identifier: Nullable<String>,
    brain_run_id: Nullable<String>,
    /// The status that it was answered.
    status: u16,
    /// The bytes of its body.
    size: u64,
    events: Vec<InboxEvent>,
}

/// A delivery on its own.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::api) struct Delivery {
    id: String,
    slug: String,
    received_at: Millis,
    state: Nullable<String>,
    identifier: Nullable<String>,
    brain_run_id: Nullable<String>,
    status: u16,
    size: u64,
    events: Vec<InboxEvent>,
    method: String,
    /// Path and query.
    target: String,
    /// Who sent it.
    remote: String,
    /// Without what is secret.
    headers: BTreeMap<String, String>,
    /// What the verification said.
    verdict: String,
    /// Until the routing, microseconds.
    took_micros: u64,
    /// The body: JSON, or a text.
    payload: Value,
    /// Whether headers and body were dropped since.
    emptied: bool,
    /// What became of it, in words.
    why: String,
}

/// An event of a delivery.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::api) struct InboxEvent {
    id: String,
    state: String,
    since: Millis,
    provider_id: Nullable<String>,
    identifier: Nullable<String>,
    brain_run_id: Nullable<String>,
    wait_id: Nullable<String>,
    /// Runs that waited too, and went on waiting.
    passed: Vec<String>,
    /// The delivery that a duplicate repeats.
    original: Nullable<String>,
    reason: Nullable<String>,
    response: Nullable<Object>,
    /// The brain that it would start, if nobody waits.
    would_start: Nullable<String>,
}

/// An event was given to a run by hand.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::api) struct BoundEvent {
    action: String,
    brain_run_id: String,
    delivery_id: String,
    event_id: String,
}
