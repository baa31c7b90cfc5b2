//! Dedup: the records by which a provider's repetitions are known. A record is
//! written only in the commit of a delivery that is answered with 2xx, and only
//! over the record that was read, so that of two equal deliveries at once, in
//! one process or in two, one commits and the other finds out that it repeats.

use std::collections::BTreeMap;

use px_core::Timestamp;
use px_sdk::WebhookDef;
use px_sdk::verify::Duplicates;
use px_store::{APART_FROM, DedupRecord, DedupWrite, Delivery, Draft, PinnedReply};

use crate::answer::{Action, Answer, Taken};
use crate::context::InboundContext;
use crate::phases::{Handled, Occasion};

/// The knowledge of one delivery, over its rounds, about the ids that it brings.
pub(crate) struct Known {
    /// Records that commits of earlier rounds met.
    met: BTreeMap<String, DedupRecord>,
    /// True if the records are read before the commit. Most deliveries bring new
    /// ids, and the commit itself refuses a known one, which saves a read. It is
    /// read where a known id may be written over, and where routing failed, since
    /// a duplicate is answered as one also where there is no room for it any more.
    pub(crate) asks: bool,
}

/// The answer to whether an id is new.
pub(crate) enum Lookup {
    /// The event repeats the one of this record.
    Duplicate(DedupRecord),
    /// The event counts; the record that its own one is written over, if any.
    New(Option<DedupRecord>),
}

impl Known {
    pub(crate) fn new(handled: &Handled<'_>) -> Self {
        Self { met: BTreeMap::new(), asks: may_write_over(handled) }
    }

    /// Takes in the record that a commit met where it demanded none.
    pub(crate) fn learn(&mut self, handled: &Handled<'_>, provider_id: String, record: DedupRecord) {
        // If one is known there may be more, of a batch that is sent again: a
        // conflict for each of them would use up the rounds.
        self.asks = true;
        // One that may be written over has to be read, not remembered.
        if !may_write_over(handled) {
            self.met.insert(provider_id, record);
        }
    }

    /// Finds out about an id.
    pub(crate) async fn look_up(
        &self,
        context: &InboundContext,
        handled: &Handled<'_>,
        id: &str,
        now: Timestamp,
    ) -> Result<Lookup, px_store::Error> {
        if let Some(record) = self.met.get(id) {
            return Ok(Lookup::Duplicate(record.clone()));
        }
        if !self.asks {
            return Ok(Lookup::New(None));
        }
        let def = &handled.endpoint.def;
        let found = context.store.dedup(context.scope, &def.slug, id).await?;
        let at = match handled.occasion {
            Occasion::Arrival => now,
            // What failed has done nothing yet. If its id is known by now, another
            // delivery has done it, and the replay would do it once more.
            Occasion::Replay(old) if old == handled.delivery.id => handled.delivery.received_at,
            // An operator's replay of what was done skips dedup.
            Occasion::Replay(_) => return Ok(Lookup::New(found)),
        };
        Ok(match found {
            Some(record) if counts(def, &record, at) => Lookup::Duplicate(record),
            found => Lookup::New(found),
        })
    }
}

/// Returns true if what comes at this time under the id of a record repeats it.
pub(crate) fn counts(def: &WebhookDef, record: &DedupRecord, at: Timestamp) -> bool {
    def.same_body_within.is_none_or(|window| at.since(record.at) < window)
}

/// Returns true if a record under one of the delivery's ids may have to be
/// written over: by a replay, or once the window of equal bodies is past.
fn may_write_over(handled: &Handled<'_>) -> bool {
    handled.occasion != Occasion::Arrival || handled.endpoint.def.same_body_within.is_some()
}

/// Returns the record of an id that this very delivery has brought before.
pub(crate) fn repeated(delivery: &Delivery, at: Timestamp) -> DedupRecord {
    DedupRecord { delivery: delivery.id, action: "repeated".into(), run: None, at, reply: None }
}

/// Adds to a draft the ids of the events that are no duplicates, each written
/// over the record in `read` at its place.
pub(crate) fn remember(
    handled: &Handled<'_>,
    draft: &mut Draft<'_>,
    taken: &[Taken],
    read: Vec<Option<DedupRecord>>,
    answer: &Answer,
) {
    let def = &handled.endpoint.def;
    // The answer to a large batch speaks of each event, and no single event that comes again is
    // answered with it: under each of their ids it would lie once for every other one.
    let repeats = def.verification.ack.duplicates == Duplicates::Repeat && handled.events.len() < APART_FROM;
    for ((event, taken), expected) in handled.events.iter().zip(taken).zip(read) {
        if let (Some(id), false) = (&event.provider_id, matches!(taken.action, Action::Duplicate(_))) {
            let reply = repeats.then(|| PinnedReply {
                status: answer.status,
                content_type: answer.content_type.clone(),
                body: answer.body.clone(),
            });
            draft.put_dedup(DedupWrite {
                slug: def.slug.clone(),
                provider_id: id.clone(),
                expected,
                record: DedupRecord {
                    delivery: handled.delivery.id,
                    action: taken.action.as_str().into(),
                    run: taken.action.run(),
                    at: draft.now(),
                    reply,
                },
            });
        }
    }
}
