//! The `Store` trait: what px's stages ask of storage. It speaks of claims,
//! commits and queries, not of keys and values, so that an embedded store and
//! SQL can both serve each call with a point read, an index range or one
//! commit.

use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use px_core::key::{Waiter, WaiterId};
use px_core::{DeliveryId, Event, FileId, KeyId, KeyRecord, Run, RunId, RunStatus, Scope, Timestamp};
use serde_json::Value;
use tokio::sync::watch;

use crate::batch::{Batch, LogTail, Outcome, RunRecord};
use crate::claim::{ClaimRequest, Claimed};
use crate::epoch::Epoch;
use crate::error::Error;
use crate::hints::HintBus;
use crate::inspect::Inspect;
use crate::kv::KvStore;
use crate::model::{
    DedupRecord, Delivery, Forgotten, InboxEvent, InboxState, QueuedEvent, SetAside, StartKey, Timer,
    Versioned, Work,
};
use crate::outbox::OutboxStore;
use crate::scan::{Cursor, Scan, Table};
use crate::tokens::Token;

/// A future on the heap, as the object-safe traits of this crate return it.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The conduct of a commit when the committer's queue is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// Wait for a place: work that must not be lost and that px itself paces.
    Wait,
    /// Answer [`Error::Busy`] at once: work whose sender can be told to come back.
    Refuse,
}

/// A page of a list, newest first unless it is said.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// The entries.
    pub items: Vec<T>,
    /// The place where the next page begins, if there may be one.
    pub next: Option<[u8; 16]>,
    /// Number of rows that were looked at for it.
    pub looked: usize,
}

/// Filter of a list of runs. Everything that is set must fit.
#[derive(Debug, Clone, Default)]
pub struct RunFilter {
    /// The brain's title.
    pub brain: Option<String>,
    /// Any of these; empty means all.
    pub statuses: Vec<RunStatus>,
    /// Time before which none was created.
    pub since: Option<Timestamp>,
    /// Time before which none ended; those that have not ended do not fit.
    pub ended_since: Option<Timestamp>,
    /// Labels that the run has, all of them: name and value of each.
    pub labels: Vec<(String, String)>,
    /// The caller's own name for the request that started it.
    pub request_id: Option<String>,
    /// The step that it is at, alone or with the steps around it: `book` or `pay[2]/book`.
    pub step: Option<String>,
    /// Values in its state, each by its JSON pointer (RFC 6901).
    pub state: Vec<(String, Value)>,
    /// True for the oldest first, false for the newest first.
    pub oldest_first: bool,
}

impl RunFilter {
    /// Returns true if a run fits all that is set, `since` left out: lists are ordered by it.
    #[must_use]
    pub fn fits(&self, run: &Run) -> bool {
        let is_labelled = |(name, value): &(String, String)| run.labels.get(name) == Some(value);
        (self.statuses.is_empty() || self.statuses.contains(&run.status))
            && self.brain.as_ref().is_none_or(|brain| run.brain == *brain)
            && self.ended_since.is_none_or(|since| run.completed_at.is_some_and(|at| at >= since))
            && self.labels.iter().all(is_labelled)
            && self.request_id.as_ref().is_none_or(|id| run.request_id.as_ref() == Some(id))
            && self.step.as_deref().is_none_or(|step| is_at(run, step))
            && self.state.iter().all(|(place, value)| run.state().pointer(place) == Some(value))
    }

    /// Returns true if the rows of a list have to be looked at one by one, since no list has
    /// only what fits.
    #[must_use]
    pub fn looks_inside(&self) -> bool {
        self.labels.len() > 1
            || self.ended_since.is_some()
            || self.request_id.is_some()
            || self.step.is_some()
            || !self.state.is_empty()
    }
}

/// Returns true if a run that is not over is at a step, by its title or by its path.
fn is_at(run: &Run, step: &str) -> bool {
    let Some(frame) = run.frame().filter(|_| !run.status.is_terminal()) else { return false };
    frame.step == step
        || run.path().is_some_and(|path| {
            step.strip_prefix(&*path).and_then(|rest| rest.strip_prefix('/')) == Some(&*frame.step)
        })
}

/// Filter of a list of deliveries. Everything that is set must fit.
#[derive(Debug, Clone, Default)]
pub struct DeliveryFilter {
    /// The webhook.
    pub slug: Option<String>,
    /// The state of one of its events.
    pub state: Option<InboxState>,
    /// The identifier of one of its events.
    pub identifier: Option<String>,
    /// Time before which none was received.
    pub since: Option<Timestamp>,
}

/// A list of deliveries that a store keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryList<'a> {
    /// All of a webhook.
    Webhook(&'a str),
    /// All that have, or have had, an event in this state.
    State(InboxState),
}

/// A result of a read.
pub type Read<'a, T> = BoxFuture<'a, Result<T, Error>>;

