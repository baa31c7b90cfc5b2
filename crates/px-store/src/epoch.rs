//! Epochs: numbers in the store that change whenever what they stand for does.
//! A process that remembers something of the store remembers the epoch that it
//! read first; what it commits on the strength of its memory demands that epoch,
//! so that a change elsewhere is a conflict and the next draft reads anew.
//!
//! A store that one process has to itself keeps none: what changes there changes
//! in that process, which says so ([`crate::HintBus::hook_changes`]).

use std::sync::{Arc, PoisonError, RwLock};

use px_core::Scope;

use crate::cluster::Slot;
use crate::error::Error;
use crate::store::Store;

/// Something that has an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Epoch {
    /// The hooks of many runs.
    Hooks,
    /// The API tokens.
    Tokens,
    /// The secrets.
    Secrets,
    /// The owner of a slot.
    Slot(Slot),
}

impl Epoch {
    /// Bytes that tell this epoch from every other one.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 2] {
        match self {
            Self::Hooks => *b"h\0",
            Self::Tokens => *b"c\0",
            Self::Secrets => *b"i\0",
            Self::Slot(slot) => slot.to_bytes(),
        }
    }
}

/// An epoch in a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EpochWrite {
    /// The epoch that is demanded or advanced.
    pub epoch: Epoch,
    /// The number that it must still have; `None` demands nothing. Zero is that
    /// of one that was never written.
    pub expected: Option<u64>,
    /// The number that it gets, never used before; `None` leaves it.
    pub next: Option<u64>,
}

impl EpochWrite {
    /// Demands that an epoch is still what it was.
    #[must_use]
    pub const fn demand(epoch: Epoch, expected: u64) -> Self {
        Self { epoch, expected: Some(expected), next: None }
    }
}

/// Something of the store that is remembered together with its epoch.
#[derive(Debug)]
pub struct Watched<T> {
    seen: RwLock<Option<(u64, Arc<T>)>>,
}

impl<T> Default for Watched<T> {
    fn default() -> Self {
        Self { seen: RwLock::new(None) }
    }
}

impl<T> Watched<T> {
    /// Returns the remembered value if it belongs to this epoch. Otherwise it reads a new one by `read`,
    /// which may be newer than the epoch and is then refused by a commit once.
    ///
    /// # Errors
    /// The errors of `read`.
    pub fn at<E>(&self, epoch: u64, read: impl FnOnce() -> Result<T, E>) -> Result<Arc<T>, E> {
        if let Some((at, seen)) = &*self.seen.read().unwrap_or_else(PoisonError::into_inner)
            && *at == epoch
        {
            return Ok(Arc::clone(seen));
        }
        let value = Arc::new(read()?);
        self.remember(epoch, Arc::clone(&value));
        Ok(value)
    }

    /// Returns the remembered value and its epoch, even if the store has moved on since.
    #[must_use]
    pub fn last(&self) -> Option<(u64, Arc<T>)> {
        self.seen.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Remembers this as of an epoch.
    pub fn remember(&self, epoch: u64, value: Arc<T>) {
        *self.seen.write().unwrap_or_else(PoisonError::into_inner) = Some((epoch, value));
    }

    /// Forgets what is remembered.
    pub fn forget(&self) {
        *self.seen.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// As [`Watched::at`], for the epoch that the store has now.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn get(
        &self,
        (store, scope, epoch): (&dyn Store, Scope, Epoch),
        read: impl AsyncFnOnce() -> Result<T, Error>,
    ) -> Result<(u64, Arc<T>), Error> {
        let now = store.epoch(scope, epoch).await?;
        if let Some((at, seen)) = self.last().filter(|(at, _)| *at == now) {
            return Ok((at, seen));
        }
        let value = Arc::new(read().await?);
        self.remember(now, Arc::clone(&value));
        Ok((now, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_anew_when_its_epoch_is_another_one() {
        let watched = Watched::default();
        let read = |epoch, value| *watched.at(epoch, || Ok::<_, ()>(value)).unwrap();
        assert_eq!(read(0, 1), 1);
        assert_eq!(read(0, 2), 1, "it is remembered");
        assert_eq!(read(7, 3), 3);
        assert_eq!(read(0, 4), 4, "an epoch is no clock: any other one counts");
        watched.forget();
        assert_eq!(read(0, 5), 5);
    }
}
