//! Ready work, timers and idempotent starts: each is there for something.

use px_core::{RunId, RunStatus, Timestamp, WaitId};

use super::{Audit, Rule, count, readable};
use crate::error::Error;
use crate::model::{StartKey, Timer, TimerKind};

impl Audit<'_> {
    pub(super) async fn work(&mut self, run: RunId) -> Result<(), Error> {
        self.report.counts.work += 1;
        match self.run_of(run).await? {
            Some(found) if found.is_executable() => {}
            Some(found) => {
                self.about_run(Rule::StrayWork, &format!("it is {}", found.status.as_str()), run, []);
            }
            None => self.about_run(Rule::StrayWork, "it does not exist", run, []),
        }
        Ok(())
    }

    pub(super) async fn timer(&mut self, timer: &Timer) -> Result<(), Error> {
        let (kind, is_due, ids) = match &timer.kind {
            TimerKind::Wait { wait, run } => {
                let record = self.run_of(*run).await?;
                let deadline = record.as_ref().and_then(|run| run.wait(*wait)?.deadline);
                let ids = vec![("run", run.to_string()), ("wait", wait.to_string())];
                ("wait", deadline == Some(timer.due), ids)
            }
            TimerKind::Remind { wait, run } => {
                let ids = vec![("run", run.to_string()), ("wait", wait.to_string())];
                ("remind", self.is_reminder_due(*wait, *run, timer.due).await?, ids)
            }
            TimerKind::Retry { run } => {
                let record = self.run_of(*run).await?;
                let is_due = record
                    .is_some_and(|run| run.status == RunStatus::Running && run.retry_at == Some(timer.due));
                // Once it has rung, the run is ready instead.
                let is_ready = readable(self.store.work_of(self.scope, *run).await)?.is_some();
                ("retry", is_due && !is_ready, vec![("run", run.to_string())])
            }
            TimerKind::Expire { event, key, place } => {
                let row = readable(self.store.queued(self.scope, key, *place, 1).await)?.into_iter().next();
                let is_due = row.is_some_and(|(at, row)| {
                    at == *place && row.event == *event && row.expires_at == Some(timer.due)
                });
                ("expire", is_due, vec![("event", event.to_string()), ("key", key.to_string())])
            }
            // It does nothing to a key that has nothing to forget.
            TimerKind::Forget { .. } => ("forget", true, Vec::new()),
            // Nor this one where nobody is left to be told.
            TimerKind::End { .. } => ("end", true, Vec::new()),
        };
        count(&mut self.report.counts.timers, kind);
        if !is_due {
            self.report.violation(Rule::StrayTimer, kind, ids);
        }
        Ok(())
    }

    /// A wait has one timer of its reminders, and none while one of them is under way.
    async fn is_reminder_due(&mut self, wait: WaitId, run: RunId, due: Timestamp) -> Result<bool, Error> {
        let Some(run) = self.run_of(run).await? else { return Ok(false) };
        let is_under_way = run.reminding.as_ref().is_some_and(|reminding| reminding.wait == wait);
        let next = run.wait(wait).and_then(px_core::wait::Wait::next_reminder);
        Ok(!is_under_way && next == Some(due))
    }

    pub(super) async fn start_key(
        &mut self,
        brain: String,
        name: String,
        record: &StartKey,
    ) -> Result<(), Error> {
        self.report.counts.start_keys += 1;
        let run = self.run_of(record.run).await?;
        if run.is_none_or(|run| run.brain != brain) {
            let ids = [("brain", brain), ("idempotencyKey", name), ("run", record.run.to_string())];
            self.report.violation(Rule::StartKeyToNowhere, "", ids);
        }
        Ok(())
    }
}
