//! Dedup: the records by which a provider's repetitions are known. A record is
//! written only in the commit of a delivery that is answered with 2xx.

use px_core::Timestamp;
use px_sdk::verify::Duplicates;
use px_store::{DedupRecord, DedupWrite, Delivery, Draft, PinnedReply};

use crate::answer::{Action, Answer, Taken};
use crate::phases::{Handled, Occasion};

/// Returns the record of an id that this very delivery has brought before.
pub(crate) fn repeated(delivery: &Delivery, at: Timestamp) -> DedupRecord {
    DedupRecord { delivery: delivery.id, action: "repeated".into(), run: None, at, reply: None }
}

/// Adds to a draft the ids of the events that are no duplicates.
pub(crate) fn remember(handled: &Handled<'_>, draft: &mut Draft<'_>, taken: &[Taken], answer: &Answer) {
    let def = &handled.endpoint.def;
    let repeats = def.verification.ack.duplicates == Duplicates::Repeat;
    let force = handled.occasion != Occasion::Arrival || def.same_body_within.is_some();
    for (event, taken) in handled.events.iter().zip(taken) {
        if let (Some(id), false) = (&event.provider_id, matches!(taken.action, Action::Duplicate(_))) {
            let reply = repeats.then(|| PinnedReply {
                status: answer.status,
                content_type: answer.content_type.clone(),
                body: answer.body.clone(),
            });
            draft.put_dedup(DedupWrite {
                slug: def.slug.clone(),
                provider_id: id.clone(),
                record: DedupRecord {
                    delivery: handled.delivery.id,
                    action: taken.action.as_str().into(),
                    run: taken.action.run(),
                    at: draft.now(),
                    reply,
                },
                force,
            });
        }
    }
}
