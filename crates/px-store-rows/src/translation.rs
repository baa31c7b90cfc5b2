//! The translation of a batch to rows: its preconditions as checks, its changes as
//! puts, removes and postings. Every store of rows has this one translation, so
//! that none can differ from another in what a batch means.

use std::collections::BTreeMap;

use bytes::Bytes;
use px_core::{DeliveryId, KeyId, KvId, RunId, RunStatus, Scope, TokenId};
use px_store::outbox::OutboxConflict;
use px_store::secret_key::KeyCheckWrite;
use px_store::tokens::TokenWrite;
use px_store::{Batch, Conflict, DedupRecord, Epoch, Error, LogTail, RunWrite, WorkChange, WorkWrite};

use crate::apart::{self, Name};
use crate::layout;
use crate::rows::{BATCH, Backing, Check, Expect, RowBatch, RowKey, RowOp};
use crate::run_row::{RunRow, run_row};

/// Most commits have no more checks and changes of rows than these.
const USUAL_CHECKS: usize = 4;
const USUAL_OPS: usize = 12;

/// The precondition of a batch that a check of a row stands for.
pub(crate) enum Precondition {
    Key(KeyId),
    Run(RunId),
    Fence(RunId),
    Delivery(DeliveryId),
    /// A provider's id that must not be known, …
    Unknown(String, String),
    /// … and one that must be as it was read.
    Dedup(String, String),
    SetAside(String, String),
    Forgotten,
    Start,
    Outbox(OutboxConflict),
    Token(TokenId),
    Epoch(Epoch),
    KeyCheck,
    Kv(KvId),
    KvBrain(String),
    Secret(String),
}

pub(crate) struct Translation {
    pub(crate) rows: RowBatch,
    pub(crate) preconditions: Vec<Precondition>,
    /// The rows and tails of the runs that are written, in their order.
    pub(crate) written: Vec<(Bytes, LogTail)>,
    /// The runs whose log has these large values from this batch on.
    pub(crate) values: BTreeMap<Name, RunId>,
}

impl Translation {
    pub(crate) fn check(&mut self, key: RowKey, expect: Expect, precondition: Precondition) {
        self.rows.checks.push(Check { key, expect });
        self.preconditions.push(precondition);
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
        self.check(row.clone(), expect, Precondition::Run(run.id));
        let RunRow { value, tail, piece, values } = run_row(write)?;
        for (name, json) in values {
            let is_there = write.tail.apart.as_ref().is_some_and(|apart| apart.contains(&name));
            if !is_there {
                self.put(apart::value_row(scope, run.id, name), json);
            }
            self.values.insert(name, run.id);
        }
        if let Some((first_seq, lines)) = piece {
            self.put(layout::log_row(scope, run.id, first_seq), lines);
        }
        self.put(row, value.clone());
        self.written.push((value, tail));
        let id = run.id.to_bytes();
        if write.expected == 0 {
            self.post(layout::runs_by_brain(scope, &run.brain), id);
        }
        for (name, value) in write.events.iter().filter_map(|event| event.event.labels()).flatten() {
            self.post(layout::runs_by_label(scope, name, value), id);
        }
        // One that runs has a row of work, and needs no list; between two attempts it has none.
        if run.status != RunStatus::Running || run.retry_at.is_some() {
            self.post(layout::runs_by_status(scope, None, run.status), id);
            self.post(layout::runs_by_status(scope, Some(&run.brain), run.status), id);
        }
        Ok(())
    }

    /// Demands a record under a provider's id as it was read. Returns its row.
    fn demand_dedup(
        &mut self,
        scope: Scope,
        slug: &str,
        id: &str,
        read: Option<&DedupRecord>,
    ) -> Result<RowKey, Error> {
        let row = layout::dedup_row(scope, slug, id);
        let (slug, id) = (slug.to_owned(), id.to_owned());
        let precondition = match read {
            None => Precondition::Unknown(slug, id),
            Some(_) => Precondition::Dedup(slug, id),
        };
        self.check(row.clone(), as_read(read)?, precondition);
        Ok(row)
    }

