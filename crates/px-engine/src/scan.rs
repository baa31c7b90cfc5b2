//! The look at the ready runs: it finds those that no hint told of, those that a
//! takeover frees, and the executors whose runs were taken from them.

use std::collections::BTreeSet;
use std::sync::Arc;

use px_core::RunId;
use px_store::{Hint, Ready, Versioned, Work};
use tokio::task::JoinSet;

use crate::backlog::Backlog;
use crate::claim::{self, Taken};
use crate::engine::Shared;
use crate::shared::Parts;
use crate::takeover;

/// Rows of ready runs that are read at once.
pub(crate) const SCAN: usize = 512;

impl Shared {
    /// Finds ready runs that no hint told of: after a start, all of them.
    pub(crate) async fn scan(self: &Arc<Self>, tasks: &mut JoinSet<()>, backlog: &mut Backlog) {
        let parts = &self.parts;
        let durable = parts.places.durable();
        // Those that run now, and whose rows this look should find.
        let mut lost: BTreeSet<RunId> = match parts.cluster.is_shared() {
            true => parts.places.running().into_iter().collect(),
            false => BTreeSet::new(),
        };
        let (mut after, mut has_no_room) = (None, false);
        loop {
            let (rows, freed) = match page(parts, &mut after).await {
                Ok(page) => page,
                Err(error) => {
                    tracing::error!(%error, "ready runs could not be read");
                    return;
                }
            };
            let is_last = rows.len() < SCAN;
            let mut free = Vec::new();
            for (run, work) in rows {
                let is_freed = freed.contains(&run);
                if !self.is_mine(&work, is_freed) {
                    continue;
                }
                lost.remove(&run);
                let is_free = is_freed || work.record.owner.is_none();
                let deaths = work.record.deaths + u32::from(is_freed);
                if is_free && !parts.places.is_running(run) && !self.limits.is_suspect(deaths) {
                    free.push(run);
                } else if is_free || !parts.places.is_running(run) {
                    let claimed = work.record.owner.map(|_| work.version);
                    has_no_room |= !self.take_up(tasks, backlog, Ready { run, claimed }, Taken::Found);
                }
            }
            has_no_room |= !self.take_free(tasks, backlog, free).await;
            if has_no_room {
                // Those that were not reached are not lost.
                lost.clear();
            }
            if has_no_room || is_last {
                break;
            }
        }
        for (run, fence) in durable {
            self.find_again(tasks, backlog, run, fence).await;
        }
        // Another member may have ended them, and its hint reached nobody here:
        // their executors look for themselves.
        let lost: Vec<Hint> = lost.into_iter().map(Hint::Revoked).collect();
        parts.store.hints().publish(&lost);
    }

    /// Claims as many of these free runs as have a place, all in one commit; the
    /// others wait for theirs. False if no more can wait.
    async fn take_free(
        self: &Arc<Self>,
        tasks: &mut JoinSet<()>,
        backlog: &mut Backlog,
        mut free: Vec<RunId>,
    ) -> bool {
        let (parts, mut places) = (&self.parts, Vec::new());
        // One alone is claimed by its executor, and what comes next need not wait.
        if free.len() > 1 && backlog.is_empty() {
            places.extend(std::iter::from_fn(|| parts.places.try_acquire()).take(free.len()));
        }
        if !places.is_empty() {
            let claims = match claim::claim(parts, &free, places.len()).await {
                Ok(claims) => claims,
                Err(error) => {
                    tracing::error!(%error, "ready runs could not be claimed; the next poll tries again");
                    return true;
                }
            };
            if claims.len() < places.len() {
                // Others were first with what is left, or it is left to them.
                free.clear();
            }
            for (claimed, place) in claims.into_iter().zip(places) {
                let run = claimed.record.run.id;
                free.retain(|free| *free != run);
                let taken = match self.limits.is_suspect(claimed.work.deaths) {
                    true => Taken::Ready,
                    false => Taken::Claimed(Box::new(claimed)),
                };
                self.spawn(tasks, run, taken, Some(Arc::new(place)));
            }
        }
        let mut has_room = true;
        for run in free {
            has_room &= self.take_up(tasks, backlog, Ready { run, claimed: None }, Taken::Found);
        }
        has_room
    }

    fn is_mine(&self, work: &Versioned<Work>, is_freed: bool) -> bool {
        is_freed || work.record.owner.is_none_or(|owner| owner == self.parts.cluster.me())
    }

    /// Takes up a run that was born claimed and whose hint was lost, unless it
    /// was cancelled since.
    async fn find_again(
        self: &Arc<Self>,
        tasks: &mut JoinSet<()>,
        backlog: &mut Backlog,
        run: RunId,
        fence: u64,
    ) {
        match self.parts.store.work_of(self.parts.scope, run).await {
            Ok(Some(work)) if work.version == fence => {
                self.take_up(tasks, backlog, Ready { run, claimed: Some(fence) }, Taken::Found);
            }
            Ok(_) => drop(self.parts.places.take(run, fence)),
            Err(error) => tracing::error!(%run, %error, "a ready run could not be read"),
        }
    }
}

/// The next ready runs, and those of them that were free to be taken from
/// members that are none any more.
pub(crate) async fn page(
    parts: &Parts,
    after: &mut Option<RunId>,
) -> Result<(Vec<(RunId, Versioned<Work>)>, BTreeSet<RunId>), px_store::Error> {
    let rows = parts.store.work(parts.scope, *after, SCAN).await?;
    *after = rows.last().map(|(run, _)| *run).or(*after);
    let freed = takeover::free(parts, &rows).await?;
    Ok((rows, freed))
}
