//! The [`Store`] over rows: one translation for every embedded backing, so
//! that the memory store and the journal with sled cannot differ in what a
//! batch means.

use std::sync::Arc;

use bytes::Bytes;
use px_core::{DeliveryId, Event, KeyId, KeyRecord, RunId, RunStatus, Scope, Timestamp, TokenId};
use px_store::outbox::{HookCache, OutboxConflict, OutboxStore};
use px_store::tokens::{Token, TokenWrite};
use px_store::{
    Admission, Batch, BoxFuture, Conflict, Cursor, DedupRecord, Delivery, DeliveryFilter, DeliveryList,
    Error, Forgotten, HintBus, InboxState, Inspect, LogTail, Outcome, Page, QueuedEvent, Read, Row, RowStats,
    RunFilter, RunRecord, RunWrite, Scan, StartKey, Store, Table, Timer, Versioned, Work, WorkChange,
};
use tokio::sync::watch;

use crate::layout;
use crate::recent::Recent;
use crate::rows::{Backing, Check, Expect, Order, RowBatch, RowKey, RowOp, RowOutcome};
use crate::scan;

/// How many rows one page of a filtered list looks at, at most.
pub(crate) const SCAN_LIMIT: usize = 2_000;

/// Most commits have no more checks and changes of rows than these.
const USUAL_CHECKS: usize = 4;
const USUAL_OPS: usize = 12;

/// How many keys of a webhook are looked at to find one that a run waits on.
const AWAITED_SCAN: usize = 1_000;

/// A [`Store`] whose rows lie in a [`Backing`].
#[derive(Debug)]
pub struct Embedded<B> {
    backing: Arc<B>,
    hooks: Arc<HookCache>,
    recent: Arc<Recent>,
}

impl<B> Clone for Embedded<B> {
    fn clone(&self) -> Self {
        Self {
            backing: Arc::clone(&self.backing),
            hooks: Arc::clone(&self.hooks),
            recent: Arc::clone(&self.recent),
        }
    }
}

impl<B: Backing> Embedded<B> {
    /// A store over this backing.
    pub fn new(backing: B) -> Self {
        Self { backing: Arc::new(backing), hooks: Arc::default(), recent: Arc::default() }
    }

    /// The backing itself, for its figures.
    #[must_use]
    pub fn backing(&self) -> &B {
        &self.backing
    }

    pub(crate) fn hooks(&self) -> &HookCache {
        &self.hooks
    }

    fn record<T>(&self, row: &[u8], parse: impl Fn(&Bytes) -> Result<T, Error>) -> Result<Option<T>, Error> {
        self.backing.get(row)?.map(|value| parse(&value)).transpose()
    }

    fn read_events(&self, scope: Scope, run: RunId, after: u64, limit: usize) -> Result<Vec<Event>, Error> {
        let Some(record) = self.record(&layout::run_row(scope, run), layout::from_run_value)? else {
            return Ok(Vec::new());
        };
        let mut events = Vec::new();
        if after + 1 < record.tail.first_seq {
            // The chunk that holds `after + 1` is the last one that begins at or below it.
            let below = self.backing.range(
                &layout::log_row(scope, run, 0),
                &layout::log_row(scope, run, after.saturating_add(2)),
                Order::Descending,
                1,
            )?;
            let mut from = below
                .into_iter()
                .next()
                .map_or_else(|| layout::log_row(scope, run, 0), |(row, _)| row.into());
            let to = layout::log_row(scope, run, u64::MAX);
            while events.len() < limit {
                let chunks = self.backing.range(&from, &to, Order::Ascending, 8)?;
                let Some((last, _)) = chunks.last() else { break };
                from = RowKey::from_slice(last);
                from.push(0);
                for (row, lines) in &chunks {
                    let piece =
                        LogTail { first_seq: layout::place_of(row)?, lines: lines.clone(), told: None };
                    for event in piece.entries(after, limit - events.len()) {
                        events.push(event?);
                    }
                }
            }
        }
        let rest = limit - events.len();
        for event in record.tail.entries(after, rest) {
            events.push(event?);
        }
        Ok(events)
    }

