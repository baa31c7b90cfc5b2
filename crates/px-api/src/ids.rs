//! Ids by their tails. Ids begin with the time, so the last digits are what tells them apart.

#![expect(missing_docs, reason = "a field whose name says it all has no description in the document either")]

use px_core::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::lenient::non_empty;
use crate::open::{plain_words, words};

words! {
    /// Kind of a thing that has an id.
    pub enum IdKind {
        /// A run.
        Run = "run",
        /// A delivery of a webhook.
        Delivery = "delivery",
        /// A callback.
        Callback = "callback",
        /// A hook.
        Hook = "hook",
    }
}
plain_words!(IdKind);

/// The ids that are looked for (`GET /ids`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(description = "")]
pub struct FindIds {
    /// The last digits of the id: 4 to 32 hexadecimal ones.
    #[serde(default, deserialize_with = "non_empty", skip_serializing_if = "Option::is_none")]
    #[schemars(description = "", regex(pattern = "^([0-9a-fA-F]{4,32})?$"))]
    pub tail: Option<String>,
    /// Only of this kind: `run`, `delivery`, `callback` or `hook`.
    #[serde(default, deserialize_with = "non_empty", skip_serializing_if = "Option::is_none")]
    #[schemars(description = "", regex(pattern = "^(run|delivery|callback|hook)?$"))]
    pub kind: Option<String>,
}

/// The ids that end so, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct FoundIds {
    /// At most twenty.
    pub ids: Vec<FoundId>,
    /// Number of ids that were looked at, the newest of each kind.
    pub looked: u64,
    /// True if there are older ones that were not looked at.
    pub has_more: bool,
}

/// A thing whose id ends as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct FoundId {
    pub id: String,
    pub kind: IdKind,
    /// Title of a run's brain, slug of a delivery's webhook, name of a hook, type of a callback.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Status of a run, state of a delivery or callback.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// Time at which it was made.
    pub at: Timestamp,
}
