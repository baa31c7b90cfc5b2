//! Waits: what a parked run waits for (docs/rules.md#12, #14). A wait is an engine
//! record, open until exactly one of event, timeout, cancel and sibling ends it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::id::WaitId;
use crate::key::KeyId;
use crate::reminder::Reminder;
use crate::time::Timestamp;

/// One thing that a wait listens to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registration {
    /// The webhook and the identifier.
    pub key: KeyId,
    /// A token that the event must bring (docs/rules.md#10).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// Fingerprint of the response type's schema when the wait was opened;
    /// another one at resume pauses the run (docs/rules.md#14).
    pub schema: u64,
    /// The question that a signed link shows, if this is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ask: Option<Box<Ask>>,
}

/// Text that the token of every signed link begins with, so that whoever looks for
/// secrets knows one.
pub const LINK_TOKEN_PREFIX: &str = "pxl_";

/// A question that whoever opens a signed link is asked, in the words of the step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    /// The question.
    pub words: String,
    /// The answers that may be given, at least one, in the order of their buttons.
    pub answers: Vec<AskedAnswer>,
    /// Person whom the link was made for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approver: Option<String>,
    /// Time from which the link is worth nothing; without it that is the end of its wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
}

/// One of the answers to a question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskedAnswer {
    /// Text of its button.
    pub label: String,
    /// Value that the run is given.
    pub value: Value,
}

/// Condition under which a wait is complete.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitMode {
    /// At the first response.
    #[default]
    Any,
    /// After a response to every registration.
    All,
    /// Never: it gives its step one response after the other, until the step
    /// wants no more or the time is up.
    Stream,
    /// After so many distinct responses.
    Count {
        /// Number of responses.
        need: u32,
        /// JSON pointer to the part of a response that must differ from those before it, so that two
        /// approvals by one person count once. `None` counts every response.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        distinct_by: Option<String>,
        /// True if each registration counts once, so that one who has two forms has two votes, and one
        /// form that is sent twice is one.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        by_registration: bool,
    },
}

/// One of several responses that a wait needs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Collected {
    /// Index of the wait's registration that it answers, from 0.
    pub index: u32,
    /// The response.
    pub response: Value,
    /// Key of that registration, if the step asked for it by `.picked()`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<KeyId>,
}

/// A wait, as a step asks for it and as the run holds it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Wait {
    /// Its id, given by the engine.
    pub id: WaitId,
    /// Condition under which the wait is complete.
    #[serde(default)]
    pub mode: WaitMode,
    /// The responses that it has so far, in the order of their receipt.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub collected: Vec<Collected>,
    /// Indexes of the signed links that a stream has had its answer of, and of the runs whose end it was told:
    /// each has one, and a stream collects none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answered: Vec<u32>,
    /// Keys that it listens to, in the order in which the step named them.
    pub registrations: Vec<Registration>,
    /// Time at which it was opened.
    pub opened_at: Timestamp,
    /// Time at which it ends unanswered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Timestamp>,
    /// True if events that were queued before it was opened are not taken (docs/rules.md#6).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fresh: bool,
    /// True if each response that it collects is kept with the key that it came for.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub picked: bool,
    /// Reminders of it, in the order in which they were declared.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reminders: Vec<Reminder>,
}

impl Wait {
    /// Returns the number of responses that it needs in all.
    #[must_use]
    pub fn need(&self) -> u32 {
        match &self.mode {
            WaitMode::Any | WaitMode::Stream => 1,
            WaitMode::All => u32::try_from(self.registrations.len()).unwrap_or(u32::MAX),
            WaitMode::Count { need, .. } => *need,
        }
    }

    /// Returns the number of responses that it has.
    #[must_use]
    pub fn have(&self) -> u32 {
        u32::try_from(self.collected.len()).unwrap_or(u32::MAX)
    }

    /// Returns true if no earlier response counts as the same one (docs/rules.md#8).
    #[must_use]
    pub fn is_distinct(&self, index: u32, response: &Value) -> bool {
        let differs = |one: &Collected| match &self.mode {
            WaitMode::Count { distinct_by: Some(pointer), .. } => {
                one.response.pointer(pointer) != response.pointer(pointer)
            }
            _ => true,
        };
        !self.is_answered(index) && self.collected.iter().all(differs)
    }

    /// Returns true if the registration of this index takes one response and no second one: each where the wait
    /// says so, and in each wait a signed link, which is the vote of one person, and the end of a run, which is
    /// looked for anew whenever the wait can take something.
    #[must_use]
    pub fn takes_one(&self, index: u32) -> bool {
        let once = |one: &Registration| one.ask.is_some() || one.key.awaited_run().is_some();
        matches!(self.mode, WaitMode::All | WaitMode::Count { by_registration: true, .. })
            || self.registrations.get(index as usize).is_some_and(once)
    }

    /// Returns true if the registration of this index has had its one response, so that a second one is
    /// ignored.
    #[must_use]
    pub fn is_answered(&self, index: u32) -> bool {
        self.takes_one(index) && !self.is_free(index)
    }

    /// Notes the response that a stream was given.
    pub(crate) fn streamed(&mut self, index: u32) {
        if self.takes_one(index) && self.is_free(index) {
            self.answered.push(index);
        }
    }

    fn is_free(&self, index: u32) -> bool {
        !self.answered.contains(&index) && self.collected.iter().all(|one| one.index != index)
    }
}