    /// The ids of candidates for a list, newest first: from the posting lists
    /// if there are any for the filter, else from the table itself.
    pub(crate) fn candidates(
        &self,
        scope: Scope,
        table: Table,
        lists: &[RowKey],
        before: Option<[u8; 16]>,
    ) -> Result<Vec<[u8; 16]>, Error> {
        if lists.is_empty() {
            let (from, end) = layout::table_range(scope, table);
            let to = before.map_or(end, |before| layout::id_row(scope, table, before));
            let rows = self.backing.range(&from, &to, Order::Descending, SCAN_LIMIT)?;
            return rows.iter().map(|(row, _)| layout::id_of(row)).collect();
        }
        let mut ids = Vec::new();
        for list in lists {
            ids.extend(self.backing.postings(list, before, SCAN_LIMIT)?);
        }
        ids.sort_unstable_by(|a, b| b.cmp(a));
        ids.dedup();
        // Each list gave its newest, so the newest of all are right up to the limit.
        ids.truncate(SCAN_LIMIT);
        Ok(ids)
    }

    pub(crate) fn page<T>(
        ids: &[[u8; 16]],
        limit: usize,
        mut fits: impl FnMut([u8; 16]) -> Result<Option<T>, Error>,
        past: impl Fn(&T) -> bool,
    ) -> Result<Page<T>, Error> {
        let mut items = Vec::new();
        let mut last = None;
        for id in ids {
            if items.len() == limit {
                return Ok(Page { items, next: last });
            }
            last = Some(*id);
            if let Some(item) = fits(*id)? {
                if past(&item) {
                    return Ok(Page { items, next: None });
                }
                items.push(item);
            }
        }
        let more = ids.len() >= SCAN_LIMIT;
        Ok(Page { items, next: if more { last } else { None } })
    }

    fn list_runs(
        &self,
        scope: Scope,
        filter: &RunFilter,
        before: Option<[u8; 16]>,
        limit: usize,
    ) -> Result<Page<RunRecord>, Error> {
        let brain = filter.brain.as_deref();
        let mut extra = Vec::new();
        let mut lists = Vec::new();
        for status in &filter.statuses {
            if *status == RunStatus::Running {
                // Running runs are those with a row of work; they enter no list,
                // since hardly any stays one for long.
                let (from, to) = layout::table_range(scope, Table::Work);
                for (row, _) in self.backing.range(&from, &to, Order::Descending, SCAN_LIMIT)? {
                    extra.push(layout::id_of(&row)?);
                }
            } else {
                lists.push(layout::runs_by_status(scope, brain, *status));
            }
        }
        if filter.statuses.is_empty()
            && let Some(brain) = brain
        {
            lists.push(layout::runs_by_brain(scope, brain));
        }
        let mut ids = if lists.is_empty() && !filter.statuses.is_empty() {
            Vec::new()
        } else {
            self.candidates(scope, Table::Run, &lists, before)?
        };
        if !extra.is_empty() {
            ids.extend(extra.into_iter().filter(|id| before.is_none_or(|before| *id < before)));
            ids.sort_unstable_by(|a, b| b.cmp(a));
            ids.dedup();
        }
        let fits = |id: [u8; 16]| {
            let record =
                self.record(&layout::run_row(scope, RunId::from_bytes(id)), layout::from_run_value)?;
            Ok(record.filter(|record| {
                (filter.statuses.is_empty() || filter.statuses.contains(&record.run.status))
                    && brain.is_none_or(|brain| record.run.brain == brain)
            }))
        };
        Self::page(&ids, limit, fits, |record| {
            filter.since.is_some_and(|since| record.run.created_at < since)
        })
    }

