//! A store of records in maps: the plainest thing that keeps the contract. It
//! knows no bytes, no lists that lag and no journal.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::expect_used,
    reason = "shared by tests of several crates, none of which uses all of it"
)]

mod claim;
mod commit;
mod kv;
mod lines;
mod outbox;
mod pages;
mod tables;

use pages::page;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use px_core::hook::Hook;
use px_core::key::{Waiter, WaiterId};
use px_core::{
    CallbackId, DeliveryId, Event, FileId, HookId, KeyId, KeyRecord, KvId, Run, RunId, RunStatus, Scope,
    Timestamp, TokenId,
};
use px_store::outbox::{Attempt, Callback, Endpoint, HookCache, HookProgress, OutboxStore};
use px_store::secret_key::KeyCheck;
use px_store::secrets::SecretRecord;
use px_store::tokens::Token;
use px_store::{
    Admission, Batch, BoxFuture, ClaimRequest, Claimed, Cursor, DedupRecord, Delivery, DeliveryFilter,
    DeliveryList, Epoch, Error, Forgotten, HintBus, InboxEvent, Inspect, KvBrain, KvRecord, KvStore, LogTail,
    Outcome, Page, QueuedEvent, Read, RunFilter, RunRecord, Scan, SetAside, StartKey, Store, Table, Timer,
    TimerKind, Versioned, Work,
};
use tokio::sync::watch;

/// A run beside its log, and what hooks were told of it.
#[derive(Debug, Clone)]
struct Kept {
    run: Arc<Run>,
    log: Vec<Event>,
    told: Option<Arc<HookProgress>>,
}

/// Everything of one scope.
#[derive(Debug, Default)]
struct Maps {
    keys: BTreeMap<KeyId, Versioned<KeyRecord>>,
    lines: BTreeMap<(KeyId, u64), Waiter>,
    queues: BTreeMap<(KeyId, u64), QueuedEvent>,
    runs: BTreeMap<RunId, Kept>,
    deliveries: BTreeMap<DeliveryId, Delivery>,
    events_apart: BTreeMap<(DeliveryId, u32), InboxEvent>,
    /// Pieces of files, by delivery, place and number.
    files: BTreeMap<(DeliveryId, u16, u32), Bytes>,
    forgotten: Option<Forgotten>,
    dedups: BTreeMap<(String, String), DedupRecord>,
    set_asides: BTreeMap<(String, String), SetAside>,
    starts: BTreeMap<(String, String), StartKey>,
    work: BTreeMap<RunId, Versioned<Work>>,
    timers: BTreeMap<(Timestamp, TimerKind), ()>,
    hooks: BTreeMap<HookId, Versioned<Hook>>,
    callback: BTreeMap<CallbackId, Callback>,
    attempts: BTreeMap<(CallbackId, u32), Attempt>,
    endpoints: BTreeMap<u64, Endpoint>,
    tokens: BTreeMap<TokenId, Versioned<Token>>,
    key_check: Option<Versioned<KeyCheck>>,
    kv: BTreeMap<KvId, Versioned<KvRecord>>,
    kv_brains: BTreeMap<String, Versioned<KvBrain>>,
    secrets: BTreeMap<String, Versioned<SecretRecord>>,
}

#[derive(Debug, Default)]
struct State {
    scopes: BTreeMap<Scope, Maps>,
    commits: u64,
    closed: bool,
}

/// The store. Clones share what it holds.
#[derive(Debug, Clone)]
pub struct Records {
    state: Arc<Mutex<State>>,
    hints: Arc<HintBus>,
    hooks: Arc<HookCache>,
    failure: watch::Sender<Option<String>>,
}

