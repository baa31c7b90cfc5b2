//! Permission of the store to write. The first write or sync that fails takes it away for good, since
//! nobody knows what the disk holds after that until a restart has read it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use px_store::Error;
use tokio::sync::watch;

/// Starts well, may fail once, and never recovers.
#[derive(Debug)]
pub(crate) struct Health {
    poisoned: AtomicBool,
    failure: watch::Sender<Option<String>>,
    /// Why the newest group was not written, though nothing is broken.
    unwritten: Mutex<Option<String>>,
}

impl Health {
    pub(crate) fn new() -> Self {
        Self {
            poisoned: AtomicBool::new(false),
            failure: watch::channel(None).0,
            unwritten: Mutex::default(),
        }
    }

    /// Records the first failure; later ones change nothing.
    pub(crate) fn poison(&self, why: &str) {
        self.failure.send_if_modified(|failure| {
            if failure.is_some() {
                return false;
            }
            *failure = Some(why.to_owned());
            true
        });
        // After the text, so that whoever sees the flag finds a reason.
        if !self.poisoned.swap(true, Ordering::SeqCst) {
            tracing::error!(why, "the store stopped: nothing more is written until a restart");
        }
    }

    /// The error that callers get once the store is poisoned.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if !self.poisoned.load(Ordering::SeqCst) {
            return Ok(());
        }
        let why = self.failure.borrow().clone();
        Err(Error::Poisoned(why.unwrap_or_default()))
    }

    /// Records the end of a group: why it was not written, or that it was.
    pub(crate) fn note(&self, unwritten: Option<&Error>) {
        let mut known = self.unwritten_now();
        if unwritten.is_some() || known.is_some() {
            *known = unwritten.map(Error::to_string);
        }
    }

    /// Returns why the newest group was not written. `None` once one was.
    pub(crate) fn unwritten(&self) -> Option<String> {
        self.unwritten_now().clone()
    }

    fn unwritten_now(&self) -> MutexGuard<'_, Option<String>> {
        // Nothing below can panic while it is held.
        self.unwritten.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_poisoned(&self) -> bool {
        self.poisoned.load(Ordering::SeqCst)
    }

    pub(crate) fn watch(&self) -> watch::Receiver<Option<String>> {
        self.failure.subscribe()
    }
}