/// Durable storage. Reads see every commit that was acknowledged, and only those.
pub trait Store: Send + Sync + 'static {
    /// Commits a batch, or says which precondition did not hold. Resolves when
    /// the outcome is durable.
    ///
    /// The first poll of the future hands the batch over; dropping the future
    /// after that does not take the batch back. Of two batches that name one run
    /// (in `runs`, `unchanged` or `work`) and come from one process, the one that
    /// is handed over first is decided first, and the other one sees what it did:
    /// a claim need not be awaited before the commit that demands its fence.
    ///
    /// # Errors
    /// Nothing was written, unless the process ends before it knows
    /// ([`Error::Poisoned`], [`Error::Closed`]): then the next open tells.
    fn commit(&self, batch: Batch, admission: Admission) -> BoxFuture<'static, Result<Outcome, Error>>;

    /// Claims ready runs for a member, and returns those that it has won, in the
    /// order in which it asked for them. Of several members that ask for one run at
    /// the same time exactly one wins it; who does not gets others of its request
    /// instead, as far as it has any. A run that another member owns is never won,
    /// however long it has been that one's. The claims are durable when this
    /// resolves, and no hint tells of them.
    ///
    /// Dropping the future may leave rows that name the member, which knows nothing
    /// of them. It finds them by [`Store::work`], and claims them once more.
    ///
    /// # Errors
    /// As for [`Store::commit`]; [`Error::Busy`] also if others were first each
    /// time that it was tried.
    fn claim<'a>(&'a self, request: ClaimRequest<'a>) -> Read<'a, Vec<Claimed>>;

    /// The record of a key; an idle one of version 0 if there is no row.
    fn key<'a>(&'a self, scope: Scope, key: &'a KeyId) -> Read<'a, Versioned<KeyRecord>>;

    /// Returns true if a run waits on any key of this webhook. Looks at a bounded
    /// number of keys; past that the answer is yes, the safe one (docs/rules.md#28).
    fn is_awaited<'a>(&'a self, scope: Scope, slug: &'a str) -> Read<'a, bool>;

    /// The keys of a webhook that have a record, behind an identifier in the store's own
    /// order, at most `limit`: for whoever looks through all of them.
    fn keys<'a>(
        &'a self,
        scope: Scope,
        slug: &'a str,
        after: Option<&'a str>,
        limit: usize,
    ) -> Read<'a, Vec<(KeyId, Versioned<KeyRecord>)>>;

    /// Those who wait at a key, from a place on, oldest first, at most `limit`:
    /// all of them, or those that want exactly this token.
    fn waiters<'a>(
        &'a self,
        scope: Scope,
        key: &'a KeyId,
        token: Option<&'a str>,
        from: u64,
        limit: usize,
    ) -> Read<'a, Vec<(u64, Waiter)>>;

    /// The place of a waiter in the line of a key, if it is in it.
    fn waiter_place<'a>(&'a self, scope: Scope, key: &'a KeyId, waiter: WaiterId) -> Read<'a, Option<u64>>;

    /// Queued events of a key from a place on, oldest first, at most `limit`.
    fn queued<'a>(
        &'a self,
        scope: Scope,
        key: &'a KeyId,
        from: u64,
        limit: usize,
    ) -> Read<'a, Vec<(u64, QueuedEvent)>>;

    /// A run.
    fn run(&self, scope: Scope, run: RunId) -> Read<'_, Option<RunRecord>>;

    /// The `seq` of a run, if there is one: for who wants to know whether it has
    /// changed. What the run holds is not read for it, however large that is.
    fn run_seq(&self, scope: Scope, run: RunId) -> Read<'_, Option<u64>>;

    /// The log of a run after a `seq`, at most `limit` entries. The state of the run is
    /// not read for it.
    fn events(&self, scope: Scope, run: RunId, after: u64, limit: usize) -> Read<'_, Vec<Event>>;

    /// Runs in the filter's order, only those beyond the id `beyond` in that order, at
    /// most `limit`. A page may hold fewer than `limit` and still have a next one: each
    /// call looks at a bounded number of rows.
    fn runs<'a>(
        &'a self,
        scope: Scope,
        filter: &'a RunFilter,
        beyond: Option<[u8; 16]>,
        limit: usize,
    ) -> Read<'a, Page<RunRecord>>;

    /// Ids of runs of a status, newest first, older than `before`, at most `limit`. A list
    /// may have ids that moved on, and lag a commit; no row of a run is read for it.
    fn run_ids(
        &self,
        scope: Scope,
        status: RunStatus,
        before: Option<RunId>,
        limit: usize,
    ) -> Read<'_, Vec<RunId>>;

    /// A delivery, with its body.
    fn delivery(&self, scope: Scope, delivery: DeliveryId) -> Read<'_, Option<Delivery>>;

    /// The event at this place of a delivery, if it lies apart from it. A read of one event that
    /// does not read the others.
    fn event_apart(&self, scope: Scope, delivery: DeliveryId, place: u32) -> Read<'_, Option<InboxEvent>>;

    /// A piece of a file that came with a delivery, of at most
    /// [`FILE_PIECE_BYTES`](px_core::FILE_PIECE_BYTES). The delivery says how many there are.
    fn file_piece(&self, scope: Scope, file: FileId, piece: u32) -> Read<'_, Option<Bytes>>;

    /// Deliveries, newest first; like [`Store::runs`].
    fn deliveries<'a>(
        &'a self,
        scope: Scope,
        filter: &'a DeliveryFilter,
        before: Option<[u8; 16]>,
        limit: usize,
    ) -> Read<'a, Page<Delivery>>;

    /// Ids of deliveries in a list, newest first, older than `before`, at most
    /// `limit`. A list may have ids that moved on, and lag a commit.
    fn delivery_ids<'a>(
        &'a self,
        scope: Scope,
        list: DeliveryList<'a>,
        before: Option<DeliveryId>,
        limit: usize,
    ) -> Read<'a, Vec<DeliveryId>>;

    /// Returns the point up to which the inbox was forgotten; `None` if nothing was.
    fn forgotten(&self, scope: Scope) -> Read<'_, Option<Forgotten>>;

    /// The record under a provider's id.
    fn dedup<'a>(
        &'a self,
        scope: Scope,
        slug: &'a str,
        provider_id: &'a str,
    ) -> Read<'a, Option<DedupRecord>>;

    /// The event in quarantine under a provider's id, if there is one. Where
    /// nothing is in quarantine, this costs no more than a look into memory.
    fn set_aside<'a>(
        &'a self,
        scope: Scope,
        slug: &'a str,
        provider_id: &'a str,
    ) -> Read<'a, Option<SetAside>>;

    /// API tokens, oldest first, at most `limit`.
    fn tokens(&self, scope: Scope, limit: usize) -> Read<'_, Vec<Versioned<Token>>>;

    /// An epoch; 0 if it was never written, or if this store keeps none.
    fn epoch(&self, scope: Scope, epoch: Epoch) -> Read<'_, u64>;

    /// Returns the record of an idempotent start.
    fn start_key<'a>(&'a self, scope: Scope, brain: &'a str, key: &'a str) -> Read<'a, Option<StartKey>>;

    /// Ready runs after a run id, in the order of ids, at most `limit`.
    fn work(
        &self,
        scope: Scope,
        after: Option<RunId>,
        limit: usize,
    ) -> Read<'_, Vec<(RunId, Versioned<Work>)>>;

    /// The row of one ready run.
    fn work_of(&self, scope: Scope, run: RunId) -> Read<'_, Option<Versioned<Work>>>;

    /// Timers that are due at `until`, soonest first, behind a timer if one is given, at
    /// most `limit`. Those that are due at the same time are in an order of the store's own.
    fn due<'a>(
        &'a self,
        scope: Scope,
        until: Timestamp,
        after: Option<&'a Timer>,
        limit: usize,
    ) -> Read<'a, Vec<Timer>>;

    /// Returns the tail that a run has once a write that appended `events`,
    /// the last of them at `seq`, is committed: so that who made the write can go
    /// on without reading the run again.
    ///
    /// # Errors
    /// An event cannot be written; then its commit fails too.
    fn tail_after(&self, tail: &LogTail, events: &[Event], seq: u64) -> Result<LogTail, Error>;

    /// The rows of a table in the store's order, behind a cursor, at most
    /// `limit`: for tools that go through a whole store in bounded memory.
    fn scan<'a>(
        &'a self,
        scope: Scope,
        table: Table,
        after: Option<&'a Cursor>,
        limit: usize,
    ) -> Read<'a, Scan>;

    /// Returns true if there is a row for this timer.
    fn is_armed<'a>(&'a self, scope: Scope, timer: &'a Timer) -> Read<'a, bool>;

    /// Hooks, and what is on its way to them.
    fn outbox(&self) -> &dyn OutboxStore;

    /// Values that outlive runs.
    fn kv(&self) -> &dyn KvStore;

    /// Returns the bus on which hints of durable batches go out.
    fn hints(&self) -> &Arc<HintBus>;

    /// The store's inside, if it is one of rows.
    fn inspect(&self) -> Option<&dyn Inspect>;

    /// Becomes `Some` when the store takes no further write.
    fn failure(&self) -> watch::Receiver<Option<String>>;

    /// Returns why the newest commit could not be written, or the next one would not be,
    /// although the store goes on: on a full disk for instance. `None` once there is room
    /// and something was written again, which the store tries by itself while nobody
    /// commits.
    fn unwritten(&self) -> Option<String> {
        None
    }

    /// Brings everything to rest. Later writes are refused.
    ///
    /// # Errors
    /// The store could not be brought to rest. Acknowledged commits are durable all
    /// the same; the next open recovers them.
    fn close(&self) -> Result<(), Error>;
}
