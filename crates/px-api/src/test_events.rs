//! Test events: webhook requests that a server makes, signs and takes in itself.

#![expect(missing_docs, reason = "a field whose name says it all has no description in the document either")]

use px_core::{DeliveryId, RunId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Action;

/// Sends a webhook a test event (`POST /tests`).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(description = "")]
pub struct SendTest {
    /// The webhook.
    #[serde(default)]
    #[schemars(!default, with = "String", length(min = 1))]
    pub slug: Option<String>,
    /// The identifier that the webhook's handler is to find in the payload: px puts it where it belongs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identifier: Option<String>,
    /// The payload; an example of the webhook's schema if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<Value>,
    /// The kind of event, where the provider names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// The token that the wait demands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
}

impl SendTest {
    /// An example to this webhook.
    #[must_use]
    pub fn to(slug: impl Into<String>) -> Self {
        Self { slug: Some(slug.into()), ..Self::default() }
    }
}

/// A test event was taken in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct SentTest {
    pub slug: String,
    /// True if it was signed, or carried the token, as its provider's requests do.
    pub signed: bool,
    /// The payload that was sent.
    pub payload: Value,
    /// The status that a sender would have been answered.
    pub status: u16,
    /// The body of that answer: JSON, or a text.
    pub answer: Value,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<Action>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery_id: Option<DeliveryId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub brain_run_id: Option<RunId>,
}
