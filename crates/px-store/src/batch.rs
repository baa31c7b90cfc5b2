//! The one write: everything that belongs together, with its preconditions.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use px_core::key::Waiter;
use px_core::{DeliveryId, Event, FileId, KeyId, KeyRecord, Run, RunId, Scope};

use crate::epoch::EpochWrite;
use crate::error::Error;
use crate::hints::Hint;
use crate::kv::KvBatch;
use crate::model::{
    DedupRecord, Delivery, Forgotten, InboxEvent, QueuedEvent, SetAside, StartKey, Timer, Work,
};
use crate::outbox::{HookProgress, OutboxBatch};
pub use crate::outcome::{Conflict, Outcome};
use crate::secret_key::KeyCheckWrite;
use crate::secrets::SecretWrite;
use crate::tokens::TokenWrite;

/// The part of a run's record that a store is given back with the next write of
/// it: the newest entries of the log, where the store keeps them with the run,
/// and what hooks were told of it. A draft changes only what was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogTail {
    /// The `seq` of the first entry here; where there is none, the one after the
    /// run's last.
    pub first_seq: u64,
    /// The entries, each as JSON and ended by a line feed. Empty in a store that
    /// appends entries without having to read the ones before them.
    pub lines: Bytes,
    /// The progress of hooks in the run, if any was told of it: it is stored with
    /// the run, by every store.
    pub told: Option<Arc<HookProgress>>,
    /// Names of large values of the run that the store has apart from its record, in
    /// the words of a store that does so: its next write need not bring them again.
    pub apart: Option<Arc<BTreeSet<[u8; 16]>>>,
}

impl LogTail {
    /// The entries after a `seq`, at most `limit`. They are counted by their
    /// places, not by what they say of themselves.
    pub fn entries(&self, after: u64, limit: usize) -> impl Iterator<Item = Result<Event, Error>> {
        let skip =
            usize::try_from(after.saturating_add(1).saturating_sub(self.first_seq)).unwrap_or(usize::MAX);
        let parse = |line| {
            serde_json::from_slice(line)
                .map_err(|error| Error::Corrupt(format!("a record does not parse: {error}")))
        };
        self.lines
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .skip(skip)
            .take(limit)
            .map(parse)
    }

    /// Returns what hooks have been told of the run, if they have been.
    #[must_use]
    pub fn told(&self) -> Option<&HookProgress> {
        self.told.as_deref()
    }
}

impl Default for LogTail {
    fn default() -> Self {
        Self { first_seq: 1, lines: Bytes::new(), told: None, apart: None }
    }
}

/// A run as a store gives it out.
#[derive(Debug, Clone, PartialEq)]
pub struct RunRecord {
    /// The run, shared with whoever else goes on with it.
    pub run: Arc<Run>,
    /// Brought back by the next write of the run.
    pub tail: LogTail,
}

/// A change of a key.
#[derive(Debug, Clone, PartialEq)]
pub struct KeyWrite {
    /// The key.
    pub key: KeyId,
    /// The version that was read; 0 if there was no row.
    pub expected: u64,
    /// The new version, never used before.
    pub version: u64,
    /// The new record; `None` removes the row.
    pub record: Option<KeyRecord>,
    /// True if the record differs from what was read. If not, only the
    /// precondition counts.
    pub changed: bool,
}

/// A change of a place in the line of a key, which is made together with a change
/// of the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaiterWrite {
    /// The key.
    pub key: KeyId,
    /// The place.
    pub place: u64,
    /// The waiter that left it, if one did.
    pub left: Option<Waiter>,
    /// The waiter that has it from then on, if one has.
    pub entered: Option<Waiter>,
}

/// A change of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct RunWrite {
    /// The run after the events.
    pub run: Arc<Run>,
    /// The `seq` that was read; 0 if the run did not exist.
    pub expected: u64,
    /// The events that are new.
    pub events: Vec<Event>,
    /// As it was read, with what the events told hooks.
    pub tail: LogTail,
    /// The tail after the events as [`tail_after`](crate::Store::tail_after) gave it, if whoever drafted
    /// this goes on with the run: a store that has made it need not do so again.
    pub next_tail: Option<LogTail>,
}

