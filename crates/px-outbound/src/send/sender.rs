//! The sender's loop: hints, a poll for what no hint told of, the jobs under
//! way, and its end. It has threads of its own: where the rest of px has all
//! it can do, a callback would else wait in the same queue at each of its turns,
//! and runs would wait behind callbacks.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use px_store::cluster::{Duty, Slot};
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::{Id, JoinError, JoinHandle, JoinSet};

use super::job::{Job, Report};
use super::scheduler::Scheduler;
use super::{Limits, SenderContext, sweep};

/// Number of lanes one poll looks at.
const POLLED_LANES: usize = 1_024;
/// The loop looks again after this long at the latest, whatever it waits for.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);
/// Interval at which what is too old to keep is removed.
const SWEEP: Duration = Duration::from_secs(60);
/// Maximum number of threads for callbacks.
const MAX_THREADS: usize = 4;

/// A running sender. Dropping it without [`Sender::shutdown`] stops it like a
/// crash would.
#[derive(Debug)]
pub struct Sender {
    stopping: watch::Sender<bool>,
    sending: JoinHandle<()>,
    sweeping: JoinHandle<()>,
    /// Gone once it was told to end; an end does not wait for its threads.
    threads: Option<Runtime>,
}

impl Drop for Sender {
    fn drop(&mut self) {
        if let Some(threads) = self.threads.take() {
            threads.shutdown_background();
        }
    }
}

impl Sender {
    /// Starts sending. What was under way when the last process ended is due
    /// now and goes out at once.
    ///
    /// # Errors
    /// The operating system gives it no threads.
    pub fn start(parts: SenderContext, limits: Limits) -> std::io::Result<Self> {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let threads = tokio::runtime::Builder::new_multi_thread()
            .worker_threads((cores / 2).clamp(1, MAX_THREADS))
            .thread_name("px-hooks")
            .enable_all()
            .build()?;
        let stopping = watch::Sender::new(false);
        let sending = threads.spawn(run(parts.clone(), limits, stopping.subscribe()));
        let sweeping = threads.spawn(tidy(parts, limits, stopping.subscribe()));
        Ok(Self { stopping, sending, sweeping, threads: Some(threads) })
    }

    /// Takes up nothing more, lets what is under way end for `grace`, and
    /// gives up the rest: it is due again at the next start.
    pub async fn shutdown(mut self, grace: Duration) {
        self.stopping.send_replace(true);
        self.sweeping.abort();
        if tokio::time::timeout(grace, &mut self.sending).await.is_err() {
            // The loop owns the jobs: they go with it.
            self.sending.abort();
            let _ = (&mut self.sending).await;
        }
    }
}

async fn run(parts: SenderContext, limits: Limits, mut stopping: watch::Receiver<bool>) {
    let hints = Arc::clone(parts.store.hints());
    let mut scheduler = Scheduler::new(parts.clone(), limits.max_in_flight);
    let mut jobs: JoinSet<Report> = JoinSet::new();
    let mut poll = tokio::time::interval(limits.poll);
    poll.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut taken = Vec::new();
    let mut under_way: HashMap<Id, Job> = HashMap::new();
    // What the last process left is due at once, in however many lanes.
    while let Ok(false) = scheduler.poll(POLLED_LANES).await {
        tokio::task::yield_now().await;
    }
    loop {
        if let Err(error) = scheduler.next_jobs(&mut taken).await {
            tracing::error!(%error, "due deliveries could not be read; the next poll tries again");
        }
        for job in taken.drain(..) {
            let parts = parts.clone();
            under_way.insert(jobs.spawn(async move { job.run(&parts).await }).id(), job);
        }
        let now = parts.clock.now();
        let sleep = scheduler.next_wake().map_or(LONGEST_SLEEP, |at| at.since(now).min(LONGEST_SLEEP));
        tokio::select! {
            () = stopped(&mut stopping) => break,
            lanes = hints.callback() => for lane in lanes { scheduler.mark_dirty(lane) },
            _ = poll.tick() => {
                if let Err(error) = scheduler.poll(POLLED_LANES).await {
                    tracing::error!(%error, "due deliveries could not be looked for");
                }
            }
            Some(report) = jobs.join_next_with_id() => settle(&mut scheduler, &mut under_way, report),
            () = tokio::time::sleep(sleep) => {}
        }
        while let Some(report) = jobs.try_join_next_with_id() {
            settle(&mut scheduler, &mut under_way, report);
        }
    }
    while let Some(report) = jobs.join_next_with_id().await {
        settle(&mut scheduler, &mut under_way, report);
    }
    scheduler.saved().await;
}

fn settle(
    scheduler: &mut Scheduler,
    under_way: &mut HashMap<Id, Job>,
    ended: Result<(Id, Report), JoinError>,
) {
    match ended {
        Ok((id, report)) => {
            under_way.remove(&id);
            scheduler.done(report);
        }
        Err(error) => {
            tracing::error!(%error, "an attempt broke off");
            if let Some(job) = under_way.remove(&error.id()) {
                scheduler.lost(job);
            }
        }
    }
}

async fn tidy(parts: SenderContext, limits: Limits, mut stopping: watch::Receiver<bool>) {
    tokio::select! {
        () = stopped(&mut stopping) => return,
        released = super::held::release_held(&parts) => if let Err(error) = released {
            tracing::error!(%error, "callbacks that were held could not be let go; the next start tries again");
        }
    }
    loop {
        tokio::select! {
            () = stopped(&mut stopping) => return,
            () = tokio::time::sleep(SWEEP) => {}
        }
        // One member of the cluster sweeps for all.
        if parts.cluster.slot(Slot::Duty(Duty::Outbox)).is_none() {
            continue;
        }
        if let Err(error) = sweep(&parts, limits.retention).await {
            tracing::error!(%error, "old deliveries could not be removed");
        }
    }
}

async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // The sender is gone only with the whole of it.
    let _ = stopping.wait_for(|stopping| *stopping).await;
}