    /// Providers' ids and idempotent starts.
    fn known(&mut self, scope: Scope, batch: &Batch) -> Result<(), Error> {
        for dedup in &batch.dedups {
            let row = self.demand_dedup(scope, &dedup.slug, &dedup.provider_id, dedup.expected.as_ref())?;
            self.put(row, layout::json(&dedup.record)?);
        }
        for demand in &batch.dedup_demands {
            self.demand_dedup(scope, &demand.slug, &demand.provider_id, demand.expected.as_ref())?;
        }
        for write in &batch.set_asides {
            let row = layout::set_aside_row(scope, &write.slug, &write.provider_id);
            let precondition = Precondition::SetAside(write.slug.clone(), write.provider_id.clone());
            self.check(row.clone(), as_read(write.expected.as_ref())?, precondition);
            match &write.record {
                record if *record == write.expected => {}
                Some(record) => self.put(row, layout::json(record)?),
                None => self.remove(row),
            }
        }
        for (brain, key, record) in &batch.start_keys {
            let row = layout::start_row(scope, brain, key);
            self.check(row.clone(), Expect::Absent, Precondition::Start);
            self.put(row, layout::json(record)?);
        }
        Ok(())
    }

    fn work(&mut self, scope: Scope, writes: &[WorkWrite]) -> Result<(), Error> {
        for work in writes {
            let row = layout::work_row(scope, work.run);
            if let Some(expected) = work.expected {
                self.check(row.clone(), Expect::Version(expected), Precondition::Fence(work.run));
            }
            match &work.change {
                WorkChange::Keep => {}
                WorkChange::Put(fence, record) => self.put(row, layout::versioned(*fence, record)?),
                WorkChange::Remove => self.remove(row),
            }
        }
        Ok(())
    }

    /// Keys, the runs that meet there, and their queues.
    fn keys(&mut self, scope: Scope, batch: &Batch) -> Result<(), Error> {
        for key in &batch.keys {
            let row = layout::key_row(scope, &key.key);
            let expect = if key.expected == 0 { Expect::Absent } else { Expect::Version(key.expected) };
            self.check(row.clone(), expect, Precondition::Key(key.key.clone()));
            match &key.record {
                _ if !key.changed => {}
                Some(record) => self.put(row, layout::versioned(key.version, record)?),
                None => self.remove(row),
            }
        }
        self.waiters(scope, &batch.waiters)?;
        for write in &batch.runs {
            self.write_run(scope, write)?;
        }
        for (run, seq) in &batch.unchanged {
            self.check(layout::run_row(scope, *run), Expect::Version(*seq), Precondition::Run(*run));
        }
        for (key, place, event) in &batch.queue {
            let row = layout::queue_row(scope, key, *place);
            match event {
                Some(event) => self.put(row, layout::json(event)?),
                None => self.remove(row),
            }
        }
        Ok(())
    }

    fn key_check(&mut self, scope: Scope, write: &KeyCheckWrite) -> Result<(), Error> {
        let row = layout::key_check_row(scope);
        let expect = write.expected.map_or(Expect::Absent, Expect::Version);
        self.check(row.clone(), expect, Precondition::KeyCheck);
        self.put(row, layout::versioned(write.version, &write.check)?);
        Ok(())
    }

    fn tokens(&mut self, scope: Scope, writes: &[TokenWrite]) -> Result<(), Error> {
        for write in writes {
            match write {
                TokenWrite::Create(token, version) => {
                    let row = layout::token_row(scope, token.id);
                    self.check(row.clone(), Expect::Absent, Precondition::Token(token.id));
                    self.put(row, layout::versioned(*version, token)?);
                }
                TokenWrite::Remove(id, version) => {
                    let row = layout::token_row(scope, *id);
                    self.check(row.clone(), Expect::Version(*version), Precondition::Token(*id));
                    self.remove(row);
                }
            }
        }
        Ok(())
    }

    /// Epochs of hooks, tokens and secrets count only where several processes have the
    /// store: a single one knows of its own changes.
    fn epochs(&mut self, batch: &Batch, is_shared: bool) {
        let counts = |epoch| is_shared || matches!(epoch, Epoch::Slot(_));
        for write in batch.epochs.iter().filter(|write| counts(write.epoch)) {
            let row = layout::epoch_row(batch.scope, write.epoch);
            match write.expected {
                None => {}
                Some(0) => self.check(row.clone(), Expect::Absent, Precondition::Epoch(write.epoch)),
                Some(at) => self.check(row.clone(), Expect::Version(at), Precondition::Epoch(write.epoch)),
            }
            if let Some(next) = write.next {
                self.put(row, Bytes::copy_from_slice(&next.to_be_bytes()));
            }
        }
        let mut hooks = batch.outbox.hooks.iter().filter(|write| is_shared && !write.hook.is_own());
        if let Some(write) = hooks.next_back() {
            let row = layout::epoch_row(batch.scope, Epoch::Hooks);
            self.put(row, Bytes::copy_from_slice(&write.version.to_be_bytes()));
        }
    }