impl Records {
    pub fn new() -> Self {
        Self {
            state: Arc::default(),
            hints: HintBus::new(),
            hooks: Arc::default(),
            failure: watch::channel(None).0,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads of a scope's maps, at once.
    fn read<'a, T: Send + 'a>(&self, scope: Scope, read: impl FnOnce(&Maps) -> T) -> Read<'a, T> {
        let mut state = self.lock();
        let value = read(state.scopes.entry(scope).or_default());
        Box::pin(std::future::ready(Ok(value)))
    }
}

fn record(kept: &Kept) -> RunRecord {
    let tail =
        LogTail { first_seq: kept.run.seq + 1, lines: Bytes::new(), told: kept.told.clone(), apart: None };
    RunRecord { run: Arc::clone(&kept.run), tail }
}

impl Store for Records {
    fn commit(&self, batch: Batch, _admission: Admission) -> BoxFuture<'static, Result<Outcome, Error>> {
        let store = self.clone();
        Box::pin(async move {
            let hints = batch.hints();
            let mut state = store.lock();
            if state.closed {
                return Err(Error::Closed);
            }
            let maps = state.scopes.entry(batch.scope).or_default();
            if let Some(conflict) = commit::conflict(maps, &batch) {
                return Ok(Outcome::Conflict(conflict));
            }
            commit::apply(maps, batch);
            state.commits += 1;
            let sequence = state.commits;
            drop(state);
            store.hints.publish(&hints);
            Ok(Outcome::Committed { sequence })
        })
    }

    fn claim<'a>(&'a self, request: ClaimRequest<'a>) -> Read<'a, Vec<Claimed>> {
        let claimed = claim::claim(self.lock().scopes.entry(request.scope).or_default(), request);
        Box::pin(std::future::ready(Ok(claimed)))
    }

    fn key<'a>(&'a self, scope: Scope, key: &'a KeyId) -> Read<'a, Versioned<KeyRecord>> {
        self.read(scope, |maps| maps.keys.get(key).cloned().unwrap_or_default())
    }

    fn is_awaited<'a>(&'a self, scope: Scope, slug: &'a str) -> Read<'a, bool> {
        self.read(scope, |maps| {
            maps.keys.iter().any(|(key, kept)| *key.slug == *slug && !kept.record.line.is_empty())
        })
    }