/// A change of a ready run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkWrite {
    /// The run.
    pub run: RunId,
    /// The fence that must still hold; `None` demands nothing.
    pub expected: Option<u64>,
    /// The change of the row.
    pub change: WorkChange,
    /// True if the row may have been that of a wait's reminder, which ends with the wait: whoever
    /// runs it is told.
    pub cuts_short: bool,
}

impl WorkWrite {
    /// The claim of a run that this write makes ready and gives to a member at
    /// once: its fence. A claim of a run that was ready before demands that row.
    #[must_use]
    pub fn born_claimed(&self) -> Option<u64> {
        match &self.change {
            WorkChange::Put(fence, row) if row.owner.is_some() && self.expected.is_none() => Some(*fence),
            _ => None,
        }
    }

    /// Returns true if the run belongs to a member after this.
    #[must_use]
    pub fn is_claim(&self) -> bool {
        matches!(&self.change, WorkChange::Put(_, row) if row.owner.is_some())
    }

    fn ready_hint(&self) -> Option<Hint> {
        match &self.change {
            WorkChange::Put(_, row) if row.owner.is_none() => Some(Hint::Work(self.run)),
            _ => self.born_claimed().map(|fence| Hint::Claimed(self.run, fence)),
        }
    }
}

/// The change of the row of a ready run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WorkChange {
    /// Nothing; only the fence counts.
    Keep,
    /// It is written, under this fence.
    Put(u64, Work),
    /// It is removed: the run is not ready any more.
    Remove,
}

/// A set of changes that happen together or not at all.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// Scope of all its records.
    pub scope: Scope,
    /// Keys.
    pub keys: Vec<KeyWrite>,
    /// Places in the lines of these keys.
    pub waiters: Vec<WaiterWrite>,
    /// Runs, with their logs.
    pub runs: Vec<RunWrite>,
    /// Runs that are not written and must still be at this `seq`.
    pub unchanged: Vec<(RunId, u64)>,
    /// Provider ids, each as it must have been read.
    pub dedups: Vec<DedupWrite>,
    /// Provider ids that are not written, each as it must have been read.
    pub dedup_demands: Vec<DedupDemand>,
    /// Provider ids of events in quarantine, each as it must have been read.
    pub set_asides: Vec<SetAsideWrite>,
    /// Deliveries that are forgotten.
    pub forget: Vec<ForgetWrite>,
    /// The point up to which deliveries are forgotten after this.
    pub forgotten: Option<ForgottenWrite>,
    /// Deliveries, whole.
    pub deliveries: Vec<DeliveryWrite>,
    /// Files whose bytes are removed, with their deliveries or before them.
    pub dropped_files: Vec<FileDrop>,
    /// Events that lie apart from their deliveries.
    pub events_apart: Vec<EventWrite>,
    /// Places in the queues of keys; `None` removes.
    pub queue: Vec<(KeyId, u64, Option<QueuedEvent>)>,
    /// Ready runs.
    pub work: Vec<WorkWrite>,
    /// Timers that are new.
    pub arm: Vec<Timer>,
    /// Timers that do not matter any more.
    pub disarm: Vec<Timer>,
    /// Idempotent starts that must not be known yet.
    pub start_keys: Vec<(String, String, StartKey)>,
    /// Hooks, and what is on its way to them.
    pub outbox: OutboxBatch,
    /// Values that outlive runs.
    pub kv: KvBatch,
    /// API tokens.
    pub tokens: Vec<TokenWrite>,
    /// Epochs that must be what they were, or that change. A store that keeps
    /// none passes over those of hooks, tokens and secrets.
    pub epochs: Vec<EpochWrite>,
    /// The check value of the key of secrets.
    pub key_check: Option<KeyCheckWrite>,
    /// Secrets.
    pub secrets: Vec<SecretWrite>,
}

