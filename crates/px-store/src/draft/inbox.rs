//! The inbox in a draft: events of deliveries that change with a key or a run,
//! the index of quarantine, and the outcomes that are remembered under ids and keys.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use px_core::{DeliveryId, EventId};

use super::Draft;
use crate::batch::{DedupDemand, DedupWrite, DeliveryWrite, SetAsideWrite};
use crate::error::Error;
use crate::model::{DedupRecord, InboxEvent, SetAside, StartKey};

/// The event in quarantine under a provider's id, as a draft knows it.
pub(super) struct DraftSetAside {
    read: Option<SetAside>,
    left: Option<SetAside>,
    /// True if what was read is demanded where it is left as it was.
    is_demanded: bool,
}

/// Returns the changes, and what is demanded without one.
pub(super) fn set_aside_writes(loaded: BTreeMap<(String, String), DraftSetAside>) -> Vec<SetAsideWrite> {
    let counts = |(_, event): &(_, DraftSetAside)| event.is_demanded || event.read != event.left;
    let write = |((slug, provider_id), event): ((String, String), DraftSetAside)| SetAsideWrite {
        slug,
        provider_id,
        expected: event.read,
        record: event.left,
    };
    loaded.into_iter().filter(counts).map(write).collect()
}

impl Draft<'_> {
    /// Changes an event of a delivery. `None` if there is no such event any more.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn mark<T>(
        &mut self,
        delivery: DeliveryId,
        event: EventId,
        change: impl FnOnce(&mut InboxEvent) -> T,
    ) -> Result<Option<T>, Error> {
        if !self.deliveries.contains_key(&delivery) {
            let Some(read) = self.store.delivery(self.scope, delivery).await? else { return Ok(None) };
            let write = DeliveryWrite { delivery: read, new: false };
            self.deliveries.insert(delivery, Box::new(write));
        }
        let now = self.now;
        let entry = self
            .deliveries
            .get_mut(&delivery)
            .and_then(|write| write.delivery.events.iter_mut().find(|entry| entry.id == event));
        Ok(entry.map(|entry| {
            let state = entry.state;
            let result = change(entry);
            if entry.state != state {
                entry.since = now;
            }
            result
        }))
    }

    /// The event in quarantine under a provider's id, as this draft has left it so
    /// far. It is read once: a change later in the draft demands what this read,
    /// also where that was nothing.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn set_aside(&mut self, slug: &str, provider_id: &str) -> Result<Option<SetAside>, Error> {
        Ok(self.loaded_set_aside(slug, provider_id).await?.left)
    }

    /// The same as [`Draft::set_aside`]; the commit fails if it is another one
    /// than was read, also where this draft leaves it as it is.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn demand_set_aside(
        &mut self,
        slug: &str,
        provider_id: &str,
    ) -> Result<Option<SetAside>, Error> {
        let loaded = self.loaded_set_aside(slug, provider_id).await?;
        loaded.is_demanded = true;
        Ok(loaded.left)
    }

    /// Changes the event in quarantine under a provider's id; the commit fails
    /// if it is another one than was read.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn put_set_aside(
        &mut self,
        slug: &str,
        provider_id: &str,
        event: Option<SetAside>,
    ) -> Result<(), Error> {
        self.loaded_set_aside(slug, provider_id).await?.left = event;
        Ok(())
    }

    async fn loaded_set_aside(&mut self, slug: &str, provider_id: &str) -> Result<&mut DraftSetAside, Error> {
        Ok(match self.set_asides.entry((slug.to_owned(), provider_id.to_owned())) {
            Entry::Occupied(loaded) => loaded.into_mut(),
            Entry::Vacant(place) => {
                let read = self.store.set_aside(self.scope, slug, provider_id).await?;
                place.insert(DraftSetAside { read, left: read, is_demanded: false })
            }
        })
    }

    /// The record under a provider's id; the commit fails if it is another one
    /// than was read.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn demand_dedup(
        &mut self,
        slug: &str,
        provider_id: &str,
    ) -> Result<Option<DedupRecord>, Error> {
        let expected = self.store.dedup(self.scope, slug, provider_id).await?;
        let (slug, provider_id) = (slug.to_owned(), provider_id.to_owned());
        self.dedup_demands.push(DedupDemand { slug, provider_id, expected: expected.clone() });
        Ok(expected)
    }

    /// Remembers a provider's id; the commit fails if what is known under it is
    /// not what was read.
    pub fn put_dedup(&mut self, dedup: DedupWrite) {
        self.dedups.push(dedup);
    }

    /// Remembers an idempotent start; the commit fails if it is known already.
    pub fn put_start_key(&mut self, brain: String, key: String, record: StartKey) {
        self.start_keys.push((brain, key, record));
    }
}
