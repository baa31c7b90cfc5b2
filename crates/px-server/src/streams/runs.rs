//! Hints for those who follow one run. One task reads all hints and wakes whom
//! they concern, so that a change of a run costs the watchers of others nothing,
//! and hears none while nobody follows a run.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use px_core::RunId;
use px_store::HintBus;
use tokio::sync::Notify;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::subscription::Subscription;
use crate::app::Shared;

/// Those who follow runs.
#[derive(Default)]
pub(crate) struct Watchers {
    runs: Mutex<HashMap<RunId, (usize, Arc<Notify>)>>,
    hints: Subscription,
    /// The last one left.
    left: Notify,
}

impl Watchers {
    /// Begins to listen to a run: what is read after this call and not up to date is
    /// hinted at.
    pub(crate) fn listen(&self, run: RunId, bus: &HintBus) -> Arc<Notify> {
        let notify = {
            let mut runs = self.runs();
            let (count, notify) = runs.entry(run).or_default();
            *count += 1;
            Arc::clone(notify)
        };
        self.hints.begin(bus);
        notify
    }

    /// Ends what [`Watchers::listen`] began.
    pub(crate) fn leave(&self, run: RunId) {
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

    fn wake(&self, run: RunId) {
        if let Some((_, notify)) = self.runs().get(&run) {
            notify.notify_waiters();
        }
    }

    fn wake_all(&self) {
        self.runs().values().for_each(|(_, notify)| notify.notify_waiters());
    }

    fn runs(&self) -> MutexGuard<'_, HashMap<RunId, (usize, Arc<Notify>)>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Hands hints on until the server ends, while somebody follows a run.
pub(crate) async fn hand_on(app: Shared) {
    let mut closing = app.closing.clone();
    let watchers = &app.streams.runs;
    let always = async {
        loop {
            let hints = watchers.hints.begun().await;
            watchers.hand_on_while_watched(hints).await;
        }
    };
    tokio::select! {
        () = always => {}
        _ = closing.wait_for(|closing| *closing) => {}
    }
}

impl Watchers {
    async fn hand_on_while_watched(&self, mut hints: Receiver<RunId>) {
        loop {
            let hint = tokio::select! {
                hint = hints.recv() => hint,
                () = self.left.notified() => {
                    if self.hints.ends_if(|| self.runs().is_empty()) {
                        return;
                    }
                    continue;
                }
            };
            match hint {
                Ok(run) => self.wake(run),
                // Something was missed, so everybody looks.
                Err(RecvError::Lagged(_)) => self.wake_all(),
                // The store is gone, and with it whatever could be hinted at.
                Err(RecvError::Closed) => std::future::pending().await,
            }
        }
    }
}
