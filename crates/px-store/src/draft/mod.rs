//! The draft of a commit: a stage reads through it, changes runs by commands,
//! and hands it in. The draft turns the effects of [`px_core::run::decide`]
//! into changes of keys, queues, timers and ready work, so that accepting an
//! event, running a step, a timeout and a cancel all follow the same rules
//! (docs/rules.md#1 to #9), and it remembers every version that it read, so that the
//! commit fails if any of them has changed.
//!
//! A draft that met a conflict is thrown away and made anew from fresh reads.

mod born;
mod error;
mod holds;
mod inbox;
mod kv;
mod line;
mod loaded;
mod outbox;
mod queues;
mod release;
mod turns;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use px_core::run::{Catalog, Command, Effect, Start, decide};
use px_core::{DeliveryId, Ids, KeyId, KeyRecord, Run, RunId, Scope, Timestamp};

use crate::batch::{
    Batch, DedupDemand, DedupWrite, DeliveryWrite, KeyWrite, LogTail, RunWrite, WorkChange, WorkWrite,
};
use crate::error::Error;
use crate::model::{QueuedEvent, StartKey, Timer, TimerKind, Work};
use crate::store::Store;
use crate::transact::Round;

pub use error::DraftError;
pub use holds::MAX_HOLDERS;
use loaded::{DraftKey, DraftRun};
pub(crate) use turns::{outcome, unknown};

/// A demand that no store fulfils.
const NEVER: (RunId, u64) = (RunId::from_bytes([0; 16]), u64::MAX);

