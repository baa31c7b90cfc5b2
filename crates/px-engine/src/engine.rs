//! The engine's loops: one that hands ready runs to executors, one that rings
//! timers, and their end.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use px_core::RunId;
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};
use tracing::Instrument as _;

use crate::executor;
use crate::session::SessionError;
use crate::shared::{Limits, Parts};
use crate::timer;

/// How many rows of work are read at once.
const SCAN: usize = 512;

/// A running engine. Dropping it without [`Engine::shutdown`] stops it like a
/// crash would; the next start takes up every run where it was.
#[derive(Debug)]
pub struct Engine {
    shared: Arc<Shared>,
    dispatcher: JoinHandle<()>,
    timer: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    parts: Parts,
    limits: Limits,
    places: Arc<Semaphore>,
    running: Mutex<HashMap<RunId, Again>>,
    stopping: watch::Sender<bool>,
}

/// Whether a run became ready once more while its executor was about to let go.
type Again = bool;

impl Engine {
    /// Starts the loops. Runs that were ready when the last process ended are
    /// taken up at once.
    #[must_use]
    pub fn start(parts: Parts, limits: Limits) -> Self {
        let shared = Arc::new(Shared {
            places: Arc::new(Semaphore::new(limits.max_concurrent_steps)),
            parts,
            limits,
            running: Mutex::default(),
            stopping: watch::Sender::new(false),
        });
        let dispatcher = tokio::spawn(Arc::clone(&shared).dispatch());
        let timer = tokio::spawn(Arc::clone(&shared).ring());
        Self { shared, dispatcher, timer }
    }

    /// Claims nothing more, lets running steps finish for `grace`, drops those
    /// that have not, and gives their runs back.
    pub async fn shutdown(self, grace: Duration) {
        self.shared.stopping.send_replace(true);
        self.timer.abort();
        let mut dispatcher = self.dispatcher;
        if tokio::time::timeout(grace, &mut dispatcher).await.is_err() {
            // The dispatcher owns the executors' tasks: they go with it.
            dispatcher.abort();
            let _ = dispatcher.await;
        }
        let left: Vec<RunId> = self.shared.running().keys().copied().collect();
        for run in left {
            if let Err(error) = executor::release(&self.shared.parts, run).await {
                tracing::warn!(%run, %error, "a run could not be given back; the next start takes it up");
            }
        }
    }
}

impl Shared {
    fn running(&self) -> MutexGuard<'_, HashMap<RunId, Again>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn dispatch(self: Arc<Self>) {
        let mut tasks = JoinSet::new();
        let mut stopping = self.stopping.subscribe();
        let hints = Arc::clone(self.parts.store.hints());
        let mut poll = tokio::time::interval(self.limits.poll);
        poll.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stopped(&mut stopping) => break,
                _ = poll.tick() => self.scan(&mut tasks).await,
                ready = hints.work() => {
                    for run in ready {
                        self.hand_over(&mut tasks, run).await;
                    }
                }
                Some(_) = tasks.join_next() => {}
            }
            while tasks.try_join_next().is_some() {}
        }
        while tasks.join_next().await.is_some() {}
    }

    /// Finds ready runs that no hint told of: after a start, all of them.
    async fn scan(self: &Arc<Self>, tasks: &mut JoinSet<()>) {
        let mut after = None;
        loop {
            let rows = match self.parts.store.work(self.parts.scope, after, SCAN).await {
                Ok(rows) => rows,
                Err(error) => {
                    tracing::error!(%error, "ready runs could not be read");
                    return;
                }
            };
            let full = rows.len() == SCAN;
            for (run, work) in rows {
                after = Some(run);
                let mine = work.record.owner == Some(self.parts.owner);
                if !(mine && self.running().contains_key(&run)) {
                    self.hand_over(tasks, run).await;
                }
            }
            if !full {
                return;
            }
        }
    }

    async fn hand_over(self: &Arc<Self>, tasks: &mut JoinSet<()>, run: RunId) {
        if let Some(again) = self.running().get_mut(&run) {
            *again = true;
            return;
        }
        let place = match Arc::clone(&self.places).try_acquire_owned() {
            Ok(place) => place,
            Err(_) => {
                let mut stopping = self.stopping.subscribe();
                let place = tokio::select! {
                    place = Arc::clone(&self.places).acquire_owned() => place,
                    () = stopped(&mut stopping) => return,
                };
                let Ok(place) = place else { return };
                place
            }
        };
        self.running().insert(run, false);
        // Each execution of users' code holds it too, and one that is written
        // off may hold it longer than its run.
        let place = Some(Arc::new(place));
        let shared = Arc::clone(self);
        tasks.spawn(async move {
            loop {
                let span = tracing::info_span!("run", %run);
                // On the heap, and so is the task: it is moved about while it is spawned.
                let executed = Box::pin(executor::execute(&shared.parts, &shared.limits, run, &place));
                if let Err(error) = executed.instrument(span).await {
                    tracing::error!(%run, %error, "a run could not be moved on; the next poll tries again");
                }
                let mut running = shared.running();
                match running.get_mut(&run) {
                    // It became ready once more while this executor let go.
                    Some(again) if *again && !*shared.stopping.borrow() => *again = false,
                    _ => {
                        running.remove(&run);
                        break;
                    }
                }
            }
            drop(place);
        });
    }

    async fn ring(self: Arc<Self>) {
        let hints = Arc::clone(self.parts.store.hints());
        loop {
            let next = match timer::ring_due(&self.parts, self.limits.poll).await {
                Ok(next) => next,
                Err(error) => {
                    tracing::error!(%error, "timers could not be read");
                    self.limits.poll
                }
            };
            tokio::select! {
                () = tokio::time::sleep(next) => {}
                () = hints.timer() => {}
            }
        }
    }
}

/// Runs every ready run, one after the other, until none is ready: the engine
/// without its loops, for tests in virtual time. Returns how many runs it moved.
///
/// # Errors
/// The store failed.
pub async fn drain(parts: &Parts, limits: &Limits) -> Result<usize, px_store::Error> {
    let mut moved = 0;
    loop {
        let ready = parts.store.work(parts.scope, None, SCAN).await?;
        if ready.is_empty() {
            return Ok(moved);
        }
        for (run, _) in ready {
            moved += 1;
            executor::execute(parts, limits, run, &None).await.map_err(|error| match error {
                SessionError::Store(error) => error,
                other => px_store::Error::Corrupt(other.to_string()),
            })?;
        }
    }
}

/// Rings every timer that is due: the other half of the engine without its loops.
///
/// # Errors
/// The store failed.
pub async fn ring_due(parts: &Parts) -> Result<(), px_store::Error> {
    timer::ring_due(parts, Duration::ZERO).await.map(drop)
}

/// Resolves when the engine is told to stop.
async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // The sender is gone only with the engine itself.
    let _ = stopping.wait_for(|stopping| *stopping).await;
}
