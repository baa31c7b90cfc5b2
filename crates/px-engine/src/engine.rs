//! The engine's loops: one that hands ready runs to executors, one that rings
//! timers, one that keeps this process a member of its cluster, and their end.

use std::sync::Arc;
use std::time::Duration;

use px_core::RunId;
use px_store::{Hint, Ready};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::task::{JoinHandle, JoinSet};
use tracing::Instrument as _;

use crate::backlog::Backlog;
use crate::claim::{self, Executed, Taken};
use crate::executor::Place;
use crate::places::Reserved;
use crate::scan::{SCAN, page};
use crate::session::SessionError;
use crate::shared::{Limits, Parts};
use crate::takeover;
use crate::timer;

/// Doublings of the pause between two tries at a run that an error of the store kept
/// from moving on: sixteen seconds, where ready runs are looked for each second.
const MAX_DOUBLINGS: u32 = 4;

/// A running engine. Dropping it without [`Engine::shutdown`] stops it like a
/// crash would; the next start takes up every run where it was.
#[derive(Debug)]
pub struct Engine {
    shared: Arc<Shared>,
    dispatcher: JoinHandle<()>,
    timer: JoinHandle<()>,
    keeper: Option<JoinHandle<()>>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) parts: Parts,
    pub(crate) limits: Limits,
    stopping: watch::Sender<bool>,
    /// True once the cluster has ended this member.
    fenced: watch::Sender<bool>,
}

impl Engine {
    /// Starts the loops. Runs that were ready when the last process ended are
    /// taken up at once.
    #[must_use]
    pub fn start(parts: Parts, limits: Limits) -> Self {
        let (stopping, fenced) = (watch::Sender::new(false), watch::Sender::new(false));
        let shared = Arc::new(Shared { parts, limits, stopping, fenced });
        let is_shared = shared.parts.cluster.is_shared();
        let keeper = is_shared.then(|| tokio::spawn(Arc::clone(&shared).keep_membership()));
        let dispatcher = tokio::spawn(Arc::clone(&shared).dispatch());
        let timer = tokio::spawn(Arc::clone(&shared).ring());
        Self { shared, dispatcher, timer, keeper }
    }

    /// Resolves when the others have ended this member of the cluster
    /// ([`px_store::Error::Fenced`]): the engine has stopped, nothing that the
    /// process has claimed is its own any more, and it must end. Never resolves
    /// otherwise.
    pub fn fenced(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut fenced = self.shared.fenced.subscribe();
        async move {
            if fenced.wait_for(|fenced| *fenced).await.is_err() {
                std::future::pending().await
            }
        }
    }

    /// Claims nothing more, lets running steps finish for `grace`, drops those
    /// that have not, and gives their runs back.
    pub async fn shutdown(mut self, grace: Duration) {
        let parts = self.shared.parts.clone();
        parts.places.close();
        self.shared.stopping.send_replace(true);
        let ends = async { tokio::join!(&mut self.dispatcher, &mut self.timer) };
        if tokio::time::timeout(grace, ends).await.is_err() {
            // The dispatcher owns the executors' tasks: they go with it.
            for task in [&mut self.dispatcher, &mut self.timer] {
                task.abort();
                if !task.is_finished() {
                    let _ = task.await;
                }
            }
        }
        // By the rows, and not by what is known to run: a claim whose caller went away
        // is this process's as well, and would count as a death of it.
        if let Err(error) = takeover::give_back(&parts).await {
            tracing::warn!(%error, "runs could not be given back; the next start takes them up");
        }
        if let Some(keeper) = &self.keeper {
            keeper.abort();
            if let Err(error) = parts.cluster.leave().await {
                tracing::warn!(%error, "the cluster could not be left; the lease runs out instead");
            }
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.dispatcher.abort();
        self.timer.abort();
        if let Some(keeper) = &self.keeper {
            keeper.abort();
        }
    }
}

impl Shared {
    async fn dispatch(self: Arc<Self>) {
        let (mut tasks, mut backlog) = (JoinSet::new(), Backlog::default());
        let is_shared = self.parts.cluster.is_shared();
        let mut stopping = self.stopping.subscribe();
        let (hints, places) = (Arc::clone(self.parts.store.hints()), Arc::clone(&self.parts.places));
        let mut poll = tokio::time::interval(self.limits.poll);
        poll.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        // What earlier processes left comes first, however much hints tell of.
        poll.tick().await;
        self.scan(&mut tasks, &mut backlog).await;
        loop {
            tokio::select! {
                () = stopped(&mut stopping) => break,
                _ = poll.tick() => {
                    // What waits is known, and what is behind it has no place yet.
                    if is_shared || backlog.is_empty() {
                        self.scan(&mut tasks, &mut backlog).await;
                    }
                }
                ready = hints.work() => {
                    for ready in ready {
                        self.take_up(&mut tasks, &mut backlog, ready, Taken::Reserved);
                    }
                }
                place = places.acquire(), if !backlog.is_empty() => {
                    if let (Some(place), Some(run)) = (place, backlog.pop()) {
                        self.start_run(&mut tasks, run, place);
                    }
                }
                Some(_) = tasks.join_next() => {}
            }
            while tasks.try_join_next().is_some() {}
            if backlog.is_empty() {
                if backlog.take_partial() {
                    self.scan(&mut tasks, &mut backlog).await;
                } else if !hints.has_work() {
                    places.caught_up();
                }
            }
        }
        while tasks.join_next().await.is_some() {}
    }

