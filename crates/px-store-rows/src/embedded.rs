//! The [`Store`] over rows: one translation for every embedded backing, so
//! that the memory store and the journal with sled cannot differ in what a
//! batch means.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use px_core::key::{Waiter, WaiterId};
use px_core::{DeliveryId, Event, FileId, KeyId, KeyRecord, RunId, RunStatus, Scope, Timestamp};
use px_store::outbox::{HookCache, OutboxStore};
use px_store::tokens::Token;
use px_store::{
    Admission, Batch, BoxFuture, ClaimRequest, Claimed, Cursor, DedupRecord, Delivery, DeliveryFilter,
    DeliveryList, Epoch, Error, Forgotten, HintBus, InboxEvent, Inspect, KvStore, LogTail, Outcome, Page,
    QueuedEvent, Read, Row, RowStats, RunFilter, RunRecord, Scan, SetAside, StartKey, Store, Table, Timer,
    Versioned, Work,
};
use tokio::sync::watch;

use crate::emptiness::Emptiness;
use crate::event_row;
use crate::file_row;
use crate::layout;
use crate::recent::Recent;
use crate::rows::{Backing, Order, RowOutcome};
use crate::run_row;
use crate::scan;
use crate::translation::{Translation, named};

/// Maximum number of keys of a webhook that are looked at to find one that a run waits on.
const AWAITED_SCAN: usize = 1_000;

/// A [`Store`] whose rows lie in a [`Backing`].
#[derive(Debug)]
pub struct Embedded<B> {
    backing: Arc<B>,
    hooks: Arc<HookCache>,
    recent: Arc<Recent>,
    set_asides: Arc<Emptiness>,
    /// Reads that met a damaged row.
    damaged_reads: Arc<AtomicU64>,
}

impl<B> Clone for Embedded<B> {
    fn clone(&self) -> Self {
        Self {
            backing: Arc::clone(&self.backing),
            hooks: Arc::clone(&self.hooks),
            recent: Arc::clone(&self.recent),
            set_asides: Arc::clone(&self.set_asides),
            damaged_reads: Arc::clone(&self.damaged_reads),
        }
    }
}

impl<B: Backing> Embedded<B> {
    /// A store over this backing.
    pub fn new(backing: B) -> Self {
        Self {
            backing: Arc::new(backing),
            hooks: Arc::default(),
            recent: Arc::default(),
            set_asides: Arc::default(),
            damaged_reads: Arc::default(),
        }
    }

    /// The backing itself, for its figures.
    #[must_use]
    pub fn backing(&self) -> &B {
        &self.backing
    }

    pub(crate) fn set_asides(&self) -> &Emptiness {
        &self.set_asides
    }

    /// Counts a read that met a damaged row.
    pub(crate) fn noted<T>(&self, read: Result<T, Error>) -> Result<T, Error> {
        if read.as_ref().is_err_and(Error::is_about_bytes) {
            self.damaged_reads.fetch_add(1, Ordering::Relaxed);
        }
        read
    }

    /// A row of a list: a damaged one is counted, and passed over.
    pub(crate) fn passed_over<T>(&self, read: Result<Option<T>, Error>) -> Result<Option<T>, Error> {
        match self.noted(read) {
            Err(error) if error.is_about_bytes() => Ok(None),
            read => read,
        }
    }

    pub(crate) fn hooks(&self) -> &HookCache {
        &self.hooks
    }
}

pub(crate) fn ready<'a, T: Send + 'a>(value: T) -> BoxFuture<'a, T> {
    Box::pin(std::future::ready(value))
}

