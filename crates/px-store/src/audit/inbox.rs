//! The inbox: what the state of each event claims, and what is remembered
//! under providers' ids.

use px_core::DeliveryId;
use px_core::event::Cause;

use super::runs::is_taken;
use super::{Audit, Rule, count, readable};
use crate::error::Error;
use crate::model::{DedupRecord, Delivery, InboxEvent, InboxState, SetAside};

impl Audit<'_> {
    pub(super) async fn delivery(&mut self, delivery: &Delivery) -> Result<(), Error> {
        self.report.counts.deliveries += 1;
        self.files(delivery).await?;
        for event in &delivery.events {
            count(&mut self.report.counts.events, event.state);
            self.claims(delivery, event).await?;
            self.remembered(delivery, event).await?;
        }
        Ok(())
    }

    /// An event that lies apart: its delivery has it, at its place.
    pub(super) async fn event_apart(
        &mut self,
        delivery: DeliveryId,
        place: u32,
        event: &InboxEvent,
    ) -> Result<(), Error> {
        let at = usize::try_from(place).unwrap_or(usize::MAX);
        let is_it = |entry: &InboxEvent| entry.id == event.id && entry.apart != 0;
        let read = self.delivery_of(delivery).await?;
        if !read.is_some_and(|read| read.events.get(at).is_some_and(is_it)) {
            let ids = [("delivery", delivery.to_string()), ("event", event.id.to_string())];
            self.report.violation(Rule::EventOrphan, "", ids);
        }
        Ok(())
    }

    async fn claims(&mut self, delivery: &Delivery, event: &InboxEvent) -> Result<(), Error> {
        match event.state {
            state if is_taken(state) => {
                let run = match event.run {
                    Some(run) => self.run_of(run).await?,
                    None => None,
                };
                match run {
                    Some(_) => self.tally.taken += 1,
                    None => self.about_event(Rule::ResumedWithoutResponse, "no run", delivery, event),
                }
            }
            InboxState::Started => {
                let run = match event.run {
                    Some(run) => self.run_of(run).await?,
                    None => None,
                };
                match run {
                    // As the runs' side does not count those that may be forgotten.
                    Some(started) if started.cause == Cause::Event(event.id) => {
                        self.tally.started += u64::from(!self.event_may_be_forgotten(event.id));
                    }
                    Some(_) => {
                        let detail = "the run has another cause";
                        self.about_event(Rule::StartedWithoutRun, detail, delivery, event);
                    }
                    None => self.about_event(Rule::StartedWithoutRun, "", delivery, event),
                }
            }
            InboxState::Queued => self.tally.queued += 1,
            InboxState::Duplicate => self.original(delivery, event).await?,
            InboxState::Late => {
                let is_there = match event.run {
                    Some(run) => self.run_of(run).await?.is_some(),
                    None => false,
                };
                if !is_there {
                    self.about_event(Rule::LateWithoutRun, "", delivery, event);
                }
            }
            // Their claim is that nothing else has them, which those others'
            // own claims show.
            _ => {}
        }
        Ok(())
    }

    async fn original(&mut self, delivery: &Delivery, event: &InboxEvent) -> Result<(), Error> {
        let read;
        let original = match event.original {
            Some(id) if id == delivery.id => Some(delivery),
            Some(id) => {
                read = self.delivery_of(id).await?;
                read.as_deref()
            }
            None => None,
        };
        let has = |other: &InboxEvent| {
            other.state != InboxState::Duplicate && other.provider_id == event.provider_id
        };
        let is_forgotten = original.is_none() && self.may_be_forgotten(event.original);
        if !is_forgotten && !original.is_some_and(|original| original.events.iter().any(has)) {
            self.about_event(Rule::DuplicateOfNothing, "", delivery, event);
        }
        Ok(())
    }

    /// Checks that what was answered with 2xx under a provider's id is known by it. A
    /// superseded event may be a failure, and so may what superseded it.
    async fn remembered(&mut self, delivery: &Delivery, event: &InboxEvent) -> Result<(), Error> {
        use InboxState as S;
        let Some(id) = &event.provider_id else { return Ok(()) };
        if matches!(event.state, S::Duplicate | S::Quarantined | S::Rejected) || event.is_superseded() {
            return Ok(());
        }
        // A later one of the same id, forgotten meanwhile, took the id with it.
        if !self.may_be_forgotten(Some(delivery.id))
            && readable(self.store.dedup(self.scope, &delivery.slug, id).await)?.is_none()
        {
            self.about_event(Rule::DedupMissing, id, delivery, event);
        }
        Ok(())
    }

    pub(super) async fn dedup(&mut self, slug: &str, id: &str, record: &DedupRecord) -> Result<(), Error> {
        self.report.counts.dedups += 1;
        let delivery = self.delivery_of(record.delivery).await?;
        let has = |event: &InboxEvent| {
            event.state != InboxState::Duplicate && event.provider_id.as_deref() == Some(id)
        };
        if !delivery.is_some_and(|delivery| delivery.slug == slug && delivery.events.iter().any(has)) {
            let ids = [
                ("webhook", slug.to_owned()),
                ("providerId", id.to_owned()),
                ("delivery", record.delivery.to_string()),
            ];
            self.report.violation(Rule::DedupToNowhere, "", ids);
        }
        Ok(())
    }

    pub(super) async fn set_aside(&mut self, slug: &str, id: &str, record: SetAside) -> Result<(), Error> {
        let delivery = self.delivery_of(record.delivery).await?;
        let is_it = |event: &InboxEvent| {
            event.id == record.event
                && event.state == InboxState::Quarantined
                && event.provider_id.as_deref() == Some(id)
        };
        if !delivery.is_some_and(|delivery| delivery.slug == slug && delivery.events.iter().any(is_it)) {
            let ids = [
                ("webhook", slug.to_owned()),
                ("providerId", id.to_owned()),
                ("delivery", record.delivery.to_string()),
            ];
            self.report.violation(Rule::SetAsideToNowhere, "", ids);
        }
        Ok(())
    }

    pub(super) fn about_event(&mut self, rule: Rule, detail: &str, delivery: &Delivery, event: &InboxEvent) {
        let ids = [("delivery", delivery.id.to_string()), ("event", event.id.to_string())];
        let run = event.run.map(|run| ("run", run.to_string()));
        let original = event.original.map(|original| ("original", original.to_string()));
        self.report.violation(rule, detail, ids.into_iter().chain(run).chain(original));
    }
}
