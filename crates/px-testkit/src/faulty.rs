//! The seams of a store with faults: its plan, its gate, and what watches it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Waker};

use px_store::{Admission, Batch, BoxFuture, Error, Outcome, Read, Store};
use tokio::sync::{oneshot, watch};

use crate::fault::{Access, Detour, Fault, Gate, Observer, Plan, Submitted};

/// A [`Store`] that consults a plan at every commit.
#[derive(Clone)]
pub struct FaultyStore {
    pub(crate) inner: Arc<dyn Store>,
    pub(crate) plan: Arc<Mutex<Plan>>,
    pub(crate) commits: Arc<AtomicU64>,
    pub(crate) between: Arc<Mutex<Option<BoxFuture<'static, ()>>>>,
    pub(crate) dead: Arc<watch::Sender<bool>>,
    pub(crate) full: Arc<AtomicBool>,
    pub(crate) gate: Arc<OnceLock<Gate>>,
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
    pub(crate) fn pass(
        &self,
        batch: Batch,
        admission: Admission,
    ) -> BoxFuture<'static, Result<Outcome, Error>> {
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