    /// `backing` is read only for deliveries that name large values of runs, and for events
    /// that are forgotten with theirs.
    pub(crate) fn of<B: Backing + ?Sized>(batch: &Batch, backing: &B) -> Result<Self, Error> {
        let is_shared = !backing.is_exclusive();
        let scope = batch.scope;
        let mut this = Self {
            rows: RowBatch {
                hints: batch.hints(),
                checks: Vec::with_capacity(USUAL_CHECKS),
                ops: Vec::with_capacity(USUAL_OPS),
            },
            preconditions: Vec::with_capacity(USUAL_CHECKS),
            written: Vec::with_capacity(batch.runs.len()),
            values: BTreeMap::new(),
        };
        // Duplicates first: that is the answer that a repeated delivery wants,
        // whatever else has changed since.
        this.known(scope, batch)?;
        this.epochs(batch, is_shared);
        this.work(scope, &batch.work)?;
        this.keys(scope, batch)?;
        this.deliveries(scope, &batch.deliveries, backing)?;
        this.drop_files(scope, &batch.dropped_files);
        this.events_apart(scope, &batch.events_apart)?;
        this.forget(scope, batch, backing)?;
        for timer in &batch.disarm {
            this.remove(layout::timer_row(scope, timer));
        }
        for timer in &batch.arm {
            this.put(layout::timer_row(scope, timer), layout::json(&timer.kind)?);
        }
        this.outbox(scope, &batch.outbox)?;
        this.tokens(scope, &batch.tokens)?;
        this.kv(scope, &batch.kv)?;
        batch.key_check.iter().try_for_each(|write| this.key_check(scope, write))?;
        batch.secrets.iter().try_for_each(|write| this.secret(scope, write))?;
        Ok(this)
    }

    pub(crate) fn conflict(
        precondition: Option<Precondition>,
        found: Option<Bytes>,
    ) -> Result<Conflict, Error> {
        let found = || found.ok_or_else(|| Error::Corrupt("a conflict without a row".into()));
        Ok(match precondition.ok_or_else(|| Error::Corrupt("a conflict without a check".into()))? {
            Precondition::Key(key) => Conflict::Key(key),
            Precondition::Run(run) => Conflict::Run(run),
            Precondition::Fence(run) => Conflict::Fence(run),
            Precondition::Delivery(delivery) => Conflict::Delivery(delivery),
            Precondition::Dedup(slug, provider_id) => Conflict::Dedup { slug, provider_id },
            Precondition::SetAside(slug, provider_id) => Conflict::SetAside { slug, provider_id },
            Precondition::Forgotten => Conflict::Forgotten,
            Precondition::Unknown(slug, provider_id) => {
                Conflict::Duplicate { slug, provider_id, record: layout::from_json(&found()?)? }
            }
            Precondition::Start => Conflict::Started(layout::from_json(&found()?)?),
            Precondition::Outbox(what) => Conflict::Outbox(what),
            Precondition::Token(token) => Conflict::Token(token),
            Precondition::Epoch(epoch) => Conflict::Epoch(epoch),
            Precondition::KeyCheck => Conflict::KeyCheck,
            Precondition::Kv(id) => Conflict::Kv(id),
            Precondition::KvBrain(brain) => Conflict::KvBrain(brain),
            Precondition::Secret(name) => Conflict::Secret(name),
        })
    }
}

/// Demands of a row without a version that it is as it was read. Bytes are
/// compared: a record has to be written now as it was by the px that wrote the
/// row, which is why the tests of `golden` spell those bytes out.
pub(crate) fn as_read<T: serde::Serialize>(read: Option<&T>) -> Result<Expect, Error> {
    Ok(match read {
        Some(record) => Expect::Same(layout::json(record)?),
        None => Expect::Absent,
    })
}

/// A batch that is too large, by what is in it.
pub(crate) fn named(error: Error, (runs, keys, deliveries): (usize, usize, usize)) -> Error {
    match error {
        Error::TooLarge { what, found, most } if what == BATCH => {
            let what = format!("a batch with runs: {runs}, keys: {keys}, deliveries: {deliveries}");
            Error::TooLarge { what, found, most }
        }
        other => other,
    }
}
