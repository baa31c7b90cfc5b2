//! Values that outlive runs, in a draft: a change of one counts in its brain's record.

use std::collections::BTreeMap;

use px_core::{KvChange, KvId};

use super::Draft;
use crate::error::Error;
use crate::kv::{KvBrainWrite, KvFull, KvWrite};

impl Draft<'_> {
    /// Changes a value, or demands that it is as it was read: `expected` is its version, 0 if there was
    /// none. Each value is named once in a draft.
    pub fn write_kv(&mut self, id: KvId, expected: u64, change: KvChange) {
        let version = if change == KvChange::Keep { expected } else { self.ids.version(self.now) };
        self.kv.values.push(KvWrite { id, expected, version, at: self.now, change });
    }

    /// Counts the values that this draft makes and removes: to be called once, behind the last
    /// [`Draft::write_kv`]. A brain gets no more than `most` values; one that has more may lose some.
    ///
    /// # Errors
    /// The store could not be read. The inner error is that of a brain that may have no more.
    pub async fn count_kv(&mut self, most: u64) -> Result<Result<(), KvFull>, Error> {
        let mut changes = BTreeMap::<&str, i64>::new();
        for write in &self.kv.values {
            let by = match (write.expected, &write.change) {
                (0, KvChange::Put(_)) => 1,
                (1.., KvChange::Remove) => -1,
                _ => 0,
            };
            *changes.entry(&write.id.brain).or_default() += by;
        }
        let mut brains = Vec::new();
        for (brain, by) in changes.into_iter().filter(|(_, by)| *by != 0) {
            let read = self.store.kv().brain(self.scope, brain).await?;
            let (expected, before) = read.map_or((0, 0), |read| (read.version, read.record.keys));
            let keys = before.saturating_add_signed(by);
            if by > 0 && keys > most {
                return Ok(Err(KvFull { brain: brain.to_owned(), most }));
            }
            let version = self.ids.version(self.now);
            brains.push(KvBrainWrite { brain: brain.to_owned(), expected, version, keys });
        }
        self.kv.brains = brains;
        Ok(Ok(()))
    }

    /// The brains whose number of values this draft changes, as far as it was counted.
    #[must_use]
    pub fn kv_counts(&self) -> &[KvBrainWrite] {
        &self.kv.brains
    }
}
