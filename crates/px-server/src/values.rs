//! Values that outlive runs, as the API shows them: read from a store and removed from it, for the routes
//! below `/store`, and for a command line that has the store to itself. Steps write them.
//!
//! It refuses to know who may look, and whether a cursor may be handed out as it is. Tested over HTTP in
//! `tests/conformance/store.rs`, and without a server in `px-cli/tests/cli/kv.rs`.

use std::sync::Arc;

use px_api::{StoreBrains, StoreKey, StoreKeys, StoreValue};
use px_core::{Clock, Ids, KvChange, KvId, Scope, json_bytes};
use px_store::{Batch, Bound, Error, KvBatch, KvBrainWrite, KvRecord, KvWrite, Round, Store, Versioned};

/// Brains that are read at once where they are counted.
const COUNTED_AT_ONCE: usize = 1_000;

/// Values that are removed in one commit where all of a brain are.
const CLEARED_AT_ONCE: usize = 100;

/// Maximum number of rounds in which a removal is tried anew when steps write the same values.
const ROUNDS: Bound = Bound::refusing(100);

/// A value that is removed, and the version that was read.
type Removed = (KvId, u64);

/// The values of one store. Cheap to clone.
#[derive(Clone)]
pub struct Values {
    /// Store of all records.
    pub store: Arc<dyn Store>,
    /// Source of the time.
    pub clock: Arc<dyn Clock>,
    /// Source of versions.
    pub ids: Arc<Ids>,
    /// Scope of the records.
    pub scope: Scope,
}

impl std::fmt::Debug for Values {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Values").field("scope", &self.scope).finish_non_exhaustive()
    }
}

impl Values {
    /// The brains that have values and come after a title, at most `limit`; the cursor is the last title.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn brains(&self, after: Option<&str>, limit: usize) -> Result<StoreBrains, Error> {
        // Below every title are rows of px's own.
        let behind = after.or(Some(""));
        let mut found = self.store.kv().brains(self.scope, behind, limit.saturating_add(1)).await?;
        let more = found.len() > limit;
        found.truncate(limit);
        let brains: Vec<String> = found.into_iter().map(|(title, _)| title).collect();
        let next_cursor = brains.last().filter(|_| more).cloned();
        let count = match (after, &next_cursor) {
            (None, None) => brains.len() as u64,
            _ => self.count().await?,
        };
        Ok(StoreBrains { count, brains, next_cursor })
    }

    /// Number of the brains that have values.
    async fn count(&self) -> Result<u64, Error> {
        let (mut counted, mut after) = (0, Some(String::new()));
        loop {
            let page = self.store.kv().brains(self.scope, after.as_deref(), COUNTED_AT_ONCE).await?;
            counted += page.len() as u64;
            match page.into_iter().next_back() {
                Some((title, _)) => after = Some(title),
                None => return Ok(counted),
            }
        }
    }

    /// The values of a brain that come after a cursor, at most `limit`. None if the text is no cursor.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn keys(
        &self,
        brain: &str,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Option<StoreKeys>, Error> {
        let after = match cursor.map(place) {
            Some(None) => return Ok(None),
            Some(after) => after,
            None => None,
        };
        let after = after.as_ref().map(|(scope, key)| (scope.as_str(), key.as_str()));
        let mut found = self.store.kv().values(self.scope, brain, after, limit.saturating_add(1)).await?;
        let more = found.len() > limit;
        found.truncate(limit);
        let next_cursor = found.last().filter(|_| more).map(|(id, _)| cursor_of(id));
        let keys: Vec<StoreKey> = found.into_iter().map(|(id, read)| shown(id, &read.record)).collect();
        let brain = self.store.kv().brain(self.scope, brain).await?;
        // The record of a brain without values is removed.
        let count = brain.map_or(0, |brain| brain.record.keys);
        Ok(Some(StoreKeys { count, keys, next_cursor }))
    }

    /// A value, if there is one of this name.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn value(&self, id: KvId) -> Result<Option<StoreValue>, Error> {
        let read = self.store.kv().value(self.scope, &id).await?;
        Ok(read.map(|Versioned { record, .. }| {
            let StoreKey { key, scope, size, last_modified } = shown(id, &record);
            StoreValue { key, value: record.value, scope, size, last_modified }
        }))
    }

    /// Removes a value. Returns whether there was one.
    ///
    /// # Errors
    /// The store could not take it, or steps wrote the value too often meanwhile.
    pub async fn remove(&self, id: &KvId) -> Result<bool, Error> {
        self.store
            .transact(ROUNDS, |_| async move {
                match self.store.kv().value(self.scope, id).await? {
                    Some(read) => {
                        let batch = self.removal(&id.brain, vec![(id.clone(), read.version)]).await?;
                        Ok(Round::Commit(Box::new(batch), true))
                    }
                    None => Ok::<_, Error>(Round::Done(false)),
                }
            })
            .await
    }

    /// Removes all values of a brain, some at a time. Returns how many there were.
    ///
    /// # Errors
    /// The store could not take it, or a value changed too often meanwhile; those before it are gone.
    pub async fn clear(&self, brain: &str) -> Result<u64, Error> {
        let mut removed = 0;
        loop {
            let some = self.store.transact(ROUNDS, |_| async move {
                let values = self.store.kv().values(self.scope, brain, None, CLEARED_AT_ONCE).await?;
                let count = values.len() as u64;
                if count == 0 {
                    return Ok::<_, Error>(Round::Done(0));
                }
                let values = values.into_iter().map(|(id, read)| (id, read.version)).collect();
                Ok(Round::Commit(Box::new(self.removal(brain, values).await?), count))
            });
            match some.await? {
                0 => return Ok(removed),
                some => removed += some,
            }
        }
    }

    /// The commit that removes values of a brain, and counts them off.
    async fn removal(&self, brain: &str, values: Vec<Removed>) -> Result<Batch, Error> {
        let now = self.clock.now();
        let version = || self.ids.version(now);
        let counted = self.store.kv().brain(self.scope, brain).await?;
        let (expected, before) = counted.map_or((0, 0), |read| (read.version, read.record.keys));
        let keys = before.saturating_sub(values.len() as u64);
        let brains = vec![KvBrainWrite { brain: brain.to_owned(), expected, version: version(), keys }];
        let write =
            |(id, expected)| KvWrite { id, expected, version: version(), at: now, change: KvChange::Remove };
        let values = values.into_iter().map(write).collect();
        Ok(Batch { scope: self.scope, kv: KvBatch { values, brains }, ..Batch::default() })
    }
}

fn shown(id: KvId, record: &KvRecord) -> StoreKey {
    let size = json_bytes(&record.value) as u64;
    StoreKey { key: id.key, scope: id.scope, size, last_modified: record.at.to_string() }
}

/// A place in the list: the scope, whose slashes are written `%2F`, a slash, and the key.
fn cursor_of(id: &KvId) -> String {
    format!("{}/{}", id.scope.replace('%', "%25").replace('/', "%2F"), id.key)
}

fn place(text: &str) -> Option<(String, String)> {
    let (scope, key) = text.split_once('/')?;
    Some((scope.replace("%2F", "/").replace("%25", "%"), key.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_names_its_place_whatever_the_names_are() {
        for (scope, key) in [("shared", "k"), ("a/b", "c/d"), ("%2F", "%"), ("%252F/", "/")] {
            let id = KvId { brain: "b".into(), scope: scope.into(), key: key.into() };
            assert_eq!(place(&cursor_of(&id)), Some((scope.to_owned(), key.to_owned())));
        }
        assert!(place("no slash").is_none());
    }
}