/// A commit in the making.
pub struct Draft<'a> {
    store: &'a dyn Store,
    catalog: &'a dyn Catalog,
    ids: &'a Ids,
    scope: Scope,
    now: Timestamp,
    // Boxed, since a map makes room for eleven of them at once.
    keys: BTreeMap<KeyId, Box<DraftKey>>,
    runs: BTreeMap<RunId, Box<DraftRun>>,
    deliveries: BTreeMap<DeliveryId, Box<DeliveryWrite>>,
    apart: inbox::DraftEvents,
    lines: BTreeMap<KeyId, line::DraftLine>,
    queue: BTreeMap<(KeyId, u64), Option<QueuedEvent>>,
    work: BTreeMap<RunId, WorkWrite>,
    timers: BTreeMap<Timer, bool>,
    dedups: Vec<DedupWrite>,
    dedup_demands: Vec<DedupDemand>,
    /// Events in quarantine by webhook and provider's id.
    set_asides: BTreeMap<(String, String), inbox::DraftSetAside>,
    start_keys: Vec<(String, String, StartKey)>,
    effects: VecDeque<(RunId, Effect)>,
    outbox: outbox::DraftOutbox,
    kv: crate::kv::KvBatch,
    /// True while not all that follows from a command is in the draft: so it stays where that fails.
    is_half_made: bool,
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
            apart: BTreeMap::new(),
            lines: BTreeMap::new(),
            queue: BTreeMap::new(),
            work: BTreeMap::new(),
            timers: BTreeMap::new(),
            dedups: Vec::new(),
            dedup_demands: Vec::new(),
            set_asides: BTreeMap::new(),
            start_keys: Vec::new(),
            effects: VecDeque::new(),
            outbox: outbox::DraftOutbox::default(),
            kv: crate::kv::KvBatch::default(),
            is_half_made: false,
        }
    }

    /// Returns the time of this draft.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Moves the time of the commands that follow: a step's return is later than its start.
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
            self.keys.insert(key.clone(), Box::new(loaded));
        }
        self.keys.get_mut(key).map(Box::as_mut).ok_or(Error::Closed)
    }

    async fn change_key(&mut self, key: &KeyId) -> Result<&mut KeyRecord, Error> {
        let loaded = self.load_key(key).await?;
        loaded.changed = true;
        let within = std::mem::take(&mut loaded.record.within);
        self.move_to_line(key, within);
        self.load_key(key).await.map(|loaded| &mut loaded.record)
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
        Ok(self.runs.get(&run).map(|loaded| &*loaded.run))
    }

    /// Brings in a run that the caller has read, or has kept since its last
    /// commit; the commit fails if it has changed since.
    pub fn adopt(&mut self, read: crate::batch::RunRecord) {
        let loaded = DraftRun::of(read.run.seq, read.run, read.tail);
        self.runs.insert(loaded.run.id, Box::new(loaded));
    }

    /// Demands that a run is still as it was read, also if this draft does not
    /// write it: for a commit that follows from what the run did not do.
    pub fn demand(&mut self, run: RunId) {
        if let Some(loaded) = self.runs.get_mut(&run) {
            loaded.demanded = true;
        }
    }

    /// Asks a run to change, with all that follows for keys, queues, timers
    /// and ready work.
    ///
    /// # Errors
    /// There is no such run, or it refuses the command: then the draft is as it was. After any
    /// other failure it is half made, and [`Draft::into_batch`] makes nothing of it that is committed.
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
    /// The start is refused, for example since its state is no object: then the draft is as it was.
    /// After any other failure it is half made, as for [`Draft::command`].
    pub async fn start(&mut self, start: Start) -> Result<RunId, DraftError> {
        let id = self.create(start)?;
        self.settle().await?;
        Ok(id)
    }

    fn create(&mut self, mut start: Start) -> Result<RunId, DraftError> {
        let id = self.ids.run(self.now);
        start.slot = self.catalog.slot(&start.brain, &start.initial_state);
        start.labels = self.catalog.labels(&start.brain, &start.initial_state);
        let vacant = DraftRun::of(0, Arc::new(Run::vacant(id)), LogTail::default());
        self.runs.insert(id, Box::new(vacant));
        self.hook_new(id);
        if let Err(error) = self.decide(id, Command::Start(Box::new(start))) {
            self.runs.remove(&id);
            self.outbox.forget(id);
            return Err(error);
        }
        Ok(id)
    }

    fn decide(&mut self, id: RunId, command: Command) -> Result<(), DraftError> {
        self.outbox.listen(self.store, self.scope)?;
        let loaded = self.runs.get_mut(&id).ok_or(DraftError::NoRun(id))?;
        let decision = decide(&loaded.run, command, self.now)?;
        loaded.events.reserve(decision.events.len());
        loaded.next_tail = None;
        let run = Arc::make_mut(&mut loaded.run);
        for event in decision.events {
            let before = run.status;
            if let Err(error) = run.apply(&event) {
                self.is_half_made = true;
                return Err(error.into());
            }
            self.outbox.tell((self.ids, self.now), run, before, &event, &mut loaded.tail);
            loaded.events.push(event);
        }
        self.effects.extend(decision.effects.into_iter().map(|effect| (id, effect)));
        Ok(())
    }

    /// Brings what follows from a command into the draft.
    async fn settle(&mut self) -> Result<(), DraftError> {
        let was_half_made = std::mem::replace(&mut self.is_half_made, true);
        self.carry_out_effects().await.map_err(DraftError::of_what_follows)?;
        self.is_half_made = was_half_made;
        Ok(())
    }

    async fn carry_out_effects(&mut self) -> Result<(), DraftError> {
        while let Some((run, effect)) = self.effects.pop_front() {
            match effect {
                Effect::RunStep => self.set_work(run, true),
                Effect::Park => self.set_work(run, false),
                Effect::OpenWait(wait) => self.open_wait(run, &wait).await?,
                Effect::CloseWait { wait, answered, by } => self.close_wait(run, &wait, answered, by).await?,
                Effect::ArmTimer { wait, due } => self.arm(due, TimerKind::Wait { wait, run }),
                Effect::DisarmTimer { wait, due } => self.disarm(due, TimerKind::Wait { wait, run }),
                Effect::ArmReminder { wait, due } => self.arm(due, TimerKind::Remind { wait, run }),
                Effect::DisarmReminder { wait, due } => self.disarm(due, TimerKind::Remind { wait, run }),
                Effect::ArmRetry { due } => self.arm(due, TimerKind::Retry { run }),
                Effect::DisarmRetry { due } => self.disarm(due, TimerKind::Retry { run }),
                Effect::AskSlot(slot) => self.ask_turn(run, &slot).await?,
                Effect::DrainWaits => self.drain_waits(run).await?,
                Effect::Ended => {
                    self.release(run).await?;
                    self.end_turn(run).await?;
                    self.tell_waiting_runs(run).await?;
                }
            }
        }
        Ok(())
    }

    fn set_work(&mut self, run: RunId, is_ready: bool) {
        let ready =
            || WorkChange::Put(self.ids.version(self.now), Work { since: self.now, owner: None, deaths: 0 });
        let change = if is_ready { ready() } else { WorkChange::Remove };
        let cuts_short = self.runs.get(&run).is_some_and(|loaded| loaded.was_reminding);
        let work = self.work_of(run);
        (work.change, work.cuts_short) = (change, cuts_short);
    }

    fn work_of(&mut self, run: RunId) -> &mut WorkWrite {
        let unchanged = WorkWrite { run, expected: None, change: WorkChange::Keep, cuts_short: false };
        self.work.entry(run).or_insert(unchanged)
    }

    /// Demands that the fence of a ready run still holds at the commit.
    pub fn fence(&mut self, run: RunId, fence: u64) {
        self.work_of(run).expected = Some(fence);
    }

    /// Returns true if this draft makes the run ready.
    #[must_use]
    pub fn is_ready(&self, run: RunId) -> bool {
        self.work.get(&run).is_some_and(|work| matches!(work.change, WorkChange::Put(..)))
    }

    /// Writes the row of a ready run: a claim, or its release.
    pub fn put_work(&mut self, run: RunId, fence: u64, work: Work) {
        self.work_of(run).change = WorkChange::Put(fence, work);
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

    /// Takes a run out of a finished draft, to go on with it after the commit
    /// without reading it again.
    #[must_use]
    pub fn after_commit(&mut self, run: RunId) -> Option<crate::batch::RunRecord> {
        let loaded = self.runs.get_mut(&run)?;
        let tail = self.store.tail_after(&loaded.tail, &loaded.events, loaded.run.seq).ok()?;
        loaded.next_tail = Some(tail.clone());
        Some(crate::batch::RunRecord { run: Arc::clone(&loaded.run), tail })
    }

    /// The round of a conflict loop that commits this draft, and ends the loop with
    /// a value once that is durable.
    #[must_use]
    pub fn into_round<T>(self, value: T) -> Round<T> {
        Round::Commit(Box::new(self.into_batch()), value)
    }

    /// The batch to commit. One of a half-made draft meets a conflict wherever it is handed in.
    #[must_use]
    pub fn into_batch(mut self) -> Batch {
        let (outbox, epochs) = self.take_outbox();
        let (now, ids) = (self.now, self.ids);
        let waiters = line::writes(self.lines, &mut self.keys);
        let keys = self
            .keys
            .into_iter()
            .map(|(key, loaded)| KeyWrite {
                key,
                expected: loaded.expected,
                version: if loaded.changed { ids.version(now) } else { loaded.expected },
                changed: loaded.changed,
                record: (!loaded.record.is_idle()).then(|| loaded.record.at_rest()),
            })
            .collect();
        let (written, read): (Vec<_>, Vec<_>) =
            self.runs.into_values().partition(|loaded| !loaded.events.is_empty());
        let unchanged = read
            .into_iter()
            .filter(|loaded| loaded.demanded)
            .map(|loaded| (loaded.run.id, loaded.expected))
            .chain(self.is_half_made.then_some(NEVER))
            .collect();
        let runs = written
            .into_iter()
            .map(|loaded| RunWrite {
                run: loaded.run,
                expected: loaded.expected,
                events: loaded.events,
                tail: loaded.tail,
                next_tail: loaded.next_tail,
            })
            .collect();
        let (arm, disarm): (Vec<_>, Vec<_>) = self.timers.into_iter().partition(|(_, armed)| *armed);
        Batch {
            scope: self.scope,
            keys,
            waiters,
            runs,
            unchanged,
            dedups: self.dedups,
            dedup_demands: self.dedup_demands,
            set_asides: inbox::set_aside_writes(self.set_asides),
            forget: Vec::new(),
            forgotten: None,
            deliveries: self.deliveries.into_values().map(|write| *write).collect(),
            dropped_files: Vec::new(),
            events_apart: inbox::event_writes(self.apart, || ids.version(now)),
            queue: self.queue.into_iter().map(|((key, place), event)| (key, place, event)).collect(),
            work: self.work.into_values().collect(),
            arm: arm.into_iter().map(|(timer, _)| timer).collect(),
            disarm: disarm.into_iter().map(|(timer, _)| timer).collect(),
            start_keys: self.start_keys,
            outbox,
            kv: self.kv,
            tokens: Vec::new(),
            epochs,
            key_check: None,
            secrets: Vec::new(),
        }
    }
}