    /// Starts a ready run that has a place or finds one; others wait for theirs,
    /// and what they wait for may be what comes behind them. One that was born claimed
    /// is `taken` as such. False if no more can wait.
    pub(crate) fn take_up(
        self: &Arc<Self>,
        tasks: &mut JoinSet<()>,
        backlog: &mut Backlog,
        ready: Ready,
        taken: fn(Box<Reserved>) -> Taken,
    ) -> bool {
        let (run, places) = (ready.run, &self.parts.places);
        if places.asks_again(run) {
            return true;
        }
        if let Some(reserved) = ready.claimed.and_then(|fence| places.take(run, fence)) {
            self.spawn(tasks, run, taken(Box::new(reserved)), None);
        } else if let (true, Some(place)) = (backlog.is_empty(), places.try_acquire()) {
            self.start_run(tasks, run, place);
        } else {
            return backlog.push(run);
        }
        true
    }

    fn start_run(self: &Arc<Self>, tasks: &mut JoinSet<()>, run: RunId, place: OwnedSemaphorePermit) {
        if !self.parts.places.asks_again(run) {
            // Each execution of users' code holds it too, and one that is written
            // off may hold it longer than its run.
            self.spawn(tasks, run, Taken::Ready, Some(Arc::new(place)));
        }
    }

    pub(crate) fn spawn(self: &Arc<Self>, tasks: &mut JoinSet<()>, run: RunId, taken: Taken, place: Place) {
        self.parts.places.begin(run);
        let shared = Arc::clone(self);
        tasks.spawn(async move {
            let (mut taken, mut place, mut failures) = (taken, place, 0);
            loop {
                let span = tracing::info_span!("run", %run);
                // On the heap, and so is the task: it is moved about while it is spawned.
                let executed = Box::pin(claim::execute(&shared.parts, &shared.limits, run, taken, &place));
                let executed = match executed.instrument(span).await {
                    Ok(Executed::Suspect) => {
                        drop(place.take());
                        shared.run_suspect(run).await
                    }
                    other => other,
                };
                taken = Taken::Ready;
                match executed {
                    Ok(_) => failures = 0,
                    Err(error) => {
                        place = shared.rest(run, &error, place, failures).await;
                        failures += 1;
                        taken = Taken::Again { in_turn: false };
                        // What it has is not done, whoever else asks.
                        shared.parts.places.asks_again(run);
                    }
                }
                if !shared.parts.places.goes_on(run) {
                    break;
                }
                // One that is born claimed has its place, and would wait here for that very one.
                if place.is_none() && !shared.parts.places.is_reserved(run) {
                    // The one of its claim went with it.
                    place = shared.parts.places.acquire().await.map(Arc::new);
                }
            }
        });
    }

    /// Waits after an error of the store before a run is tried again, longer each time.
    /// While the store takes no commits at all, each run that meets that keeps its
    /// place meanwhile, so that no others begin steps whose results would be lost. An
    /// error about the run's own records is in nobody else's way.
    async fn rest(&self, run: RunId, error: &SessionError, place: Place, failures: u32) -> Place {
        let pause = self.limits.poll * 2_u32.pow(failures.min(MAX_DOUBLINGS));
        tracing::error!(%run, %error, "a run could not be moved on; it is tried again in {pause:?}");
        let mut stopping = self.stopping.subscribe();
        let rest = async {
            let place = match place {
                _ if !error.is_about_store() => None,
                // The one of its claim went with it.
                None => self.parts.places.acquire().await.map(Arc::new),
                held => held,
            };
            tokio::time::sleep(pause).await;
            place
        };
        tokio::select! {
            place = rest => place,
            () = stopped(&mut stopping) => None,
        }
    }

