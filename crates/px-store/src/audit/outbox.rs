//! The outbox: each delivery is in exactly one state, is due if and only if it
//! is pending, belongs to a hook that exists, and follows on the one before it
//! without a gap.

use px_core::{HookId, OutgoingId, RunId};

use super::{Audit, Rule, count, readable};
use crate::batch::RunRecord;
use crate::error::Error;
use crate::outbox::{Attempt, Due, Outgoing, OutgoingState};
use px_core::hook::{Hook, Source};

impl Audit<'_> {
    /// What a run's row remembers of the hooks that were told of it.
    pub(super) async fn told(&mut self, record: &RunRecord) -> Result<(), Error> {
        let Some(told) = record.tail.told() else { return Ok(()) };
        let run = record.run.id;
        if let Some(own) = &told.own
            && self.hook_of(own.id).await?.is_none()
        {
            self.about_run(Rule::OutgoingWithoutHook, "its own", run, [("hook", own.id.to_string())]);
        }
        for (hook, (seq, last)) in &told.last {
            self.link(run, *hook, *seq, *last).await?;
        }
        Ok(())
    }

    /// A claim that this delivery has this number; one that is not kept any
    /// longer has none.
    async fn link(&mut self, run: RunId, hook: HookId, seq: u64, id: OutgoingId) -> Result<(), Error> {
        let Some(found) = self.outgoing_of(id).await? else { return Ok(()) };
        self.tally.numbers += 1;
        if found.run != Some(run) || found.hook != hook || found.seq != seq {
            let detail = format!("{seq} is {} of {}", found.seq, found.hook);
            let ids = [("hook", hook.to_string()), ("delivery", id.to_string())];
            self.about_run(Rule::OutgoingGap, &detail, run, ids);
        }
        Ok(())
    }

    pub(super) async fn hook(&mut self, hook: &Hook) -> Result<(), Error> {
        self.report.counts.hooks += 1;
        if let Source::Run(run) = hook.source
            && self.run_of(run).await?.is_none()
        {
            let ids = [("hook", hook.id.to_string()), ("run", run.to_string())];
            self.report.violation(Rule::HookWithoutRun, "", ids);
        }
        Ok(())
    }

    pub(super) async fn outgoing(&mut self, outgoing: &Outgoing) -> Result<(), Error> {
        count(&mut self.report.counts.outgoing, outgoing.state);
        let ids = || vec![("delivery", outgoing.id.to_string()), ("hook", outgoing.hook.to_string())];
        if (outgoing.state == OutgoingState::Pending) != outgoing.due.is_some() {
            self.report.violation(Rule::OutgoingUndue, "its state and its time differ", ids());
        }
        if let Some(due) = outgoing.due_row() {
            let rows = self
                .store
                .outbox()
                .due_in_lane(self.scope, due.lane, Some(Due { id: before(due.id), ..due }), due.due, 1)
                .await;
            if readable(rows)?.first() != Some(&due) {
                self.report.violation(Rule::OutgoingUndue, "", ids());
            }
        }
        if self.hook_of(outgoing.hook).await?.is_none() {
            self.report.violation(Rule::OutgoingWithoutHook, "", ids());
        }
        if let Some(run) = outgoing.run {
            self.tally.numbered += 1;
            if self.run_of(run).await?.is_none() {
                self.report.violation(Rule::OutgoingWithoutRun, "", ids());
            }
            match outgoing.prev {
                Some(prev) => self.link(run, outgoing.hook, outgoing.seq.saturating_sub(1), prev).await?,
                None if outgoing.seq != 1 => {
                    self.report.violation(Rule::OutgoingGap, "it follows on none", ids());
                }
                None => {}
            }
        }
        if outgoing.attempts > 0 {
            let last = outgoing.attempts - 1;
            let found = self.store.outbox().attempts(self.scope, outgoing.id, last, 2).await;
            if readable(found)?.first().map(|attempt| attempt.number) != Some(outgoing.attempts) {
                self.report.violation(Rule::AttemptMissing, "", ids());
            }
        }
        Ok(())
    }

    pub(super) async fn due(&mut self, due: &Due) -> Result<(), Error> {
        self.report.counts.due += 1;
        let outgoing = self.outgoing_of(due.id).await?;
        if outgoing.and_then(|outgoing| outgoing.due_row()) != Some(*due) {
            let ids = [("delivery", due.id.to_string()), ("hook", due.hook.to_string())];
            self.report.violation(Rule::StrayDue, "", ids);
        }
        Ok(())
    }

    pub(super) async fn attempt(&mut self, id: OutgoingId, attempt: &Attempt) -> Result<(), Error> {
        self.report.counts.attempts += 1;
        let outgoing = self.outgoing_of(id).await?;
        if outgoing.is_none_or(|outgoing| outgoing.attempts < attempt.number) {
            let ids = [("delivery", id.to_string()), ("attempt", attempt.number.to_string())];
            self.report.violation(Rule::StrayAttempt, "", ids);
        }
        Ok(())
    }

    /// Each number is claimed once: by the next one, or by the run's row.
    pub(super) fn settle_numbers(&mut self) {
        let (numbers, numbered) = (self.tally.numbers, self.tally.numbered);
        if numbers != numbered {
            let detail = format!("{numbers} are known for {numbered}");
            self.report.violation(Rule::OutgoingGap, &detail, []);
        }
    }

    async fn hook_of(&self, hook: HookId) -> Result<Option<Hook>, Error> {
        let found = self.store.outbox().hook(self.scope, hook).await;
        Ok(readable(found)?.map(|found| found.record))
    }

    async fn outgoing_of(&self, id: OutgoingId) -> Result<Option<Outgoing>, Error> {
        readable(self.store.outbox().outgoing(self.scope, id).await)
    }
}

/// The id just before this one.
fn before(id: OutgoingId) -> OutgoingId {
    OutgoingId::from_bytes(u128::from_be_bytes(id.to_bytes()).saturating_sub(1).to_be_bytes())
}
