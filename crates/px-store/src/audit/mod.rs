//! The ledger audit: goes through a whole store that nobody else writes to,
//! and proves that it adds up. Each event of a delivery is in exactly one
//! state, and what the state claims is so; waits, keys, queues, timers and
//! ready work agree with the runs; each log is gap-free and replays to the
//! stored run; no row belongs to nothing.
//!
//! It streams. Every table is read once, in pages, and what a row claims of
//! another one is looked up there by a point read, so the time grows with the
//! number of rows, and the memory does not: it holds one page, one log's ids
//! of events (16 bytes each), and one queue's (a queue is bounded).
//!
//! Some claims have no row to look at from one side: an event says "run R took
//! me", and finding the entry would mean to read R's log once for each of its
//! events. There the other side is checked entry by entry, which makes it an
//! injection, and both sides are counted. Only if the counts differ, `settle`
//! looks for whom, in as many passes as a bounded set of ids needs.
//!
//! This module knows no command line; `px audit` shows what it says.

mod files;
mod inbox;
mod keys;
mod kv;
mod line;
mod outbox;
mod report;
mod rest;
mod runs;
mod settle;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use px_core::{DeliveryId, EventId, Run, RunId, Scope};

use crate::error::Error;
use crate::model::{APART_FROM, Delivery, Forgotten};
use crate::scan::{Cursor, Row, Table};
use crate::secrets::Part;
use crate::store::Store;

pub use report::{Counts, KEPT_VIOLATIONS, Report, Rule, Violation};

/// Number of rows of small records that are read at once.
const PAGE: usize = 256;

/// Number of rows that are read at once and may be large: a delivery holds its
/// body, a run its state and the end of its log, a piece of a log its entries.
const LARGE_PAGE: usize = 32;

/// The tables in the order in which they are gone through.
pub const TABLES: [Table; 26] = [
    Table::Forgotten,
    Table::Value,
    Table::Run,
    Table::Log,
    Table::Event,
    Table::File,
    Table::Delivery,
    Table::Dedup,
    Table::SetAside,
    Table::Key,
    Table::Waiter,
    Table::WaiterPlace,
    Table::Queue,
    Table::Work,
    Table::Timer,
    Table::Start,
    Table::Hook,
    Table::Callback,
    Table::Due,
    Table::Attempt,
    Table::Endpoint,
    Table::Token,
    Table::KeyCheck,
    Table::Kv,
    Table::KvBrain,
    Table::Secret,
];

/// The progress of an audit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// The table that is gone through.
    pub table: Table,
    /// Its place in [`TABLES`].
    pub place: usize,
    /// Number of its rows that are done.
    pub rows: u64,
}

/// Audits everything of a scope. `progress` is called after each page.
///
/// # Errors
/// The store could not be read. What is wrong *in* it is in the report.
pub async fn audit(
    store: &dyn Store,
    scope: Scope,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<Report, Error> {
    let mut audit = Audit {
        store,
        scope,
        report: Report::default(),
        tally: Tally::default(),
        pieces: None,
        values_of: None,
        forgotten: None,
        queue: None,
        line: None,
        kv: None,
        files_of: None,
        large: Mutex::default(),
        telling: None,
    };
    for (place, table) in TABLES.into_iter().enumerate() {
        let (mut after, mut rows) = (None, 0);
        loop {
            let page = audit.page(table, after.as_ref()).await?;
            rows += page.0.len() as u64;
            for row in page.0 {
                audit.row(row).await?;
            }
            progress(Progress { table, place, rows });
            after = page.1;
            if after.is_none() {
                break;
            }
        }
        audit.end_of_pieces().await?;
        audit.end_of_queue().await?;
        audit.end_of_line().await?;
        audit.end_of_values().await?;
    }
    audit.settle().await?;
    audit.settle_numbers();
    Ok(audit.report)
}

/// The sides of the claims that are counted against each other.
#[derive(Debug, Default)]
struct Tally {
    /// Responses in logs whose event says that this wait of this run took it.
    responses: u64,
    /// Events that say that a run took them.
    taken: u64,
    /// Runs that an event started.
    caused: u64,
    /// Events whose run says that they started it.
    started: u64,
    /// Places of queues whose event says that it is queued there.
    places: u64,
    /// Events that say that they are queued.
    queued: u64,
    /// Numbers that a run's row or the next delivery knows.
    numbers: u64,
    /// Deliveries that have a number.
    numbered: u64,
}

struct Audit<'a> {
    store: &'a dyn Store,
    scope: Scope,
    report: Report,
    tally: Tally,
    /// The log whose pieces are gone through.
    pieces: Option<runs::Pieces>,
    /// The run whose values are gone through, which are told of once.
    values_of: Option<RunId>,
    /// The point up to which the inbox was forgotten: what names a delivery up to there may
    /// name nothing.
    forgotten: Option<Forgotten>,
    /// The queue that is gone through.
    queue: Option<keys::Queue>,
    /// The line that is gone through.
    line: Option<line::Passed>,
    /// The brain whose values are gone through, and how many there were so far.
    kv: Option<(String, u64)>,
    /// The delivery whose files are gone through.
    files_of: Option<files::FilesOf>,
    /// The large delivery that was read last.
    large: Mutex<Option<Arc<Delivery>>>,
    /// The ended runs of whose end some are still to be told; read when it is first asked for.
    telling: Option<BTreeSet<RunId>>,
}

