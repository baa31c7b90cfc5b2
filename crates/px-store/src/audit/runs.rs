//! Runs and their logs: each replays to what is stored, and what it waits for,
//! owns and took is known where it should be.

use std::collections::BTreeSet;

use px_core::event::{Cause, EventBody};
use px_core::key::WaiterId;
use px_core::wait::{Registration, Wait};
use px_core::{DeliveryId, Event, EventId, Run, RunId, RunStatus, Timestamp, WaitId};

use super::{Audit, PAGE, Rule, count, readable};
use crate::batch::RunRecord;
use crate::draft::{outcome, unknown};
use crate::error::Error;
use crate::model::{InboxState, Timer, TimerKind};
use crate::scan::{Row, Table};

/// The pieces of one log, as far as they have been gone through.
#[derive(Debug)]
pub(super) struct Pieces {
    run: RunId,
    next: u64,
    apart: bool,
}

/// The event that an entry of a log took from the inbox.
#[derive(Debug, Clone, Copy)]
pub(super) struct Consumed {
    pub(super) event: EventId,
    pub(super) delivery: Option<DeliveryId>,
    wait: WaitId,
}

/// Returns the event that an entry took, if it took one; a response by hand has none.
pub(super) fn consumed(event: &Event) -> Option<Consumed> {
    match &event.event {
        EventBody::WaitAnswered { wait, event: Some(event), delivery, .. }
        | EventBody::WaitCollected { wait, event: Some(event), delivery, .. } => {
            Some(Consumed { event: *event, delivery: *delivery, wait: *wait })
        }
        _ => None,
    }
}

/// A replay that goes on as long as entries follow on each other.
struct Replay {
    run: Run,
    broken: bool,
}

