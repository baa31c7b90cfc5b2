//! The inbox in a draft: events of deliveries that change with a key or a run,
//! the index of quarantine, and the outcomes that are remembered under ids and keys.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use px_core::{DeliveryId, EventId, Timestamp};

use super::Draft;
use crate::batch::{DedupDemand, DedupWrite, DeliveryWrite, EventWrite, SetAsideWrite};
use crate::error::Error;
use crate::model::{DedupRecord, Delivery, InboxEvent, QueuedEvent, SetAside, StartKey};

/// The event in quarantine under a provider's id, as a draft knows it.
pub(super) struct DraftSetAside {
    read: Option<SetAside>,
    left: Option<SetAside>,
    /// True if what was read is demanded where it is left as it was.
    is_demanded: bool,
}

/// An event that lies apart from its delivery, as a draft knows it.
pub(super) struct DraftEvent {
    read: Option<InboxEvent>,
    left: InboxEvent,
}

/// The events that lie apart from their deliveries, by delivery and place.
pub(super) type DraftEvents = BTreeMap<(DeliveryId, u32), Box<DraftEvent>>;

/// Returns those that a draft has made or changed. One that it has only read is not demanded:
/// whoever takes it from its queue changes the key.
pub(super) fn event_writes(loaded: DraftEvents, version: impl Fn() -> u64) -> Vec<EventWrite> {
    let is_changed = |(_, event): &(_, Box<DraftEvent>)| event.read.as_ref() != Some(&event.left);
    let write = |((delivery, place), event): ((DeliveryId, u32), Box<DraftEvent>)| EventWrite {
        delivery,
        place,
        expected: event.read.map_or(0, |read| read.apart),
        event: InboxEvent { apart: version(), ..event.left },
    };
    loaded.into_iter().filter(is_changed).map(write).collect()
}

/// Changes an event; it is in its state since now if that is another one.
fn changed<T>(entry: &mut InboxEvent, now: Timestamp, change: impl FnOnce(&mut InboxEvent) -> T) -> T {
    let state = entry.state;
    let result = change(entry);
    if entry.state != state {
        entry.since = now;
    }
    result
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
        if self.loaded_event(delivery, event).is_none() {
            let Some(read) = self.store.delivery(self.scope, delivery).await? else { return Ok(None) };
            self.load_delivery(read, event);
        }
        let now = self.now;
        Ok(self.loaded_event(delivery, event).map(|entry| changed(entry, now, change)))
    }

    /// The same for an event in a queue, which is read alone if it lies apart from its delivery.
    pub(super) async fn mark_queued<T>(
        &mut self,
        queued: &QueuedEvent,
        change: impl FnOnce(&mut InboxEvent) -> T,
    ) -> Result<Option<T>, Error> {
        if let Some(place) = queued.place
            && let Entry::Vacant(vacant) = self.apart.entry((queued.delivery, place))
            && let Some(read) = self.store.event_apart(self.scope, queued.delivery, place).await?
        {
            vacant.insert(Box::new(DraftEvent { read: Some(read.clone()), left: read }));
        }
        let now = self.now;
        let apart = queued.place.and_then(|place| self.apart.get_mut(&(queued.delivery, place)));
        match apart.filter(|apart| apart.left.id == queued.event) {
            Some(apart) => Ok(Some(changed(&mut apart.left, now, change))),
            None => self.mark(queued.delivery, queued.event, change).await,
        }
    }

    /// An event that this draft has read or made, alone or with its delivery.
    fn loaded_event(&mut self, delivery: DeliveryId, event: EventId) -> Option<&mut InboxEvent> {
        let places = (delivery, 0)..=(delivery, u32::MAX);
        let apart = self.apart.range_mut(places).map(|(_, apart)| &mut apart.left);
        let within = self.deliveries.get_mut(&delivery).into_iter();
        let within = within.flat_map(|write| &mut write.delivery.events).filter(|entry| entry.apart == 0);
        apart.chain(within).find(|entry| entry.id == event)
    }

    /// Brings a delivery in for the sake of one of its events. It is written whole only if that one
    /// lies in its row.
    fn load_delivery(&mut self, delivery: Delivery, event: EventId) {
        for (place, entry) in (0..).zip(&delivery.events) {
            if entry.apart != 0 {
                let read = || Box::new(DraftEvent { read: Some(entry.clone()), left: entry.clone() });
                self.apart.entry((delivery.id, place)).or_insert_with(read);
            }
        }
        if delivery.events.iter().any(|entry| entry.id == event && entry.apart == 0) {
            self.deliveries
                .entry(delivery.id)
                .or_insert_with(|| Box::new(DeliveryWrite { delivery, new: false }));
        }
    }

    /// Adds a new delivery, or one that is handled again.
    pub fn put_delivery(&mut self, delivery: Delivery) {
        for (place, entry) in (0..).zip(&delivery.events) {
            if entry.apart != 0 {
                let made = DraftEvent { read: None, left: entry.clone() };
                self.apart.insert((delivery.id, place), Box::new(made));
            }
        }
        self.deliveries.insert(delivery.id, Box::new(DeliveryWrite { delivery, new: true }));
    }

    /// Lets a queued event of a new delivery lie apart from it.
    pub fn lay_apart(&self, event: &mut InboxEvent) {
        event.apart = self.ids.version(self.now);
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
