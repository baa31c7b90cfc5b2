//! The knowledge that a table is empty, which saves a read of it on the way of
//! every delivery. It is kept only where nobody else can write the table.

use std::sync::atomic::{AtomicU8, Ordering};

use px_core::Scope;
use px_store::Error;

use crate::rows::Backing;

const UNKNOWN: u8 = 0;
const EMPTY: u8 = 1;
const IN_USE: u8 = 2;

/// The emptiness of one table. It ends with the first row that is written, and
/// is found out anew when the store is opened; once it has ended, each read of
/// a row looks into the table.
#[derive(Debug, Default)]
pub(crate) struct Emptiness(AtomicU8);

impl Emptiness {
    /// Ends the emptiness: to be called before a row is written.
    pub(crate) fn end(&self) {
        self.0.store(IN_USE, Ordering::SeqCst);
    }

    /// Returns true if the table is known to be empty. `look` reads the table,
    /// at most once.
    pub(crate) fn is_certain(
        &self,
        backing: &impl Backing,
        scope: Scope,
        look: impl FnOnce() -> Result<bool, Error>,
    ) -> Result<bool, Error> {
        // The state is that of the default scope's table, the only scope there is so
        // far. Rows of another scope would not show in it, so those are always read.
        if !backing.is_exclusive() || scope != Scope::default() {
            return Ok(false);
        }
        match self.0.load(Ordering::SeqCst) {
            EMPTY => Ok(true),
            UNKNOWN => {
                let found = if look()? { EMPTY } else { IN_USE };
                // A row that is written meanwhile is not overlooked: its writer has
                // ended the emptiness before, so this does not take the place of it.
                let _ = self.0.compare_exchange(UNKNOWN, found, Ordering::SeqCst, Ordering::SeqCst);
                Ok(self.0.load(Ordering::SeqCst) == EMPTY)
            }
            _ => Ok(false),
        }
    }
}
