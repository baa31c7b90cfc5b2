//! Keys and their queues: waits that runs have open, owners that live, and a
//! queue that is as long as the key says.

use std::collections::BTreeSet;

use px_core::{KeyId, KeyRecord, RunStatus};

use super::{Audit, Rule, readable};
use crate::error::Error;
use crate::model::{InboxState, QueuedEvent, Timer, TimerKind};

/// The queue of one key, as far as it has been gone through.
#[derive(Debug)]
pub(super) struct Queue {
    key: KeyId,
    record: Option<KeyRecord>,
    /// The events so far: as many as a queue may hold.
    events: BTreeSet<[u8; 16]>,
    first: u64,
    last: u64,
    count: u64,
}

impl Audit<'_> {
    pub(super) async fn key(&mut self, key: &KeyId, record: &KeyRecord) -> Result<(), Error> {
        self.report.counts.keys += 1;
        if record.is_idle() {
            self.about_key(Rule::KeyOrphan, "", key, []);
        }
        // Those within the record are no rows.
        for (place, waiter) in &record.within {
            self.report.counts.waiters += 1;
            self.in_line(key, waiter, *place < record.line.admitted).await?;
        }
        self.within(key, record);
        if !record.line.is_empty()
            && readable(self.store.waiters(self.scope, key, None, 0, 1).await)?.is_empty()
        {
            let detail = format!("it counts {}, and there is none", record.line.count);
            self.about_key(Rule::LineCount, &detail, key, []);
        }
        if let Some(owner) = record.owner {
            let ids = [("run", owner.to_string())];
            match self.run_of(owner).await? {
                None => self.about_key(Rule::OwnerGone, "", key, ids),
                Some(run) if run.status.is_terminal() => self.about_key(Rule::OwnerEnded, "", key, ids),
                Some(run) if run.owns.as_ref() != Some(key) => {
                    self.about_key(Rule::OwnerElsewhere, "", key, ids);
                }
                Some(_) => {}
            }
        }
        // A queue with rows is counted where its rows are gone through.
        if record.queued > 0 && readable(self.store.queued(self.scope, key, 0, 1).await)?.is_empty() {
            let detail = format!("it counts {}, and there is none", record.queued);
            self.about_key(Rule::QueueCount, &detail, key, []);
        }
        Ok(())
    }

    /// A place of a queue; they come in the order of keys and places.
    pub(super) async fn place(&mut self, key: KeyId, place: u64, event: &QueuedEvent) -> Result<(), Error> {
        self.report.counts.queued += 1;
        if self.queue.as_ref().is_some_and(|queue| queue.key != key) {
            self.end_of_queue().await?;
        }
        if self.queue.is_none() {
            self.queue = Some(self.begin_queue(key.clone(), place).await?);
        }
        let mut is_new = true;
        if let Some(queue) = &mut self.queue {
            queue.last = place;
            queue.count += 1;
            is_new = queue.events.insert(event.event.to_bytes());
        }
        let misses = self.misses(&key, event).await?;
        let ids = |event: &QueuedEvent| {
            [("delivery", event.delivery.to_string()), ("event", event.event.to_string())]
        };
        if let Some((wait, run)) = misses {
            let more = [("wait", wait), ("run", run)];
            self.about_key(Rule::EventMissesWait, "", &key, ids(event).into_iter().chain(more));
        }
        let delivery = self.delivery_of(event.delivery).await?;
        let is_there = delivery.is_some_and(|delivery| {
            *delivery.slug == *key.slug
                && delivery.events.iter().any(|entry| {
                    entry.id == event.event
                        && entry.state == InboxState::Queued
                        && entry.identifier.as_deref() == Some(&*key.identifier)
                })
        });
        if is_there && is_new {
            self.tally.places += 1;
        } else {
            let detail = if is_new { "" } else { "it is queued twice" };
            self.about_key(Rule::QueueRowStray, detail, &key, ids(event));
        }
        if let Some(due) = event.expires_at {
            let kind = TimerKind::Expire { event: event.event, key: key.clone(), place };
            if !self.store.is_armed(self.scope, &Timer { due, kind }).await? {
                self.about_key(Rule::QueuedWithoutTimer, "", &key, ids(event));
            }
        }
        Ok(())
    }

    async fn begin_queue(&mut self, key: KeyId, first: u64) -> Result<Queue, Error> {
        let read = readable(self.store.key(self.scope, &key).await)?;
        let record = (read.version != 0).then_some(read.record);
        Ok(Queue { key, record, events: BTreeSet::new(), first, last: first, count: 0 })
    }

    /// After the last place of a queue: the key knows it as it is.
    pub(super) async fn end_of_queue(&mut self) -> Result<(), Error> {
        let Some(queue) = self.queue.take() else { return Ok(()) };
        let Some(record) = &queue.record else {
            self.about_key(Rule::QueueWithoutKey, "", &queue.key, []);
            return Ok(());
        };
        if u64::from(record.queued) != queue.count || record.head != queue.first || record.next <= queue.last
        {
            let detail = format!(
                "it says {} from {} below {}, and there are {} from {} to {}",
                record.queued, record.head, record.next, queue.count, queue.first, queue.last
            );
            self.about_key(Rule::QueueCount, &detail, &queue.key, []);
        }
        Ok(())
    }

    /// The wait that should have taken this event. The oldest one that fits
    /// decides: while its run is paused, the event waits for it (docs/rules.md#9, #11).
    async fn misses(&self, key: &KeyId, event: &QueuedEvent) -> Result<Option<(String, String)>, Error> {
        let Some(open) = self.oldest_fitting(key, event.token.as_deref()).await? else { return Ok(None) };
        let run = self.run_of(open.run).await?;
        let Some((run, wait)) = run.as_ref().and_then(|run| run.wait(open.wait).map(|wait| (run, wait)))
        else {
            return Ok(None);
        };
        // A fresh wait leaves alone what was queued before it; a run that is paused, or
        // works on the event before, keeps it for later.
        let is_free = run.status == RunStatus::Waiting && !wait.fresh;
        let was_alive = event.expires_at.is_none_or(|end| end > open.opened_at);
        Ok((is_free && was_alive).then(|| (open.wait.to_string(), open.run.to_string())))
    }

    pub(super) fn about_key(
        &mut self,
        rule: Rule,
        detail: &str,
        key: &KeyId,
        ids: impl IntoIterator<Item = (&'static str, String)>,
    ) {
        self.report.violation(rule, detail, std::iter::once(("key", key.to_string())).chain(ids));
    }
}
