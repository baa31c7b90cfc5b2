//! The one thread that writes the journal. It takes what waits, checks the
//! preconditions in order, makes one record of it, syncs that, publishes it,
//! and only then answers anybody: also a conflict is answered after the sync,
//! since what it conflicted with may be in the same group.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use px_core::Stopwatch;
use px_store::Error;
use px_store_rows::{Group, RowOutcome, Verdict};

use crate::change::{Change, Changes};
use crate::journal::format::RecordBuffer;
use crate::journal::{AppendError, Journal};
use crate::metrics;
use crate::packing::Stored;
use crate::queue::{Job, Taken};
use crate::shared::Shared;

/// Time without a batch after which the store tries by itself whether it can be
/// written again. Else nobody would send work to a store that says it takes none.
const PROBE_AFTER: Duration = Duration::from_secs(1);

/// The committer's own state.
pub(crate) struct Committer {
    shared: Arc<Shared>,
    journal: Journal,
    record: RecordBuffer,
    /// Before this moment the next group should not be written.
    not_before: Instant,
}

impl Committer {
    pub(crate) fn new(shared: Arc<Shared>, journal: Journal) -> Self {
        Self { shared, journal, record: RecordBuffer::new(), not_before: Instant::now() }
    }

    /// Commits until the queue is closed and empty; returns the journal.
    pub(crate) fn run(mut self) -> Journal {
        loop {
            self.shared.queue.rest_until(self.not_before);
            self.shared.lag.wait_below_limit(&self.shared.room);
            let probe = self.shared.health.unwritten().map(|_| PROBE_AFTER);
            match self.shared.queue.take(probe) {
                Taken::Closed => return self.journal,
                Taken::Group(jobs) => self.commit(jobs),
                Taken::Nothing => self.commit(vec![Job::probe()]),
            }
        }
    }

    fn commit(&mut self, jobs: Vec<Job>) {
        let started = Instant::now();
        if let Err(error) = self.shared.health.check() {
            return refuse(jobs, &error);
        }
        let options = &self.shared.options;
        let gather = if jobs.len() >= options.gather_from { options.gather } else { Duration::ZERO };
        let verdicts = self.decide(&jobs);
        let first_sequence = self.journal.next_sequence();
        let written = if self.record.is_empty() { 0 } else { self.record.record_bytes() as u64 };
        if written > 0
            && let Err(error) = self.shared.room.check().and_then(|()| self.append(written))
        {
            self.shared.health.note(Some(&error));
            return self.not_written(jobs, verdicts, &error);
        }
        if written > 0 {
            self.shared.health.note(None);
        }
        self.publish(jobs, verdicts, first_sequence, written);
        self.journal.note();
        self.record.clear(2 * self.shared.options.group_bytes);
        let (lag, speed) = self.shared.lag.now();
        self.not_before = started + self.shared.pace.time_for(written, lag, speed).max(gather);
    }

    /// Checks every batch against what was committed before it, and puts those
    /// that may happen into the record.
    fn decide(&mut self, jobs: &[Job]) -> Vec<Verdict> {
        self.record.clear(2 * self.shared.options.group_bytes);
        // Rows that earlier batches of this group change.
        let mut group = Group::default();
        let mut verdicts = Vec::with_capacity(jobs.len());
        for (index, job) in jobs.iter().enumerate() {
            let verdict = group.decide(&job.batch.checks, &*self.shared);
            if matches!(verdict, Verdict::Commit) {
                self.record.push(&job.batch.changes);
                // Nobody looks after the last batch.
                if index + 1 < jobs.len() {
                    remember(&mut group, &job.batch);
                }
            }
            verdicts.push(verdict);
        }
        verdicts
    }