impl<B: Backing> Store for Embedded<B> {
    fn commit(&self, batch: Batch, admission: Admission) -> BoxFuture<'static, Result<Outcome, Error>> {
        let Translation { rows, mut preconditions, written, .. } =
            match Translation::of(&batch, &*self.backing) {
                Ok(translation) => translation,
                Err(error) => return ready(Err(error)),
            };
        let runs = batch.runs.len();
        let is_owned = |run: RunId| batch.work.iter().any(|work| work.run == run && work.is_claim());
        for (write, (row, tail)) in batch.runs.into_iter().zip(written) {
            // The others are not read soon: they rest, or their executor has them.
            // A record with large values is not kept in memory for that.
            if write.run.status == RunStatus::Running && !is_owned(write.run.id) && tail.apart.is_none() {
                self.recent.keep(batch.scope, row, RunRecord { run: write.run, tail });
            }
        }
        if batch.set_asides.iter().any(|write| write.record.is_some()) {
            self.set_asides.end();
        }
        let commit = self.backing.submit(rows, admission);
        let parts = (runs, batch.keys.len(), batch.deliveries.len());
        Box::pin(async move {
            Ok(match commit.await.map_err(|error| named(error, parts))? {
                RowOutcome::Committed { sequence } => Outcome::Committed { sequence },
                RowOutcome::Conflict { check, found } => {
                    let missed = (check < preconditions.len()).then(|| preconditions.swap_remove(check));
                    Outcome::Conflict(Translation::conflict(missed, found)?)
                }
            })
        })
    }

    fn claim<'a>(&'a self, request: ClaimRequest<'a>) -> Read<'a, Vec<Claimed>> {
        Box::pin(px_store::claim_by_commit(self, request))
    }

    fn key<'a>(&'a self, scope: Scope, key: &'a KeyId) -> Read<'a, Versioned<KeyRecord>> {
        ready(self.backing.get(&layout::key_row(scope, key)).and_then(layout::from_key_value))
    }

    fn is_awaited<'a>(&'a self, scope: Scope, slug: &'a str) -> Read<'a, bool> {
        let (from, to) = layout::keys_of(scope, slug);
        ready(self.backing.range(&from, &to, Order::Ascending, AWAITED_SCAN).and_then(|rows| {
            for (_, value) in &rows {
                if !layout::from_versioned::<KeyRecord>(value)?.record.line.is_empty() {
                    return Ok(true);
                }
            }
            Ok(rows.len() == AWAITED_SCAN)
        }))
    }

    fn keys<'a>(
        &'a self,
        scope: Scope,
        slug: &'a str,
        after: Option<&'a str>,
        limit: usize,
    ) -> Read<'a, Vec<(KeyId, Versioned<KeyRecord>)>> {
        ready(self.read_keys(scope, slug, after, limit))
    }

    fn waiters<'a>(
        &'a self,
        scope: Scope,
        key: &'a KeyId,
        token: Option<&'a str>,
        from: u64,
        limit: usize,
    ) -> Read<'a, Vec<(u64, Waiter)>> {
        ready(self.read_waiters(scope, key, token, from, limit))
    }

    fn waiter_place<'a>(&'a self, scope: Scope, key: &'a KeyId, waiter: WaiterId) -> Read<'a, Option<u64>> {
        ready(self.read_waiter_place(scope, key, waiter))
    }

    fn queued<'a>(
        &'a self,
        scope: Scope,
        key: &'a KeyId,
        from: u64,
        limit: usize,
    ) -> Read<'a, Vec<(u64, QueuedEvent)>> {
        ready(self.read_queued(scope, key, from, limit))
    }

    fn run(&self, scope: Scope, run: RunId) -> Read<'_, Option<RunRecord>> {
        let row = self.backing.get(&layout::run_row(scope, run));
        let run = row.and_then(|row| {
            let parse = |row: Bytes| match self.recent.take(scope, run, &row) {
                Some(record) => Ok(record),
                None => self.run_of(scope, &row),
            };
            row.map(parse).transpose()
        });
        ready(self.noted(run))
    }

    fn run_seq(&self, scope: Scope, run: RunId) -> Read<'_, Option<u64>> {
        // The version of its row.
        ready(self.noted(self.backing.version(&layout::run_row(scope, run))))
    }

    fn events(&self, scope: Scope, run: RunId, after: u64, limit: usize) -> Read<'_, Vec<Event>> {
        ready(self.noted(self.read_events(scope, run, after, limit)))
    }

    fn runs<'a>(
        &'a self,
        scope: Scope,
        filter: &'a RunFilter,
        beyond: Option<[u8; 16]>,
        limit: usize,
    ) -> Read<'a, Page<RunRecord>> {
        ready(self.list_runs(scope, filter, beyond, limit))
    }

    fn run_ids(
        &self,
        scope: Scope,
        status: RunStatus,
        before: Option<RunId>,
        limit: usize,
    ) -> Read<'_, Vec<RunId>> {
        let ids = self.ids_of_status(scope, status, before.map(RunId::to_bytes), limit);
        ready(ids.map(|ids| ids.into_iter().map(RunId::from_bytes).collect()))
    }

    fn delivery(&self, scope: Scope, delivery: DeliveryId) -> Read<'_, Option<Delivery>> {
        let read = self.record(&layout::delivery_row(scope, delivery), |row| self.delivery_of(scope, row));
        ready(self.noted(read))
    }

    fn event_apart(&self, scope: Scope, delivery: DeliveryId, place: u32) -> Read<'_, Option<InboxEvent>> {
        let row = event_row::event_row(scope, delivery, place);
        ready(self.noted(self.record(&row, event_row::from_event_value)))
    }

    fn file_piece(&self, scope: Scope, file: FileId, piece: u32) -> Read<'_, Option<Bytes>> {
        ready(self.noted(self.backing.get(&file_row::piece_row(scope, file, piece))))
    }

    fn deliveries<'a>(
        &'a self,
        scope: Scope,
        filter: &'a DeliveryFilter,
        before: Option<[u8; 16]>,
        limit: usize,
    ) -> Read<'a, Page<Delivery>> {
        ready(self.list_deliveries(scope, filter, before, limit))
    }

    fn delivery_ids<'a>(
        &'a self,
        scope: Scope,
        list: DeliveryList<'a>,
        before: Option<DeliveryId>,
        limit: usize,
    ) -> Read<'a, Vec<DeliveryId>> {
        let list = match list {
            DeliveryList::Webhook(slug) => layout::deliveries_by_slug(scope, slug),
            DeliveryList::State(state) => layout::deliveries_by_state(scope, state),
        };
        let ids = self.backing.postings(&list, before.map(DeliveryId::to_bytes), Order::Descending, limit);
        ready(ids.map(|ids| ids.into_iter().map(DeliveryId::from_bytes).collect()))
    }

    fn forgotten(&self, scope: Scope) -> Read<'_, Option<Forgotten>> {
        ready(self.record(&layout::forgotten_row(scope), |value| layout::from_json(value)))
    }

    fn dedup<'a>(
        &'a self,
        scope: Scope,
        slug: &'a str,
        provider_id: &'a str,
    ) -> Read<'a, Option<DedupRecord>> {
        ready(self.record(&layout::dedup_row(scope, slug, provider_id), |value| layout::from_json(value)))
    }

    fn set_aside<'a>(
        &'a self,
        scope: Scope,
        slug: &'a str,
        provider_id: &'a str,
    ) -> Read<'a, Option<SetAside>> {
        let is_empty = self.set_asides.is_certain(&*self.backing, scope, || {
            let (from, to) = layout::table_range(scope, Table::SetAside);
            Ok(self.backing.range(&from, &to, Order::Ascending, 1)?.is_empty())
        });
        ready(match is_empty {
            Ok(true) => Ok(None),
            Ok(false) => self
                .record(&layout::set_aside_row(scope, slug, provider_id), |value| layout::from_json(value)),
            Err(error) => Err(error),
        })
    }

    fn tokens(&self, scope: Scope, limit: usize) -> Read<'_, Vec<Versioned<Token>>> {
        let (from, to) = layout::table_range(scope, Table::Token);
        let rows = self.backing.range(&from, &to, Order::Ascending, limit);
        ready(rows.and_then(|rows| rows.iter().map(|(_, value)| layout::from_versioned(value)).collect()))
    }

    fn epoch(&self, scope: Scope, epoch: Epoch) -> Read<'_, u64> {
        ready(self.read_epoch(scope, epoch))
    }

    fn start_key<'a>(&'a self, scope: Scope, brain: &'a str, key: &'a str) -> Read<'a, Option<StartKey>> {
        ready(self.record(&layout::start_row(scope, brain, key), |value| layout::from_json(value)))
    }

    fn work(
        &self,
        scope: Scope,
        after: Option<RunId>,
        limit: usize,
    ) -> Read<'_, Vec<(RunId, Versioned<Work>)>> {
        ready(self.read_work(scope, after, limit))
    }

    fn work_of(&self, scope: Scope, run: RunId) -> Read<'_, Option<Versioned<Work>>> {
        ready(self.record(&layout::work_row(scope, run), |value| layout::from_versioned(value)))
    }

    fn due<'a>(
        &'a self,
        scope: Scope,
        until: Timestamp,
        after: Option<&'a Timer>,
        limit: usize,
    ) -> Read<'a, Vec<Timer>> {
        ready(self.read_due(scope, until, after, limit))
    }

    fn tail_after(&self, tail: &LogTail, events: &[Event], seq: u64) -> Result<LogTail, Error> {
        run_row::next_tail(tail, events, seq)
    }

    fn scan<'a>(
        &'a self,
        scope: Scope,
        table: Table,
        after: Option<&'a Cursor>,
        limit: usize,
    ) -> Read<'a, Scan> {
        ready(scan::page(&*self.backing, scope, table, after, limit))
    }

    fn is_armed<'a>(&'a self, scope: Scope, timer: &'a Timer) -> Read<'a, bool> {
        ready(self.backing.get(&layout::timer_row(scope, timer)).map(|row| row.is_some()))
    }

    fn outbox(&self) -> &dyn OutboxStore {
        self
    }

    fn kv(&self) -> &dyn KvStore {
        self
    }

    fn hints(&self) -> &Arc<HintBus> {
        self.backing.hints()
    }

    fn inspect(&self) -> Option<&dyn Inspect> {
        Some(self)
    }

    fn failure(&self) -> watch::Receiver<Option<String>> {
        self.backing.failure()
    }

    fn unwritten(&self) -> Option<String> {
        self.backing.unwritten()
    }

    fn close(&self) -> Result<(), Error> {
        self.backing.close()
    }
}

impl<B: Backing> Inspect for Embedded<B> {
    fn unlisted<'a>(&'a self, scope: Scope, row: &'a Row) -> Read<'a, Vec<String>> {
        ready(scan::unlisted(&*self.backing, scope, row))
    }

    fn stats(&self) -> RowStats {
        let damaged_reads = self.damaged_reads.load(Ordering::Relaxed);
        RowStats { damaged_reads, ..self.backing.stats() }
    }

    fn disk_bytes(&self) -> Option<u64> {
        self.backing.disk_bytes()
    }
}