    /// Runs a run that may be what kills processes, when it is its turn. While it
    /// waits it has no place, and a stop of the engine ends the wait; what has begun
    /// has the same time to finish as every step.
    async fn run_suspect(&self, run: RunId) -> Result<Executed, SessionError> {
        let mut stopping = self.stopping.subscribe();
        let turn = async {
            let turn = self.parts.places.suspects.turn().await;
            (turn, self.parts.places.acquire().await.map(Arc::new))
        };
        let (_turn, place) = tokio::select! {
            held = turn => held,
            () = stopped(&mut stopping) => return Ok(Executed::Nothing),
        };
        let taken = Taken::Again { in_turn: true };
        Box::pin(claim::execute(&self.parts, &self.limits, run, taken, &place)).await
    }

    /// Renews this member's lease, and takes over from those who did not.
    async fn keep_membership(self: Arc<Self>) {
        let mut beats = tokio::time::interval(self.limits.poll);
        beats.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            beats.tick().await;
            match takeover::beat(&self.parts).await {
                Ok(()) => {}
                Err(error @ px_store::Error::Fenced) => {
                    // What still runs here can commit nothing more.
                    tracing::error!(%error, "the engine stops");
                    self.parts.places.close();
                    self.stopping.send_replace(true);
                    self.fenced.send_replace(true);
                    let running = self.parts.places.running().into_iter().map(Hint::Revoked);
                    self.parts.store.hints().publish(&running.collect::<Vec<_>>());
                    return;
                }
                Err(error) => tracing::error!(%error, "the lease could not be renewed"),
            }
        }
    }

    async fn ring(self: Arc<Self>) {
        let hints = Arc::clone(self.parts.store.hints());
        let mut stopping = self.stopping.subscribe();
        let mut spoilt = timer::Spoilt::default();
        loop {
            let rung = timer::ring_due(&self.parts, self.limits.poll, timer::is_mine, &mut spoilt);
            let next = match rung.await {
                Ok(next) => next,
                Err(error) => {
                    tracing::error!(%error, "timers could not be read");
                    self.limits.poll
                }
            };
            tokio::select! {
                () = tokio::time::sleep(next) => {}
                () = hints.timer() => {}
                () = stopped(&mut stopping) => return,
            }
        }
    }
}

/// Runs every ready run that no other member has, one after the other, until
/// none is ready: the engine without its loops, for tests in virtual time.
/// Returns how many runs it moved.
///
/// # Errors
/// The store failed.
pub async fn drain(parts: &Parts, limits: &Limits) -> Result<usize, px_store::Error> {
    let mut moved = 0;
    loop {
        let (mut after, before) = (None, moved);
        loop {
            let (rows, freed) = page(parts, &mut after).await?;
            let full = rows.len() == SCAN;
            for (run, work) in rows {
                let is_others = work.record.owner.is_some_and(|owner| owner != parts.cluster.me());
                if is_others && !freed.contains(&run) {
                    continue;
                }
                let executed = Box::pin(claim::execute(parts, limits, run, Taken::InTurn, &None)).await;
                match executed.map_err(as_store_error)? {
                    Executed::Moved => moved += 1,
                    Executed::Nothing | Executed::Suspect => {}
                }
            }
            if !full {
                break;
            }
        }
        if moved == before {
            parts.places.caught_up();
            return Ok(moved);
        }
    }
}

fn as_store_error(error: SessionError) -> px_store::Error {
    match error {
        SessionError::Store(error) => error,
        other => px_store::Error::Corrupt(other.to_string()),
    }
}

/// Renews the lease of this member of the cluster, and ends the members whose
/// leases are over: what the engine does each second where a store is shared.
///
/// # Errors
/// The cluster could not be read or written, or has ended this member.
pub async fn beat(parts: &Parts) -> Result<(), px_store::Error> {
    takeover::beat(parts).await
}

/// Rings every timer that is due, whichever member has its slot: the other half of
/// the engine without its loops.
///
/// # Errors
/// The store failed.
pub async fn ring_due(parts: &Parts) -> Result<(), px_store::Error> {
    timer::ring_due(parts, Duration::ZERO, |_, _, _| true, &mut timer::Spoilt::default()).await.map(drop)
}

/// Resolves when the engine is told to stop.
async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // The sender is gone only with the engine itself.
    let _ = stopping.wait_for(|stopping| *stopping).await;
}
