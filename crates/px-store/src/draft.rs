//! The draft of a commit: a stage reads through it, changes runs by commands,
//! and hands it in. The draft turns the effects of [`px_core::run::decide`]
//! into changes of keys, queues, timers and ready work, so that accepting an
//! event, running a step, a timeout and a cancel all follow the same rules
//! (RULES 1 to 9), and it remembers every version that it read, so that the
//! commit fails if any of them has changed.
//!
//! A draft that met a conflict is thrown away and made anew from fresh reads.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use px_core::event::Event;
use px_core::key::{EndedBy, KeyWait, token_fits};
use px_core::run::{Catalog, Command, Effect, IllegalEvent, Refusal, Response, Start, decide};
use px_core::wait::Wait;
use px_core::{DeliveryId, EventId, Ids, KeyId, KeyRecord, Run, RunId, RunStatus, Scope, Timestamp};

use crate::batch::{Batch, DedupWrite, DeliveryWrite, KeyWrite, LogTail, RunWrite, WorkChange, WorkWrite};
use crate::error::Error;
use crate::model::{Delivery, InboxState, QueuedEvent, StartKey, Timer, TimerKind, Work};
use crate::store::Store;

/// How many queued events one commit looks at, at most, for one key.
const QUEUE_SCAN: usize = 1_000;

/// Why a draft could not be filled.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DraftError {
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] Error),
    /// The run does not take the command.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// There is no such run.
    #[error("there is no run {0}")]
    NoRun(RunId),
    /// A run's record contradicts its rules.
    #[error(transparent)]
    Illegal(#[from] IllegalEvent),
}

struct DraftKey {
    expected: u64,
    record: KeyRecord,
    changed: bool,
}

struct DraftRun {
    expected: u64,
    run: Run,
    events: Vec<Event>,
    tail: LogTail,
}

/// A commit in the making.
pub struct Draft<'a> {
    store: &'a dyn Store,
    catalog: &'a dyn Catalog,
    ids: &'a Ids,
    scope: Scope,
    now: Timestamp,
    keys: BTreeMap<KeyId, DraftKey>,
    runs: BTreeMap<RunId, DraftRun>,
    deliveries: BTreeMap<DeliveryId, DeliveryWrite>,
    queue: BTreeMap<(KeyId, u64), Option<QueuedEvent>>,
    work: BTreeMap<RunId, WorkWrite>,
    timers: BTreeMap<Timer, bool>,
    dedups: Vec<DedupWrite>,
    start_keys: Vec<(String, String, StartKey)>,
    effects: VecDeque<(RunId, Effect)>,
}

impl<'a> Draft<'a> {
    /// An empty draft as of `now`.
    pub fn new(
        store: &'a dyn Store,
        catalog: &'a dyn Catalog,
        ids: &'a Ids,
        scope: Scope,
        now: Timestamp,
    ) -> Self {
        Self {
            store,
            catalog,
            ids,
            scope,
            now,
            keys: BTreeMap::new(),
            runs: BTreeMap::new(),
            deliveries: BTreeMap::new(),
            queue: BTreeMap::new(),
            work: BTreeMap::new(),
            timers: BTreeMap::new(),
            dedups: Vec::new(),
            start_keys: Vec::new(),
            effects: VecDeque::new(),
        }
    }

    /// When this draft happens.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Moves the time of what follows: a step's return is later than its start.
    pub fn advance(&mut self, now: Timestamp) {
        self.now = now;
    }