    fn list_deliveries(
        &self,
        scope: Scope,
        filter: &DeliveryFilter,
        before: Option<[u8; 16]>,
        limit: usize,
    ) -> Result<Page<Delivery>, Error> {
        // One list suffices: the narrowest; the rest is checked at the row.
        let lists: Vec<_> = if let Some(identifier) = &filter.identifier {
            vec![layout::deliveries_by_identifier(scope, identifier)]
        } else if let Some(state) = filter.state {
            vec![layout::deliveries_by_state(scope, state)]
        } else if let Some(slug) = &filter.slug {
            vec![layout::deliveries_by_slug(scope, slug)]
        } else {
            Vec::new()
        };
        let ids = self.candidates(scope, Table::Delivery, &lists, before)?;
        let fits = |id: [u8; 16]| {
            let row = layout::delivery_row(scope, DeliveryId::from_bytes(id));
            let delivery = self.record(&row, layout::from_delivery_value)?;
            Ok(delivery.filter(|delivery| {
                filter.slug.as_ref().is_none_or(|slug| delivery.slug == *slug)
                    && filter
                        .state
                        .is_none_or(|state| delivery.events.iter().any(|event| event.state == state))
                    && filter.identifier.as_ref().is_none_or(|identifier| {
                        delivery.events.iter().any(|event| event.identifier.as_ref() == Some(identifier))
                    })
            }))
        };
        Self::page(&ids, limit, fits, |delivery| {
            filter.since.is_some_and(|since| delivery.received_at < since)
        })
    }
}

/// What a check of a row stands for.
pub(crate) enum Stake {
    Key(KeyId),
    Run(RunId),
    Fence(RunId),
    Delivery(DeliveryId),
    Dedup(String, String),
    Start,
    Outbox(OutboxConflict),
    Token(TokenId),
}

pub(crate) struct Translation {
    pub(crate) rows: RowBatch,
    stakes: Vec<Stake>,
    /// The rows and tails of the runs that are written, in their order.
    written: Vec<(Bytes, LogTail)>,
}

impl Translation {
    pub(crate) fn check(&mut self, key: RowKey, expect: Expect, stake: Stake) {
        self.rows.checks.push(Check { key, expect });
        self.stakes.push(stake);
    }

    pub(crate) fn put(&mut self, key: RowKey, value: Bytes) {
        self.rows.ops.push(RowOp::Put { key, value });
    }

    pub(crate) fn remove(&mut self, key: RowKey) {
        self.rows.ops.push(RowOp::Remove { key });
    }

    pub(crate) fn post(&mut self, list: RowKey, id: [u8; 16]) {
        self.rows.ops.push(RowOp::Post { list, id });
    }

    fn write_run(&mut self, scope: Scope, write: &RunWrite) -> Result<(), Error> {
        let run = &write.run;
        let row = layout::run_row(scope, run.id);
        let expect = if write.expected == 0 { Expect::Absent } else { Expect::Version(write.expected) };
        self.check(row.clone(), expect, Stake::Run(run.id));
        let (mut value, mut tail) = layout::run_value(run, &write.tail, &write.events)?;
        if layout::outgrown(&tail) {
            self.put(layout::log_row(scope, run.id, tail.first_seq), tail.lines.clone());
            let empty = LogTail { first_seq: run.seq + 1, lines: Bytes::new(), ..tail };
            (value, tail) = layout::run_value(run, &empty, &[])?;
        }
        self.put(row, value.clone());
        self.written.push((value, tail));
        let id = run.id.to_bytes();
        if write.expected == 0 {
            self.post(layout::runs_by_brain(scope, &run.brain), id);
        }
        if run.status != RunStatus::Running {
            self.post(layout::runs_by_status(scope, None, run.status), id);
            self.post(layout::runs_by_status(scope, Some(&run.brain), run.status), id);
        }
        Ok(())
    }

