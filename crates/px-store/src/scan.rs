//! Scans: whole tables in typed pages, for tools that look at everything, such
//! as the audit. A page is bounded in rows, and a row that cannot be read is
//! given out as such, so that one damaged row does not hide the others.
//!
//! This file refuses to know where rows lie and what they have to do with each
//! other.

use bytes::Bytes;
use px_core::key::{Waiter, WaiterId};
use px_core::{CallbackId, DeliveryId, FileId, KeyId, KeyRecord, KvId, RunId};

use crate::batch::RunRecord;
use crate::kv::{KvBrain, KvRecord};
use crate::model::{
    DedupRecord, Delivery, Forgotten, InboxEvent, QueuedEvent, SetAside, StartKey, Timer, Versioned, Work,
};
use crate::outbox::{Attempt, Callback, Due, Endpoint};
use crate::secret_key::KeyCheck;
use crate::secrets::SecretRecord;
use crate::tokens::Token;
use px_core::hook::Hook;

/// A kind of record that a store keeps, as tools go through them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Table {
    /// Keys: heads and counts of line and queue, the owner.
    Key,
    /// Those in the lines of keys, by their places.
    Waiter,
    /// The places of those in the lines of keys, by their ids, and by the tokens
    /// that they want; none in a store that finds them some other way.
    WaiterPlace,
    /// Events in the queues of keys.
    Queue,
    /// Runs, with the newest entries of their logs.
    Run,
    /// Pieces of logs that are kept apart from their runs; none in a store that
    /// keeps a log some other way.
    Log,
    /// Large values of runs and their logs that are kept apart; none in a store
    /// that keeps them in place.
    Value,
    /// Events that lie apart from their deliveries.
    Event,
    /// Pieces of files that came with deliveries.
    File,
    /// The inbox.
    Delivery,
    /// Providers' ids.
    Dedup,
    /// Providers' ids of events in quarantine.
    SetAside,
    /// Ready runs.
    Work,
    /// Due times.
    Timer,
    /// Idempotent starts.
    Start,
    /// The point up to which the inbox was forgotten.
    Forgotten,
    /// Hooks.
    Hook,
    /// The outbox.
    Callback,
    /// Due rows of the outbox, by lane and time.
    Due,
    /// Attempts to deliver.
    Attempt,
    /// Endpoints of hooks.
    Endpoint,
    /// API tokens.
    Token,
    /// The check value of the key of secrets.
    KeyCheck,
    /// Values that outlive runs.
    Kv,
    /// Numbers of these values, by brain.
    KvBrain,
    /// Secrets.
    Secret,
}

/// A place in a table: the last row of a page, in the words of the store that
/// gave it out. It means nothing to another store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor(Vec<u8>);

impl Cursor {
    /// A cursor behind the row that a store knows by this name.
    #[must_use]
    pub fn new(row: impl Into<Vec<u8>>) -> Self {
        Self(row.into())
    }

    /// The name of the row that it stands behind.
    #[must_use]
    pub fn row(&self) -> &[u8] {
        &self.0
    }
}

/// A page of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct Scan {
    /// The rows.
    pub rows: Vec<Row>,
    /// The place where the next page begins, if there may be one.
    pub next: Option<Cursor>,
}

/// A row of one of the tables.
#[derive(Debug, Clone, PartialEq)]
pub enum Row {
    /// A key.
    Key(KeyId, Versioned<KeyRecord>),
    /// Somebody in the line of a key, and the place there.
    Waiter(KeyId, u64, Waiter),
    /// The place at which somebody is found in the line of a key: by the id, or,
    /// where there is none, by the digest of a token.
    WaiterPlace(KeyId, u64, Option<WaiterId>),
    /// An event in the queue of a key, and its place there.
    Queued(KeyId, u64, QueuedEvent),
    /// A run.
    Run(Box<RunRecord>),
    /// An older piece of a run's log: from this `seq`, so many entries.
    Log(RunId, u64, u64),
    /// A large value of a run or its log.
    Value(RunId),
    /// An event that lies apart from its delivery, and its place there.
    Event(DeliveryId, u32, Box<InboxEvent>),
    /// A piece of a file, and its place in the file.
    File(FileId, u32, Bytes),
    /// A delivery, with its body.
    Delivery(Box<Delivery>),
    /// The record under a webhook and a provider's id.
    Dedup(String, String, DedupRecord),
    /// The event in quarantine under a webhook and a provider's id.
    SetAside(String, String, SetAside),
    /// A ready run.
    Work(RunId, Versioned<Work>),
    /// A timer.
    Timer(Timer),
    /// The record under a brain and an idempotency key.
    Start(String, String, StartKey),
    /// The point up to which the inbox was forgotten.
    Forgotten(Forgotten),
    /// A hook.
    Hook(Box<Versioned<Hook>>),
    /// A delivery of the outbox, with its body.
    Callback(Box<Callback>),
    /// The time at which one is due.
    Due(Due),
    /// An attempt to deliver one.
    Attempt(CallbackId, Box<Attempt>),
    /// An endpoint of hooks.
    Endpoint(Endpoint),
    /// An API token.
    Token(Box<Versioned<Token>>),
    /// The check value of the key of secrets.
    KeyCheck(Versioned<KeyCheck>),
    /// A value that outlives runs.
    Kv(KvId, Box<Versioned<KvRecord>>),
    /// The number of values that a brain has.
    KvBrain(String, Versioned<KvBrain>),
    /// A secret, sealed.
    Secret(Box<Versioned<SecretRecord>>),
    /// A row that is not what was written: its key in hexadecimal digits, and
    /// what is wrong.
    Unreadable(String, String),
}
