//! The inbox: deliveries of webhooks.

#![expect(missing_docs, reason = "a field whose name says it all has no description in the document either")]

use std::collections::BTreeMap;

use px_core::{DeliveryId, EventId, RunId, Timestamp, WaitId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::open::{plain_words, words};
use crate::{Action, Nullable, Object};

words! {
    /// Outcome of an event of a delivery.
    pub enum DeliveryState {
        /// A run that waited took it.
        Resumed = "resumed",
        /// It started a run.
        Started = "started",
        /// It is kept for a run.
        Queued = "queued",
        /// It is one of several responses that a wait needs.
        Collected = "collected",
        /// It was seen before.
        Duplicate = "duplicate",
        /// Nothing follows from it.
        Ignored = "ignored",
        /// Its wait was over.
        Late = "late",
        /// Nobody waited for it in time.
        Expired = "expired",
        /// It did not get as far as a run.
        Quarantined = "quarantined",
        /// Its sender was not believed.
        Rejected = "rejected",
    }
}
plain_words!(DeliveryState);

/// A page of the inbox, newest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct DeliveryPage {
    pub deliveries: Vec<DeliverySummary>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// A delivery in a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct DeliverySummary {
    pub id: DeliveryId,
    pub slug: String,
    pub received_at: Timestamp,
    #[schemars(with = "Nullable<DeliveryState>")]
    pub state: Option<DeliveryState>,
    #[schemars(with = "Nullable<String>")]
    pub identifier: Option<String>,
    #[schemars(with = "Nullable<RunId>")]
    pub brain_run_id: Option<RunId>,
    /// The status that it was answered.
    pub status: u16,
    /// The bytes of its body.
    pub size: u64,
    pub events: Vec<InboxEvent>,
    /// True if px sent it to itself as somebody asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<bool>,
    /// Name of the token that asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tested_by: Option<String>,
}

/// A delivery on its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct Delivery {
    pub id: DeliveryId,
    pub slug: String,
    pub received_at: Timestamp,
    #[schemars(with = "Nullable<DeliveryState>")]
    pub state: Option<DeliveryState>,
    #[schemars(with = "Nullable<String>")]
    pub identifier: Option<String>,
    #[schemars(with = "Nullable<RunId>")]
    pub brain_run_id: Option<RunId>,
    pub status: u16,
    pub size: u64,
    pub events: Vec<InboxEvent>,
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Address and port of the sender.
    pub remote: String,
    /// Without what is secret.
    pub headers: BTreeMap<String, String>,
    /// Result of the verification of its signature.
    pub verdict: String,
    /// Until the routing, microseconds.
    pub took_micros: u64,
    /// The body: JSON, or a text.
    pub payload: Value,
    /// The fields of the body in their order, if it is a form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fields: Option<Vec<FormField>>,
    /// The files that came with it, in their order; the payload has their places.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<DeliveryFile>,
    /// True if headers, body and files were dropped since.
    pub emptied: bool,
    /// Explanation of its outcome, in words.
    pub why: String,
    /// True if px sent it to itself as somebody asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<bool>,
    /// Name of the token that asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tested_by: Option<String>,
}

/// A file that came with a delivery. `GET /webhooks/deliveries/{id}/files/{place}` has its
/// bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct DeliveryFile {
    /// The field of the form that it came in.
    pub field: String,
    /// The name that the sender gave it: a text, and no path.
    pub name: String,
    /// The number of its bytes.
    pub size: u64,
    /// The SHA-256 of its bytes, in hexadecimal digits.
    pub sha256: String,
    /// The content type that the sender says it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// True if the handler gave it to no run, so that no step reads it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unread: Option<bool>,
}

/// A field of a form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct FormField {
    pub name: String,
    pub value: String,
}

/// An event of a delivery.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct InboxEvent {
    pub id: EventId,
    pub state: DeliveryState,
    pub since: Timestamp,
    #[schemars(with = "Nullable<String>")]
    pub provider_id: Option<String>,
    #[schemars(with = "Nullable<String>")]
    pub identifier: Option<String>,
    #[schemars(with = "Nullable<RunId>")]
    pub brain_run_id: Option<RunId>,
    #[schemars(with = "Nullable<WaitId>")]
    pub wait_id: Option<WaitId>,
    /// Runs that waited too, and went on waiting.
    pub passed: Vec<RunId>,
    /// The delivery that a duplicate repeats.
    #[schemars(with = "Nullable<DeliveryId>")]
    pub original: Option<DeliveryId>,
    #[schemars(with = "Nullable<String>")]
    pub reason: Option<String>,
    #[schemars(with = "Nullable<Object>")]
    pub response: Option<Value>,
    /// The brain that it would start, if nobody waits.
    #[schemars(with = "Nullable<String>")]
    pub would_start: Option<String>,
}

/// Gives a kept event to a run by hand (`POST /webhooks/deliveries/{id}/bind`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(description = "", deny_unknown_fields)]
pub struct BindDelivery {
    /// The run.
    #[schemars(with = "String", length(min = 1))]
    pub brain_run_id: Option<String>,
}

impl BindDelivery {
    /// To this run.
    #[must_use]
    pub fn to(run: impl ToString) -> Self {
        Self { brain_run_id: Some(run.to_string()) }
    }
}

/// An event was given to a run by hand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct BoundEvent {
    pub action: Action,
    pub brain_run_id: RunId,
    pub delivery_id: DeliveryId,
    pub event_id: EventId,
}
