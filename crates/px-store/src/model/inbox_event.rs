//! An event of a delivery, as the inbox keeps it.

use px_core::event::TestMark;
use px_core::{DeliveryId, EventId, RunId, Timestamp, WaitId};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::InboxState;

/// The run that a handler asked for if nobody waits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StartIntent {
    /// The brain's title.
    pub brain: String,
    /// The run's initial state, an object.
    pub input: Value,
    /// The trace that the delivery belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// Version of the brain whose input it was when the event came: one that is queued may meet a later one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
}

/// One event of a delivery: dedup, identifier, state and consumption are its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InboxEvent {
    /// Its id.
    pub id: EventId,
    /// Its state.
    pub state: InboxState,
    /// Time since which it is in this state.
    pub since: Timestamp,
    /// The provider's id of it, which is what duplicates are known by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_id: Option<String>,
    /// The identifier that the handler gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identifier: Option<String>,
    /// The token that it brought.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// The response that the handler made of it, an object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<Value>,
    /// The run that it would start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<StartIntent>,
    /// The run that it resumed, started, waits for or missed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// The wait that consumed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<WaitId>,
    /// Runs that waited too when this one was taken, and went on waiting.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub passed: Vec<RunId>,
    /// The delivery that it repeats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original: Option<DeliveryId>,
    /// Explanation in words, where the state does not say it all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Set if its delivery is a test: whoever takes it from a queue marks what follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<TestMark>,
    /// Version of the row that it has apart from its delivery's, or 0 if it lies in that one. Queued
    /// events of a large delivery lie apart, so that no commit that changes one of them writes the
    /// others, and two commits over two of them do not meet.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub apart: u64,
}

/// Number of events from which on a delivery's queued ones lie apart from it: fewer are written
/// together faster than one by one.
pub const APART_FROM: usize = 9;

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl InboxEvent {
    /// An event of which no more is known than its state since a time.
    #[must_use]
    pub const fn new(id: EventId, state: InboxState, since: Timestamp) -> Self {
        Self {
            id,
            state,
            since,
            provider_id: None,
            identifier: None,
            token: None,
            response: None,
            start: None,
            run: None,
            wait: None,
            passed: Vec::new(),
            original: None,
            reason: None,
            test: None,
            apart: 0,
        }
    }

    /// Returns what the row of its delivery says of an event that lies apart: that it is there.
    #[must_use]
    pub fn stub(&self) -> Self {
        Self { apart: self.apart, ..Self::new(self.id, self.state, self.since) }
    }

    /// Leaves what this event was to do to another delivery: a provider's retry
    /// of one that failed, or an operator's replay.
    pub fn leave_to(&mut self, delivery: DeliveryId) {
        if matches!(self.state, InboxState::Quarantined | InboxState::Queued) {
            self.state = InboxState::Ignored;
            self.reason = Some(format!("{SUPERSEDED}{delivery}"));
        }
    }

    /// Returns true if another delivery does what this event was to do.
    #[must_use]
    pub fn is_superseded(&self) -> bool {
        self.reason.as_deref().is_some_and(|reason| reason.starts_with(SUPERSEDED))
    }
}

/// The beginning of the reason of a superseded event.
const SUPERSEDED: &str = "superseded by ";