/// An event to be written that lies apart from its delivery.
#[derive(Debug, Clone, PartialEq)]
pub struct EventWrite {
    /// Its delivery.
    pub delivery: DeliveryId,
    /// Its place among the delivery's events.
    pub place: u32,
    /// The version that was read; 0 for a new one.
    pub expected: u64,
    /// The event, with its new version, never used before.
    pub event: InboxEvent,
}

/// A delivery to be written. Of events that lie apart it says only that they are there.
#[derive(Debug, Clone)]
pub struct DeliveryWrite {
    /// The delivery.
    pub delivery: Delivery,
    /// True if it is new, so that it enters the indexes.
    pub new: bool,
}

/// A file whose bytes are removed. Its delivery is forgotten or written without it by
/// the same commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileDrop {
    /// The file.
    pub file: FileId,
    /// Number of its pieces.
    pub pieces: u32,
}

impl FileDrop {
    /// Those of all files of a delivery.
    pub fn all_of(delivery: &Delivery) -> impl Iterator<Item = Self> {
        let of = delivery.id;
        (0..)
            .zip(&delivery.files)
            .map(move |(place, file)| Self { file: FileId { delivery: of, place }, pieces: file.pieces() })
    }
}

/// A delivery to be forgotten, with the places where it is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForgetWrite {
    /// The delivery.
    pub delivery: DeliveryId,
    /// As it was read; it must not have changed since. `None` for one whose
    /// row is gone, and that some list still has.
    pub revision: Option<u64>,
    /// Its webhook.
    pub slug: String,
    /// The identifiers of its events.
    pub identifiers: Vec<String>,
    /// The provider's ids that are forgotten with it, each with the record that
    /// was read: one that was written anew meanwhile belongs to another delivery.
    pub provider_ids: Vec<(String, DedupRecord)>,
    /// The provider's ids under which it lies in quarantine, likewise.
    pub set_asides: Vec<(String, SetAside)>,
}

/// A change of how far deliveries have been forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ForgottenWrite {
    /// As it was read; it must not have changed since, or a count would be lost.
    pub expected: Option<Forgotten>,
    /// As it is from then on.
    pub record: Forgotten,
}

/// A provider's id to be remembered.
#[derive(Debug, Clone)]
pub struct DedupWrite {
    /// The webhook.
    pub slug: String,
    /// The provider's id.
    pub provider_id: String,
    /// The record that was read, and must still be there; `None` demands that
    /// the id is not known.
    pub expected: Option<DedupRecord>,
    /// The record from then on.
    pub record: DedupRecord,
}

/// A provider's id that is not written, and on whose record a decision rests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DedupDemand {
    /// The webhook.
    pub slug: String,
    /// The provider's id.
    pub provider_id: String,
    /// The record that was read, and must still be there; `None` demands none.
    pub expected: Option<DedupRecord>,
}

/// A change of the event in quarantine under a provider's id. One that changes
/// nothing demands what was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetAsideWrite {
    /// The webhook.
    pub slug: String,
    /// The provider's id.
    pub provider_id: String,
    /// The event that was read, and must still be there; `None` demands none.
    pub expected: Option<SetAside>,
    /// The event from then on; `None` removes it.
    pub record: Option<SetAside>,
}

impl Batch {
    /// Returns the hints for watchers and the engine after the commit.
    #[must_use]
    pub fn hints(&self) -> Vec<Hint> {
        let mut hints: Vec<_> = self.runs.iter().map(|write| Hint::Run(write.run.id)).collect();
        let is_revoked = |work: &&WorkWrite| {
            work.expected.is_none() && (work.cuts_short || work.change == WorkChange::Remove)
        };
        hints.extend(self.work.iter().filter(is_revoked).map(|work| Hint::Revoked(work.run)));
        hints.extend(self.work.iter().filter_map(WorkWrite::ready_hint));
        if !self.arm.is_empty() {
            hints.push(Hint::Timer);
        }
        // Those of single runs are in no hook set.
        if !self.outbox.hooks.iter().all(|write| write.hook.is_own()) {
            hints.push(Hint::Hooks);
        }
        let due = self.outbox.callback.iter().filter_map(|write| write.callback.due_row());
        hints.extend(due.map(|due| Hint::Callback(due.lane)));
        hints
    }
}
