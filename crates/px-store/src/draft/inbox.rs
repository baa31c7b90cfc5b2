//! The inbox in a draft: events of deliveries that change with a key or a run,
//! the index of what is in quarantine, and what is remembered under ids and keys.

use px_core::{DeliveryId, EventId};

use super::Draft;
use crate::batch::{DedupWrite, DeliveryWrite};
use crate::error::Error;
use crate::model::{InboxEvent, SetAside, StartKey};

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
        let is_it = |name: &(String, String)| name.0 == slug && name.1 == provider_id;
        if let Some((_, (_, left))) = self.set_asides.iter().find(|(name, _)| is_it(name)) {
            return Ok(*left);
        }
        let read = self.store.set_aside(self.scope, slug, provider_id).await?;
        self.set_asides.insert((slug.to_owned(), provider_id.to_owned()), (read, read));
        Ok(read)
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
        let read = self.set_aside(slug, provider_id).await?;
        let name = (slug.to_owned(), provider_id.to_owned());
        self.set_asides.entry(name).or_insert((read, read)).1 = event;
        Ok(())
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
