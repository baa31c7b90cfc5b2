//! Waits: what a parked run waits for (RULES 12, 14). A wait is an engine
//! record, open until exactly one of event, timeout, cancel and sibling ends it.

use serde::{Deserialize, Serialize};

use crate::id::WaitId;
use crate::key::KeyId;
use crate::time::Timestamp;

/// One thing that a wait listens to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registration {
    /// The webhook and the identifier.
    pub key: KeyId,
    /// A token that the event must bring (RULES 10).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// Fingerprint of the response type's schema when the wait was opened;
    /// another one at resume pauses the run (RULES 14).
    pub schema: u64,
}

/// When a wait has what it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitMode {
    /// At the first response.
    #[default]
    Any,
    /// When every registration has had one.
    All,
    /// After this many distinct responses.
    Count(u32),
    /// At each response, until it is closed.
    Stream,
}

/// A wait, as a step asks for it and as the run holds it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Wait {
    /// Its id, given by the engine.
    pub id: WaitId,
    /// When it has what it needs.
    #[serde(default)]
    pub mode: WaitMode,
    /// What it listens to, in the order in which the step named it.
    pub registrations: Vec<Registration>,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// When it ends by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Timestamp>,
    /// Whether it leaves alone what was queued before it (RULES 6).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fresh: bool,
}
