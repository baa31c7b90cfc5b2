//! Runs that meet other runs: those of one brain that take turns, and those
//! that wait for the end of another. Both meet at keys that no webhook has, so
//! the key's version is the precondition here as well (docs/rules.md#1).

use px_core::key::{KeyWait, MAX_PENDING, Waiter, WaiterId};
use px_core::run::{Command, Refusal, Response};
use px_core::wait::Wait;
use px_core::{KeyId, Run, RunId, RunStatus};
use serde_json::{Value, json};

use super::{Draft, DraftError};
use crate::model::TimerKind;

/// Maximum number of runs that one commit tells of another's end.
const MAX_TOLD: usize = 64;

/// Bytes of outcomes that one commit tells: each is in the log and in the record of a run.
const MAX_TOLD_BYTES: usize = 16 * 1024 * 1024;

impl Draft<'_> {
    /// A run that has begun asks for its turn: it goes on at once, or behind
    /// those that asked before it.
    pub(super) async fn ask_turn(&mut self, run: RunId, slot: &KeyId) -> Result<(), DraftError> {
        let record = self.change_key(slot).await?;
        if record.line.pending() >= MAX_PENDING {
            return Err(DraftError::TurnsFull(slot.clone()));
        }
        let waiter = Waiter::Turn(run);
        let place = record.line.enter(&waiter);
        self.enter(slot, place, waiter);
        self.admit(slot).await
    }

    /// A run has ended, and with it its turn.
    pub(super) async fn end_turn(&mut self, run: RunId) -> Result<(), DraftError> {
        let slot = self.runs.get(&run).and_then(|loaded| loaded.run.slot.clone());
        let Some(slot) = slot else { return Ok(()) };
        self.leave(&slot, WaiterId::Turn(run)).await?;
        self.admit(&slot).await
    }

    /// Lets those begin whose turn it is, in the order in which they asked.
    async fn admit(&mut self, slot: &KeyId) -> Result<(), DraftError> {
        let limit = u64::from(self.catalog.slot_limit(slot));
        loop {
            let line = self.change_key(slot).await?.line;
            if line.pending() == 0 || line.holding >= limit {
                return Ok(());
            }
            let first = self.waiters(slot, None, line.admitted, 1).await?;
            let Some((place, next)) = first.first().map(|(place, next)| (*place, next.run())) else {
                return Ok(());
            };
            self.change_key(slot).await?.line.admit(place);
            if self.run(next).await?.is_some_and(|run| run.status == RunStatus::Pending) {
                self.decide(next, Command::Admit)?;
            } else {
                self.leave(slot, WaiterId::Turn(next)).await?;
            }
        }
    }

    /// A wait that opens, or whose run goes on, may be for the end of a run
    /// that has ended already.
    pub(super) async fn hear_of_ends(&mut self, run: RunId, wait: &Wait) -> Result<(), DraftError> {
        for (index, registration) in wait.registrations.iter().enumerate() {
            let Some(awaited) = registration.key.awaited_run().filter(|_| self.can_take(run, wait)) else {
                continue;
            };
            let index = u32::try_from(index).unwrap_or(u32::MAX);
            if wait.is_answered(index) {
                continue;
            }
            match self.run(awaited).await?.map(|other| (other.status.is_terminal(), outcome(other))) {
                // The awaited run remembers that it is waited for, and so looks
                // for this wait when it ends: whichever of the two commits
                // second has read what the first wrote.
                Some((false, _)) => self.decide(awaited, Command::Await { by: run })?,
                Some((true, outcome)) => self.tell(run, wait, index, outcome)?,
                None => self.tell(run, wait, index, unknown())?,
            }
        }
        Ok(())
    }

    /// A run has ended: whoever waits for that goes on.
    pub(super) async fn tell_waiting_runs(&mut self, id: RunId) -> Result<(), DraftError> {
        if !self.runs.get(&id).is_some_and(|loaded| loaded.run.awaited) {
            return Ok(());
        }
        let until = self.key(&KeyId::end_of(id)).await?.line.next;
        self.tell_from(id, 0, until).await
    }

    /// Tells more of those who wait for the end of a run, as its timer says: from a place in their
    /// line on, up to those who came after the end. Sets the timer once more for those who do not
    /// fit into this commit either.
    ///
    /// # Errors
    /// The store could not be read, or the draft is half made, as for [`Draft::command`].
    pub async fn tell_rest(&mut self, ended: RunId, from: u64, until: u64) -> Result<(), DraftError> {
        let was_half_made = std::mem::replace(&mut self.is_half_made, true);
        self.tell_from(ended, from, until).await.map_err(DraftError::of_what_follows)?;
        self.is_half_made = was_half_made;
        self.settle().await
    }

    /// Tells so many of a line as one commit may. All of them would be one batch, with the outcome in
    /// each: no store takes that of ten thousand runs or of large outcomes, and the run could not end.
    async fn tell_from(&mut self, id: RunId, from: u64, until: u64) -> Result<(), DraftError> {
        let (end, now) = (KeyId::end_of(id), self.now);
        let ended = self.run(id).await?;
        let goes_on = ended.is_some_and(|run| !run.status.is_terminal());
        let outcome = ended.map_or_else(unknown, outcome);
        let most = if goes_on { 1 } else { told_at_once(&outcome) };
        let mut waiters = self.waiters(&end, None, from, most + 1).await?;
        waiters.retain(|(place, _)| *place < until);
        if goes_on {
            // It was sent back to a step meanwhile: those who are left hear of its next end.
            return match waiters.first() {
                Some((_, first)) => self.decide(id, Command::Await { by: first.run() }),
                None => Ok(()),
            };
        }
        if let Some((next, _)) = waiters.get(most) {
            self.arm(now, TimerKind::End { run: id, from: *next, until });
            waiters.truncate(most);
        }
        for (place, waiter) in &waiters {
            self.keep(&end, *place, waiter.clone());
        }
        let waits: Vec<KeyWait> = waiters.into_iter().filter_map(|(_, waiter)| waiter.wait()).collect();
        for open in waits {
            let wait = self.run(open.run).await?.and_then(|run| run.wait(open.wait)).cloned();
            if let Some(wait) = wait {
                self.tell(open.run, &wait, open.index, outcome.clone())?;
            }
        }
        Ok(())
    }

    fn tell(&mut self, run: RunId, wait: &Wait, index: u32, response: Value) -> Result<(), DraftError> {
        let key = wait.registrations.get(index as usize).map(|registration| registration.key.clone());
        let (event, delivery) = (None, None);
        let response = Response { wait: wait.id, index, key, event, delivery, response, test: None };
        match self.decide(run, Command::Respond(Box::new(response))) {
            // A paused run looks again when it goes on.
            Err(DraftError::Refused(Refusal::Paused | Refusal::Busy | Refusal::NotDistinct)) => Ok(()),
            other => other,
        }
    }
}

/// Number of waiting runs that one commit tells of an end, unless the outcome is large.
fn told_at_once(outcome: &Value) -> usize {
    struct Count(usize);
    impl std::io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut bytes = Count(0);
    // It counts what is written, which does not fail.
    let _ = serde_json::to_writer(&mut bytes, outcome);
    (MAX_TOLD_BYTES / bytes.0.max(1)).clamp(1, MAX_TOLD)
}

/// The end of a run that does not exist any more.
pub(crate) fn unknown() -> Value {
    json!({ "status": "unknown" })
}

/// The end of a run, as a waiting run is told.
pub(crate) fn outcome(run: &Run) -> Value {
    match (run.status, &run.error) {
        (RunStatus::Complete, _) => json!({ "status": "complete", "result": run.state() }),
        (RunStatus::Error, Some(error)) => json!({ "status": "error", "error": error }),
        (status, _) => json!({ "status": status.as_str(), "reason": run.reason }),
    }
}