    /// The record of a key, as this draft has left it so far.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn key(&mut self, key: &KeyId) -> Result<&KeyRecord, Error> {
        Ok(&self.load_key(key).await?.record)
    }

    async fn load_key(&mut self, key: &KeyId) -> Result<&mut DraftKey, Error> {
        if !self.keys.contains_key(key) {
            let read = self.store.key(self.scope, key).await?;
            let loaded = DraftKey { expected: read.version, record: read.record, changed: false };
            self.keys.insert(key.clone(), loaded);
        }
        self.keys.get_mut(key).ok_or(Error::Closed)
    }

    async fn change_key(&mut self, key: &KeyId) -> Result<&mut KeyRecord, Error> {
        let loaded = self.load_key(key).await?;
        loaded.changed = true;
        Ok(&mut loaded.record)
    }

    /// A run, as this draft has left it so far.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn run(&mut self, run: RunId) -> Result<Option<&Run>, Error> {
        if !self.runs.contains_key(&run) {
            let Some(read) = self.store.run(self.scope, run).await? else { return Ok(None) };
            self.adopt(read);
        }
        Ok(self.runs.get(&run).map(|loaded| &loaded.run))
    }

    /// Brings in a run that the caller has read, or has kept since its last
    /// commit; the commit fails if it has changed since.
    pub fn adopt(&mut self, read: crate::batch::RunRecord) {
        let loaded = DraftRun { expected: read.run.seq, run: read.run, events: Vec::new(), tail: read.tail };
        self.runs.insert(loaded.run.id, loaded);
    }

    /// Asks a run to change, with all that follows for keys, queues, timers
    /// and ready work.
    ///
    /// # Errors
    /// There is no such run, or it refuses the command: then the draft is as it was.
    pub async fn command(&mut self, run: RunId, command: Command) -> Result<(), DraftError> {
        if self.run(run).await?.is_none() {
            return Err(DraftError::NoRun(run));
        }
        self.decide(run, command)?;
        self.settle().await
    }

    /// Starts a new run.
    ///
    /// # Errors
    /// The start is refused, for example since its state is no object.
    pub async fn start(&mut self, start: Start) -> Result<RunId, DraftError> {
        let id = self.create(start)?;
        self.settle().await?;
        Ok(id)
    }

    fn create(&mut self, start: Start) -> Result<RunId, DraftError> {
        let id = self.ids.run(self.now);
        let vacant =
            DraftRun { expected: 0, run: Run::vacant(id), events: Vec::new(), tail: LogTail::default() };
        self.runs.insert(id, vacant);
        if let Err(error) = self.decide(id, Command::Start(Box::new(start))) {
            self.runs.remove(&id);
            return Err(error);
        }
        Ok(id)
    }

    fn decide(&mut self, id: RunId, command: Command) -> Result<(), DraftError> {
        let loaded = self.runs.get_mut(&id).ok_or(DraftError::NoRun(id))?;
        let decision = decide(&loaded.run, command, self.now)?;
        for event in decision.events {
            loaded.run.apply(&event)?;
            loaded.events.push(event);
        }
        self.effects.extend(decision.effects.into_iter().map(|effect| (id, effect)));
        Ok(())
    }

    async fn settle(&mut self) -> Result<(), DraftError> {
        while let Some((run, effect)) = self.effects.pop_front() {
            match effect {
                Effect::RunStep => self.set_work(run, true),
                Effect::Park => self.set_work(run, false),
                Effect::OpenWait(wait) => self.open_wait(run, &wait).await?,
                Effect::CloseWait { wait, answered, by } => self.close_wait(run, &wait, answered, by).await?,
                Effect::ArmTimer { wait, due } => self.arm(due, TimerKind::Wait { wait, run }),
                Effect::DisarmTimer { wait, due } => self.disarm(due, TimerKind::Wait { wait, run }),
                Effect::ArmRetry { due } => self.arm(due, TimerKind::Retry { run }),
                Effect::DisarmRetry { due } => self.disarm(due, TimerKind::Retry { run }),
                Effect::DrainWaits => self.drain_waits(run).await?,
                Effect::Ended => self.release(run).await?,
            }
        }
        Ok(())
    }

    fn set_work(&mut self, run: RunId, is_ready: bool) {
        let ready =
            || WorkChange::Put(self.ids.version(self.now), Work { since: self.now, owner: None, deaths: 0 });
        let change = if is_ready { ready() } else { WorkChange::Remove };
        self.work_of(run).change = change;
    }

    fn work_of(&mut self, run: RunId) -> &mut WorkWrite {
        self.work.entry(run).or_insert(WorkWrite { run, expected: None, change: WorkChange::Keep })
    }

    /// Demands that the fence of a ready run still holds at the commit.
    pub fn fence(&mut self, run: RunId, fence: u64) {
        self.work_of(run).expected = Some(fence);
    }

    /// Whether this draft makes the run ready.
    #[must_use]
    pub fn is_ready(&self, run: RunId) -> bool {
        self.work.get(&run).is_some_and(|work| matches!(work.change, WorkChange::Put(..)))
    }

    /// Writes the row of a ready run: a claim, or its release.
    pub fn put_work(&mut self, run: RunId, fence: u64, work: Work) {
        self.work_of(run).change = WorkChange::Put(fence, work);
    }

    /// Removes the row of a ready run whose run needs it no more.
    pub fn remove_work(&mut self, run: RunId) {
        self.work_of(run).change = WorkChange::Remove;
    }

    fn arm(&mut self, due: Timestamp, kind: TimerKind) {
        self.timers.insert(Timer { due, kind }, true);
    }

    fn disarm(&mut self, due: Timestamp, kind: TimerKind) {
        self.remove_timer(Timer { due, kind });
    }

    /// Removes a timer that has rung.
    pub fn remove_timer(&mut self, timer: Timer) {
        self.timers.insert(timer, false);
    }

    async fn open_wait(&mut self, run: RunId, wait: &Arc<Wait>) -> Result<(), DraftError> {
        let is_paused = self.runs.get(&run).is_some_and(|loaded| loaded.run.status == RunStatus::Paused);
        while !wait.fresh && !is_paused && self.take_queued(run, wait).await? {
            if !self.is_open(run, wait) {
                return Ok(());
            }
        }
        for (index, registration) in wait.registrations.iter().enumerate() {
            let entry = KeyWait {
                wait: wait.id,
                run,
                index: u32::try_from(index).unwrap_or(u32::MAX),
                token: registration.token.clone(),
                opened_at: wait.opened_at,
            };
            self.change_key(&registration.key).await?.open(entry);
        }
        Ok(())
    }

    fn is_open(&self, run: RunId, wait: &Wait) -> bool {
        self.runs.get(&run).is_some_and(|loaded| loaded.run.wait(wait.id).is_some())
    }

    async fn drain_waits(&mut self, run: RunId) -> Result<(), DraftError> {
        let waits = self.runs.get(&run).map(|loaded| loaded.run.waits.clone()).unwrap_or_default();
        for wait in waits {
            let wait = Arc::new(wait);
            while self.is_open(run, &wait) && self.take_queued(run, &wait).await? {}
            if let Some(due) = wait.deadline.filter(|_| self.is_open(run, &wait)) {
                self.arm(due, TimerKind::Wait { wait: wait.id, run });
            }
        }
        Ok(())
    }

    /// Gives the oldest fitting queued event to a wait (RULES 7). Says whether
    /// there was one.
    async fn take_queued(&mut self, run: RunId, wait: &Arc<Wait>) -> Result<bool, DraftError> {
        let mut oldest: Option<(usize, u64, QueuedEvent)> = None;
        for (index, registration) in wait.registrations.iter().enumerate() {
            let key = &registration.key;
            for (place, event) in self.queued(key).await? {
                let fits = token_fits(registration.token.as_deref(), event.token.as_deref());
                let lives = event.expires_at.is_none_or(|at| at > self.now);
                // A fresh wait looks here only when its run was paused meanwhile.
                let is_new = !wait.fresh || event.at >= wait.opened_at;
                if fits && lives && is_new {
                    let sooner = oldest
                        .as_ref()
                        .is_none_or(|(_, _, best)| (event.at, event.event) < (best.at, best.event));
                    if sooner {
                        oldest = Some((index, place, event));
                    }
                    break;
                }
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
        let response = self
            .mark(event.delivery, event.event, |entry| entry.response.clone())
            .await?
            .flatten()
            .unwrap_or_else(|| serde_json::Value::Object(serde_json::Map::new()));
        let response = Response {
            wait: wait.id,
            index: u32::try_from(index).unwrap_or(u32::MAX),
            key: Some(key),
            event: Some(event.event),
            delivery: Some(event.delivery),
            response,
        };
        let state = match self.decide(run, Command::Respond(Box::new(response))) {
            Ok(()) if self.is_open(run, wait) => InboxState::Collected,
            Ok(()) => InboxState::Resumed,
            Err(DraftError::Refused(Refusal::NotDistinct)) => InboxState::Ignored,
            Err(error) => return Err(error),
        };
        self.mark(event.delivery, event.event, |entry| {
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
    async fn queued(&mut self, key: &KeyId) -> Result<Vec<(u64, QueuedEvent)>, Error> {
        let record = self.key(key).await?;
        if record.queued == 0 {
            return Ok(Vec::new());
        }
        let head = record.head;
        let mut rows: BTreeMap<u64, QueuedEvent> =
            self.store.queued(self.scope, key, head, QUEUE_SCAN).await?.into_iter().collect();
        for ((changed, place), event) in &self.queue {
            if changed == key {
                match event {
                    Some(event) => rows.insert(*place, event.clone()),
                    None => rows.remove(place),
                };
            }
        }
        Ok(rows.into_iter().collect())
    }

    async fn leave_queue(&mut self, key: &KeyId, place: u64, event: &QueuedEvent) -> Result<(), Error> {
        let rest = self.queued(key).await?;
        let head = rest.iter().map(|(other, _)| *other).find(|other| *other != place);
        let record = self.change_key(key).await?;
        let next = record.next;
        record.dequeue(head.unwrap_or(next));
        self.queue.insert((key.clone(), place), None);
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
        let found = self.queued(key).await?.into_iter().find(|(at, row)| *at == place && row.event == event);
        if let Some((_, row)) = found {
            self.leave_queue(key, place, &row).await?;
            self.mark(row.delivery, row.event, |entry| {
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
        let early = self.catalog.early(&key.slug);
        let now = self.now;
        let end = self.key(key).await?.last_end.as_ref().map(|end| end.at);
        if end.is_some_and(|end| early.is_none_or(|early| now.since(end) >= early)) {
            self.change_key(key).await?.last_end = None;
        }
        Ok(())
    }

    async fn close_wait(
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
        let now = self.now;
        for key in keys {
            let by = match &answered {
                Some(answered) if answered != key => EndedBy::Sibling,
                _ => by,
            };
            let early = self.catalog.early(&key.slug);
            let record = self.change_key(key).await?;
            record.close(wait.id, run, by, now);
            if early.is_none() {
                // Nothing is ever late here, and no timer would make it forget.
                record.last_end = None;
            }
            let is_left_waiting = !record.waits.is_empty() && record.queued > 0;
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
    /// and that is the oldest they fit (RULES 9, 11). Once it is over they are
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
        let waits = self.key(key).await?.waits.clone();
        for (place, event) in self.queued(key).await? {
            if event.expires_at.is_some_and(|at| at <= self.now) {
                continue;
            }
            for taker in &waits {
                let fits = token_fits(taker.token.as_deref(), event.token.as_deref());
                let Some(run) = self.run(taker.run).await?.filter(|_| fits) else { continue };
                // A wait that ended in this very commit may still stand at its key.
                let Some(wait) = run.wait(taker.wait) else { continue };
                if wait.fresh && event.at < wait.opened_at {
                    continue;
                }
                if run.status == RunStatus::Waiting {
                    return Ok(Some((place, event, taker.clone())));
                }
                // Its run is paused: it is kept for that.
                break;
            }
        }
        Ok(None)
    }

    /// A run has ended: its keys are let go, and what is queued for it there
    /// starts its successor or becomes late (RULES 4, 5).
    async fn release(&mut self, id: RunId) -> Result<(), DraftError> {
        let Some(loaded) = self.runs.get(&id) else { return Ok(()) };
        let keys: Vec<KeyId> = loaded.run.keys_at_end().cloned().collect();
        for key in keys {
            let record = self.key(&key).await?;
            let owned = record.owner == Some(id);
            let busy = !record.waits.is_empty() || (record.owner.is_some() && !owned);
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
                    self.mark(event.delivery, event.event, |entry| {
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
        let intent = self.mark(event.delivery, event.event, |entry| entry.start.clone()).await?.flatten();
        let Some(intent) = intent else { return Ok(false) };
        let Some(brain) = self.catalog.brain(&intent.brain) else { return Ok(false) };
        let mut start = Start::of(brain, intent.input, px_core::event::Cause::Event(event.event));
        start.owns = Some(key.clone());
        let run = self.create(start)?;
        self.leave_queue(key, place, event).await?;
        self.change_key(key).await?.owner = Some(run);
        self.mark(event.delivery, event.event, |entry| {
            entry.state = InboxState::Started;
            entry.run = Some(run);
            entry.reason = None;
        })
        .await?;
        Ok(true)
    }

    /// Makes a run the owner of a key (RULES 4).
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn own(&mut self, key: &KeyId, run: RunId) -> Result<(), Error> {
        // A run may have ended in the very commit that started it.
        let alive = self.runs.get(&run).is_some_and(|loaded| !loaded.run.status.is_terminal());
        self.change_key(key).await?.owner = alive.then_some(run);
        Ok(())
    }

    /// Changes an event of a delivery. `None` if there is no such event any more.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn mark<T>(
        &mut self,
        delivery: DeliveryId,
        event: EventId,
        change: impl FnOnce(&mut crate::model::InboxEvent) -> T,
    ) -> Result<Option<T>, Error> {
        if !self.deliveries.contains_key(&delivery) {
            let Some(read) = self.store.delivery(self.scope, delivery).await? else { return Ok(None) };
            self.deliveries.insert(delivery, DeliveryWrite { delivery: read, new: false });
        }
        let now = self.now;
        let entry = self
            .deliveries
            .get_mut(&delivery)
            .and_then(|write| write.delivery.events.iter_mut().find(|entry| entry.id == event));
        Ok(entry.map(|entry| {
            let state = entry.state;
            let result = change(entry);
            if entry.state != state {
                entry.since = now;
            }
            result
        }))
    }

    /// Adds a new delivery.
    pub fn put_delivery(&mut self, delivery: Delivery) {
        self.deliveries.insert(delivery.id, DeliveryWrite { delivery, new: true });
    }

    /// Remembers a provider's id; the commit fails if it is known already, unless forced.
    pub fn put_dedup(&mut self, dedup: DedupWrite) {
        self.dedups.push(dedup);
    }

    /// Remembers an idempotent start; the commit fails if it is known already.
    pub fn put_start_key(&mut self, brain: String, key: String, record: StartKey) {
        self.start_keys.push((brain, key, record));
    }

    /// Takes a run out of a finished draft, to go on with it after the commit
    /// without reading it again.
    #[must_use]
    pub fn after_commit(&self, run: RunId) -> Option<crate::batch::RunRecord> {
        let loaded = self.runs.get(&run)?;
        crate::layout::next_tail(&loaded.tail, &loaded.events, loaded.run.seq)
            .ok()
            .map(|tail| crate::batch::RunRecord { run: loaded.run.clone(), tail })
    }

    /// The batch to commit.
    #[must_use]
    pub fn into_batch(self) -> Batch {
        let (now, ids) = (self.now, self.ids);
        let keys = self
            .keys
            .into_iter()
            .map(|(key, loaded)| KeyWrite {
                key,
                expected: loaded.expected,
                version: if loaded.changed { ids.version(now) } else { loaded.expected },
                record: (!loaded.record.is_idle()).then_some(loaded.record),
                changed: loaded.changed,
            })
            .collect();
        let runs = self
            .runs
            .into_values()
            .filter(|loaded| !loaded.events.is_empty())
            .map(|loaded| RunWrite {
                run: loaded.run,
                expected: loaded.expected,
                events: loaded.events,
                tail: loaded.tail,
            })
            .collect();
        let (arm, disarm): (Vec<_>, Vec<_>) = self.timers.into_iter().partition(|(_, armed)| *armed);
        Batch {
            scope: self.scope,
            keys,
            runs,
            dedups: self.dedups,
            deliveries: self.deliveries.into_values().collect(),
            queue: self.queue.into_iter().map(|((key, place), event)| (key, place, event)).collect(),
            work: self.work.into_values().collect(),
            arm: arm.into_iter().map(|(timer, _)| timer).collect(),
            disarm: disarm.into_iter().map(|(timer, _)| timer).collect(),
            start_keys: self.start_keys,
        }
    }
}
