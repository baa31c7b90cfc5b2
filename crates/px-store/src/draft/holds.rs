//! Holds: runs that may read the files of a delivery though none of its events is theirs, such as forks.
//! Retention leaves a delivery with files alone while one of them has not ended.
//!
//! A run that has ended holds nothing, so whatever lets one begin anew has to hold its files once more.
//!
//! Tested in `px-testkit/tests/holds.rs`, in virtual time.

use px_core::{DeliveryId, RunId};

use super::{Draft, DraftError};
use crate::batch::DeliveryWrite;
use crate::error::Error;

/// Maximum number of runs that hold the files of one delivery and have not ended. All of them are in the
/// delivery's row, and each is looked up when another one is added.
pub const MAX_HOLDERS: usize = 100;

impl Draft<'_> {
    /// Lets a run hold the files of a delivery: they stay until it has ended. The row of the delivery is written even
    /// if it names the run already, so that a sweep which has found the run ended meets a conflict. Does
    /// nothing if the delivery or its files are gone, or its row is damaged.
    ///
    /// # Errors
    /// The store could not be read, or the delivery has [`MAX_HOLDERS`] already. The draft is not to be
    /// committed then.
    pub async fn hold_files(&mut self, delivery: DeliveryId, run: RunId) -> Result<(), DraftError> {
        if !self.deliveries.contains_key(&delivery) {
            let read = match self.store.delivery(self.scope, delivery).await {
                Err(error) if !error.is_about_bytes() => return Err(error.into()),
                read => read.ok().flatten(),
            };
            let Some(read) = read.filter(|read| !read.files.is_empty()) else { return Ok(()) };
            self.deliveries.insert(delivery, Box::new(DeliveryWrite { delivery: read, new: false }));
        }
        let Some(write) = self.deliveries.get(&delivery) else { return Ok(()) };
        if write.delivery.events.iter().any(|event| event.run == Some(run)) {
            return Ok(());
        }
        let mut holders = Vec::new();
        for holder in write.delivery.holders.clone() {
            if holder != run && self.may_still_read(holder).await? {
                holders.push(holder);
            }
        }
        if holders.len() >= MAX_HOLDERS {
            return Err(DraftError::TooManyHolders(delivery));
        }
        holders.push(run);
        if let Some(write) = self.deliveries.get_mut(&delivery) {
            write.delivery.holders = holders;
        }
        Ok(())
    }

    /// Returns false of a run that has ended. It is read without being adopted: a state may be large.
    async fn may_still_read(&self, holder: RunId) -> Result<bool, Error> {
        if let Some(loaded) = self.runs.get(&holder) {
            return Ok(!loaded.run.status.is_terminal());
        }
        match self.store.run(self.scope, holder).await {
            Ok(read) => Ok(read.is_some_and(|read| !read.run.status.is_terminal())),
            // Nobody knows whether it has ended.
            Err(error) if error.is_about_bytes() => Ok(true),
            Err(error) => Err(error),
        }
    }
}
