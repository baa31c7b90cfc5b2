//! The server at a glance: whatever needs somebody, and the figures of the last hour.

#![expect(missing_docs, reason = "a field whose name says it all has no description in the document either")]

use px_core::{HookId, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::RunSummary;
use crate::open::{plain_words, words};

words! {
    /// Kind of a thing that needs somebody.
    pub enum AttentionKind {
        /// Runs that ended with an error.
        Failed = "failed",
        /// Runs that stand still until they are resumed.
        Paused = "paused",
        /// Timers that are past their time.
        Overdue = "overdue",
        /// A hook whose endpoint is left alone for a while, or that takes nothing.
        Hook = "hook",
        /// Deliveries that were set aside.
        Quarantined = "quarantined",
        /// Deliveries whose sender was not believed.
        Rejected = "rejected",
        /// A reason that the server itself is degraded.
        Server = "server",
    }
}
plain_words!(AttentionKind);

/// A thing that needs somebody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct Attention {
    pub kind: AttentionKind,
    /// Number of the things that were found.
    pub count: u64,
    /// True if there may be more than were counted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_more: bool,
    /// Sentence that says what is wrong.
    pub text: String,
    /// The brain of all of these runs, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub brain: Option<String>,
    /// The webhook of all of these deliveries, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slug: Option<String>,
    /// The hook.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hook_id: Option<HookId>,
}

/// A number of things that lie there, and the age of the oldest.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct Backlog {
    pub count: u64,
    /// True if the number is an estimate, or there may be more than were counted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_estimate: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest_at: Option<Timestamp>,
}

/// A rate, and its samples in the order of time, the newest last.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct Rate {
    /// Over the newest sample.
    pub per_second: f64,
    /// Number in each sample.
    pub samples: Vec<u64>,
    /// Milliseconds that a sample covers.
    pub sample_ms: u64,
}

/// Latency over the newest samples.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct Latency {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p50_micros: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p99_micros: Option<u64>,
    /// Quantiles of the samples in the order of time, the newest last: microseconds, 0 where nothing was measured.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub p99_samples: Vec<u64>,
}

/// Space that the store takes, and that is left.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct Disk {
    /// Bytes of the store's files.
    pub used_bytes: u64,
    /// Bytes that are free where they lie.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub free_bytes: Option<u64>,
}

/// The server at a glance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct Overview {
    /// Time at which the process began.
    pub started_at: Timestamp,
    /// Things that need somebody, the worst first; empty if all is quiet.
    pub attention: Vec<Attention>,
    /// Time since which nothing needs anybody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quiet_since: Option<Timestamp>,
    /// Requests to webhooks.
    pub inbound: Rate,
    /// Time to the answer of a webhook.
    pub ack: Latency,
    /// Runs that could go on now.
    pub ready: Backlog,
    /// Runs that wait for an event.
    pub waiting: Backlog,
    /// Callbacks that are due.
    pub outbox: Backlog,
    /// Time that a write of the store takes until it is on the disk.
    pub sync: Latency,
    pub disk: Disk,
    /// Number of timers that ring in each five minutes of the next hour.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub due: Vec<u64>,
    /// The runs that ended with an error last, newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<RunSummary>,
    /// True if the store has no run and no delivery.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_empty: bool,
}
