//! The index of waits: who waits for what, and what is due.

#![expect(missing_docs, reason = "a field whose name says it all has no description in the document either")]

use px_core::{RunId, Timestamp, WaitId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::lenient::non_empty;
use crate::open::{plain_words, words};
use crate::standing::Awaited;

words! {
    /// Cause of a wait's end.
    pub enum WaitEnd {
        /// An event on this very key.
        Event = "event",
        /// An event on another key of the same wait.
        Sibling = "sibling",
        /// The wait's deadline.
        Timeout = "timeout",
        /// The run was cancelled, or ended otherwise.
        Cancel = "cancel",
        /// The step of a stream wanted no more of it.
        Done = "done",
    }
}
plain_words!(WaitEnd);

words! {
    /// Kind of a due time.
    pub enum DueKind {
        /// A wait ends unanswered.
        Deadline = "deadline",
        /// A reminder of a wait runs.
        Reminder = "reminder",
        /// A failed step is tried again.
        Retry = "retry",
    }
}
plain_words!(DueKind);

/// Filter of the index of waits (`GET /waits`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(description = "")]
pub struct ListWaits {
    /// Only at this webhook.
    #[serde(default, deserialize_with = "non_empty", skip_serializing_if = "Option::is_none")]
    #[schemars(description = "")]
    pub slug: Option<String>,
    /// Only at exactly this identifier.
    #[serde(default, deserialize_with = "non_empty", skip_serializing_if = "Option::is_none")]
    #[schemars(description = "")]
    pub identifier: Option<String>,
    /// Only at identifiers that begin so.
    #[serde(default, deserialize_with = "non_empty", skip_serializing_if = "Option::is_none")]
    #[schemars(description = "")]
    pub prefix: Option<String>,
    /// At most so many keys; 50 if it is not said, and never more than 200.
    #[serde(default, deserialize_with = "non_empty", skip_serializing_if = "Option::is_none")]
    #[schemars(description = "")]
    pub limit: Option<usize>,
    /// The `nextCursor` of the page before.
    #[serde(default, deserialize_with = "non_empty", skip_serializing_if = "Option::is_none")]
    #[schemars(description = "")]
    pub cursor: Option<String>,
}

/// A page of the index of waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct WaitPage {
    pub keys: Vec<AwaitedKey>,
    /// Number of keys that were looked at for this page.
    pub looked: u64,
    /// For the query of the next page, if there may be one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// A webhook and an identifier at which somebody waits, or something is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct AwaitedKey {
    pub slug: String,
    pub identifier: String,
    /// Those who wait, the one that takes the next event first: the oldest ten.
    pub waiting: Vec<Waiting>,
    /// Number of all who wait.
    pub count: u64,
    /// Number of events that are kept for a wait to come.
    pub queued: u32,
    /// The run that was started for this identifier and has not ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<RunId>,
    /// End of the last wait here, unless an event on this key ended it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_end: Option<LastEnd>,
}

/// A run that waits at a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct Waiting {
    pub brain_run_id: RunId,
    pub wait_id: WaitId,
    /// Absent if the run cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub brain_title: Option<String>,
    /// The step that the answer is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Timestamp>,
    /// True if an event has to bring a token.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub wants_token: bool,
    /// True if the run is paused, so that an event is kept for it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub paused: bool,
}

/// End of a wait.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct LastEnd {
    pub by: WaitEnd,
    pub brain_run_id: RunId,
    pub at: Timestamp,
}

/// Filter of what is due (`GET /waits/due`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(description = "")]
pub struct ListDue {
    /// Only due at this time or earlier, milliseconds since 1970-01-01 UTC.
    #[serde(default, deserialize_with = "non_empty", skip_serializing_if = "Option::is_none")]
    #[schemars(description = "")]
    pub until: Option<u64>,
    /// At most so many; 50 if it is not said, and never more than 1,000.
    #[serde(default, deserialize_with = "non_empty", skip_serializing_if = "Option::is_none")]
    #[schemars(description = "")]
    pub limit: Option<usize>,
    /// The `nextCursor` of the page before.
    #[serde(default, deserialize_with = "non_empty", skip_serializing_if = "Option::is_none")]
    #[schemars(description = "", regex(pattern = "^([0-9a-f]{2,4096})?$"))]
    pub cursor: Option<String>,
}

/// A page of what is due, soonest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct DuePage {
    pub due: Vec<Due>,
    /// Number of timers that were looked at for this page.
    pub looked: u64,
    /// For the query of the next page, if there may be one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// A time at which a run goes on, or somebody is reminded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct Due {
    pub at: Timestamp,
    pub kind: DueKind,
    pub brain_run_id: RunId,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub brain_title: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// Webhooks and identifiers that the run listens to: the first ten.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub awaits: Vec<Awaited>,
}