    fn append(&mut self, bytes: u64) -> Result<(), Error> {
        let watch = Stopwatch::start();
        match self.journal.append(&mut self.record) {
            Ok(()) => {
                metrics::SYNC.observe(watch.elapsed());
                metrics::GROUP.record(bytes);
                let counters = &self.shared.counters;
                counters.syncs.fetch_add(1, Ordering::Relaxed);
                counters.groups.fetch_add(1, Ordering::Relaxed);
                counters.journal_bytes.fetch_add(bytes, Ordering::Relaxed);
                Ok(())
            }
            Err(AppendError::Full(error)) => Err(Error::Full(error.to_string())),
            Err(AppendError::Broken(error)) => {
                self.shared.health.poison(&format!("the journal could not be written: {error}"));
                Err(self.shared.health.check().err().unwrap_or(Error::Closed))
            }
        }
    }

    /// Nothing of the group happened. A conflict stands only if it was with
    /// something that had happened before.
    fn not_written(&self, jobs: Vec<Job>, verdicts: Vec<Verdict>, error: &Error) {
        for (job, verdict) in jobs.into_iter().zip(verdicts) {
            let outcome = match verdict {
                Verdict::Conflict { check, found, in_group: false } if !self.shared.health.is_poisoned() => {
                    Ok(RowOutcome::Conflict { check, found })
                }
                Verdict::Fail(error) => Err(error),
                Verdict::Commit | Verdict::Conflict { .. } => Err(error.clone()),
            };
            job.answer(outcome);
        }
    }

    /// The group is durable: readers may see it, then hints tell of it, then
    /// its callers hear of it.
    fn publish(&mut self, mut jobs: Vec<Job>, verdicts: Vec<Verdict>, first_sequence: u64, written: u64) {
        let shared = &self.shared;
        let now = Instant::now();
        let (mut commits, mut ops) = (0, 0);
        let mut hints = Vec::new();
        if written > 0 {
            // Before the applier can see the group, or it would take from the
            // lag what was not added yet.
            shared.lag.grew(written);
            let mut generations = shared.overlay.write();
            let active = &mut generations.active;
            let was_empty = active.is_empty();
            for (job, verdict) in jobs.iter_mut().zip(&verdicts) {
                if matches!(verdict, Verdict::Commit) {
                    commits += 1;
                    ops += job.batch.changes.len() as u64;
                    let mut batch = std::mem::take(&mut job.batch);
                    hints.append(&mut batch.hints);
                    active.publish(batch, now);
                }
            }
            active.last_sequence = self.journal.next_sequence() - 1;
            active.journal_bytes += written;
            let due = shared.is_due(active);
            drop(generations);
            if was_empty || due {
                shared.applier.poke();
            }
        }
        shared.hints.publish(&hints);
        let conflicts = verdicts.iter().filter(|verdict| matches!(verdict, Verdict::Conflict { .. })).count();
        // Before the answers, so that a caller who looks finds itself counted.
        shared.counters.commits.fetch_add(commits, Ordering::Relaxed);
        shared.counters.conflicts.fetch_add(conflicts as u64, Ordering::Relaxed);
        shared.counters.ops.fetch_add(ops, Ordering::Relaxed);
        let mut sequence = first_sequence;
        for (job, verdict) in jobs.into_iter().zip(verdicts) {
            job.answer(match verdict {
                Verdict::Commit => {
                    sequence += 1;
                    Ok(RowOutcome::Committed { sequence: sequence - 1 })
                }
                Verdict::Conflict { check, found, .. } => Ok(RowOutcome::Conflict { check, found }),
                Verdict::Fail(error) => Err(error),
            });
        }
    }
}

fn remember<'a>(group: &mut Group<'a, Stored>, batch: &'a Changes) {
    for change in &batch.changes {
        match change {
            Change::Put { key, value } => group.put(key, value),
            Change::Remove { key } => group.remove(key),
            Change::Post { .. } | Change::Unpost { .. } => {}
        }
    }
}

fn refuse(jobs: Vec<Job>, error: &Error) {
    for job in jobs {
        job.answer(Err(error.clone()));
    }
}
