//! Runs that meet other runs: those of one brain that take turns, and those
//! that wait for the end of another. Both meet at keys that no webhook has, so
//! the key's version is the precondition here as well (docs/rules.md#1).

use px_core::key::{KeyWait, MAX_PENDING, Waiter, WaiterId};
use px_core::run::{Command, Refusal, Response};
use px_core::wait::Wait;
use px_core::{KeyId, Run, RunId, RunStatus};
use serde_json::{Value, json};

use super::{Draft, DraftError};

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
            let known = wait.collected.iter().any(|one| one.index == index);
            match self.run(awaited).await?.map(|other| (other.status.is_terminal(), outcome(other))) {
                _ if known => {}
                // The awaited run remembers that it is waited for, and so looks
                // for this wait when it ends: whichever of the two commits
                // second has read what the first wrote.
                Some((false, _)) => self.decide(awaited, Command::Await { by: run })?,
                Some((true, outcome)) => self.tell(run, wait, index, outcome)?,
                None => self.tell(run, wait, index, json!({ "status": "unknown" }))?,
            }
        }
        Ok(())
    }

    /// A run has ended: whoever waits for that goes on.
    pub(super) async fn tell_waiting_runs(&mut self, id: RunId) -> Result<(), DraftError> {
        let Some(ended) = self.runs.get(&id).map(|loaded| &loaded.run).filter(|run| run.awaited) else {
            return Ok(());
        };
        let outcome = outcome(ended);
        let end = KeyId::end_of(id);
        let count = usize::try_from(self.key(&end).await?.line.count).unwrap_or(usize::MAX);
        let waiters = self.waiters(&end, None, 0, count).await?;
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
        let response = Response { wait: wait.id, index, key, event, delivery, response };
        match self.decide(run, Command::Respond(Box::new(response))) {
            // A paused run looks again when it goes on.
            Err(DraftError::Refused(Refusal::Paused | Refusal::Busy | Refusal::NotDistinct)) => Ok(()),
            other => other,
        }
    }
}

/// The end of a run, as a waiting run is told.
fn outcome(run: &Run) -> Value {
    match (run.status, &run.error) {
        (RunStatus::Complete, _) => json!({ "status": "complete", "result": run.state() }),
        (RunStatus::Error, Some(error)) => json!({ "status": "error", "error": error }),
        (status, _) => json!({ "status": status.as_str(), "reason": run.reason }),
    }
}
