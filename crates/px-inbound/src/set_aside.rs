//! Which quarantined deliveries a provider's retry would supersede (RULES 17):
//! by the provider's id, the newest of them, for as long as they can be
//! retried. Filled from the store at the first look, so that a restart forgets
//! nothing; bounded, since whoever sends invalid payloads fills it.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::PoisonError;

use px_core::{DeliveryId, EventId};
use px_store::Delivery;

/// How many are known at once.
const MAX_KNOWN: usize = 10_000;

/// An event that was set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SetAside {
    pub(crate) delivery: DeliveryId,
    pub(crate) event: EventId,
    name: (String, String),
}

/// Those that are known, by slug and provider's id.
#[derive(Debug, Default)]
pub(crate) struct SetAsides(Mutex<BTreeMap<(String, String), (DeliveryId, EventId)>>);

impl SetAsides {
    /// Remembers the events of a quarantined delivery.
    pub(crate) fn remember(&self, delivery: &Delivery) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for event in &delivery.events {
            if let Some(id) = &event.provider_id {
                if known.len() >= MAX_KNOWN {
                    // The oldest delivery is the one that is least likely to be retried.
                    let oldest = known.iter().min_by_key(|(_, (delivery, _))| *delivery);
                    if let Some(oldest) = oldest.map(|(name, _)| name.clone()) {
                        known.remove(&oldest);
                    }
                }
                known.insert((delivery.slug.clone(), id.clone()), (delivery.id, event.id));
            }
        }
    }

    /// The one under a provider's id.
    pub(crate) fn find(&self, slug: &str, provider_id: &str) -> Option<SetAside> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.is_empty() {
            return None;
        }
        let name = (slug.to_owned(), provider_id.to_owned());
        known.get(&name).map(|(delivery, event)| SetAside { delivery: *delivery, event: *event, name })
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