impl Audit<'_> {
    async fn page(&self, table: Table, after: Option<&Cursor>) -> Result<(Vec<Row>, Option<Cursor>), Error> {
        let limit = match table {
            Table::Value
            | Table::Run
            | Table::Log
            | Table::File
            | Table::Delivery
            | Table::Callback
            | Table::Attempt
            | Table::Kv => LARGE_PAGE,
            _ => PAGE,
        };
        let page = self.store.scan(self.scope, table, after, limit).await?;
        Ok((page.rows, page.next))
    }

    async fn row(&mut self, row: Row) -> Result<(), Error> {
        match &row {
            Row::Run(_) | Row::Delivery(_) | Row::Callback(_) => self.lists(&row).await?,
            _ => {}
        }
        match row {
            Row::Run(record) => {
                self.told(&record).await?;
                self.run(*record).await
            }
            Row::Log(run, first, entries) => self.piece(run, first, entries).await,
            Row::Value(run) => self.value(run).await,
            Row::Event(delivery, place, event) => self.event_apart(delivery, place, &event).await,
            Row::File(file, piece, _) => self.file_piece(file, piece).await,
            Row::Delivery(delivery) => self.delivery(&delivery).await,
            Row::Dedup(slug, id, record) => self.dedup(&slug, &id, &record).await,
            Row::SetAside(slug, id, record) => self.set_aside(&slug, &id, record).await,
            Row::Key(key, record) => self.key(&key, &record.record).await,
            Row::Waiter(key, place, waiter) => self.waiter(key, place, &waiter).await,
            Row::WaiterPlace(key, place, id) => self.waiter_place(&key, place, id).await,
            Row::Queued(key, place, event) => self.place(key, place, &event).await,
            Row::Work(run, _) => self.work(run).await,
            Row::Timer(timer) => self.timer(&timer).await,
            Row::Start(brain, name, record) => self.start_key(brain, name, &record).await,
            Row::Hook(hook) => self.hook(&hook.record).await,
            Row::Callback(callback) => self.callback(&callback).await,
            Row::Due(due) => self.due(&due).await,
            Row::Attempt(id, attempt) => self.attempt(id, &attempt).await,
            Row::Forgotten(forgotten) => {
                self.report.counts.forgotten = forgotten.count;
                self.forgotten = Some(forgotten);
                Ok(())
            }
            Row::Endpoint(_) => {
                self.report.counts.endpoints += 1;
                Ok(())
            }
            Row::Token(_) => {
                self.report.counts.tokens += 1;
                Ok(())
            }
            // There is nothing that it could contradict: the audit has no key.
            Row::KeyCheck(_) => Ok(()),
            Row::Kv(id, _) => self.kv_value(id.brain).await,
            Row::KvBrain(brain, record) => self.kv_brain(&brain, record.record).await,
            Row::Secret(secret) => {
                let (_, part) = Part::of(&secret.record.name);
                self.report.counts.secrets += u64::from(part == Part::Values);
                Ok(())
            }
            Row::Unreadable(row, why) => {
                self.report.violation(Rule::Unreadable, &why, [("row", row)]);
                Ok(())
            }
        }
    }

    /// Returns true if a delivery that is not there may have been forgotten.
    fn may_be_forgotten(&self, delivery: Option<DeliveryId>) -> bool {
        let through = self.forgotten.map(|forgotten| forgotten.through);
        delivery.is_some_and(|delivery| through.is_some_and(|through| delivery <= through))
    }

    /// Returns true if the delivery of an event may have been forgotten, of which only
    /// the event is known: it has the delivery's time.
    fn event_may_be_forgotten(&self, event: EventId) -> bool {
        self.forgotten.is_some_and(|forgotten| event.made_at() <= forgotten.through.made_at())
    }

    /// A run; none if its row cannot be read, which the scan of runs says.
    async fn run_of(&self, run: RunId) -> Result<Option<Run>, Error> {
        let record = readable(self.store.run(self.scope, run).await)?;
        Ok(record.map(|record| Arc::unwrap_or_clone(record.run)))
    }

    /// A delivery; none if its row cannot be read, which the scan says. A large one is kept: what
    /// names it comes in a row, once for each of its events.
    async fn delivery_of(&self, delivery: DeliveryId) -> Result<Option<Arc<Delivery>>, Error> {
        let kept = || self.large.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = kept().as_ref().filter(|found| found.id == delivery) {
            return Ok(Some(Arc::clone(found)));
        }
        let read = readable(self.store.delivery(self.scope, delivery).await)?.map(Arc::new);
        if let Some(large) = read.as_ref().filter(|read| read.events.len() >= APART_FROM) {
            *kept() = Some(Arc::clone(large));
        }
        Ok(read)
    }

    async fn lists(&mut self, row: &Row) -> Result<(), Error> {
        let Some(inspect) = self.store.inspect() else { return Ok(()) };
        let missing = inspect.unlisted(self.scope, row).await?;
        let (rule, about) = match row {
            Row::Run(record) => (Rule::RunUnlisted, ("run", record.run.id.to_string())),
            Row::Delivery(delivery) => (Rule::DeliveryUnlisted, ("delivery", delivery.id.to_string())),
            Row::Callback(callback) => (Rule::CallbackUnlisted, ("delivery", callback.id.to_string())),
            _ => return Ok(()),
        };
        if !missing.is_empty() {
            self.report.violation(rule, &missing.join("; "), [about]);
        }
        Ok(())
    }
}

/// Returns what a point read gives. A row that cannot be read is as good as none: the
/// scan of its table names it, and the audit goes on.
fn readable<T: Default>(read: Result<T, Error>) -> Result<T, Error> {
    match read {
        Err(Error::Corrupt(_) | Error::Format { .. }) => Ok(T::default()),
        other => other,
    }
}

/// One more of a kind.
fn count<K: Ord>(counts: &mut BTreeMap<K, u64>, kind: K) {
    *counts.entry(kind).or_default() += 1;
}
