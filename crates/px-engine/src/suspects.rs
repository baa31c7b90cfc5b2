//! Turns for runs whose step ran when processes died, twice: one more death
//! pauses such a run. Up to as many runs as there are places may have been
//! running beside the one that kills, so only a few of them run at once, and
//! they begin one after the other: what dies with the next process is among
//! these few.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// Suspects that run at once.
const AT_ONCE: usize = 4;

/// Between the starts of two suspects.
const APART: Duration = Duration::from_secs(1);

/// The turns of one engine.
pub(crate) struct Suspects {
    turns: Arc<Semaphore>,
    /// Earliest time at which the next one may begin.
    next: Mutex<Option<Instant>>,
}

impl Default for Suspects {
    fn default() -> Self {
        Self { turns: Arc::new(Semaphore::new(AT_ONCE)), next: Mutex::default() }
    }
}

impl Suspects {
    /// Waits for a turn, which ends when it is dropped. Turns are given in the
    /// order in which they are asked for.
    pub(crate) async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        let turn = Arc::clone(&self.turns).acquire_owned().await.ok()?;
        let mut next = self.next.lock().await;
        if let Some(at) = *next {
            tokio::time::sleep_until(at).await;
        }
        *next = Some(Instant::now() + APART);
        Some(turn)
    }
}
