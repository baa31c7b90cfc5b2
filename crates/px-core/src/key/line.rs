//! The line of those who wait at a key: each is a row of its own at a place, and
//! the key's record has only what finds them. So a record is as long beside a
//! hundred thousand waits as beside one, and so is the commit that changes it.
//!
//! Places are given out in the order of commits and never twice while somebody
//! waits, so the oldest waiter is the one at the lowest place. Heads are lower
//! bounds: below them is nobody, and at them may be nobody any more.

use serde::{Deserialize, Serialize};

use crate::id::{RunId, WaitId};
use crate::time::Timestamp;

/// An open wait as its key knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyWait {
    /// The wait.
    pub wait: WaitId,
    /// The run that is parked on it.
    pub run: RunId,
    /// Which of the wait's registrations this is, from 0.
    pub index: u32,
    /// A token that the event must bring.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// When the wait was opened.
    pub opened_at: Timestamp,
}

/// Somebody in the line of a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Waiter {
    /// A registration of an open wait.
    Wait(KeyWait),
    /// A run that takes turns here: it waits for its turn, or has it.
    Turn(RunId),
}

/// The name by which a waiter is found in a line without its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaiterId {
    /// A wait, and which of its registrations.
    Wait(WaitId, u32),
    /// A run that takes turns.
    Turn(RunId),
}

impl Waiter {
    /// The name of this waiter, which no other one of its line has.
    #[must_use]
    pub const fn id(&self) -> WaiterId {
        match self {
            Self::Wait(wait) => WaiterId::Wait(wait.wait, wait.index),
            Self::Turn(run) => WaiterId::Turn(*run),
        }
    }

    /// The token that an event must bring, if it must bring one.
    #[must_use]
    pub fn token(&self) -> Option<&str> {
        match self {
            Self::Wait(wait) => wait.token.as_deref(),
            Self::Turn(_) => None,
        }
    }

    /// The open wait, if this is one.
    #[must_use]
    pub fn wait(self) -> Option<KeyWait> {
        match self {
            Self::Wait(wait) => Some(wait),
            Self::Turn(_) => None,
        }
    }

    /// The run that waits, or that has its turn.
    #[must_use]
    pub const fn run(&self) -> RunId {
        match self {
            Self::Wait(wait) => wait.run,
            Self::Turn(run) => *run,
        }
    }
}

/// Counts and heads of a line, in the record of its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Line {
    /// Number of waiters.
    pub count: u64,
    /// Nobody waits at a place below this one.
    pub head: u64,
    /// The place that the next waiter will get.
    pub next: u64,
    /// Number of waiters that want a token.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub tokens: u64,
    /// Nobody who wants no token waits at a place below this one.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub free_head: u64,
    /// Number of runs whose turn it is.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub holding: u64,
    /// Of those who take turns, the ones at places below this have theirs.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub admitted: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Line {
    /// True if nobody is in it. What places it gave out does not matter then.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Number of waiters that any event fits, whatever token it brings.
    #[must_use]
    pub const fn free(&self) -> u64 {
        self.count.saturating_sub(self.tokens)
    }

    /// Number of runs that wait for their turn.
    #[must_use]
    pub const fn pending(&self) -> u64 {
        self.count.saturating_sub(self.holding)
    }

    /// Takes the next place for a waiter.
    pub fn enter(&mut self, waiter: &Waiter) -> u64 {
        let place = self.next;
        if self.is_empty() {
            *self = Self { head: place, free_head: place, admitted: place, ..Self::default() };
        } else if self.free() == 0 {
            self.free_head = place;
        }
        self.next = place + 1;
        self.count += 1;
        self.tokens += u64::from(waiter.token().is_some());
        place
    }

    /// Gives up the place of a waiter.
    pub fn leave(&mut self, place: u64, waiter: &Waiter) {
        let is_holder = matches!(waiter, Waiter::Turn(_)) && place < self.admitted;
        self.count = self.count.saturating_sub(1);
        self.tokens = self.tokens.saturating_sub(u64::from(waiter.token().is_some()));
        self.holding = self.holding.saturating_sub(u64::from(is_holder));
        if self.is_empty() {
            self.head = self.next;
            self.free_head = self.next;
        } else {
            self.head += u64::from(self.head == place);
            self.free_head += u64::from(self.free_head == place);
        }
    }

    /// Gives its turn to the oldest of those who wait for theirs, which is at this place.
    pub fn admit(&mut self, place: u64) {
        self.admitted = self.admitted.max(place + 1);
        self.holding += 1;
    }
}
