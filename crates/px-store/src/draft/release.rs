//! Keys that a run owns, and those of one that has ended (docs/rules.md#4, #5).

use px_core::run::Start;
use px_core::{KeyId, RunId};

use super::{Draft, DraftError};
use crate::error::Error;
use crate::model::{InboxState, QueuedEvent};

impl Draft<'_> {
    /// Makes a run the owner of a key (docs/rules.md#4).
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn own(&mut self, key: &KeyId, run: RunId) -> Result<(), Error> {
        // A run may have ended in the very commit that started it.
        let alive = self.runs.get(&run).is_some_and(|loaded| !loaded.run.status.is_terminal());
        self.change_key(key).await?.owner = alive.then_some(run);
        Ok(())
    }

    /// A run has ended: its keys are let go, and what is queued for it there
    /// starts its successor or becomes late (docs/rules.md#4, #5).
    pub(super) async fn release(&mut self, id: RunId) -> Result<(), DraftError> {
        let Some(loaded) = self.runs.get(&id) else { return Ok(()) };
        let keys: Vec<KeyId> = loaded.run.keys_at_end().cloned().collect();
        for key in keys {
            let record = self.key(&key).await?;
            let owned = record.owner == Some(id);
            let busy = !record.line.is_empty() || (record.owner.is_some() && !owned);
            if owned {
                self.change_key(&key).await?.owner = None;
            }
            if busy {
                continue;
            }
            for (place, event) in self.queued(&key).await? {
                if owned && event.starts && self.succeed(&key, place, &event).await? {
                    break;
                }
                // Queued under an owner, or for a paused run's wait: whoever that
                // was is gone, and nothing else would end its time here. It may
                // have been received before the run that it was queued under.
                // Else ids tell: they sort by creation, also within a millisecond.
                let was_for_it = event.expires_at.is_none() || event.event.to_bytes() > id.to_bytes();
                if was_for_it {
                    self.leave_queue(&key, place, &event).await?;
                    self.mark_queued(&event, |entry| {
                        entry.state = InboxState::Late;
                        entry.run = Some(id);
                        entry.reason = Some("the run that it came for has ended".into());
                    })
                    .await?;
                }
            }
        }
        Ok(())
    }

    /// Starts the run that a queued event remembers, as the new owner of its key.
    async fn succeed(&mut self, key: &KeyId, place: u64, event: &QueuedEvent) -> Result<bool, DraftError> {
        let kept = self.mark_queued(event, |entry| (entry.start.clone(), entry.test.clone())).await?;
        let Some((Some(intent), test)) = kept else { return Ok(false) };
        let Some(brain) = self.catalog.brain(&intent.brain) else { return Ok(false) };
        let mut start = Start::of(brain, intent.input, px_core::event::Cause::Event(event.event));
        start.version = intent.version.unwrap_or(start.version);
        start.owns = Some(key.clone());
        start.traceparent = intent.traceparent;
        start.test = test;
        let run = match self.create(start) {
            Ok(run) => run,
            // One that cannot start keeps no run from its end.
            Err(DraftError::Refused(refusal)) => {
                tracing::warn!(%key, event = %event.event, %refusal, "a queued event starts no run");
                return Ok(false);
            }
            Err(error) => return Err(error),
        };
        self.leave_queue(key, place, event).await?;
        self.change_key(key).await?.owner = Some(run);
        self.mark_queued(event, |entry| {
            entry.state = InboxState::Started;
            entry.run = Some(run);
            entry.reason = None;
        })
        .await?;
        Ok(true)
    }
}
