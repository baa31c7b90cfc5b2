//! Keys in a draft: waits that enter and leave them, and the queues beside them
//! (docs/rules.md#3 to #9).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use px_core::key::{EndedBy, KeyWait, Waiter, WaiterId, token_fits};
use px_core::run::{Command, Refusal, Response};
use px_core::wait::{Wait, WaitMode};
use px_core::{EventId, KeyId, RunId, RunStatus};

use super::{Draft, DraftError};
use crate::error::Error;
use crate::model::{InboxState, QueuedEvent, TimerKind};

/// Maximum number of queued events that one commit looks at for one key.
const QUEUE_SCAN: usize = 1_000;

/// Number of queued events that are read at first to find one that fits.
const QUEUE_PAGE: usize = 8;

/// Number of waits of a key that are read at once to find the one that takes an event.
const TAKER_SCAN: usize = 16;

impl Draft<'_> {
    pub(super) async fn open_wait(&mut self, run: RunId, wait: &Arc<Wait>) -> Result<(), DraftError> {
        while !wait.fresh && self.can_take(run, wait) && self.take_queued(run, wait).await? {}
        if !self.is_open(run, wait) {
            return Ok(());
        }
        for (index, registration) in wait.registrations.iter().enumerate() {
            let waiter = Waiter::Wait(KeyWait {
                wait: wait.id,
                run,
                index: u32::try_from(index).unwrap_or(u32::MAX),
                token: registration.token.clone(),
                opened_at: wait.opened_at,
            });
            let place = self.change_key(&registration.key).await?.open(&waiter);
            self.enter(&registration.key, place, waiter);
        }
        self.hear_of_ends(run, wait).await
    }

    /// True if the wait can take an event now: a paused run cannot, and a
    /// stream cannot while its step works on the event before.
    pub(super) fn can_take(&self, run: RunId, wait: &Wait) -> bool {
        let waits = self.runs.get(&run).is_some_and(|loaded| loaded.run.status == RunStatus::Waiting);
        waits && self.is_open(run, wait)
    }

    pub(super) fn is_open(&self, run: RunId, wait: &Wait) -> bool {
        self.runs.get(&run).is_some_and(|loaded| loaded.run.wait(wait.id).is_some())
    }

    /// The early window of a key; what runs meet at among themselves keeps nothing.
    fn early(&self, key: &KeyId) -> Option<std::time::Duration> {
        if key.is_between_runs() { None } else { self.catalog.early(&key.slug) }
    }

    pub(super) async fn drain_waits(&mut self, run: RunId) -> Result<(), DraftError> {
        let waits = self.runs.get(&run).map(|loaded| loaded.run.waits.clone()).unwrap_or_default();
        for wait in waits {
            let wait = Arc::new(wait);
            while self.can_take(run, &wait) && self.take_queued(run, &wait).await? {}
            self.tell_keys(run, &wait).await?;
            self.hear_of_ends(run, &wait).await?;
            if let Some(due) = wait.deadline.filter(|_| self.is_open(run, &wait)) {
                self.arm(due, TimerKind::Wait { wait: wait.id, run });
            }
            if let Some(due) = wait.next_reminder().filter(|_| self.is_open(run, &wait)) {
                self.arm(due, TimerKind::Remind { wait: wait.id, run });
            }
        }
        Ok(())
    }

    /// Gives the keys of a wait that can take events again a new version. An
    /// event that is being accepted may have read that its run was paused, or
    /// busy with a stream: it goes into the queue, and its commit demands the
    /// key's version and not the run's. Were that left alone, both could
    /// commit, and the event would lie beside a wait that nothing wakes.
    async fn tell_keys(&mut self, run: RunId, wait: &Wait) -> Result<(), Error> {
        if self.can_take(run, wait) {
            for registration in &wait.registrations {
                self.change_key(&registration.key).await?;
            }
        }
        Ok(())
    }

    /// Gives the oldest fitting queued event to a wait (docs/rules.md#7). Says whether
    /// there was one.
    async fn take_queued(&mut self, run: RunId, wait: &Arc<Wait>) -> Result<bool, DraftError> {
        let mut oldest: Option<(usize, u64, QueuedEvent)> = None;
        for (index, registration) in wait.registrations.iter().enumerate() {
            let now = self.now;
            let fits = |event: &QueuedEvent| {
                let fits = token_fits(registration.token.as_deref(), event.token.as_deref());
                let lives = event.expires_at.is_none_or(|at| at > now);
                // A fresh wait looks here only when its run was paused meanwhile.
                let is_new = !wait.fresh || event.at >= wait.opened_at;
                fits && lives && is_new
            };
            let Some((place, event)) = self.first_queued(&registration.key, fits).await? else { continue };
            let is_sooner =
                oldest.as_ref().is_none_or(|(_, _, best)| (event.at, event.event) < (best.at, best.event));
            if is_sooner {
                oldest = Some((index, place, event));
            }
        }
        let Some((index, place, event)) = oldest else { return Ok(false) };
        self.give(run, wait, index, place, &event).await?;
        Ok(true)
    }

    /// Takes an event out of a queue and gives it to a wait that it fits.
    async fn give(
        &mut self,
        run: RunId,
        wait: &Wait,
        index: usize,
        place: u64,
        event: &QueuedEvent,
    ) -> Result<(), DraftError> {
        let Some(registration) = wait.registrations.get(index) else { return Ok(()) };
        let key = registration.key.clone();
        self.leave_queue(&key, place, event).await?;
        let kept = self.mark_queued(event, |entry| (entry.response.clone(), entry.test.clone())).await?;
        let (response, test) = kept.unwrap_or_default();
        let response = response.unwrap_or_else(|| serde_json::Value::Object(serde_json::Map::new()));
        let response = Response {
            wait: wait.id,
            index: u32::try_from(index).unwrap_or(u32::MAX),
            key: Some(key),
            event: Some(event.event),
            delivery: Some(event.delivery),
            response,
            test,
        };
        let state = match self.decide(run, Command::Respond(Box::new(response))) {
            Ok(()) if wait.mode != WaitMode::Stream && self.is_open(run, wait) => InboxState::Collected,
            Ok(()) => InboxState::Resumed,
            Err(DraftError::Refused(Refusal::NotDistinct)) => InboxState::Ignored,
            Err(error) => return Err(error),
        };
        self.mark_queued(event, |entry| {
            (entry.state, entry.run) = (state, Some(run));
            (entry.wait, entry.reason) = match state {
                InboxState::Ignored => (None, Some(Refusal::NotDistinct.to_string())),
                _ => (Some(wait.id), None),
            };
        })
        .await?;
        Ok(())
    }

    /// The queued events of a key, oldest first, as this draft has left them so far.
    pub(super) async fn queued(&mut self, key: &KeyId) -> Result<Vec<(u64, QueuedEvent)>, Error> {
        let record = self.key(key).await?;
        if record.queued == 0 {
            return Ok(Vec::new());
        }
        let head = record.head;
        Ok(self.queued_from(key, head, QUEUE_SCAN).await?.0)
    }

    /// The oldest queued event of a key that fits, as this draft has left them so far. Few are read
    /// where one of the first does.
    async fn first_queued(
        &mut self,
        key: &KeyId,
        fits: impl Fn(&QueuedEvent) -> bool,
    ) -> Result<Option<(u64, QueuedEvent)>, Error> {
        let record = self.key(key).await?;
        if record.queued == 0 {
            return Ok(None);
        }
        let (mut from, mut page, mut read) = (record.head, QUEUE_PAGE, 0);
        while read < QUEUE_SCAN {
            let (rows, next) = self.queued_from(key, from, page).await?;
            if let Some(found) = rows.into_iter().find(|(_, event)| fits(event)) {
                return Ok(Some(found));
            }
            let Some(next) = next else { return Ok(None) };
            (read, from, page) = (read + page, next, QUEUE_SCAN);
        }
        Ok(None)
    }

    /// The events at `limit` stored places of a queue, as this draft has left them so far, and the
    /// place from which on there may be more.
    async fn queued_from(
        &self,
        key: &KeyId,
        from: u64,
        limit: usize,
    ) -> Result<(Vec<(u64, QueuedEvent)>, Option<u64>), Error> {
        let stored = self.store.queued(self.scope, key, from, limit).await?;
        let next = stored.last().filter(|_| stored.len() == limit).map(|(last, _)| last + 1);
        let mut rows: BTreeMap<u64, QueuedEvent> = stored.into_iter().collect();
        let until = next.unwrap_or(u64::MAX);
        for ((_, place), event) in self.queue.range((key.clone(), from)..(key.clone(), until)) {
            match event {
                Some(event) => rows.insert(*place, event.clone()),
                None => rows.remove(place),
            };
        }
        Ok((rows.into_iter().collect(), next))
    }

    pub(super) async fn leave_queue(
        &mut self,
        key: &KeyId,
        place: u64,
        event: &QueuedEvent,
    ) -> Result<(), Error> {
        self.queue.insert((key.clone(), place), None);
        let head = self.first_queued(key, |_| true).await?.map(|(head, _)| head);
        let record = self.change_key(key).await?;
        let next = record.next;
        record.dequeue(head.unwrap_or(next));
        if let Some(due) = event.expires_at {
            self.disarm(due, TimerKind::Expire { event: event.event, key: key.clone(), place });
        }
        Ok(())
    }

    /// Puts an event at the end of a key's queue. The delivery itself is the
    /// caller's to write.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn enqueue(&mut self, key: &KeyId, event: QueuedEvent) -> Result<(), Error> {
        let place = self.change_key(key).await?.enqueue();
        if let Some(due) = event.expires_at {
            self.arm(due, TimerKind::Expire { event: event.event, key: key.clone(), place });
        }
        self.queue.insert((key.clone(), place), Some(event));
        Ok(())
    }

    /// Takes an event out of a key's queue, wherever it stands: for an operator
    /// who does something else with it. False if it is not queued there any more.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn unqueue(&mut self, key: &KeyId, event: EventId) -> Result<bool, Error> {
        let found = self.queued(key).await?.into_iter().find(|(_, row)| row.event == event);
        let Some((place, row)) = found else { return Ok(false) };
        self.leave_queue(key, place, &row).await?;
        Ok(true)
    }

    /// Ends the time of a queued event that nobody waited for. Does nothing if
    /// the event has left the queue since.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn expire(&mut self, key: &KeyId, place: u64, event: EventId) -> Result<(), Error> {
        // One place is read: a key has many, and each of them may be due.
        let (rows, _) = self.queued_from(key, place, 1).await?;
        let found = rows.into_iter().find(|(at, row)| *at == place && row.event == event);
        if let Some((_, row)) = found {
            self.leave_queue(key, place, &row).await?;
            self.mark_queued(&row, |entry| {
                entry.state = InboxState::Expired;
                entry.reason = Some("nobody waited for it within the early window".into());
            })
            .await?;
        }
        Ok(())
    }

    /// Forgets how the last wait on a key ended, if that was long enough ago.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn forget(&mut self, key: &KeyId) -> Result<(), Error> {
        let early = self.early(key);
        let now = self.now;
        let end = self.key(key).await?.last_end.as_ref().map(|end| end.at);
        if end.is_some_and(|end| early.is_none_or(|early| now.since(end) >= early)) {
            self.change_key(key).await?.last_end = None;
        }
        Ok(())
    }

    pub(super) async fn close_wait(
        &mut self,
        run: RunId,
        wait: &Wait,
        answered: Option<u32>,
        by: EndedBy,
    ) -> Result<(), DraftError> {
        let answered = answered
            .and_then(|index| wait.registrations.get(index as usize))
            .map(|registration| registration.key.clone());
        let keys: BTreeSet<&KeyId> =
            wait.registrations.iter().map(|registration| &registration.key).collect();
        for (index, registration) in (0..).zip(&wait.registrations) {
            self.leave(&registration.key, WaiterId::Wait(wait.id, index)).await?;
        }
        let now = self.now;
        for key in keys {
            let by = match &answered {
                Some(answered) if answered != key => EndedBy::Sibling,
                _ => by,
            };
            let early = self.early(key);
            let record = self.change_key(key).await?;
            record.ended(run, by, now);
            if early.is_none() {
                // Nothing is ever late here, and no timer would make it forget.
                record.last_end = None;
            }
            let is_left_waiting = !record.line.is_empty() && record.queued > 0;
            let remembers = record.last_end.as_ref().is_some_and(|end| end.at == now && end.run == run);
            if let Some(early) = early.filter(|_| remembers) {
                let kind = TimerKind::Forget { nonce: self.ids.version(now), key: key.clone() };
                self.arm(now.after(early), kind);
            }
            if is_left_waiting {
                self.serve(key).await?;
            }
        }
        Ok(())
    }

    /// Events can be queued beside open waits only for one whose run is paused
    /// and that is the oldest they fit (docs/rules.md#9, #11). Once it is over they are
    /// the next one's.
    async fn serve(&mut self, key: &KeyId) -> Result<(), DraftError> {
        while let Some((place, event, taker)) = self.next_served(key).await? {
            let wait = self.run(taker.run).await?.and_then(|run| run.wait(taker.wait)).cloned();
            let Some(wait) = wait else { return Ok(()) };
            self.give(taker.run, &wait, taker.index as usize, place, &event).await?;
        }
        Ok(())
    }

    /// The oldest queued event of a key whose wait can take it now, with that wait.
    async fn next_served(&mut self, key: &KeyId) -> Result<Option<(u64, QueuedEvent, KeyWait)>, DraftError> {
        for (place, event) in self.queued(key).await? {
            if event.expires_at.is_some_and(|at| at <= self.now) {
                continue;
            }
            if let Some(taker) = self.taker(key, &event).await? {
                return Ok(Some((place, event, taker)));
            }
        }
        Ok(None)
    }

    /// The oldest wait that a queued event fits, if that one can take it now.
    async fn taker(&mut self, key: &KeyId, event: &QueuedEvent) -> Result<Option<KeyWait>, DraftError> {
        let mut from = self.key(key).await?.line.head;
        loop {
            let page = self.waiters(key, None, from, TAKER_SCAN).await?;
            let Some((last, _)) = page.last() else { return Ok(None) };
            from = last + 1;
            let is_last = page.len() < TAKER_SCAN;
            for taker in page.into_iter().filter_map(|(_, waiter)| waiter.wait()) {
                if !token_fits(taker.token.as_deref(), event.token.as_deref()) {
                    continue;
                }
                let Some(run) = self.run(taker.run).await? else { continue };
                // A wait that ended in this very commit may still stand at its key.
                let Some(wait) = run.wait(taker.wait) else { continue };
                if wait.fresh && event.at < wait.opened_at {
                    continue;
                }
                // A run that is paused, or works on the event before, keeps it for later.
                return Ok((run.status == RunStatus::Waiting).then_some(taker));
            }
            if is_last {
                return Ok(None);
            }
        }
    }
}
