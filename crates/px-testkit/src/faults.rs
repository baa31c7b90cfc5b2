//! A store with faults: it counts commits and lets each one happen, fail before it is durable,
//! or be durable without anybody hearing of it: the death of a process around a commit.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Waker};

use bytes::Bytes;
use px_core::key::{Waiter, WaiterId};
use px_core::{DeliveryId, Event, FileId, KeyId, KeyRecord, RunId, RunStatus, Scope, Timestamp};
use px_store::tokens::Token;
use px_store::{
    Admission, Batch, BoxFuture, ClaimRequest, Claimed, Cursor, DedupRecord, Delivery, DeliveryFilter,
    DeliveryList, Epoch, Error, Forgotten, HintBus, InboxEvent, Inspect, KvStore, LogTail, Outcome, Page,
    QueuedEvent, Read, RunFilter, RunRecord, Scan, SetAside, StartKey, Store, Table, Timer, Versioned, Work,
};
use tokio::sync::{oneshot, watch};

use crate::fault::{Access, Detour, Fault, Gate, Observer, Plan, Submitted};

/// A [`Store`] that consults a plan at every commit.
#[derive(Clone)]
pub struct FaultyStore {
    pub(crate) inner: Arc<dyn Store>,
    plan: Arc<Mutex<Plan>>,
    commits: Arc<AtomicU64>,
    between: Arc<Mutex<Option<BoxFuture<'static, ()>>>>,
    pub(crate) dead: Arc<watch::Sender<bool>>,
    full: Arc<AtomicBool>,
    gate: Arc<OnceLock<Gate>>,
    submitted: Arc<Mutex<Vec<Submitted>>>,
    detour: Arc<OnceLock<Detour>>,
    observer: Arc<OnceLock<Observer>>,
}

impl FaultyStore {
    /// A store that does what `inner` does until a plan is set.
    pub fn new(inner: Arc<dyn Store>) -> Self {
        Self {
            inner,
            plan: Arc::new(Mutex::new(Arc::new(|_, _| None))),
            commits: Arc::default(),
            between: Arc::default(),
            dead: Arc::new(watch::Sender::new(false)),
            full: Arc::default(),
            gate: Arc::default(),
            submitted: Arc::default(),
            detour: Arc::default(),
            observer: Arc::default(),
        }
    }

    /// Has every access wait at this gate before it happens, so that a test
    /// decides what comes between two of them. The gate is asked in the order
    /// in which accesses are made. It can be set once. A commit belongs to the
    /// store from the moment it is made: whoever opens the gate calls
    /// [`FaultyStore::carry_on`].
    pub fn gate(&self, gate: impl Fn(Access) -> BoxFuture<'static, ()> + Send + Sync + 'static) {
        // A second gate is not set: the first one may hold accesses already.
        let _ = self.gate.set(Box::new(gate));
    }

    /// Carries out the commits for which the gate has opened, in the order in
    /// which they were made, whether or not somebody waits for them.
    pub fn carry_on(&self) {
        let mut context = Context::from_waker(Waker::noop());
        let mut submitted = self.submitted.lock().unwrap_or_else(PoisonError::into_inner);
        submitted.retain_mut(|commit| commit.as_mut().poll(&mut context).is_pending());
    }

    /// Has commits go this way instead of to the store below: a store that is
    /// wrong on purpose, to see that a test would notice. It can be set once.
    pub fn detour(
        &self,
        detour: impl Fn(&Arc<dyn Store>, Batch, Admission) -> BoxFuture<'static, Result<Outcome, Error>>
        + Send
        + Sync
        + 'static,
    ) {
        // As with the gate.
        let _ = self.detour.set(Box::new(detour));
    }

    /// Shows each batch to this observer right before the store below decides on
    /// it. The observer returns what it does if the batch is committed. It can be
    /// set once.
    pub fn observe(
        &self,
        observer: impl Fn(&Batch) -> Option<Box<dyn FnOnce() + Send>> + Send + Sync + 'static,
    ) {
        // As with the gate.
        let _ = self.observer.set(Box::new(observer));
    }

