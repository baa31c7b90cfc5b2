//! The records of a callback: the callback itself, its attempts, the row that says when it
//! is due, and the endpoint it goes to. It owns the records; the sender decides what
//! follows from an answer.

use bytes::Bytes;
use px_core::event::TestMark;
use px_core::lifecycle::Kind;
use px_core::{CallbackId, EventId, HookId, RunId, Timestamp};
use serde::{Deserialize, Serialize};

use px_core::hook::Format;

/// The state of a delivery. Each is in exactly one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallbackState {
    /// It is to be sent, at a time that its due row says.
    Pending,
    /// Its receiver answered 2xx.
    Delivered,
    /// Its tries are spent, or its receiver refused it for good. It can be
    /// delivered again by hand.
    Dead,
    /// Its hook is disabled; it is kept for the day it is enabled again.
    Held,
    /// Its hook was deleted, or somebody chose not to send what was kept.
    Discarded,
}

impl CallbackState {
    /// Every state.
    pub const ALL: [Self; 5] = [Self::Pending, Self::Delivered, Self::Dead, Self::Held, Self::Discarded];

    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
            Self::Held => "held",
            Self::Discarded => "discarded",
        }
    }

    /// The state of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }
}

/// An attempt in a line, as lists show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AttemptBrief {
    /// The time at which it began.
    pub at: Timestamp,
    /// The status that was answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The class of the error, if it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Its duration, milliseconds.
    pub duration_ms: u64,
}

/// One event on its way to one hook.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Callback {
    /// Its id.
    pub id: CallbackId,
    /// Number of times that the row was written; a commit can demand it.
    #[serde(skip)]
    pub version: u64,
    /// The hook.
    pub hook: HookId,
    /// The event's id, the same for every attempt.
    pub event: EventId,
    /// The type of the event.
    pub kind: Kind,
    /// The run that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// That run's brain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub brain: Option<String>,
    /// From 1, gap-free per hook and run; 0 for events that belong to no run.
    pub seq: u64,
    /// The time at which it was written, with the commit that it tells of.
    pub created_at: Timestamp,
    /// Its state.
    pub state: CallbackState,
    /// Time since which it is in this state.
    pub since: Timestamp,
    /// The time of its next try, while it is pending.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Timestamp>,
    /// The endpoint's lane.
    pub lane: u64,
    /// The format of its body.
    pub format: Format,
    /// True if it waits for the one before it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ordered: bool,
    /// True if its hook is that of one run.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub own: bool,
    /// True if nothing comes after it for its run.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_final: bool,
    /// Set if a test event caused what it tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<TestMark>,
    /// The one before it, of the same hook and run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prev: Option<CallbackId>,
    /// Number of attempts that were made, ever.
    #[serde(default)]
    pub attempts: u32,
    /// Number of tries of the schedule that are used up.
    #[serde(default)]
    pub tries: u32,
    /// The newest attempts, oldest first, at most 12.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recent: Vec<AttemptBrief>,
    /// Explanation of its state in words, where the state does not say it all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The exact bytes that every attempt sends. Kept beside the record.
    #[serde(skip)]
    pub body: Bytes,
}

impl Callback {
    /// Maximum number of attempts that a delivery shows in lists.
    pub(crate) const RECENT: usize = 12;

    /// The row that says when it is due, while it is pending.
    #[must_use]
    pub fn due_row(&self) -> Option<Due> {
        let due = self.due.filter(|_| self.state == CallbackState::Pending)?;
        Some(Due {
            lane: self.lane,
            due,
            id: self.id,
            hook: self.hook,
            run: self.run,
            prev: self.prev.filter(|_| self.ordered),
            ordered: self.ordered,
        })
    }

    /// Adds an attempt to those that lists show.
    pub fn note(&mut self, attempt: AttemptBrief) {
        self.attempts += 1;
        self.recent.push(attempt);
        if self.recent.len() > Self::RECENT {
            self.recent.remove(0);
        }
    }
}

/// A delivery that is to be tried at a time: a row in the order of lane and time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Due {
    /// The endpoint's lane.
    #[serde(skip)]
    pub lane: u64,
    /// The time.
    #[serde(skip)]
    pub due: Timestamp,
    /// The delivery.
    pub id: CallbackId,
    /// Its hook.
    pub hook: HookId,
    /// Its run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// The one that it waits for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prev: Option<CallbackId>,
    /// One at a time with others of its hook and run.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ordered: bool,
}

/// The course of an attempt, milliseconds from its beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Timing {
    /// Until the name was resolved; absent where a connection was reused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved_ms: Option<u64>,
    /// Until the head of the answer came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head_ms: Option<u64>,
    /// Until everything was read.
    pub total_ms: u64,
}

/// One attempt, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    /// From 1.
    pub number: u32,
    /// The time at which it began.
    pub at: Timestamp,
    /// The status that was answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The class of the error: `timeout`, `dns_error`, `egress_denied`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The error, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Its course in time.
    pub timing: Timing,
    /// The answer's headers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
    /// The beginning of the answer's body, what is no text replaced.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub body: String,
    /// The time at which the receiver asked to be tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<Timestamp>,
}

/// An endpoint's breaker, as it is kept and shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Breaker {
    /// Everything goes out.
    #[default]
    Closed,
    /// Nothing goes out until then; what is due is parked.
    Open {
        /// The time from which one may try again.
        until: Timestamp,
        /// Number of times that it has opened without closing in between, from 1.
        times: u32,
    },
    /// After a pause: few may be under way, more with each success.
    Ramp {
        /// Maximum number under way at once, from 1: the probe.
        width: u32,
        /// Number of times that it had opened.
        times: u32,
    },
}

/// The record of an endpoint: a URL without its query.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// Its lane.
    #[serde(skip)]
    pub lane: u64,
    /// The URL.
    pub url: String,
    /// Failures since the last success.
    pub failures: u32,
    /// The breaker.
    pub breaker: Breaker,
}

impl Endpoint {
    /// Returns true if there is nothing to keep: one that is well is as good as one that
    /// nobody knows, so a store forgets it.
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.failures == 0 && self.breaker == Breaker::Closed
    }
}

/// The URL of an endpoint, and the lane that goes there: what is in the query
/// or behind `#` makes no other receiver of it.
#[must_use]
pub fn lane_of(url: &str) -> (u64, &str) {
    let endpoint = url.split(['?', '#']).next().unwrap_or(url);
    // FNV-1a: stable over versions and machines. Two endpoints that meet on
    // one lane share it, which slows them down and mixes nothing up.
    let lane = endpoint.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    (lane, endpoint)
}
