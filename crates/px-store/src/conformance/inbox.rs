//! What is forgotten, in the suite of every store: a delivery goes with its ids
//! and out of every list, in one commit, and only as it was read.

use std::sync::Arc;

use px_core::DeliveryId;

use super::{Driver, SCOPE, block_on, key};
use crate::Batch;
use crate::batch::{Conflict, ForgetWrite, Outcome};
use crate::model::{Delivery, Forgotten, InboxState};
use crate::store::{DeliveryFilter, DeliveryList, Store};

/// The slug of the driver's keys.
const SLUG: &str = "hub";

fn forget(delivery: &Delivery) -> ForgetWrite {
    let of = |text: &dyn Fn(&crate::model::InboxEvent) -> Option<String>| {
        delivery.events.iter().filter_map(text).collect()
    };
    ForgetWrite {
        delivery: delivery.id,
        revision: Some(delivery.revision),
        slug: delivery.slug.clone(),
        identifiers: of(&|event| event.identifier.clone()),
        provider_ids: of(&|event| event.provider_id.clone()),
    }
}

impl Driver {
    /// Forgets the oldest deliveries that nothing holds, at most `most` of them.
    pub(super) fn forget_oldest(&mut self, most: usize) -> (usize, Option<Outcome>) {
        let mut ids = block_on(self.store.delivery_ids(SCOPE, DeliveryList::Webhook(SLUG), None, 10_000))
            .expect("a list");
        ids.reverse();
        let mut batch = Batch::default();
        for id in ids {
            let delivery = block_on(self.store.delivery(SCOPE, id)).expect("a read").expect("a listed row");
            if batch.forget.len() < most
                && delivery.events.iter().all(|event| event.state != InboxState::Queued)
            {
                batch.forget.push(forget(&delivery));
                let known = block_on(self.store.forgotten(SCOPE)).expect("a read");
                batch.forgotten = Some(Forgotten {
                    through: known.map_or(id, |known| known.through.max(id)),
                    count: known.map_or(0, |known| known.count) + batch.forget.len() as u64,
                });
            }
        }
        let count = batch.forget.len();
        (count, (count > 0).then(|| self.commit(batch)))
    }
}

/// A forgotten delivery is nowhere any more, and its provider's id is new again.
///
/// # Panics
/// Where a store does otherwise.
pub fn what_is_forgotten_is_nowhere(store: Arc<dyn Store>) {
    let mut driver = Driver::new(Arc::clone(&store));
    for n in 0..600 {
        driver.deliver(&key(n % 3), &format!("p{n}"));
    }
    let all = |store: &Arc<dyn Store>| {
        block_on(store.delivery_ids(SCOPE, DeliveryList::Webhook(SLUG), None, 1_000)).expect("a list")
    };
    let before = all(&store);
    assert_eq!(before.len(), 600);
    assert!(before.is_sorted_by(|newer, older| newer > older));
    let page = |store: &Arc<dyn Store>, at, limit| {
        block_on(store.delivery_ids(SCOPE, DeliveryList::Webhook(SLUG), at, limit)).expect("a list")
    };
    assert_eq!(page(&store, before.get(9).copied(), 5), before.get(10..15).expect("as many"));
    assert!(block_on(store.forgotten(SCOPE)).expect("a read").is_none());

    let doomed: Vec<DeliveryId> = before.iter().skip(100).copied().collect();
    for ids in doomed.chunks(64) {
        let rows = ids.iter().map(|id| block_on(store.delivery(SCOPE, *id)).expect("a read").expect("a row"));
        let forgotten = Forgotten { through: *doomed.first().expect("one"), count: 500 };
        let forget = rows.map(|row| forget(&row)).collect();
        let batch = Batch { forget, forgotten: Some(forgotten), ..Batch::default() };
        assert!(matches!(driver.commit(batch), Outcome::Committed { .. }));
    }
    assert_eq!(all(&store), before.get(..100).expect("as many"));
    let queued = DeliveryList::State(InboxState::Queued);
    let queued = block_on(store.delivery_ids(SCOPE, queued, None, 1_000)).expect("a list");
    assert_eq!(queued, before.get(..100).expect("as many"));
    let filter = DeliveryFilter { identifier: Some("k0".into()), ..DeliveryFilter::default() };
    let found = block_on(store.deliveries(SCOPE, &filter, None, 1_000)).expect("a list").items;
    assert!(found.iter().all(|delivery| !doomed.contains(&delivery.id)) && found.len() > 30);
    assert_eq!(block_on(store.forgotten(SCOPE)).expect("a read").map(|known| known.count), Some(500));
    for id in &doomed {
        assert!(block_on(store.delivery(SCOPE, *id)).expect("a read").is_none());
    }
    assert!(block_on(store.dedup(SCOPE, SLUG, "p3")).expect("a read").is_none());
    assert!(block_on(store.dedup(SCOPE, SLUG, "p599")).expect("a read").is_some());
    assert!(matches!(driver.deliver(&key(0), "p3"), Outcome::Committed { .. }));
}

/// A delivery that changed since it was read is not forgotten, nor one that is
/// there though its row was thought gone.
///
/// # Panics
/// Where a store does otherwise.
pub fn what_changed_meanwhile_is_not_forgotten(store: Arc<dyn Store>) {
    let mut driver = Driver::new(Arc::clone(&store));
    driver.deliver(&key(0), "p0");
    let list = DeliveryList::Webhook(SLUG);
    let id = *block_on(store.delivery_ids(SCOPE, list, None, 1)).expect("a list").first().expect("one");
    let read = block_on(store.delivery(SCOPE, id)).expect("a read").expect("a row");
    let run = driver.start("one");
    driver.wait_on(run, &[key(0)], None).expect("a wait");
    let conflict = Outcome::Conflict(Conflict::Delivery(id));
    let old = Batch { forget: vec![forget(&read)], ..Batch::default() };
    assert_eq!(driver.commit(old), conflict);
    let gone = ForgetWrite { revision: None, ..forget(&read) };
    assert_eq!(driver.commit(Batch { forget: vec![gone], ..Batch::default() }), conflict);
    let now = block_on(store.delivery(SCOPE, id)).expect("a read").expect("a row");
    let batch = Batch { forget: vec![forget(&now)], ..Batch::default() };
    assert!(matches!(driver.commit(batch), Outcome::Committed { .. }));
    // What only a list still has is taken out of it.
    let stale = ForgetWrite { revision: None, ..forget(&now) };
    assert!(matches!(
        driver.commit(Batch { forget: vec![stale], ..Batch::default() }),
        Outcome::Committed { .. }
    ));
}
