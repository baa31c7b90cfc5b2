//! The outbox: each delivery is in exactly one state, is due if and only if it
//! is pending, belongs to a hook that exists, and follows on the one before it
//! without a gap.

use px_core::{CallbackId, HookId, RunId};

use super::{Audit, Rule, count, readable};
use crate::batch::RunRecord;
use crate::error::Error;
use crate::outbox::{Attempt, Callback, CallbackState, Due};
use px_core::hook::{Hook, Source};

impl Audit<'_> {
    /// Checks what a run's row remembers of the hooks that were told of it.
    pub(super) async fn told(&mut self, record: &RunRecord) -> Result<(), Error> {
        let Some(told) = record.tail.told() else { return Ok(()) };
        let run = record.run.id;
        if let Some(own) = &told.own
            && self.hook_of(own.id).await?.is_none()
        {
            self.about_run(Rule::CallbackWithoutHook, "its own", run, [("hook", own.id.to_string())]);
        }
        for (hook, (seq, last)) in &told.last {
            self.link(run, *hook, *seq, *last).await?;
        }
        Ok(())
    }

    /// A claim that this delivery has this number; one that is not kept any
    /// longer has none.
    async fn link(&mut self, run: RunId, hook: HookId, seq: u64, id: CallbackId) -> Result<(), Error> {
        let Some(found) = self.callback_of(id).await? else { return Ok(()) };
        self.tally.numbers += 1;
        if found.run != Some(run) || found.hook != hook || found.seq != seq {
            let detail = format!("{seq} is {} of {}", found.seq, found.hook);
            let ids = [("hook", hook.to_string()), ("delivery", id.to_string())];
            self.about_run(Rule::CallbackGap, &detail, run, ids);
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

    pub(super) async fn callback(&mut self, callback: &Callback) -> Result<(), Error> {
        count(&mut self.report.counts.callback, callback.state);
        let ids = || vec![("delivery", callback.id.to_string()), ("hook", callback.hook.to_string())];
        if (callback.state == CallbackState::Pending) != callback.due.is_some() {
            self.report.violation(Rule::CallbackUndue, "its state and its time differ", ids());
        }
        if let Some(due) = callback.due_row() {
            let rows = self
                .store
                .outbox()
                .due_in_lane(self.scope, due.lane, Some(Due { id: before(due.id), ..due }), due.due, 1)
                .await;
            if readable(rows)?.first() != Some(&due) {
                self.report.violation(Rule::CallbackUndue, "", ids());
            }
        }
        if self.hook_of(callback.hook).await?.is_none() {
            self.report.violation(Rule::CallbackWithoutHook, "", ids());
        }
        if let Some(run) = callback.run {
            self.tally.numbered += 1;
            if self.run_of(run).await?.is_none() {
                self.report.violation(Rule::CallbackWithoutRun, "", ids());
            }
            match callback.prev {
                Some(prev) => self.link(run, callback.hook, callback.seq.saturating_sub(1), prev).await?,
                None if callback.seq != 1 => {
                    self.report.violation(Rule::CallbackGap, "it follows on none", ids());
                }
                None => {}
            }
        }
        if callback.attempts > 0 {
            let last = callback.attempts - 1;
            let found = self.store.outbox().attempts(self.scope, callback.id, last, 2).await;
            if readable(found)?.first().map(|attempt| attempt.number) != Some(callback.attempts) {
                self.report.violation(Rule::AttemptMissing, "", ids());
            }
        }
        Ok(())
    }

    pub(super) async fn due(&mut self, due: &Due) -> Result<(), Error> {
        self.report.counts.due += 1;
        let callback = self.callback_of(due.id).await?;
        if callback.and_then(|callback| callback.due_row()) != Some(*due) {
            let ids = [("delivery", due.id.to_string()), ("hook", due.hook.to_string())];
            self.report.violation(Rule::StrayDue, "", ids);
        }
        Ok(())
    }

    pub(super) async fn attempt(&mut self, id: CallbackId, attempt: &Attempt) -> Result<(), Error> {
        self.report.counts.attempts += 1;
        let callback = self.callback_of(id).await?;
        if callback.is_none_or(|callback| callback.attempts < attempt.number) {
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
            self.report.violation(Rule::CallbackGap, &detail, []);
        }
    }

    async fn hook_of(&self, hook: HookId) -> Result<Option<Hook>, Error> {
        let found = self.store.outbox().hook(self.scope, hook).await;
        Ok(readable(found)?.map(|found| found.record))
    }

    async fn callback_of(&self, id: CallbackId) -> Result<Option<Callback>, Error> {
        readable(self.store.outbox().callback(self.scope, id).await)
    }
}

/// The id just before this one.
fn before(id: CallbackId) -> CallbackId {
    CallbackId::from_bytes(u128::from_be_bytes(id.to_bytes()).saturating_sub(1).to_be_bytes())
}
