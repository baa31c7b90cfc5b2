//! Those who follow one run each. One task reads all hints, and looks at the runs that
//! they concern; once a second it looks at all that are followed. So a change of a run
//! costs the watchers of others nothing, the number of its own costs no read, and
//! nothing is heard while nobody follows a run.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use px_core::RunId;
use tokio::sync::Notify;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};

use super::followed::{Followed, Turns};
use super::subscription::Subscription;
use crate::app::{App, Shared};

/// Interval at which the store is looked at when no hint comes (docs/rules.md#41).
const POLL: Duration = Duration::from_secs(1);

/// The runs that are followed.
#[derive(Default)]
pub(crate) struct Watchers {
    runs: Mutex<HashMap<RunId, (usize, Arc<Followed>)>>,
    turns: Turns,
    hints: Subscription,
    /// The last one left.
    left: Notify,
}

/// A run that is followed until this is dropped.
pub(crate) struct Following {
    app: Shared,
    id: RunId,
    run: Arc<Followed>,
}

impl Deref for Following {
    type Target = Followed;

    fn deref(&self) -> &Followed {
        &self.run
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.app.streams.runs.leave(self.id);
    }
}

impl Watchers {
    /// Begins to follow a run: what a later read does not see is told.
    pub(crate) fn follow(app: &Shared, id: RunId) -> Following {
        let this = &app.streams.runs;
        let run = {
            let mut runs = this.runs();
            let (count, run) = runs.entry(id).or_insert_with(|| (0, Arc::new(Followed::new(id))));
            *count += 1;
            Arc::clone(run)
        };
        this.hints.begin(app.store().hints());
        Following { app: Arc::clone(app), id, run }
    }

    fn leave(&self, run: RunId) {
        let mut runs = self.runs();
        if let Entry::Occupied(mut entry) = runs.entry(run) {
            let (count, _) = entry.get_mut();
            *count -= 1;
            if *count == 0 {
                entry.remove();
            }
        }
        if runs.is_empty() {
            self.left.notify_one();
        }
    }

    pub(super) const fn turns(&self) -> &Turns {
        &self.turns
    }

    fn followed(&self, changed: &Changed) -> Vec<Arc<Followed>> {
        let runs = self.runs();
        match changed {
            Changed::All => runs.values().map(|(_, run)| Arc::clone(run)).collect(),
            Changed::These(ids) => {
                ids.iter().filter_map(|id| runs.get(id)).map(|(_, run)| Arc::clone(run)).collect()
            }
        }
    }

    fn runs(&self) -> MutexGuard<'_, HashMap<RunId, (usize, Arc<Followed>)>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The runs to look at. There are no more of them than the channel of hints holds.
enum Changed {
    These(BTreeSet<RunId>),
    /// Something was missed, or it is time.
    All,
}

impl Changed {
    /// Adds the hints that have come, without waiting.
    fn and(mut self, hints: &mut Receiver<RunId>) -> Self {
        for _ in 0..hints.len() {
            match (hints.try_recv(), &mut self) {
                (Ok(run), Self::These(runs)) => {
                    runs.insert(run);
                }
                (Err(TryRecvError::Lagged(_)), _) => self = Self::All,
                (Ok(_), Self::All) | (Err(TryRecvError::Empty | TryRecvError::Closed), _) => {}
            }
        }
        self
    }
}

/// Looks at the runs that are followed until the server ends.
pub(crate) async fn hand_on(app: Shared) {
    let mut closing = app.closing.clone();
    let always = async {
        loop {
            let hints = app.streams.runs.hints.begun().await;
            hand_on_while_watched(&app, hints).await;
        }
    };
    tokio::select! {
        () = always => {}
        _ = closing.wait_for(|closing| *closing) => {}
    }
}

async fn hand_on_while_watched(app: &App, mut hints: Receiver<RunId>) {
    let watchers = &app.streams.runs;
    let mut poll = tokio::time::interval(POLL);
    poll.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let changed = tokio::select! {
            hint = hints.recv() => match hint {
                Ok(run) => Changed::These(BTreeSet::from([run])),
                Err(RecvError::Lagged(_)) => Changed::All,
                // The store is gone, and with it whatever could be looked at.
                Err(RecvError::Closed) => std::future::pending().await,
            },
            _ = poll.tick() => Changed::All,
            () = watchers.left.notified() => {
                if watchers.hints.ends_if(|| watchers.runs().is_empty()) {
                    return;
                }
                continue;
            }
        };
        for run in watchers.followed(&changed.and(&mut hints)) {
            run.look_for_all(app).await;
        }
    }
}