    /// Hands a batch on, past the gate.
    fn pass(&self, batch: Batch, admission: Admission) -> BoxFuture<'static, Result<Outcome, Error>> {
        let (inner, detour) = (Arc::clone(&self.inner), Arc::clone(&self.detour));
        let observer = Arc::clone(&self.observer);
        let hand_on = move || -> BoxFuture<'static, Result<Outcome, Error>> {
            let seen = observer.get().and_then(|observer| observer(&batch));
            let commit = match detour.get() {
                Some(detour) => detour(&inner, batch, admission),
                None => inner.commit(batch, admission),
            };
            let Some(seen) = seen else { return commit };
            Box::pin(async move {
                let outcome = commit.await;
                if matches!(outcome, Ok(Outcome::Committed { .. })) {
                    seen();
                }
                outcome
            })
        };
        match self.gate.get() {
            None => hand_on(),
            Some(gate) => {
                let opened = gate(Access::Commit);
                let (tell, told) = oneshot::channel();
                let commit = Box::pin(async move {
                    opened.await;
                    // Nobody may want to know any more.
                    let _ = tell.send(hand_on().await);
                });
                self.submitted.lock().unwrap_or_else(PoisonError::into_inner).push(commit);
                let never = std::future::pending;
                Box::pin(async move { if let Ok(outcome) = told.await { outcome } else { never().await } })
            }
        }
    }

    pub(crate) fn read<'a, T: 'a>(
        &'a self,
        name: &'static str,
        read: impl FnOnce() -> Read<'a, T> + Send + 'a,
    ) -> Read<'a, T> {
        match self.gate.get() {
            None => read(),
            Some(gate) => {
                let opened = gate(Access::Read(name));
                Box::pin(async move {
                    opened.await;
                    read().await
                })
            }
        }
    }

    /// Sets the plan: it is asked with the number of the commit, from 0, and the batch.
    pub fn plan(&self, plan: impl Fn(u64, &Batch) -> Option<Fault> + Send + Sync + 'static) {
        *self.plan.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(plan);
    }

    /// Lets this happen before the next read of a run: what another process
    /// does between two reads of this one.
    pub fn between(&self, action: impl Future<Output = ()> + Send + 'static) {
        *self.between.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::pin(action));
    }

    /// Returns the number of commits that were asked for.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.commits.load(Ordering::SeqCst)
    }
}

