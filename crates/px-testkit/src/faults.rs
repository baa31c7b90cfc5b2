//! A store with faults: it counts commits and lets each one happen, fail
//! before it is durable, or be durable without anybody hearing of it, which
//! is what the death of a process around a commit comes to.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use px_core::{DeliveryId, Event, KeyId, KeyRecord, RunId, Scope, Timestamp};
use px_store::{
    Admission, Batch, BoxFuture, Cursor, DedupRecord, Delivery, DeliveryFilter, Error, HintBus, Outcome,
    Page, QueuedEvent, Read, Row, RowStats, RunFilter, RunRecord, Scan, StartKey, Store, Table, Timer,
    Versioned, Work,
};
use tokio::sync::watch;

/// What happens to a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing was written; the caller is told so.
    Refused,
    /// It takes this long, on tokio's clock.
    Slow(std::time::Duration),
    /// Nothing was written, and the process is dead from here on.
    DiesBefore,
    /// It is durable, and the process is dead from here on.
    DiesAfter,
}

type Plan = Arc<dyn Fn(u64, &Batch) -> Option<Fault> + Send + Sync>;

/// A [`Store`] that consults a plan at every commit.
#[derive(Clone)]
pub struct FaultyStore {
    inner: Arc<dyn Store>,
    plan: Arc<Mutex<Plan>>,
    commits: Arc<AtomicU64>,
    between: Arc<Mutex<Option<BoxFuture<'static, ()>>>>,
    dead: Arc<watch::Sender<bool>>,
}

impl std::fmt::Debug for FaultyStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FaultyStore").field("commits", &self.commits()).finish_non_exhaustive()
    }
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

    /// How many commits were asked for.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.commits.load(Ordering::SeqCst)
    }

    /// Whether the process is dead. Nothing it does has an effect any more.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        *self.dead.borrow()
    }

    /// Resolves when the process is dead.
    pub async fn death(&self) {
        // The sender lives as long as `self`.
        let _ = self.dead.subscribe().wait_for(|dead| *dead).await;
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
            None => self.inner.commit(batch, admission),
            Some(Fault::Refused) => Box::pin(std::future::ready(Err(Error::Busy))),
            Some(Fault::Slow(time)) => {
                let inner = Arc::clone(&self.inner);
                Box::pin(async move {
                    tokio::time::sleep(time).await;
                    inner.commit(batch, admission).await
                })
            }
            Some(Fault::DiesBefore) => {
                self.dead.send_replace(true);
                Box::pin(std::future::pending())
            }
            Some(Fault::DiesAfter) => {
                let commit = self.inner.commit(batch, admission);
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

    fn key<'a>(&'a self, scope: Scope, key: &'a KeyId) -> Read<'a, Versioned<KeyRecord>> {
        self.inner.key(scope, key)
    }

    fn is_awaited<'a>(&'a self, scope: Scope, slug: &'a str) -> Read<'a, bool> {
        self.inner.is_awaited(scope, slug)
    }

    fn queued<'a>(
        &'a self,
        scope: Scope,
        key: &'a KeyId,
        from: u64,
        limit: usize,
    ) -> Read<'a, Vec<(u64, QueuedEvent)>> {
        self.inner.queued(scope, key, from, limit)
    }

    fn run(&self, scope: Scope, run: RunId) -> Read<'_, Option<RunRecord>> {
        let action = self.between.lock().unwrap_or_else(PoisonError::into_inner).take();
        Box::pin(async move {
            if let Some(action) = action {
                action.await;
            }
            self.inner.run(scope, run).await
        })
    }

    fn events(&self, scope: Scope, run: RunId, after: u64, limit: usize) -> Read<'_, Vec<Event>> {
        self.inner.events(scope, run, after, limit)
    }

    fn runs<'a>(
        &'a self,
        scope: Scope,
        filter: &'a RunFilter,
        before: Option<[u8; 16]>,
        limit: usize,
    ) -> Read<'a, Page<RunRecord>> {
        self.inner.runs(scope, filter, before, limit)
    }

    fn delivery(&self, scope: Scope, delivery: DeliveryId) -> Read<'_, Option<Delivery>> {
        self.inner.delivery(scope, delivery)
    }

    fn deliveries<'a>(
        &'a self,
        scope: Scope,
        filter: &'a DeliveryFilter,
        before: Option<[u8; 16]>,
        limit: usize,
    ) -> Read<'a, Page<Delivery>> {
        self.inner.deliveries(scope, filter, before, limit)
    }

    fn dedup<'a>(&'a self, scope: Scope, slug: &'a str, id: &'a str) -> Read<'a, Option<DedupRecord>> {
        self.inner.dedup(scope, slug, id)
    }

    fn start_key<'a>(&'a self, scope: Scope, brain: &'a str, key: &'a str) -> Read<'a, Option<StartKey>> {
        self.inner.start_key(scope, brain, key)
    }

    fn work(
        &self,
        scope: Scope,
        after: Option<RunId>,
        limit: usize,
    ) -> Read<'_, Vec<(RunId, Versioned<Work>)>> {
        self.inner.work(scope, after, limit)
    }

    fn work_of(&self, scope: Scope, run: RunId) -> Read<'_, Option<Versioned<Work>>> {
        self.inner.work_of(scope, run)
    }

    fn due(&self, scope: Scope, until: Timestamp, limit: usize) -> Read<'_, Vec<Timer>> {
        self.inner.due(scope, until, limit)
    }

    fn scan<'a>(
        &'a self,
        scope: Scope,
        table: Table,
        after: Option<&'a Cursor>,
        limit: usize,
    ) -> Read<'a, Scan> {
        self.inner.scan(scope, table, after, limit)
    }

    fn is_armed<'a>(&'a self, scope: Scope, timer: &'a Timer) -> Read<'a, bool> {
        self.inner.is_armed(scope, timer)
    }

    fn unlisted<'a>(&'a self, scope: Scope, row: &'a Row) -> Read<'a, Vec<String>> {
        self.inner.unlisted(scope, row)
    }

    fn outbox(&self) -> &dyn px_store::outbox::OutboxStore {
        // Its writes are commits, and those are counted.
        self.inner.outbox()
    }

    fn hints(&self) -> &Arc<HintBus> {
        self.inner.hints()
    }

    fn stats(&self) -> RowStats {
        self.inner.stats()
    }

    fn failure(&self) -> watch::Receiver<Option<String>> {
        self.inner.failure()
    }

    fn close(&self) -> Result<(), Error> {
        self.inner.close()
    }
}
