//! The quarantined deliveries that a provider's retry would supersede: by the
//! provider's id, the newest of them, for as long as they can be retried. Filled
//! from the store at the first look, so that a restart forgets nothing; bounded,
//! since senders of invalid payloads fill it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use px_core::{DeliveryId, EventId};
use px_store::Delivery;

/// Maximum number that is known at once.
const MAX_KNOWN: usize = 10_000;

/// An event that was set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SetAside {
    pub(crate) delivery: DeliveryId,
    pub(crate) event: EventId,
    name: Name,
}

/// Those that are known.
#[derive(Debug, Default)]
pub(crate) struct SetAsides(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// By slug and provider's id.
    by_name: BTreeMap<Name, (DeliveryId, EventId)>,
    /// The names, the oldest delivery first.
    by_age: BTreeMap<(DeliveryId, EventId), Name>,
}

/// Slug and provider's id.
type Name = (String, String);

impl Known {
    fn remove(&mut self, name: &Name) {
        if let Some(place) = self.by_name.remove(name) {
            self.by_age.remove(&place);
        }
    }
}

impl SetAsides {
    /// Remembers the events of a quarantined delivery.
    pub(crate) fn remember(&self, delivery: &Delivery) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for event in &delivery.events {
            if let Some(id) = &event.provider_id {
                let name = (delivery.slug.clone(), id.clone());
                known.remove(&name);
                // The oldest delivery is the one that is least likely to be retried.
                if known.by_name.len() >= MAX_KNOWN
                    && let Some((_, oldest)) = known.by_age.pop_first()
                {
                    known.by_name.remove(&oldest);
                }
                known.by_age.insert((delivery.id, event.id), name.clone());
                known.by_name.insert(name, (delivery.id, event.id));
            }
        }
    }

    /// Returns the one under a provider's id.
    pub(crate) fn find(&self, slug: &str, provider_id: &str) -> Option<SetAside> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.by_name.is_empty() {
            return None;
        }
        let name = (slug.to_owned(), provider_id.to_owned());
        known.by_name.get(&name).map(|(delivery, event)| SetAside {
            delivery: *delivery,
            event: *event,
            name,
        })
    }

    /// Forgets those that are superseded.
    pub(crate) fn forget(&self, superseded: &[SetAside]) {
        if !superseded.is_empty() {
            let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            for one in superseded {
                known.remove(&one.name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use px_core::Timestamp;
    use px_store::{InboxEvent, InboxState};

    fn delivery(n: u64, provider_id: &str) -> Delivery {
        let at = Timestamp::from_millis(n);
        let event: InboxEvent = serde_json::from_value(serde_json::json!({
            "id": EventId::bound(at), "state": InboxState::Quarantined, "since": at, "provider_id": provider_id,
        }))
        .unwrap();
        Delivery {
            id: DeliveryId::bound(at),
            slug: "a".into(),
            received_at: at,
            remote: String::new(),
            method: String::new(),
            target: String::new(),
            headers: Vec::new(),
            verdict: String::new(),
            status: 422,
            took_us: 0,
            size: 0,
            events: vec![event],
            emptied: false,
            body: Bytes::new(),
            revision: 0,
        }
    }

    #[test]
    fn the_table_is_bounded_and_the_oldest_goes_first() {
        let known = SetAsides::default();
        for n in 0..30_000 {
            known.remember(&delivery(n, &n.to_string()));
        }
        // Again under one id: the newest counts.
        known.remember(&delivery(40_000, "25000"));
        assert!(known.find("a", "19999").is_none());
        assert_eq!(known.find("a", "20001").unwrap().delivery, delivery(20_001, "").id);
        assert_eq!(known.find("a", "25000").unwrap().delivery, delivery(40_000, "").id);
        let found = known.find("a", "29999").unwrap();
        known.forget(&[found]);
        assert!(known.find("a", "29999").is_none());
        let table = known.0.lock().unwrap();
        assert!(table.by_name.len() <= MAX_KNOWN && table.by_age.len() == table.by_name.len());
    }
}
