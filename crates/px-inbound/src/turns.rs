//! Turns: deliveries that met a conflict on a key take it one after the
//! other. The first try needs no turn, so an uncontended key costs nothing.

use std::hash::{DefaultHasher, Hash, Hasher};

use px_core::KeyId;
use tokio::sync::{Mutex, MutexGuard};

/// Number of keys that can be contended at once without waiting for each other.
const STRIPES: usize = 64;

#[derive(Debug)]
pub(crate) struct Turns(Vec<Mutex<()>>);

impl Default for Turns {
    fn default() -> Self {
        Self((0..STRIPES).map(|_| Mutex::new(())).collect())
    }
}

impl Turns {
    /// Waits for the turn; it ends when the guard is dropped.
    pub(crate) async fn take(&self, key: &KeyId) -> Option<MutexGuard<'_, ()>> {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        let stripe = usize::try_from(hasher.finish() % STRIPES as u64).unwrap_or(0);
        match self.0.get(stripe) {
            Some(stripe) => Some(stripe.lock().await),
            None => None,
        }
    }
}
