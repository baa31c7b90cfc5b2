//! The key: one record per (scope, slug, identifier), and the rule by which an
//! event finds a wait, an owner, a start or a place in the queue (docs/rules.md#1 to
//! 5, 10, 11).
//!
//! Every change of a record goes with a new version, and the version that was
//! read is the precondition of the batch that changes it. So an opening wait
//! and an arriving event can never both commit unseen by each other.

mod line;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use crate::id::RunId;
use crate::time::Timestamp;

pub use line::{KeyWait, Line, Waiter, WaiterId};

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

/// The record of one key. Waiters and queued events are rows beside it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "StoredRecord")]
pub struct KeyRecord {
    /// Those who wait here.
    #[serde(skip_serializing_if = "Line::is_empty")]
    pub line: Line,
    /// The place of the oldest queued event; the places below it are empty.
    pub head: u64,
    /// The place that the next queued event will get.
    pub next: u64,
    /// Number of queued events. It can be less than `next - head`, since some are taken out of order.
    pub queued: u32,
    /// The run that was started for this identifier and has not ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<RunId>,
    /// End of the last wait, unless an event on this key ended it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_end: Option<LastEnd>,
    /// Waiters that are no rows, with their places: one who is alone in the line, since
    /// most are and are then found with the record, and all of a record of the first
    /// form. They become rows with the record's next change that leaves more than one, and a waiter
    /// that is a row stays one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub within: Vec<(u64, Waiter)>,
}

/// A record in any form that was ever written.
#[derive(Deserialize)]
struct StoredRecord {
    #[serde(default)]
    line: Line,
    #[serde(default)]
    head: u64,
    #[serde(default)]
    next: u64,
    #[serde(default)]
    queued: u32,
    #[serde(default)]
    owner: Option<RunId>,
    #[serde(default)]
    last_end: Option<LastEnd>,
    #[serde(default)]
    within: Vec<(u64, Waiter)>,
    /// The first form had all open waits here, …
    #[serde(default)]
    waits: Vec<KeyWait>,
    /// … the runs whose turn it is here, …
    #[serde(default)]
    holders: Vec<RunId>,
    /// … and those that wait for theirs here.
    #[serde(default)]
    pending: Vec<RunId>,
}

impl From<StoredRecord> for KeyRecord {
    fn from(stored: StoredRecord) -> Self {
        let StoredRecord { mut line, head, next, queued, owner, last_end, mut within, .. } = stored;
        let holding = stored.holders.len();
        let turns = stored.holders.into_iter().chain(stored.pending).map(Waiter::Turn);
        for (index, waiter) in turns.chain(stored.waits.into_iter().map(Waiter::Wait)).enumerate() {
            let place = line.enter(&waiter);
            if index < holding {
                line.admit(place);
            }
            within.push((place, waiter));
        }
        Self { line, head, next, queued, owner, last_end, within }
    }
}

/// The slug under which a run waits for another run's end. No webhook can have it.
pub const RUN_SLUG: &str = "px.run";
/// The slug under which the runs of a brain take turns. No webhook can have it.
pub const SLOT_SLUG: &str = "px.slot";
/// The slug under which runs wait for forms on pages. No webhook can have it.
pub const FORM_SLUG: &str = "page-form";
/// The slug under which runs wait for the answer to a signed link. No webhook can have it.
pub const LINK_SLUG: &str = "px.link";
/// Maximum number of runs that wait for their turn at one key.
pub const MAX_PENDING: u64 = 1_000;

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

/// The waits of a key that decide where an event goes, as they were read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Candidates {
    /// The oldest wait of all.
    pub oldest: Option<KeyWait>,
    /// The oldest one that wants no token, with its place.
    pub free: Option<(u64, KeyWait)>,
    /// The oldest one that wants the token that the event brings, with its place.
    pub bearing: Option<(u64, KeyWait)>,
}

impl Candidates {
    /// The oldest wait that an event with this token fits, with its place
    /// (docs/rules.md#10, #11).
    #[must_use]
    pub fn fitting(&self, token: Option<&str>) -> Option<&(u64, KeyWait)> {
        let fits = |(_, wait): &&(u64, KeyWait)| token_fits(wait.token.as_deref(), token);
        self.free.iter().chain(&self.bearing).filter(fits).min_by_key(|(place, _)| *place)
    }
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
        self.line.is_empty() && self.queued == 0 && self.owner.is_none() && self.last_end.is_none()
    }

    /// The waiters within the record from a place on: all, or those that want this token.
    pub fn within_from<'a>(
        &'a self,
        token: Option<&'a str>,
        from: u64,
    ) -> impl Iterator<Item = &'a (u64, Waiter)> {
        let is_asked_for = move |waiter: &Waiter| token.is_none() || waiter.token() == token;
        self.within.iter().filter(move |(place, waiter)| *place >= from && is_asked_for(waiter))
    }

    /// Decides where an event goes. Changes nothing. Where nobody waits there
    /// are no candidates.
    #[must_use]
    pub fn route(&self, candidates: &Candidates, arrival: &Arrival<'_>) -> Route {
        if let Some((_, wait)) = candidates.fitting(arrival.token) {
            return Route::Resume(wait.clone());
        }
        if let Some(oldest) = &candidates.oldest {
            return Route::WrongToken { run: oldest.run };
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

    /// Adds an open wait behind the others. Returns its place.
    pub fn open(&mut self, wait: &Waiter) -> u64 {
        self.last_end = None;
        self.line.enter(wait)
    }

    /// Remembers how a wait ended that has left the line, if an event that comes
    /// now would be late.
    pub fn ended(&mut self, run: RunId, by: EndedBy, at: Timestamp) {
        if by != EndedBy::Event && self.line.is_empty() {
            self.last_end = Some(LastEnd { by, run, at });
        }
    }

    /// The record as it is written: of a line that nobody is in, no place is kept.
    #[must_use]
    pub fn at_rest(self) -> Self {
        let line = if self.line.is_empty() { Line::default() } else { self.line };
        Self { line, ..self }
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
mod tests;