impl Store for FaultyStore {
    fn commit(&self, batch: Batch, admission: Admission) -> BoxFuture<'static, Result<Outcome, Error>> {
        if self.is_dead() {
            return Box::pin(std::future::pending());
        }
        let number = self.commits.fetch_add(1, Ordering::SeqCst);
        let plan = Arc::clone(&*self.plan.lock().unwrap_or_else(PoisonError::into_inner));
        match plan(number, &batch) {
            None => {
                self.full.store(false, Ordering::SeqCst);
                self.pass(batch, admission)
            }
            Some(Fault::Full) => {
                self.full.store(true, Ordering::SeqCst);
                Box::pin(std::future::ready(Err(Error::Full("a fault of the test".into()))))
            }
            Some(Fault::Refused) => Box::pin(std::future::ready(Err(Error::Busy))),
            Some(Fault::Slow(time)) => {
                let commit = self.pass(batch, admission);
                Box::pin(async move {
                    tokio::time::sleep(time).await;
                    commit.await
                })
            }
            Some(Fault::DiesBefore) => {
                self.dead.send_replace(true);
                Box::pin(std::future::pending())
            }
            Some(Fault::DiesAfter) => {
                let commit = self.pass(batch, admission);
                let dead = Arc::clone(&self.dead);
                Box::pin(async move {
                    // The outcome is nobody's to hear.
                    let _ = commit.await;
                    dead.send_replace(true);
                    std::future::pending().await
                })
            }
        }
    }

    fn claim<'a>(&'a self, request: ClaimRequest<'a>) -> Read<'a, Vec<Claimed>> {
        // Its reads and its commit are accesses like any others.
        Box::pin(px_store::claim_by_commit(self, request))
    }

    fn key<'a>(&'a self, scope: Scope, key: &'a KeyId) -> Read<'a, Versioned<KeyRecord>> {
        self.read("key", move || self.inner.key(scope, key))
    }

    fn is_awaited<'a>(&'a self, scope: Scope, slug: &'a str) -> Read<'a, bool> {
        self.read("is_awaited", move || self.inner.is_awaited(scope, slug))
    }

    fn keys<'a>(
        &'a self,
        scope: Scope,
        slug: &'a str,
        after: Option<&'a str>,
        limit: usize,
    ) -> Read<'a, Vec<(KeyId, Versioned<KeyRecord>)>> {
        self.read("keys", move || self.inner.keys(scope, slug, after, limit))
    }

    fn waiters<'a>(
        &'a self,
        scope: Scope,
        key: &'a KeyId,
        token: Option<&'a str>,
        from: u64,
        limit: usize,
    ) -> Read<'a, Vec<(u64, Waiter)>> {
        self.read("waiters", move || self.inner.waiters(scope, key, token, from, limit))
    }

    fn waiter_place<'a>(&'a self, scope: Scope, key: &'a KeyId, waiter: WaiterId) -> Read<'a, Option<u64>> {
        self.read("waiter_place", move || self.inner.waiter_place(scope, key, waiter))
    }

    fn queued<'a>(
        &'a self,
        scope: Scope,
        key: &'a KeyId,
        from: u64,
        limit: usize,
    ) -> Read<'a, Vec<(u64, QueuedEvent)>> {
        self.read("queued", move || self.inner.queued(scope, key, from, limit))
    }

    fn tokens(&self, scope: Scope, limit: usize) -> Read<'_, Vec<Versioned<Token>>> {
        self.read("tokens", move || self.inner.tokens(scope, limit))
    }

    fn epoch(&self, scope: Scope, epoch: Epoch) -> Read<'_, u64> {
        self.read("epoch", move || self.inner.epoch(scope, epoch))
    }

    fn run(&self, scope: Scope, run: RunId) -> Read<'_, Option<RunRecord>> {
        let action = self.between.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.read("run", move || {
            Box::pin(async move {
                if let Some(action) = action {
                    action.await;
                }
                self.inner.run(scope, run).await
            })
        })
    }

    fn run_seq(&self, scope: Scope, run: RunId) -> Read<'_, Option<u64>> {
        self.read("run_seq", move || self.inner.run_seq(scope, run))
    }

    fn events(&self, scope: Scope, run: RunId, after: u64, limit: usize) -> Read<'_, Vec<Event>> {
        self.read("events", move || self.inner.events(scope, run, after, limit))
    }

    fn runs<'a>(
        &'a self,
        scope: Scope,
        filter: &'a RunFilter,
        beyond: Option<[u8; 16]>,
        limit: usize,
    ) -> Read<'a, Page<RunRecord>> {
        self.read("runs", move || self.inner.runs(scope, filter, beyond, limit))
    }

    fn run_ids(
        &self,
        scope: Scope,
        status: RunStatus,
        before: Option<RunId>,
        limit: usize,
    ) -> Read<'_, Vec<RunId>> {
        self.read("run_ids", move || self.inner.run_ids(scope, status, before, limit))
    }

    fn delivery(&self, scope: Scope, delivery: DeliveryId) -> Read<'_, Option<Delivery>> {
        self.read("delivery", move || self.inner.delivery(scope, delivery))
    }

    fn event_apart(&self, scope: Scope, delivery: DeliveryId, place: u32) -> Read<'_, Option<InboxEvent>> {
        self.read("event_apart", move || self.inner.event_apart(scope, delivery, place))
    }

    fn file_piece(&self, scope: Scope, file: FileId, piece: u32) -> Read<'_, Option<Bytes>> {
        self.read("file_piece", move || self.inner.file_piece(scope, file, piece))
    }

    fn deliveries<'a>(
        &'a self,
        scope: Scope,
        filter: &'a DeliveryFilter,
        before: Option<[u8; 16]>,
        limit: usize,
    ) -> Read<'a, Page<Delivery>> {
        self.read("deliveries", move || self.inner.deliveries(scope, filter, before, limit))
    }

    fn delivery_ids<'a>(
        &'a self,
        scope: Scope,
        list: DeliveryList<'a>,
        before: Option<DeliveryId>,
        limit: usize,
    ) -> Read<'a, Vec<DeliveryId>> {
        self.read("delivery_ids", move || self.inner.delivery_ids(scope, list, before, limit))
    }

    fn forgotten(&self, scope: Scope) -> Read<'_, Option<Forgotten>> {
        self.read("forgotten", move || self.inner.forgotten(scope))
    }

    fn dedup<'a>(&'a self, scope: Scope, slug: &'a str, id: &'a str) -> Read<'a, Option<DedupRecord>> {
        self.read("dedup", move || self.inner.dedup(scope, slug, id))
    }

    fn set_aside<'a>(&'a self, scope: Scope, slug: &'a str, id: &'a str) -> Read<'a, Option<SetAside>> {
        self.read("set_aside", move || self.inner.set_aside(scope, slug, id))
    }

    fn start_key<'a>(&'a self, scope: Scope, brain: &'a str, key: &'a str) -> Read<'a, Option<StartKey>> {
        self.read("start_key", move || self.inner.start_key(scope, brain, key))
    }

    fn work(
        &self,
        scope: Scope,
        after: Option<RunId>,
        limit: usize,
    ) -> Read<'_, Vec<(RunId, Versioned<Work>)>> {
        self.read("work", move || self.inner.work(scope, after, limit))
    }

    fn work_of(&self, scope: Scope, run: RunId) -> Read<'_, Option<Versioned<Work>>> {
        self.read("work_of", move || self.inner.work_of(scope, run))
    }

    fn due<'a>(
        &'a self,
        scope: Scope,
        until: Timestamp,
        after: Option<&'a Timer>,
        limit: usize,
    ) -> Read<'a, Vec<Timer>> {
        self.read("due", move || self.inner.due(scope, until, after, limit))
    }

    fn tail_after(&self, tail: &LogTail, events: &[Event], seq: u64) -> Result<LogTail, Error> {
        self.inner.tail_after(tail, events, seq)
    }

    fn scan<'a>(
        &'a self,
        scope: Scope,
        table: Table,
        after: Option<&'a Cursor>,
        limit: usize,
    ) -> Read<'a, Scan> {
        self.read("scan", move || self.inner.scan(scope, table, after, limit))
    }

    fn is_armed<'a>(&'a self, scope: Scope, timer: &'a Timer) -> Read<'a, bool> {
        self.read("is_armed", move || self.inner.is_armed(scope, timer))
    }

    fn outbox(&self) -> &dyn px_store::outbox::OutboxStore {
        // Its writes are commits, and those are counted.
        self.inner.outbox()
    }

    fn kv(&self) -> &dyn KvStore {
        self
    }

    fn hints(&self) -> &Arc<HintBus> {
        self.inner.hints()
    }

    fn inspect(&self) -> Option<&dyn Inspect> {
        self.inner.inspect()
    }

    fn failure(&self) -> watch::Receiver<Option<String>> {
        self.inner.failure()
    }

    fn unwritten(&self) -> Option<String> {
        let full = self.full.load(Ordering::SeqCst).then(|| "the store has no room".to_owned());
        full.or_else(|| self.inner.unwritten())
    }

    fn close(&self) -> Result<(), Error> {
        self.inner.close()
    }
}
