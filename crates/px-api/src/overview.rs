//! The overview: one look at a server, and what on it needs somebody.

#![expect(missing_docs, reason = "a field whose name says it all has no description in the document either")]

use px_core::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::open::{plain_words, words};

words! {
    /// Kind of a thing that needs somebody.
    pub enum AttentionKind {
        /// Runs that failed within a day.
        Failed = "failed",
        /// Runs that are paused.
        Paused = "paused",
        /// Timers of runs that should have rung.
        Overdue = "overdue",
        /// Waits that are older than their brain expects.
        Unanswered = "unanswered",
        /// Users' code that does not yield.
        Stalled = "stalled",
        /// Callbacks whose endpoint is left alone for a while.
        Parked = "parked",
        /// Callbacks that were given up within a day.
        Dead = "dead",
        /// Deliveries that are set aside, since they do not fit.
        Quarantined = "quarantined",
        /// Requests within a day whose senders were not verified.
        Rejected = "rejected",
        /// Events within a day that came for a wait which was over by timeout, cancel or another's answer.
        Late = "late",
        /// A reason for which the server is degraded or not ready.
        Health = "health",
    }
}
plain_words!(AttentionKind);

/// A server at one look (`GET /overview`). All of it comes from a bounded number of rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct Overview {
    pub version: String,
    /// Time at which this server started.
    pub up_since: Timestamp,
    /// Time of this look.
    pub at: Timestamp,
    /// Whatever needs somebody, the worst first; empty if all is quiet.
    pub attention: Vec<Attention>,
    pub webhooks: WebhookPace,
    pub runs: RunCounts,
    pub outbox: OutboxCounts,
    pub store: StoreSize,
}

/// Something that needs somebody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct Attention {
    pub kind: AttentionKind,
    pub count: u64,
    /// True if there may be more than were counted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub at_least: bool,
    /// A sentence that says what it is.
    pub text: String,
    /// The route that lists them, with its filter, relative to the server's URL.
    pub link: String,
    /// The `px` command that lists them, or mends it.
    pub command: String,
}

/// Pace of the webhooks of this process.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct WebhookPace {
    /// Deliveries that were stored since the start.
    pub total: u64,
    /// Deliveries a second, over the last ten seconds.
    pub per_second: f64,
    /// Deliveries of each of the last seconds, oldest first: at most sixty.
    pub recent: Vec<u64>,
    /// Milliseconds from the whole request to its answer, of half of the last minute's
    /// deliveries; absent if there were none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ack_p50_ms: Option<f64>,
    /// The same of 99 in 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ack_p99_ms: Option<f64>,
}

/// Number of things, of which there may be more than were counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct Counted {
    pub count: u64,
    /// True if counting stopped at this number.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub at_least: bool,
}

/// Runs that have not ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct RunCounts {
    /// An estimate, by a sample, where there are hundreds.
    pub waiting: Counted,
    /// Runs whose step is under way.
    pub running: Counted,
    /// Runs whose step could begin.
    pub ready: Counted,
    /// Time since which the oldest of the ready ones is ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ready_since: Option<Timestamp>,
    pub paused: Counted,
}

/// Callbacks that are on their way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct OutboxCounts {
    pub due: Counted,
    /// Those of them whose endpoint is left alone for a while.
    pub parked: Counted,
    /// Time at which the oldest was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oldest: Option<Timestamp>,
}

/// Size of the store.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct StoreSize {
    /// Bytes of its files; absent if it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk_bytes: Option<u64>,
    /// Bytes of rows that wait in memory for the tree.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overlay_bytes: Option<u64>,
}