    fn forget(&mut self, scope: Scope, batch: &Batch) -> Result<(), Error> {
        for write in &batch.forget {
            let id = write.delivery.to_bytes();
            let row = layout::delivery_row(scope, write.delivery);
            match write.revision {
                Some(revision) => {
                    let stake = Stake::Delivery(write.delivery);
                    self.check(row.clone(), Expect::Version(revision), stake);
                    self.remove(row);
                }
                None => self.check(row, Expect::Absent, Stake::Delivery(write.delivery)),
            }
            // Any state that it ever was in: nobody knows any more.
            let states = InboxState::ALL.map(|state| layout::deliveries_by_state(scope, state));
            let identifiers =
                write.identifiers.iter().map(|text| layout::deliveries_by_identifier(scope, text));
            let slug = layout::deliveries_by_slug(scope, &write.slug);
            for list in states.into_iter().chain(identifiers).chain([slug]) {
                self.rows.ops.push(RowOp::Unpost { list, id });
            }
            for provider_id in &write.provider_ids {
                self.remove(layout::dedup_row(scope, &write.slug, provider_id));
            }
        }
        if let Some(forgotten) = &batch.forgotten {
            self.put(layout::forgotten_row(scope), layout::json(forgotten)?);
        }
        Ok(())
    }

    pub(crate) fn of(batch: &Batch) -> Result<Self, Error> {
        let scope = batch.scope;
        let mut this = Self {
            rows: RowBatch {
                hints: batch.hints(),
                checks: Vec::with_capacity(USUAL_CHECKS),
                ops: Vec::with_capacity(USUAL_OPS),
            },
            stakes: Vec::with_capacity(USUAL_CHECKS),
            written: Vec::with_capacity(batch.runs.len()),
        };
        // Duplicates first: that is the answer that a repeated delivery wants,
        // whatever else has changed since.
        for dedup in &batch.dedups {
            let row = layout::dedup_row(scope, &dedup.slug, &dedup.provider_id);
            if !dedup.force {
                let stake = Stake::Dedup(dedup.slug.clone(), dedup.provider_id.clone());
                this.check(row.clone(), Expect::Absent, stake);
            }
            this.put(row, layout::json(&dedup.record)?);
        }
        for (brain, key, record) in &batch.start_keys {
            let row = layout::start_row(scope, brain, key);
            this.check(row.clone(), Expect::Absent, Stake::Start);
            this.put(row, layout::json(record)?);
        }
        for work in &batch.work {
            let row = layout::work_row(scope, work.run);
            if let Some(expected) = work.expected {
                this.check(row.clone(), Expect::Version(expected), Stake::Fence(work.run));
            }
            match &work.change {
                WorkChange::Keep => {}
                WorkChange::Put(fence, record) => this.put(row, layout::versioned(*fence, record)?),
                WorkChange::Remove => this.remove(row),
            }
        }
        for key in &batch.keys {
            let row = layout::key_row(scope, &key.key);
            let expect = if key.expected == 0 { Expect::Absent } else { Expect::Version(key.expected) };
            this.check(row.clone(), expect, Stake::Key(key.key.clone()));
            match &key.record {
                _ if !key.changed => {}
                Some(record) => this.put(row, layout::versioned(key.version, record)?),
                None => this.remove(row),
            }
        }
        for write in &batch.runs {
            this.write_run(scope, write)?;
        }
        for (run, seq) in &batch.unchanged {
            this.check(layout::run_row(scope, *run), Expect::Version(*seq), Stake::Run(*run));
        }
        for (key, place, event) in &batch.queue {
            let row = layout::queue_row(scope, key, *place);
            match event {
                Some(event) => this.put(row, layout::json(event)?),
                None => this.remove(row),
            }
        }
        for write in &batch.deliveries {
            let delivery = &write.delivery;
            let id = delivery.id.to_bytes();
            let row = layout::delivery_row(scope, delivery.id);
            if delivery.revision != 0 {
                let expect = Expect::Version(delivery.revision);
                this.check(row.clone(), expect, Stake::Delivery(delivery.id));
            }
            this.put(row, layout::delivery_value(delivery)?);
            if write.new {
                this.post(layout::deliveries_by_slug(scope, &delivery.slug), id);
            }
            for event in &delivery.events {
                this.post(layout::deliveries_by_state(scope, event.state), id);
                if let (true, Some(identifier)) = (write.new, &event.identifier) {
                    this.post(layout::deliveries_by_identifier(scope, identifier), id);
                }
            }
        }
        this.forget(scope, batch)?;
        for timer in &batch.disarm {
            this.remove(layout::timer_row(scope, timer));
        }
        for timer in &batch.arm {
            this.put(layout::timer_row(scope, timer), layout::json(&timer.kind)?);
        }
        this.outbox(scope, &batch.outbox)?;
        for write in &batch.tokens {
            match write {
                TokenWrite::Create(token, version) => {
                    let row = layout::token_row(scope, token.id);
                    this.check(row.clone(), Expect::Absent, Stake::Token(token.id));
                    this.put(row, layout::versioned(*version, token)?);
                }
                TokenWrite::Remove(id, version) => {
                    let row = layout::token_row(scope, *id);
                    this.check(row.clone(), Expect::Version(*version), Stake::Token(*id));
                    this.remove(row);
                }
            }
        }
        Ok(this)
    }