impl Audit<'_> {
    pub(super) async fn run(&mut self, record: RunRecord) -> Result<(), Error> {
        let run = &record.run;
        count(&mut self.report.counts.runs, run.status);
        self.report.counts.waits += run.waits.len() as u64;
        // Of an event that is forgotten nobody can say that it started this run.
        if let Cause::Event(event) = run.cause
            && !self.event_may_be_forgotten(event)
        {
            self.tally.caused += 1;
        }
        self.log(&record).await?;
        if run.status.is_terminal() {
            if !run.waits.is_empty() {
                self.about_run(Rule::EndedWithWaits, "", run.id, []);
            }
            return Ok(());
        }
        self.waits(run).await?;
        if let Some(slot) = &run.slot {
            let line = readable(self.store.key(self.scope, slot).await)?.record.line;
            let place = readable(self.store.waiter_place(self.scope, slot, WaiterId::Turn(run.id)).await)?;
            let is_pending = run.status == RunStatus::Pending;
            if place.is_none_or(|place| (place < line.admitted) == is_pending) {
                self.about_run(Rule::TurnNotInKey, "", run.id, [("key", slot.to_string())]);
            }
        }
        self.readiness(run).await?;
        if let Some(key) = &run.owns
            && readable(self.store.key(self.scope, key).await)?.record.owner != Some(run.id)
        {
            self.about_run(Rule::OwnerNotInKey, "", run.id, [("key", key.to_string())]);
        }
        Ok(())
    }

    /// Replays a run's log and compares it with the run.
    async fn log(&mut self, record: &RunRecord) -> Result<(), Error> {
        let mut replay = Replay { run: Run::vacant(record.run.id), broken: false };
        let mut taken = BTreeSet::new();
        let mut after = 0;
        while record.tail.first_seq > after + 1 {
            let page = match self.store.events(self.scope, record.run.id, after, PAGE).await {
                Err(Error::Corrupt(why)) => {
                    replay.broken = true;
                    self.about_run(Rule::LogIllegal, &why, record.run.id, []);
                    break;
                }
                other => other?,
            };
            let Some(last) = page.last() else { break };
            // Entries with falling numbers would be read again and again.
            after = last.seq.max(after + 1);
            for event in &page {
                self.entry(&mut replay, event, &mut taken).await?;
            }
        }
        for event in record.tail.entries(after, usize::MAX) {
            match event {
                Ok(event) => self.entry(&mut replay, &event, &mut taken).await?,
                Err(error) => {
                    replay.broken = true;
                    self.about_run(Rule::LogIllegal, &error.to_string(), record.run.id, []);
                    break;
                }
            }
        }
        if !replay.broken && replay.run != *record.run {
            self.about_run(Rule::RunDiffers, &differences(&record.run, &replay.run), record.run.id, []);
        }
        Ok(())
    }

    async fn entry(
        &mut self,
        replay: &mut Replay,
        event: &Event,
        taken: &mut BTreeSet<[u8; 16]>,
    ) -> Result<(), Error> {
        self.report.counts.log_entries += 1;
        let id = replay.run.id;
        if let Some(consumed) = consumed(event) {
            self.response(id, event.seq, &consumed, taken).await?;
        }
        if replay.broken {
            return Ok(());
        }
        if event.seq != replay.run.seq + 1 {
            let detail = format!("entry {} follows on entry {}", event.seq, replay.run.seq);
            self.about_run(Rule::LogGap, &detail, id, [("seq", event.seq.to_string())]);
            replay.broken = true;
        } else if let Err(error) = replay.run.apply(event) {
            self.about_run(Rule::LogIllegal, &error.to_string(), id, [("seq", event.seq.to_string())]);
            replay.broken = true;
        }
        Ok(())
    }

    /// Looks at the event that a response came from.
    async fn response(
        &mut self,
        run: RunId,
        seq: u64,
        consumed: &Consumed,
        taken: &mut BTreeSet<[u8; 16]>,
    ) -> Result<(), Error> {
        let mut ids = vec![("event", consumed.event.to_string()), ("seq", seq.to_string())];
        ids.extend(consumed.delivery.map(|delivery| ("delivery", delivery.to_string())));
        if !taken.insert(consumed.event.to_bytes()) {
            self.about_run(Rule::ConsumedTwice, "by one run", run, ids);
            return Ok(());
        }
        let delivery = match consumed.delivery {
            Some(delivery) => self.delivery_of(delivery).await?,
            None => None,
        };
        let events = delivery.as_ref().map(|delivery| &delivery.events);
        let entry = events.and_then(|events| events.iter().find(|entry| entry.id == consumed.event));
        match entry {
            // The response lives with the run (docs/rules.md#21).
            None if self.may_be_forgotten(consumed.delivery) => {}
            None => self.about_run(Rule::ResponseFromNowhere, "", run, ids),
            Some(entry) if !is_taken(entry.state) => {
                let detail = format!("it is {}", entry.state.as_str());
                self.about_run(Rule::ResponseUnaccounted, &detail, run, ids);
            }
            Some(entry) if entry.run != Some(run) => {
                ids.extend(entry.run.map(|other| ("otherRun", other.to_string())));
                self.about_run(Rule::ConsumedTwice, "its delivery names another run", run, ids);
            }
            Some(entry) if entry.wait.is_some_and(|wait| wait != consumed.wait) => {
                ids.push(("wait", consumed.wait.to_string()));
                self.about_run(Rule::ConsumedTwice, "its delivery names another wait", run, ids);
            }
            Some(_) => self.tally.responses += 1,
        }
        Ok(())
    }

    async fn waits(&mut self, run: &Run) -> Result<(), Error> {
        for wait in &run.waits {
            for (index, registration) in wait.registrations.iter().enumerate() {
                if !self.is_in_line(run.id, wait, index, registration).await? {
                    let ids = [("wait", wait.id.to_string()), ("key", registration.key.to_string())];
                    self.about_run(Rule::WaitNotInKey, "", run.id, ids);
                }
                if let Some(awaited) = registration.key.awaited_run()
                    && run.status == RunStatus::Waiting
                    && self.is_to_be_heard(wait, index, awaited).await?
                    && !self.is_being_told(awaited).await?
                {
                    let ids = [("wait", wait.id.to_string()), ("awaited", awaited.to_string())];
                    self.about_run(Rule::EndUnheard, "", run.id, ids);
                }
            }
            // A timer that rings while the run is paused, or works on a
            // stream's event, is used up; another one is set when it goes on.
            let rings = run.status == RunStatus::Waiting;
            if let (true, Some(due)) = (rings, wait.deadline) {
                let kind = TimerKind::Wait { wait: wait.id, run: run.id };
                if !self.store.is_armed(self.scope, &Timer { due, kind }).await? {
                    self.about_run(Rule::WaitWithoutTimer, "", run.id, [("wait", wait.id.to_string())]);
                }
            }
            // Nor is there one while a reminder is under way: its end sets the next.
            if let (true, Some(due)) = (rings && run.reminding.is_none(), wait.next_reminder()) {
                let kind = TimerKind::Remind { wait: wait.id, run: run.id };
                if !self.store.is_armed(self.scope, &Timer { due, kind }).await? {
                    self.about_run(Rule::ReminderWithoutTimer, "", run.id, [("wait", wait.id.to_string())]);
                }
            }
        }
        Ok(())
    }

    /// Returns true if a run is over and its end would count for a wait: one that was heard does not, nor one
    /// that is like another where the wait counts those that differ.
    async fn is_to_be_heard(&self, wait: &Wait, index: usize, awaited: RunId) -> Result<bool, Error> {
        let end = match self.run_of(awaited).await? {
            Some(other) if !other.status.is_terminal() => return Ok(false),
            Some(other) => outcome(&other),
            None => unknown(),
        };
        Ok(wait.is_distinct(u32::try_from(index).unwrap_or(u32::MAX), &end))
    }

    /// Returns true if a timer is set that tells those who wait for the end of a run.
    async fn is_being_told(&mut self, ended: RunId) -> Result<bool, Error> {
        if self.telling.is_none() {
            let (mut telling, mut after) = (BTreeSet::new(), None);
            loop {
                let (rows, next) = self.page(Table::Timer, after.as_ref()).await?;
                telling.extend(rows.into_iter().filter_map(|row| match row {
                    Row::Timer(Timer { kind: TimerKind::End { run, .. }, .. }) => Some(run),
                    _ => None,
                }));
                after = next;
                if after.is_none() {
                    break;
                }
            }
            self.telling = Some(telling);
        }
        Ok(self.telling.as_ref().is_some_and(|telling| telling.contains(&ended)))
    }

    /// Returns true if a registration of a wait stands in the line of its key.
    async fn is_in_line(
        &self,
        run: RunId,
        wait: &Wait,
        index: usize,
        registration: &Registration,
    ) -> Result<bool, Error> {
        let index = u32::try_from(index).unwrap_or(u32::MAX);
        let (key, id) = (&registration.key, WaiterId::Wait(wait.id, index));
        let Some(place) = readable(self.store.waiter_place(self.scope, key, id).await)? else {
            return Ok(false);
        };
        let there = readable(self.store.waiters(self.scope, key, None, place, 1).await)?;
        Ok(there.first().is_some_and(|(at, waiter)| {
            *at == place
                && waiter.id() == id
                && waiter.run() == run
                && waiter.token() == registration.token.as_deref()
        }))
    }

    /// A running run is ready for the engine, or will be when its retry is due.
    async fn readiness(&mut self, run: &Run) -> Result<(), Error> {
        let is_ready = readable(self.store.work_of(self.scope, run.id).await)?.is_some();
        if !run.is_executable() || is_ready {
            return Ok(());
        }
        match run.retry_at {
            None => self.about_run(Rule::RunWithoutWork, "", run.id, []),
            Some(due) if !self.is_retry_armed(run.id, due).await? => {
                self.about_run(Rule::RetryWithoutTimer, "", run.id, []);
            }
            Some(_) => {}
        }
        Ok(())
    }

    async fn is_retry_armed(&self, run: RunId, due: Timestamp) -> Result<bool, Error> {
        self.store.is_armed(self.scope, &Timer { due, kind: TimerKind::Retry { run } }).await
    }

    /// A value that lies apart; a run that misses one cannot be read.
    pub(super) async fn value(&mut self, run: RunId) -> Result<(), Error> {
        self.report.counts.values += 1;
        if self.values_of.replace(run) == Some(run) {
            return Ok(());
        }
        if matches!(self.store.run(self.scope, run).await, Ok(None)) {
            self.about_run(Rule::ValueOrphan, "", run, []);
        }
        Ok(())
    }

    /// A piece of a log; they come in the order of runs and places.
    pub(super) async fn piece(&mut self, run: RunId, first: u64, entries: u64) -> Result<(), Error> {
        self.report.counts.log_pieces += 1;
        if self.pieces.as_ref().is_some_and(|pieces| pieces.run != run) {
            self.end_of_pieces().await?;
        }
        let pieces = self.pieces.get_or_insert(Pieces { run, next: 1, apart: false });
        pieces.apart |= pieces.next != first;
        pieces.next = first + entries;
        Ok(())
    }

    /// After the last piece of a log: the end of the log goes on from there.
    pub(super) async fn end_of_pieces(&mut self) -> Result<(), Error> {
        let Some(pieces) = self.pieces.take() else { return Ok(()) };
        match readable(self.store.run(self.scope, pieces.run).await)? {
            None => self.about_run(Rule::LogOrphan, "", pieces.run, []),
            Some(record) if pieces.apart || record.tail.first_seq != pieces.next => {
                self.about_run(Rule::LogPieces, "", pieces.run, []);
            }
            Some(_) => {}
        }
        Ok(())
    }

    pub(super) fn about_run(
        &mut self,
        rule: Rule,
        detail: &str,
        run: RunId,
        ids: impl IntoIterator<Item = (&'static str, String)>,
    ) {
        let ids = std::iter::once(("run", run.to_string())).chain(ids);
        self.report.violation(rule, detail, ids);
    }
}

/// Returns true if an event in this state is in the log of a run.
pub(super) fn is_taken(state: InboxState) -> bool {
    matches!(state, InboxState::Resumed | InboxState::Collected)
}

/// The fields in which a run and its replay differ.
fn differences(stored: &Run, replayed: &Run) -> String {
    let fields = |run: &Run| serde_json::to_value(run).ok().and_then(|run| run.as_object().cloned());
    let (stored, replayed) = (fields(stored).unwrap_or_default(), fields(replayed).unwrap_or_default());
    let names: BTreeSet<_> = stored.keys().chain(replayed.keys()).collect();
    let names: Vec<_> = names.into_iter().filter(|name| stored.get(*name) != replayed.get(*name)).collect();
    names.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ")
}
