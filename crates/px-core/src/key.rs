//! The key: one record per (scope, slug, identifier), and the rule by which an
//! event finds a wait, an owner, a start or a place in the queue (docs/rules.md#1 to
//! 5, 10, 11).
//!
//! Every change of a record goes with a new version, and the version that was
//! read is the precondition of the batch that changes it. So an opening wait
//! and an arriving event can never both commit unseen by each other.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use crate::id::{RunId, WaitId};
use crate::time::Timestamp;

/// The tenant that starts every stored key. There is one, `0`, until tenants come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Scope(pub u16);

/// Meeting point of events and waits: a webhook's slug and an identifier within it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct KeyId {
    /// The webhook's slug.
    pub slug: Arc<str>,
    /// The identifier that the handler, or the wait, gave.
    pub identifier: Arc<str>,
}

impl KeyId {
    /// Returns the key at which other runs wait for the end of `run`.
    #[must_use]
    pub fn end_of(run: RunId) -> Self {
        Self::new(RUN_SLUG, run.to_string())
    }

    /// Returns true if only runs meet at this key, and no webhook's events.
    #[must_use]
    pub fn is_between_runs(&self) -> bool {
        matches!(&*self.slug, RUN_SLUG | SLOT_SLUG)
    }

    /// The run whose end is waited for here, if that is what this key is for.
    #[must_use]
    pub fn awaited_run(&self) -> Option<RunId> {
        (&*self.slug == RUN_SLUG).then(|| self.identifier.parse().ok()).flatten()
    }

    /// A key from its two parts.
    pub fn new(slug: impl Into<Arc<str>>, identifier: impl Into<Arc<str>>) -> Self {
        Self { slug: slug.into(), identifier: identifier.into() }
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} '{}'", self.slug, self.identifier)
    }
}

/// An open wait as its key knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyWait {
    /// The wait.
    pub wait: WaitId,
    /// The run that is parked on it.
    pub run: RunId,
    /// Index of the wait's registration, from 0.
    pub index: u32,
    /// A token that the event must bring.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// Time at which the wait was opened.
    pub opened_at: Timestamp,
}

/// Cause of a wait's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndedBy {
    /// An event on this very key.
    Event,
    /// An event on another key of the same wait.
    Sibling,
    /// The wait's deadline.
    Timeout,
    /// The run was cancelled, or ended otherwise.
    Cancel,
    /// The step of a stream wanted no more of it.
    Done,
}

impl EndedBy {
    /// The word that replies and tables use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Sibling => "sibling",
            Self::Timeout => "timeout",
            Self::Cancel => "cancel",
            Self::Done => "done",
        }
    }
}

/// End of the last wait on a key, kept for as long as an event for it would be late.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastEnd {
    /// Cause of its end.
    pub by: EndedBy,
    /// The run that waited.
    pub run: RunId,
    /// Time of its end.
    pub at: Timestamp,
}

/// The record of one key.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct KeyRecord {
    /// Open waits, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waits: Vec<KeyWait>,
    /// The place of the oldest queued event; the places below it are empty.
    #[serde(default)]
    pub head: u64,
    /// The place that the next queued event will get.
    #[serde(default)]
    pub next: u64,
    /// Number of queued events. It can be less than `next - head`, since some are taken out of order.
    #[serde(default)]
    pub queued: u32,
    /// The run that was started for this identifier and has not ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<RunId>,
    /// End of the last wait, unless an event on this key ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_end: Option<LastEnd>,
    /// Runs that take turns here: those whose turn it is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holders: Vec<RunId>,
    /// Runs that wait for their turn here, in the order of their start.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pending: Vec<RunId>,
}

/// The slug under which a run waits for another run's end. No webhook can have it.
pub const RUN_SLUG: &str = "px.run";
/// The slug under which the runs of a brain take turns. No webhook can have it.
pub const SLOT_SLUG: &str = "px.slot";
/// The slug under which runs wait for forms on pages. No webhook can have it.
pub const FORM_SLUG: &str = "page-form";
/// Maximum number of runs that wait for their turn at one key.
pub const MAX_PENDING: usize = 1_000;

