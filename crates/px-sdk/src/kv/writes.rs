//! What a step leaves of the values that it has read and written: the writes of the commit of its result,
//! and what that commit demands.

use std::collections::BTreeMap;
use std::fmt;

use px_core::{KvChange, KvId};

use super::{KvRead, Op, Touched};
use crate::error::Result;

/// The values that the commit of a result writes, and those on which the result rests.
#[derive(Clone, Default)]
pub struct KvWrites(pub(super) BTreeMap<KvId, Touched>);

impl fmt::Debug for KvWrites {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.ids()).finish()
    }
}

/// A value that a step has read is another one by now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KvLost(pub KvId);

impl KvWrites {
    /// Returns true if there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The values, in order.
    pub fn ids(&self) -> impl Iterator<Item = &KvId> {
        self.0.keys()
    }

    /// Holds the values against what is there now, each in the order of [`KvWrites::ids`]. Returns true if
    /// an update has to be applied again.
    ///
    /// # Errors
    /// A value that was read has changed: the step has to run again.
    pub fn is_stale(&self, found: &[KvRead]) -> Result<bool, KvLost> {
        let mut is_stale = false;
        for ((id, touched), found) in self.0.iter().zip(found) {
            let is_other = touched.read.as_ref().is_some_and(|read| read.version != found.version);
            if is_other && touched.is_seen {
                return Err(KvLost(id.clone()));
            }
            is_stale |= is_other && matches!(touched.op, Op::Update(..));
        }
        Ok(is_stale)
    }

    /// Applies the updates again to what is there now. This is users' code.
    ///
    /// # Errors
    /// An update fails.
    pub fn apply_again(&mut self, found: &[KvRead]) -> Result<()> {
        for (touched, found) in self.0.values_mut().zip(found) {
            let is_other = touched.read.as_ref().is_some_and(|read| read.version != found.version);
            if let Op::Update(updates, value) = &mut touched.op
                && is_other
            {
                let mut current = found.value.clone();
                for update in updates {
                    current = Some(update(current)?);
                }
                *value = current.unwrap_or_default();
                touched.read = Some(found.clone());
            }
        }
        Ok(())
    }

    /// The changes over what is there now, each with the version that it demands.
    #[must_use]
    pub fn changes(&self, found: &[KvRead]) -> Vec<(KvId, u64, KvChange)> {
        let change = |touched: &Touched| match &touched.op {
            Op::Keep => KvChange::Keep,
            Op::Set(Some(value)) | Op::Update(_, value) => KvChange::Put(value.clone()),
            Op::Set(None) => KvChange::Remove,
        };
        let all = self.0.iter().zip(found);
        all.map(|((id, touched), found)| (id.clone(), found.version, change(touched))).collect()
    }
}
