//! The commit of a sweep: the deliveries that go, those that lose their payload,
//! and the rows that go with them. [`retention`](crate::retention) chooses them.

use std::collections::BTreeSet;

use px_core::{DeliveryId, Timestamp};
use px_store::{
    Batch, Delivery, DeliveryWrite, EventWrite, FileDrop, ForgetWrite, Forgotten, ForgottenWrite, InboxEvent,
    InboxState, Outcome,
};

use crate::context::InboundContext;
use crate::quarantine::quarantined_id;
use crate::retention::Swept;

/// The changes that one sweep is going to commit.
#[derive(Default)]
pub(crate) struct Plan {
    doomed: Vec<Doomed>,
    emptied: Vec<DeliveryWrite>,
    /// Events of these that lie apart from them.
    events_apart: Vec<EventWrite>,
    dropped_files: Vec<FileDrop>,
    pub(crate) swept: Swept,
    through: Option<DeliveryId>,
}

/// A delivery that is going to be forgotten.
struct Doomed {
    write: ForgetWrite,
    /// Provider's ids that may be remembered with it.
    remembered: BTreeSet<String>,
    /// Provider's ids under which it may lie in quarantine.
    quarantined: BTreeSet<String>,
}

impl Plan {
    pub(crate) fn is_empty(&self) -> bool {
        self.doomed.is_empty() && self.emptied.is_empty()
    }

    pub(crate) fn forget(&mut self, delivery: Delivery) {
        let events = &delivery.events;
        if !events.iter().all(|event| event.state == InboxState::Rejected) {
            self.through = self.through.max(Some(delivery.id));
        }
        self.swept.forgotten += 1;
        self.dropped_files.extend(FileDrop::all_of(&delivery));
        let identifiers: BTreeSet<String> =
            events.iter().filter_map(|event| event.identifier.clone()).collect();
        let remembered = events.iter().filter(|event| is_remembered(event));
        let remembered = remembered.filter_map(|event| event.provider_id.clone()).collect();
        let quarantined = events.iter().filter_map(quarantined_id).map(str::to_owned).collect();
        let write = ForgetWrite {
            delivery: delivery.id,
            revision: Some(delivery.revision),
            slug: delivery.slug,
            identifiers: identifiers.into_iter().collect(),
            provider_ids: Vec::new(),
            set_asides: Vec::new(),
        };
        self.doomed.push(Doomed { write, remembered, quarantined });
    }

    pub(crate) fn unlist(&mut self, id: DeliveryId) {
        self.unlist_of(id, "");
    }

    /// Takes an id out of the lists that still have it.
    pub(crate) fn unlist_of(&mut self, id: DeliveryId, slug: &str) {
        let write = ForgetWrite {
            delivery: id,
            revision: None,
            slug: slug.to_owned(),
            identifiers: Vec::new(),
            provider_ids: Vec::new(),
            set_asides: Vec::new(),
        };
        self.doomed.push(Doomed { write, remembered: BTreeSet::new(), quarantined: BTreeSet::new() });
    }

    pub(crate) fn empty(&mut self, mut delivery: Delivery, version: impl Fn() -> u64) {
        self.swept.emptied += 1;
        self.dropped_files.extend(FileDrop::all_of(&delivery));
        delivery.files.clear();
        delivery.emptied = true;
        delivery.body = bytes::Bytes::new();
        delivery.headers.clear();
        for (place, event) in (0..).zip(&mut delivery.events) {
            (event.response, event.start) = (None, None);
            if event.apart != 0 {
                let (delivery, expected) = (delivery.id, event.apart);
                let event = InboxEvent { apart: version(), ..event.clone() };
                self.events_apart.push(EventWrite { delivery, place, expected, event });
            }
        }
        self.emptied.push(DeliveryWrite { delivery, new: false });
    }

    /// Commits the plan, once; if something has changed since it was made, nothing
    /// is removed. Everything that goes is demanded as it was read, since an
    /// operator's replay, and a body that comes again after its window, write over
    /// a provider's id at any time, in this process or in another.
    pub(crate) async fn commit(mut self, context: &InboundContext) -> Result<Swept, px_store::Error> {
        let InboundContext { store, scope, .. } = context;
        for doomed in &mut self.doomed {
            for id in std::mem::take(&mut doomed.remembered) {
                let known = store.dedup(*scope, &doomed.write.slug, &id).await?;
                if let Some(record) = known.filter(|record| record.delivery == doomed.write.delivery) {
                    doomed.write.provider_ids.push((id, record));
                }
            }
            for id in std::mem::take(&mut doomed.quarantined) {
                let known = store.set_aside(*scope, &doomed.write.slug, &id).await?;
                if let Some(record) = known.filter(|record| record.delivery == doomed.write.delivery) {
                    doomed.write.set_asides.push((id, record));
                }
            }
        }
        let mut batch = Batch { scope: *scope, deliveries: self.emptied, ..Batch::default() };
        batch.events_apart = self.events_apart;
        batch.dropped_files = self.dropped_files;
        batch.forget = self.doomed.into_iter().map(|doomed| doomed.write).collect();
        if self.swept.forgotten > 0 {
            let expected = store.forgotten(*scope).await?;
            // Nothing names a rejected request, so it moves no bound.
            let through = self.through.unwrap_or_else(|| DeliveryId::bound(Timestamp::from_millis(0)));
            let record = Forgotten {
                through: expected.map_or(through, |known| known.through.max(through)),
                count: expected.map_or(0, |known| known.count) + self.swept.forgotten,
            };
            batch.forgotten = Some(ForgottenWrite { expected, record });
        }
        match context.commit_batch(batch).await? {
            // Pieces of the later kinds were not looked at yet.
            Outcome::Committed { .. } => Ok(Swept { more: true, ..self.swept }),
            // Somebody changed one of them; a later sweep reads it anew, and not this
            // one, since one that conflicts each time would keep it from its end.
            Outcome::Conflict(conflict) => {
                tracing::warn!(?conflict, "a sweep of the inbox met a change and removed nothing this time");
                Ok(Swept::default())
            }
        }
    }
}

/// Returns true if there is a record under the event's id, or the event is kept
/// for as long as one would be.
pub(crate) fn is_remembered(event: &InboxEvent) -> bool {
    use InboxState as S;
    match event.state {
        S::Late | S::Expired => true,
        S::Duplicate | S::Quarantined | S::Rejected => false,
        _ => event.provider_id.is_some(),
    }
}