/// Everything about an arriving event that decides where it goes.
#[derive(Debug, Clone, Copy)]
pub struct Arrival<'a> {
    /// The token that the event brings.
    pub token: Option<&'a str>,
    /// True if the handler named a brain to start in case nothing waits for the event.
    pub starts: bool,
    /// The webhook's early window; `None` keeps no event for a wait to come.
    pub early: Option<Duration>,
    /// Maximum number of events that one key may queue.
    pub queue_limit: u32,
    /// Now.
    pub at: Timestamp,
}

/// Destination of an event; the first that fits is taken, in this order (docs/rules.md#3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// To the oldest open wait that it fits.
    Resume(KeyWait),
    /// Nowhere: waits are open, and the token fits none.
    WrongToken {
        /// The run of the oldest open wait.
        run: RunId,
    },
    /// Into the queue.
    Queue {
        /// The run that owns the key, if one does.
        owner: Option<RunId>,
    },
    /// To a new run, which will own the key.
    Start,
    /// Kept aside: its wait is over.
    Late(LastEnd),
    /// Nowhere: nobody waits, and the webhook keeps nothing for later.
    NotKept,
    /// Not now: the queue is full.
    Full,
}

impl KeyRecord {
    /// Returns true if the record holds nothing, so that its row can be removed.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.waits.is_empty()
            && self.queued == 0
            && self.owner.is_none()
            && self.last_end.is_none()
            && self.holders.is_empty()
            && self.pending.is_empty()
    }

    /// Decides where an event goes. Changes nothing.
    #[must_use]
    pub fn route(&self, arrival: &Arrival<'_>) -> Route {
        if let Some(oldest) = self.waits.first() {
            return match self.waits.iter().find(|wait| token_fits(wait.token.as_deref(), arrival.token)) {
                Some(wait) => Route::Resume(wait.clone()),
                None => Route::WrongToken { run: oldest.run },
            };
        }
        if self.owner.is_none() && arrival.starts {
            return Route::Start;
        }
        if self.owner.is_none()
            && let Some(end) = &self.last_end
            && arrival.early.is_some_and(|early| arrival.at.since(end.at) <= early)
        {
            return Route::Late(end.clone());
        }
        if self.owner.is_none() && arrival.early.is_none() {
            return Route::NotKept;
        }
        if self.queued >= arrival.queue_limit {
            return Route::Full;
        }
        Route::Queue { owner: self.owner }
    }

    /// Adds an open wait behind the others.
    pub fn open(&mut self, wait: KeyWait) {
        self.last_end = None;
        self.waits.push(wait);
    }

    /// Removes every registration of a wait. What ended it is remembered when
    /// an event that comes now would be late.
    pub fn close(&mut self, wait: WaitId, run: RunId, by: EndedBy, at: Timestamp) {
        self.waits.retain(|open| open.wait != wait);
        if by != EndedBy::Event && self.waits.is_empty() {
            self.last_end = Some(LastEnd { by, run, at });
        }
    }

    /// Takes the next place of the queue.
    pub fn enqueue(&mut self) -> u64 {
        if self.queued == 0 {
            self.head = self.next;
        }
        let place = self.next;
        self.next += 1;
        self.queued += 1;
        place
    }

    /// Gives up a place of the queue. `new_head` is the oldest place that is
    /// still taken, or `next` when none is.
    pub fn dequeue(&mut self, new_head: u64) {
        self.queued = self.queued.saturating_sub(1);
        self.head = if self.queued == 0 { self.next } else { self.head.max(new_head) };
    }
}

