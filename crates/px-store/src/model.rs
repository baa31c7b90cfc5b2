//! The records beside runs and keys: the inbox, ready work, timers.

mod inbox_event;

use bytes::Bytes;
use px_core::event::TestMark;
use px_core::{DeliveryId, EventId, KeyId, RunId, StoredFile, Timestamp, WaitId};
use serde::{Deserialize, Serialize};

pub use inbox_event::{APART_FROM, InboxEvent, StartIntent};

/// A record with the version that a commit can demand of it. Version 0 means
/// that there is no row.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Versioned<T> {
    /// The version.
    pub version: u64,
    /// The record.
    pub record: T,
}

/// The state of an event of a delivery. Each event of a delivery that was
/// answered with 2xx is in exactly one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InboxState {
    /// A run that waited took it.
    Resumed,
    /// A run was started from it.
    Started,
    /// Kept for a wait to come.
    Queued,
    /// One of several responses that a wait needs.
    Collected,
    /// Seen before; points at the original.
    Duplicate,
    /// The handler, or a token that fits no wait, said so.
    Ignored,
    /// Its wait was already over.
    Late,
    /// Nobody waited for it in time.
    Expired,
    /// It failed validation, or its handler failed; can be replayed.
    Quarantined,
    /// Its sender was not verified.
    Rejected,
}

impl InboxState {
    /// Every state.
    pub const ALL: [Self; 10] = [
        Self::Resumed,
        Self::Started,
        Self::Queued,
        Self::Collected,
        Self::Duplicate,
        Self::Ignored,
        Self::Late,
        Self::Expired,
        Self::Quarantined,
        Self::Rejected,
    ];

    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Resumed => "resumed",
            Self::Started => "started",
            Self::Queued => "queued",
            Self::Collected => "collected",
            Self::Duplicate => "duplicate",
            Self::Ignored => "ignored",
            Self::Late => "late",
            Self::Expired => "expired",
            Self::Quarantined => "quarantined",
            Self::Rejected => "rejected",
        }
    }

    /// The state of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }
}

/// A request that was taken in, as the inbox keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Delivery {
    /// Its id.
    pub id: DeliveryId,
    /// The webhook.
    pub slug: String,
    /// The time at which its head was read.
    pub received_at: Timestamp,
    /// The peer of the connection.
    pub remote: String,
    /// The request's method.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// The headers, names in lower case, secrets redacted (docs/rules.md#20).
    pub headers: Vec<(String, String)>,
    /// The verdict of verification.
    pub verdict: String,
    /// The status that was answered.
    pub status: u16,
    /// From the head to the commit's hand-over, microseconds.
    pub took_us: u64,
    /// The size of the body, bytes.
    pub size: u64,
    /// Its events; none if it did not get as far.
    pub events: Vec<InboxEvent>,
    /// The files that came with it, of which the body has only the places.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<StoredFile>,
    /// Runs that may read its files though none of its events is theirs: forks. A row with some has a format of its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holders: Vec<RunId>,
    /// True if its content was dropped before its record: headers, body, files, responses.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub emptied: bool,
    /// Set if px sent it to itself as somebody asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<TestMark>,
    /// The body. Kept beside the record, as raw bytes; without the contents of its files.
    #[serde(skip)]
    pub body: Bytes,
    /// The contents of its files, where the next commit writes them; empty in one that was read.
    #[serde(skip)]
    pub contents: Vec<Bytes>,
    /// Number of times that its row was written, 0 for a new one: a commit demands it as it was read.
    #[serde(skip)]
    pub revision: u64,
}

/// An event in quarantine, as its provider's id finds it: the newest, whose place a retry takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetAside {
    /// Its delivery.
    pub delivery: DeliveryId,
    /// The event.
    pub event: EventId,
}

/// The point up to which a scope's inbox was forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forgotten {
    /// The newest that was and may be named: a reference to it or an older one may lead nowhere.
    pub through: DeliveryId,
    /// Number of deliveries that were.
    pub count: u64,
}

/// The record under a provider's id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DedupRecord {
    /// The delivery that came first.
    pub delivery: DeliveryId,
    /// The action that was answered: `resumed`, `triggered`, `queued`, …
    pub action: String,
    /// The run in that answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// The time.
    pub at: Timestamp,
    /// The answer itself, where the provider pins replies (docs/rules.md#18).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply: Option<PinnedReply>,
}

/// A reply to be repeated byte for byte.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PinnedReply {
    /// The status.
    pub status: u16,
    /// The content type.
    pub content_type: String,
    /// The body.
    pub body: String,
}

/// An event in the queue of a key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct QueuedEvent {
    /// The event.
    pub event: EventId,
    /// Its delivery, which holds the response.
    pub delivery: DeliveryId,
    /// The token that it brought.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// The time at which it was received.
    pub at: Timestamp,
    /// The time at which it expires; never while an owner lives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// True if it would start a run.
    #[serde(default)]
    pub starts: bool,
    /// Its place among the events of its delivery, if it lies apart from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<u32>,
}

/// A run that is ready, or whose step runs now.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Work {
    /// Time since which it is ready.
    pub since: Timestamp,
    /// The process that runs its step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<u64>,
    /// Number of processes that died in this execution of the step (docs/rules.md#36).
    #[serde(default)]
    pub deaths: u32,
}

/// The act for which a timer is set.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum TimerKind {
    /// Reminders of a wait: the one that is due first begins.
    Remind {
        /// The wait.
        wait: WaitId,
        /// Its run.
        run: RunId,
    },
    /// A wait ends unanswered.
    Wait {
        /// The wait.
        wait: WaitId,
        /// Its run.
        run: RunId,
    },
    /// A failed step is tried again.
    Retry {
        /// Its run.
        run: RunId,
    },
    /// A queued event expires.
    Expire {
        /// The event.
        event: EventId,
        /// The key at which it is queued.
        key: KeyId,
        /// Its place in the queue.
        place: u64,
    },
    /// A key forgets how its last wait ended.
    Forget {
        /// A number that keeps two of them apart.
        nonce: u64,
        /// The key.
        key: KeyId,
    },
    /// Those who wait for the end of a run are told of it, as far as its own commit did not.
    End {
        /// The run that has ended.
        run: RunId,
        /// The place from which on they have not been told.
        from: u64,
        /// The place from which on they came after the end, and have seen it themselves.
        until: u64,
    },
}

/// A row of the timer table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timer {
    /// The time.
    pub due: Timestamp,
    /// The act.
    pub kind: TimerKind,
}

/// The record of an idempotent start (docs/rules.md#30).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartKey {
    /// The run that was started.
    pub run: RunId,
    /// The initial state and options it was started with, as canonical text.
    pub input: String,
    /// A text that is equal for equal callbacks. `None` in rows that were written
    /// before it was stored; they count as equal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub callback: Option<String>,
}
