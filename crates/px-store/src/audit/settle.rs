//! The end of an audit: the counts of both sides of a claim are compared, and
//! where they differ, whoever is without a partner is looked for. Ids are held
//! in a set of at most [`SET`]; if there are more, in several passes, each
//! over one part of them.

use std::collections::BTreeSet;

use px_core::RunId;
use px_core::event::Cause;

use super::runs::{consumed, is_taken};
use super::{Audit, PAGE, Rule, readable};
use crate::error::Error;
use crate::model::{Delivery, InboxEvent, InboxState};
use crate::scan::{Row, Table};

/// The most ids that are held at once.
const SET: u64 = 1_000_000;

/// The part of the ids that one pass holds.
#[derive(Debug, Clone, Copy)]
struct Part {
    number: u64,
    of: u64,
}

impl Part {
    /// As many parts as these ids need.
    fn all(ids: u64) -> impl Iterator<Item = Self> {
        let of = ids.div_ceil(SET).max(1);
        (0..of).map(move |number| Self { number, of })
    }

    fn has(self, id: [u8; 16]) -> bool {
        // The end of an id is random, its beginning is a time.
        let end = id.last_chunk::<8>().copied().map_or(0, u64::from_be_bytes);
        end % self.of == self.number
    }
}

impl Audit<'_> {
    pub(super) async fn settle(&mut self) -> Result<(), Error> {
        // Each response had an event that says so; so the events are not fewer.
        if self.tally.taken != self.tally.responses {
            for part in Part::all(self.tally.responses) {
                let responses = self.responses(part).await?;
                let lacks = |event: &InboxEvent| is_taken(event.state) && event.run.is_some();
                self.without(part, &responses, lacks, Rule::ResumedWithoutResponse).await?;
            }
        }
        // Each place had an event that says so, another one each.
        if self.tally.queued != self.tally.places {
            for part in Part::all(self.tally.places) {
                let places = self.places(part).await?;
                let lacks = |event: &InboxEvent| event.state == InboxState::Queued;
                self.without(part, &places, lacks, Rule::QueuedWithoutRow).await?;
            }
        }
        // Each event had a run that says so; so runs without one are too many.
        if self.tally.caused != self.tally.started {
            for part in Part::all(self.tally.started) {
                self.starts(part).await?;
            }
        }
        Ok(())
    }

    /// The events that the logs of runs say they took.
    async fn responses(&self, part: Part) -> Result<BTreeSet<[u8; 16]>, Error> {
        let mut found = BTreeSet::new();
        let mut after = None;
        loop {
            let (rows, next) = self.page(Table::Run, after.as_ref()).await?;
            for row in rows {
                if let Row::Run(record) = row {
                    self.responses_of(record.run.id, part, &mut found).await?;
                }
            }
            after = next;
            if after.is_none() {
                return Ok(found);
            }
        }
    }

    async fn responses_of(
        &self,
        run: RunId,
        part: Part,
        found: &mut BTreeSet<[u8; 16]>,
    ) -> Result<(), Error> {
        let mut after = 0;
        loop {
            let page = readable(self.store.events(self.scope, run, after, PAGE).await)?;
            let Some(last) = page.last() else { return Ok(()) };
            after = last.seq.max(after + 1);
            let ids = page.iter().filter_map(consumed).map(|consumed| consumed.event.to_bytes());
            found.extend(ids.filter(|id| part.has(*id)));
        }
    }

    /// The events that queues hold.
    async fn places(&self, part: Part) -> Result<BTreeSet<[u8; 16]>, Error> {
        let mut found = BTreeSet::new();
        let mut after = None;
        loop {
            let (rows, next) = self.page(Table::Queue, after.as_ref()).await?;
            for row in rows {
                if let Row::Queued(_, _, event) = row
                    && part.has(event.event.to_bytes())
                {
                    found.insert(event.event.to_bytes());
                }
            }
            after = next;
            if after.is_none() {
                return Ok(found);
            }
        }
    }

    /// Names the events that make a claim and are not among those for whom it
    /// holds.
    async fn without(
        &mut self,
        part: Part,
        with: &BTreeSet<[u8; 16]>,
        claims: impl Fn(&InboxEvent) -> bool,
        rule: Rule,
    ) -> Result<(), Error> {
        let mut after = None;
        loop {
            let (rows, next) = self.page(Table::Delivery, after.as_ref()).await?;
            for row in rows {
                let Row::Delivery(delivery) = row else { continue };
                for event in &delivery.events {
                    let id = event.id.to_bytes();
                    if part.has(id) && claims(event) && !with.contains(&id) {
                        self.about_event(rule, "", &delivery, event);
                    }
                }
            }
            after = next;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    /// Names runs that no delivery started, and events that are there twice.
    async fn starts(&mut self, part: Part) -> Result<(), Error> {
        let mut started = BTreeSet::new();
        let mut after = None;
        loop {
            let (rows, next) = self.page(Table::Delivery, after.as_ref()).await?;
            for row in rows {
                if let Row::Delivery(delivery) = row {
                    self.started_by(part, &delivery, &mut started);
                }
            }
            after = next;
            if after.is_none() {
                break;
            }
        }
        loop {
            let (rows, next) = self.page(Table::Run, after.as_ref()).await?;
            for row in rows {
                let Row::Run(record) = row else { continue };
                if let Cause::Event(event) = record.run.cause
                    && part.has(event.to_bytes())
                    && !self.event_may_be_forgotten(event)
                    && !started.contains(&event.to_bytes())
                {
                    let ids = [("event", event.to_string())];
                    self.about_run(Rule::StartUnaccounted, "", record.run.id, ids);
                }
            }
            after = next;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    fn started_by(&mut self, part: Part, delivery: &Delivery, started: &mut BTreeSet<[u8; 16]>) {
        for event in delivery.events.iter().filter(|event| event.state == InboxState::Started) {
            let id = event.id.to_bytes();
            if part.has(id) && !started.insert(id) {
                self.about_event(Rule::EventTwice, "", delivery, event);
            }
        }
    }
}
