//! Callbacks: what is on its way to hooks. The wire calls them deliveries.

#![expect(missing_docs, reason = "a field whose name says it all has no description in the document either")]

use std::collections::BTreeMap;

use px_core::{CallbackId, EventId, HookId, RunId, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Nullable;
use crate::open::{plain_words, words};

words! {
    /// State of a callback.
    pub enum CallbackState {
        /// It is due, now or later.
        Pending = "pending",
        /// Its receiver took it.
        Delivered = "delivered",
        /// Its tries are spent.
        Dead = "dead",
        /// Its hook takes none now, and it is kept.
        Held = "held",
        /// It is not sent any more.
        Discarded = "discarded",
        /// It is due, and its endpoint is left alone for a while.
        Parked = "parked",
    }
}
plain_words!(CallbackState);

/// A test is on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct TestSent {
    pub delivery_id: CallbackId,
}

/// Summary of the callbacks that a recovery sends again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct Recovered {
    pub deliveries: u64,
    /// Time at which the last one is due.
    #[schemars(with = "Nullable<Timestamp>")]
    pub until: Option<Timestamp>,
    pub dry_run: bool,
}

/// A page of the outbox, newest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct CallbackPage {
    pub deliveries: Vec<CallbackSummary>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// A delivery to a hook, in a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct CallbackSummary {
    pub id: CallbackId,
    pub hook_id: HookId,
    pub event_id: EventId,
    #[serde(rename = "type")]
    pub kind: String,
    #[schemars(with = "Nullable<RunId>")]
    pub brain_run_id: Option<RunId>,
    pub state: CallbackState,
    pub created_at: Timestamp,
    /// The newest attempts.
    pub attempts: Vec<AttemptSummary>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_attempt_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parked_until: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// True if a test event caused what it tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<bool>,
    /// Name of the token that asked for the test.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tested_by: Option<String>,
}

/// An attempt, in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct AttemptSummary {
    pub at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    pub duration_ms: u64,
}

/// A delivery to a hook, with every attempt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct Callback {
    pub id: CallbackId,
    pub hook_id: HookId,
    pub event_id: EventId,
    #[serde(rename = "type")]
    pub kind: String,
    #[schemars(with = "Nullable<RunId>")]
    pub brain_run_id: Option<RunId>,
    pub state: CallbackState,
    pub created_at: Timestamp,
    pub attempts: Vec<Attempt>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_attempt_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parked_until: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// True if a test event caused what it tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<bool>,
    /// Name of the token that asked for the test.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tested_by: Option<String>,
    pub format: String,
    /// Body that is sent.
    pub body: Value,
}

/// An attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct Attempt {
    pub number: u32,
    pub at: Timestamp,
    #[schemars(with = "Nullable<u16>")]
    pub status: Option<u16>,
    #[schemars(with = "Nullable<String>")]
    pub error: Option<String>,
    #[schemars(with = "Nullable<String>")]
    pub message: Option<String>,
    pub duration_ms: u64,
    pub timing: Timing,
    #[schemars(with = "Nullable<Timestamp>")]
    pub retry_after: Option<Timestamp>,
    pub response: Response,
}

/// Phases of an attempt, and the time of each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct Timing {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolved_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub head_ms: Option<u64>,
    pub total_ms: u64,
}

/// Answer of the receiver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Response {
    pub headers: BTreeMap<String, String>,
    /// The beginning of the body.
    #[schemars(with = "Nullable<String>")]
    pub body: Option<String>,
}