    fn conflict(stake: Option<Stake>, found: Option<Bytes>) -> Result<Conflict, Error> {
        let found = || found.ok_or_else(|| Error::Corrupt("a conflict without a row".into()));
        Ok(match stake.ok_or_else(|| Error::Corrupt("a conflict without a check".into()))? {
            Stake::Key(key) => Conflict::Key(key),
            Stake::Run(run) => Conflict::Run(run),
            Stake::Fence(run) => Conflict::Fence(run),
            Stake::Delivery(delivery) => Conflict::Delivery(delivery),
            Stake::Dedup(slug, provider_id) => {
                Conflict::Duplicate { slug, provider_id, record: layout::from_json(&found()?)? }
            }
            Stake::Start => Conflict::Started(layout::from_json(&found()?)?),
            Stake::Outbox(what) => Conflict::Outbox(what),
            Stake::Token(token) => Conflict::Token(token),
        })
    }
}

pub(crate) fn ready<'a, T: Send + 'a>(value: T) -> BoxFuture<'a, T> {
    Box::pin(std::future::ready(value))
}

impl<B: Backing> Store for Embedded<B> {
    fn commit(&self, batch: Batch, admission: Admission) -> BoxFuture<'static, Result<Outcome, Error>> {
        let Translation { rows, mut stakes, written } = match Translation::of(&batch) {
            Ok(translation) => translation,
            Err(error) => return ready(Err(error)),
        };
        let is_owned = |run: RunId| batch.work.iter().any(|work| work.run == run && work.is_claim());
        for (write, (row, tail)) in batch.runs.into_iter().zip(written) {
            // The others are not read soon: they rest, or their executor has them.
            if write.run.status == RunStatus::Running && !is_owned(write.run.id) {
                self.recent.keep(batch.scope, row, RunRecord { run: write.run, tail });
            }
        }
        let commit = self.backing.submit(rows, admission);
        Box::pin(async move {
            Ok(match commit.await? {
                RowOutcome::Committed { sequence } => Outcome::Committed { sequence },
                RowOutcome::Conflict { check, found } => {
                    let stake = (check < stakes.len()).then(|| stakes.swap_remove(check));
                    Outcome::Conflict(Translation::conflict(stake, found)?)
                }
            })
        })
    }

    fn key<'a>(&'a self, scope: Scope, key: &'a KeyId) -> Read<'a, Versioned<KeyRecord>> {
        ready(self.backing.get(&layout::key_row(scope, key)).and_then(layout::from_key_value))
    }

    fn is_awaited<'a>(&'a self, scope: Scope, slug: &'a str) -> Read<'a, bool> {
        let (from, to) = layout::keys_of(scope, slug);
        ready(self.backing.range(&from, &to, Order::Ascending, AWAITED_SCAN).and_then(|rows| {
            for (_, value) in &rows {
                if !layout::from_versioned::<KeyRecord>(value)?.record.waits.is_empty() {
                    return Ok(true);
                }
            }
            Ok(rows.len() == AWAITED_SCAN)
        }))
    }

    fn queued<'a>(
        &'a self,
        scope: Scope,
        key: &'a KeyId,
        from: u64,
        limit: usize,
    ) -> Read<'a, Vec<(u64, QueuedEvent)>> {
        let rows = self.backing.range(
            &layout::queue_row(scope, key, from),
            &layout::queue_row(scope, key, u64::MAX),
            Order::Ascending,
            limit,
        );
        ready(rows.and_then(|rows| {
            rows.iter().map(|(row, value)| Ok((layout::place_of(row)?, layout::from_json(value)?))).collect()
        }))
    }

    fn run(&self, scope: Scope, run: RunId) -> Read<'_, Option<RunRecord>> {
        let row = self.backing.get(&layout::run_row(scope, run));
        ready(row.and_then(|row| {
            let parse = |row: Bytes| match self.recent.take(scope, run, &row) {
                Some(record) => Ok(record),
                None => layout::from_run_value(&row),
            };
            row.map(parse).transpose()
        }))
    }

    fn events(&self, scope: Scope, run: RunId, after: u64, limit: usize) -> Read<'_, Vec<Event>> {
        ready(self.read_events(scope, run, after, limit))
    }

    fn runs<'a>(
        &'a self,
        scope: Scope,
        filter: &'a RunFilter,
        before: Option<[u8; 16]>,
        limit: usize,
    ) -> Read<'a, Page<RunRecord>> {
        ready(self.list_runs(scope, filter, before, limit))
    }

    fn delivery(&self, scope: Scope, delivery: DeliveryId) -> Read<'_, Option<Delivery>> {
        ready(self.record(&layout::delivery_row(scope, delivery), layout::from_delivery_value))
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
        let ids = self.backing.postings(&list, before.map(DeliveryId::to_bytes), limit);
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

    fn tokens(&self, scope: Scope, limit: usize) -> Read<'_, Vec<Versioned<Token>>> {
        let (from, to) = layout::table_range(scope, Table::Token);
        let rows = self.backing.range(&from, &to, Order::Ascending, limit);
        ready(rows.and_then(|rows| rows.iter().map(|(_, value)| layout::from_versioned(value)).collect()))
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
        let (start, to) = layout::table_range(scope, Table::Work);
        let from = after.map_or(start, |after| {
            let mut row = layout::work_row(scope, after);
            row.push(0);
            row
        });
        ready(self.backing.range(&from, &to, Order::Ascending, limit).and_then(|rows| {
            rows.iter()
                .map(|(row, value)| {
                    Ok((RunId::from_bytes(layout::id_of(row)?), layout::from_versioned(value)?))
                })
                .collect()
        }))
    }

    fn work_of(&self, scope: Scope, run: RunId) -> Read<'_, Option<Versioned<Work>>> {
        ready(self.record(&layout::work_row(scope, run), |value| layout::from_versioned(value)))
    }

    fn due(&self, scope: Scope, until: Timestamp, limit: usize) -> Read<'_, Vec<Timer>> {
        let from = layout::due_row(scope, Timestamp::EPOCH);
        let to = layout::due_row(scope, Timestamp::from_millis(until.as_millis().saturating_add(1)));
        ready(self.backing.range(&from, &to, Order::Ascending, limit).and_then(|rows| {
            rows.iter()
                .map(|(row, value)| {
                    Ok(Timer { due: layout::due_of(scope, row)?, kind: layout::from_json(value)? })
                })
                .collect()
        }))
    }

    fn tail_after(&self, tail: &LogTail, events: &[Event], seq: u64) -> Result<LogTail, Error> {
        layout::next_tail(tail, events, seq)
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

    fn hints(&self) -> &Arc<HintBus> {
        self.backing.hints()
    }

    fn inspect(&self) -> Option<&dyn Inspect> {
        Some(self)
    }

    fn failure(&self) -> watch::Receiver<Option<String>> {
        self.backing.failure()
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
        self.backing.stats()
    }
}
