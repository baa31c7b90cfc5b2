//! The record that the inbox keeps of a request.

use px_core::{DeliveryId, Ids, Stopwatch, Timestamp};
use px_sdk::Received as Request;
use px_store::{Delivery, InboxEvent, InboxState};

use crate::endpoint::Endpoint;
use crate::redact;

/// Returns the record of a request, without events; signatures and credentials are redacted.
pub(crate) fn delivery(id: DeliveryId, endpoint: &Endpoint, request: &Request, verdict: String) -> Delivery {
    Delivery {
        id,
        slug: endpoint.def.slug.clone(),
        received_at: request.at,
        remote: request.remote.to_string(),
        method: request.method.to_string(),
        target: redact::target(request, &endpoint.def.verification),
        headers: redact::headers(request, &endpoint.def.verification),
        verdict,
        status: 0,
        took_us: 0,
        size: request.body.len() as u64,
        events: Vec::new(),
        holders: Vec::new(),
        emptied: false,
        test: None,
        files: Vec::new(),
        contents: Vec::new(),
        body: request.body.clone(),
        revision: 0,
    }
}

/// Returns the event of a delivery that did not get as far as a route.
pub(crate) fn unrouted(ids: &Ids, state: InboxState, at: Timestamp, reason: String) -> InboxEvent {
    InboxEvent { reason: Some(reason), ..InboxEvent::new(ids.event(at), state, at) }
}

/// Returns the time on a stopwatch, microseconds.
pub(crate) fn micros(watch: Stopwatch) -> u64 {
    u64::try_from(watch.elapsed().as_micros()).unwrap_or(u64::MAX)
}
