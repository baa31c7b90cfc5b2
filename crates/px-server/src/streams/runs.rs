//! Hints for those who follow one run. One task reads all hints and wakes whom
//! they concern, so that a change of a run costs the watchers of others nothing.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use px_core::RunId;
use tokio::sync::Notify;
use tokio::sync::broadcast::error::RecvError;

use crate::app::Shared;

/// Those who follow runs.
#[derive(Default)]
pub(crate) struct Watchers {
    runs: Mutex<HashMap<RunId, (usize, Arc<Notify>)>>,
}

impl Watchers {
    /// Begins to listen to a run.
    pub(crate) fn listen(&self, run: RunId) -> Arc<Notify> {
        let mut runs = self.runs();
        let (count, notify) = runs.entry(run).or_default();
        *count += 1;
        Arc::clone(notify)
    }

    /// Ends what [`Watchers::listen`] began.
    pub(crate) fn leave(&self, run: RunId) {
        if let Entry::Occupied(mut entry) = self.runs().entry(run) {
            let (count, _) = entry.get_mut();
            *count -= 1;
            if *count == 0 {
                entry.remove();
            }
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

/// Hands hints on until the server ends.
pub(crate) async fn hand_on(app: Shared) {
    let mut closing = app.closing.clone();
    let mut hints = app.store().hints().runs();
    loop {
        let hint = tokio::select! {
            hint = hints.recv() => hint,
            _ = closing.wait_for(|closing| *closing) => return,
        };
        match hint {
            Ok(run) => app.streams.runs.wake(run),
            // Something was missed, so everybody looks.
            Err(RecvError::Lagged(_)) => app.streams.runs.wake_all(),
            Err(RecvError::Closed) => return,
        }
    }
}