    fn keys<'a>(
        &'a self,
        scope: Scope,
        slug: &'a str,
        after: Option<&'a str>,
        limit: usize,
    ) -> Read<'a, Vec<(KeyId, Versioned<KeyRecord>)>> {
        self.read(scope, |maps| {
            let of_it = maps.keys.iter().filter(|(key, _)| *key.slug == *slug);
            let behind = of_it.filter(|(key, _)| after.is_none_or(|after| *key.identifier > *after));
            behind.take(limit).map(|(key, kept)| (key.clone(), kept.clone())).collect()
        })
    }

    fn waiters<'a>(
        &'a self,
        scope: Scope,
        key: &'a KeyId,
        token: Option<&'a str>,
        from: u64,
        limit: usize,
    ) -> Read<'a, Vec<(u64, Waiter)>> {
        self.read(scope, |maps| maps.waiters(key, token, from, limit))
    }

    fn waiter_place<'a>(&'a self, scope: Scope, key: &'a KeyId, waiter: WaiterId) -> Read<'a, Option<u64>> {
        self.read(scope, |maps| maps.waiter_place(key, waiter))
    }

    fn queued<'a>(
        &'a self,
        scope: Scope,
        key: &'a KeyId,
        from: u64,
        limit: usize,
    ) -> Read<'a, Vec<(u64, QueuedEvent)>> {
        self.read(scope, |maps| {
            let places = maps.queues.range((key.clone(), from)..=(key.clone(), u64::MAX));
            places.take(limit).map(|((_, place), event)| (*place, event.clone())).collect()
        })
    }

    fn run(&self, scope: Scope, run: RunId) -> Read<'_, Option<RunRecord>> {
        self.read(scope, |maps| maps.runs.get(&run).map(record))
    }

    fn run_seq(&self, scope: Scope, run: RunId) -> Read<'_, Option<u64>> {
        self.read(scope, |maps| maps.runs.get(&run).map(|kept| kept.run.seq))
    }

    fn events(&self, scope: Scope, run: RunId, after: u64, limit: usize) -> Read<'_, Vec<Event>> {
        self.read(scope, |maps| {
            let log = maps.runs.get(&run).map_or(&[][..], |kept| &kept.log);
            log.iter().filter(|event| event.seq > after).take(limit).cloned().collect()
        })
    }

    fn runs<'a>(
        &'a self,
        scope: Scope,
        filter: &'a RunFilter,
        beyond: Option<[u8; 16]>,
        limit: usize,
    ) -> Read<'a, Page<RunRecord>> {
        let fits = |kept: &Kept| {
            let run = &kept.run;
            (filter.fits(run) && filter.since.is_none_or(|since| run.created_at >= since))
                .then(|| record(kept))
        };
        let slice = (beyond, limit, filter.oldest_first);
        self.read(scope, |maps| page(&maps.runs, slice, RunId::to_bytes, fits))
    }

    fn run_ids(
        &self,
        scope: Scope,
        status: RunStatus,
        before: Option<RunId>,
        limit: usize,
    ) -> Read<'_, Vec<RunId>> {
        self.read(scope, |maps| {
            let older = maps.runs.iter().rev().filter(|(id, _)| before.is_none_or(|before| **id < before));
            older.filter(|(_, kept)| kept.run.status == status).take(limit).map(|(id, _)| *id).collect()
        })
    }

    fn delivery(&self, scope: Scope, delivery: DeliveryId) -> Read<'_, Option<Delivery>> {
        self.read(scope, |maps| maps.deliveries.get(&delivery).map(|kept| maps.whole(kept)))
    }

    fn event_apart(&self, scope: Scope, delivery: DeliveryId, place: u32) -> Read<'_, Option<InboxEvent>> {
        self.read(scope, |maps| maps.events_apart.get(&(delivery, place)).cloned())
    }

    fn file_piece(&self, scope: Scope, file: FileId, piece: u32) -> Read<'_, Option<Bytes>> {
        self.read(scope, |maps| maps.files.get(&(file.delivery, file.place, piece)).cloned())
    }

    fn deliveries<'a>(
        &'a self,
        scope: Scope,
        filter: &'a DeliveryFilter,
        before: Option<[u8; 16]>,
        limit: usize,
    ) -> Read<'a, Page<Delivery>> {
        let fits = |kept: Delivery| {
            let mut events = kept.events.iter();
            (filter.slug.as_ref().is_none_or(|slug| kept.slug == *slug)
                && filter.since.is_none_or(|since| kept.received_at >= since)
                && filter.state.is_none_or(|state| events.clone().any(|event| event.state == state))
                && (filter.identifier.is_none() || events.any(|event| event.identifier == filter.identifier)))
            .then_some(kept)
        };
        self.read(scope, |maps| {
            page(&maps.deliveries, (before, limit, false), DeliveryId::to_bytes, |kept| {
                fits(maps.whole(kept))
            })
        })
    }

    fn delivery_ids<'a>(
        &'a self,
        scope: Scope,
        list: DeliveryList<'a>,
        before: Option<DeliveryId>,
        limit: usize,
    ) -> Read<'a, Vec<DeliveryId>> {
        let is_in = |kept: &Delivery| match list {
            DeliveryList::Webhook(slug) => kept.slug == slug,
            DeliveryList::State(state) => kept.events.iter().any(|event| event.state == state),
        };
        self.read(scope, |maps| {
            let older =
                maps.deliveries.iter().rev().filter(|(id, _)| before.is_none_or(|before| **id < before));
            older.filter(|(_, kept)| is_in(&maps.whole(kept))).take(limit).map(|(id, _)| *id).collect()
        })
    }

    fn forgotten(&self, scope: Scope) -> Read<'_, Option<Forgotten>> {
        self.read(scope, |maps| maps.forgotten)
    }

    fn dedup<'a>(&'a self, scope: Scope, slug: &'a str, id: &'a str) -> Read<'a, Option<DedupRecord>> {
        self.read(scope, |maps| maps.dedups.get(&(slug.into(), id.into())).cloned())
    }

    fn set_aside<'a>(&'a self, scope: Scope, slug: &'a str, id: &'a str) -> Read<'a, Option<SetAside>> {
        self.read(scope, |maps| maps.set_asides.get(&(slug.into(), id.into())).copied())
    }

    fn epoch(&self, _: Scope, epoch: Epoch) -> Read<'_, u64> {
        // One process has it: only changes of hooks are counted.
        let changes = if epoch == Epoch::Hooks { self.hints.hook_changes() } else { 0 };
        Box::pin(std::future::ready(Ok(changes)))
    }

    fn tokens(&self, scope: Scope, limit: usize) -> Read<'_, Vec<Versioned<Token>>> {
        self.read(scope, |maps| maps.tokens.values().take(limit).cloned().collect())
    }

    fn start_key<'a>(&'a self, scope: Scope, brain: &'a str, key: &'a str) -> Read<'a, Option<StartKey>> {
        self.read(scope, |maps| maps.starts.get(&(brain.into(), key.into())).cloned())
    }

    fn work(
        &self,
        scope: Scope,
        after: Option<RunId>,
        limit: usize,
    ) -> Read<'_, Vec<(RunId, Versioned<Work>)>> {
        self.read(scope, |maps| {
            let behind = maps.work.iter().filter(|(run, _)| after.is_none_or(|after| **run > after));
            behind.take(limit).map(|(run, work)| (*run, work.clone())).collect()
        })
    }

    fn work_of(&self, scope: Scope, run: RunId) -> Read<'_, Option<Versioned<Work>>> {
        self.read(scope, |maps| maps.work.get(&run).cloned())
    }

    fn due<'a>(
        &'a self,
        scope: Scope,
        until: Timestamp,
        after: Option<&'a Timer>,
        limit: usize,
    ) -> Read<'a, Vec<Timer>> {
        self.read(scope, |maps| {
            let due = maps.timers.keys().filter(|(due, kind)| {
                *due <= until && after.is_none_or(|after| (due, kind) > (&after.due, &after.kind))
            });
            due.take(limit).map(|(due, kind)| Timer { due: *due, kind: kind.clone() }).collect()
        })
    }

    fn tail_after(&self, tail: &LogTail, _events: &[Event], seq: u64) -> Result<LogTail, Error> {
        // A log is appended to where it lies.
        Ok(LogTail { first_seq: seq + 1, lines: Bytes::new(), told: tail.told.clone(), apart: None })
    }

    fn scan<'a>(
        &'a self,
        scope: Scope,
        table: Table,
        after: Option<&'a Cursor>,
        limit: usize,
    ) -> Read<'a, Scan> {
        self.read(scope, |maps| tables::scan(maps, table, after, limit))
    }

    fn is_armed<'a>(&'a self, scope: Scope, timer: &'a Timer) -> Read<'a, bool> {
        self.read(scope, |maps| maps.timers.contains_key(&(timer.due, timer.kind.clone())))
    }

    fn outbox(&self) -> &dyn OutboxStore {
        self
    }

    fn kv(&self) -> &dyn KvStore {
        self
    }

    fn hints(&self) -> &Arc<HintBus> {
        &self.hints
    }

    fn inspect(&self) -> Option<&dyn Inspect> {
        None
    }

    fn failure(&self) -> watch::Receiver<Option<String>> {
        self.failure.subscribe()
    }

    fn close(&self) -> Result<(), Error> {
        self.lock().closed = true;
        Ok(())
    }
}