/// Returns true if an event's token fits a wait's (docs/rules.md#10). A wait without a token takes any
/// event. The comparison takes the same time wherever the texts differ, so that a token cannot be guessed
/// letter by letter.
#[must_use]
pub fn token_fits(wanted: Option<&str>, brought: Option<&str>) -> bool {
    match wanted {
        None => true,
        Some(wanted) => {
            brought.is_some_and(|brought| bool::from(wanted.as_bytes().ct_eq(brought.as_bytes())))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);

    fn run(n: u8) -> RunId {
        RunId::from_bytes([n; 16])
    }

    fn wait(n: u8, token: Option<&str>) -> KeyWait {
        KeyWait {
            wait: WaitId::from_bytes([n; 16]),
            run: run(n),
            index: 0,
            token: token.map(str::to_owned),
            opened_at: NOW,
        }
    }

    fn arrival(starts: bool) -> Arrival<'static> {
        Arrival { token: None, starts, early: Some(Duration::from_secs(60)), queue_limit: 2, at: NOW }
    }

    #[test]
    fn rule_3_an_open_wait_comes_before_an_owner_and_a_start() {
        let mut key = KeyRecord { owner: Some(run(9)), ..KeyRecord::default() };
        key.open(wait(1, None));
        assert_eq!(key.route(&arrival(true)), Route::Resume(wait(1, None)));
    }

    #[test]
    fn rule_3_a_live_owner_comes_before_a_start() {
        let key = KeyRecord { owner: Some(run(9)), ..KeyRecord::default() };
        assert_eq!(key.route(&arrival(true)), Route::Queue { owner: Some(run(9)) });
    }

    #[test]
    fn rule_3_a_start_comes_before_the_queue() {
        assert_eq!(KeyRecord::default().route(&arrival(true)), Route::Start);
        assert_eq!(KeyRecord::default().route(&arrival(false)), Route::Queue { owner: None });
    }

    #[test]
    fn rule_5_an_event_after_a_timeout_is_late_within_the_window_only() {
        let mut key = KeyRecord::default();
        key.open(wait(1, None));
        key.close(WaitId::from_bytes([1; 16]), run(1), EndedBy::Timeout, NOW);
        assert!(matches!(key.route(&arrival(false)), Route::Late(end) if end.by == EndedBy::Timeout));
        assert_eq!(key.route(&arrival(true)), Route::Start, "a start comes before late");
        let later = Arrival { at: NOW.after(Duration::from_secs(61)), ..arrival(false) };
        assert_eq!(key.route(&later), Route::Queue { owner: None });
    }

    #[test]
    fn rule_5_an_event_after_an_answered_wait_is_queued() {
        let mut key = KeyRecord::default();
        key.open(wait(1, None));
        key.close(WaitId::from_bytes([1; 16]), run(1), EndedBy::Event, NOW);
        assert_eq!(key.route(&arrival(false)), Route::Queue { owner: None });
        assert!(key.is_idle());
    }

    #[test]
    fn rule_6_a_full_queue_and_a_webhook_that_keeps_nothing() {
        let key = KeyRecord { queued: 2, next: 2, ..KeyRecord::default() };
        assert_eq!(key.route(&arrival(false)), Route::Full);
        let off = Arrival { early: None, ..arrival(false) };
        assert_eq!(KeyRecord::default().route(&off), Route::NotKept);
    }

    #[test]
    fn rule_10_a_token_is_part_of_the_match() {
        let mut key = KeyRecord::default();
        key.open(wait(1, Some("a")));
        key.open(wait(2, Some("b")));
        let with = |token| key.route(&Arrival { token, ..arrival(true) });
        assert_eq!(with(Some("b")), Route::Resume(wait(2, Some("b"))));
        assert_eq!(with(Some("x")), Route::WrongToken { run: run(1) });
        assert_eq!(with(None), Route::WrongToken { run: run(1) });
    }

    #[test]
    fn rule_11_the_oldest_wait_takes_the_event() {
        let mut key = KeyRecord::default();
        key.open(wait(1, None));
        key.open(wait(2, None));
        assert_eq!(key.route(&arrival(false)), Route::Resume(wait(1, None)));
    }

    #[test]
    fn places_of_the_queue_grow_and_empty_out() {
        let mut key = KeyRecord::default();
        assert_eq!((key.enqueue(), key.enqueue()), (0, 1));
        key.dequeue(1);
        assert_eq!((key.head, key.queued), (1, 1));
        key.dequeue(2);
        assert!(key.is_idle());
        assert_eq!(key.enqueue(), 2);
    }
}
