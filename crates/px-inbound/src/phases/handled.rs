//! Phase 4: the handler has said what is to become of each event. Nothing has
//! happened yet, so a handled delivery can be routed as often as it takes.

use px_core::{DeliveryId, EventId};
use px_sdk::RawInbound;
use px_store::Delivery;

use super::{ProviderIds, Unhandled};
use crate::endpoint::Endpoint;
use crate::quarantine::Trouble;

/// A delivery with its events, ready to be routed.
pub(crate) struct Handled<'a> {
    pub(crate) endpoint: &'a Endpoint,
    /// The record that the inbox will keep, without its events.
    pub(crate) delivery: Delivery,
    pub(crate) events: Vec<Incoming>,
    /// The provider's id of the delivery, or of the first event of a batch.
    pub(crate) provider_id: Option<String>,
    pub(crate) occasion: Occasion,
}

impl<'a> Handled<'a> {
    /// Turns into a delivery that could not be routed.
    pub(crate) fn into_unhandled(self, trouble: Trouble) -> Unhandled<'a> {
        let Self { endpoint, delivery, provider_id, events, .. } = self;
        let events = events.into_iter().map(|event| event.provider_id).collect();
        Unhandled { endpoint, delivery, ids: ProviderIds { delivery: provider_id, events }, trouble }
    }
}

/// An event as the handler left it, with its id and the provider's.
pub(crate) struct Incoming {
    pub(crate) id: EventId,
    pub(crate) provider_id: Option<String>,
    pub(crate) raw: RawInbound,
}

/// The reason for which a delivery is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Occasion {
    /// A sender sent it.
    Arrival,
    /// An operator has this delivery handled again, which skips dedup.
    Replay(DeliveryId),
}
