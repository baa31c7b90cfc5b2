//! Forgetting, in the suite of every store: a delivery goes with its ids
//! and out of every list, in one commit, and only as it was read.

use std::sync::Arc;

use px_core::{DeliveryId, EventId, Timestamp};

use super::{Driver, SCOPE, block_on, key};
use crate::Batch;
use crate::batch::{
    Conflict, DedupDemand, DedupWrite, DeliveryWrite, ForgetWrite, ForgottenWrite, Outcome, SetAsideWrite,
};
use crate::model::{DedupRecord, Delivery, Forgotten, InboxState, SetAside};
use crate::store::{DeliveryFilter, DeliveryList, Store};

/// The slug of the driver's keys.
const SLUG: &str = "hub";

fn forget(store: &dyn Store, delivery: &Delivery) -> ForgetWrite {
    let ids = delivery.events.iter().filter_map(|event| event.provider_id.clone());
    let known =
        |id: String| block_on(store.dedup(SCOPE, SLUG, &id)).expect("a read").map(|known| (id, known));
    ForgetWrite {
        delivery: delivery.id,
        revision: Some(delivery.revision),
        slug: delivery.slug.clone(),
        identifiers: delivery.events.iter().filter_map(|event| event.identifier.clone()).collect(),
        provider_ids: ids.filter_map(known).collect(),
        set_asides: Vec::new(),
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
                batch.forget.push(forget(&*self.store, &delivery));
                let known = block_on(self.store.forgotten(SCOPE)).expect("a read");
                let record = Forgotten {
                    through: known.map_or(id, |known| known.through.max(id)),
                    count: known.map_or(0, |known| known.count) + batch.forget.len() as u64,
                };
                batch.forgotten = Some(ForgottenWrite { expected: known, record });
            }
        }
        let count = batch.forget.len();
        (count, (count > 0).then(|| self.commit(batch)))
    }
}

/// A forgotten delivery is nowhere any more, and its provider's id is new again.
///
/// # Panics
/// If a store does otherwise.
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
        let record = Forgotten { through: *doomed.first().expect("one"), count: 500 };
        let forget = rows.map(|row| forget(&*store, &row)).collect();
        let expected = block_on(store.forgotten(SCOPE)).expect("a read");
        let forgotten = Some(ForgottenWrite { expected, record });
        let batch = Batch { forget, forgotten, ..Batch::default() };
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
/// If a store does otherwise.
pub fn what_changed_meanwhile_is_not_forgotten(store: Arc<dyn Store>) {
    let mut driver = Driver::new(Arc::clone(&store));
    driver.deliver(&key(0), "p0");
    let list = DeliveryList::Webhook(SLUG);
    let id = *block_on(store.delivery_ids(SCOPE, list, None, 1)).expect("a list").first().expect("one");
    let read = block_on(store.delivery(SCOPE, id)).expect("a read").expect("a row");
    let run = driver.start("one");
    driver.wait_on(run, &[key(0)], None).expect("a wait");
    let conflict = Outcome::Conflict(Conflict::Delivery(id));
    let old = Batch { forget: vec![forget(&*store, &read)], ..Batch::default() };
    assert_eq!(driver.commit(old), conflict);
    let gone = ForgetWrite { revision: None, ..forget(&*store, &read) };
    assert_eq!(driver.commit(Batch { forget: vec![gone], ..Batch::default() }), conflict);
    let now = block_on(store.delivery(SCOPE, id)).expect("a read").expect("a row");
    let batch = Batch { forget: vec![forget(&*store, &now)], ..Batch::default() };
    assert!(matches!(driver.commit(batch), Outcome::Committed { .. }));
    // What only a list still has is taken out of it.
    let stale = ForgetWrite { revision: None, ..forget(&*store, &now) };
    assert!(matches!(
        driver.commit(Batch { forget: vec![stale], ..Batch::default() }),
        Outcome::Committed { .. }
    ));
}

/// A provider's id is written, and forgotten, only over the record that was
/// read, and how far deliveries were forgotten likewise: of two processes that
/// have read the same, one commits.
///
/// # Panics
/// If a store does otherwise.
pub fn what_is_remembered_is_changed_as_it_was_read(store: Arc<dyn Store>) {
    let driver = Driver::new(Arc::clone(&store));
    let record = |n: u8| DedupRecord {
        delivery: DeliveryId::from_bytes([n; 16]),
        action: "ignored".into(),
        run: None,
        at: Timestamp::from_millis(u64::from(n)),
        reply: None,
    };
    let write = |expected: Option<u8>, n: u8| {
        let expected = expected.map(record);
        let write = DedupWrite { slug: SLUG.into(), provider_id: "p".into(), expected, record: record(n) };
        Batch { dedups: vec![write], ..Batch::default() }
    };
    let conflict = Outcome::Conflict(Conflict::Dedup { slug: SLUG.into(), provider_id: "p".into() });
    assert_eq!(driver.commit(write(Some(1), 2)), conflict, "there is none yet");
    assert!(matches!(driver.commit(write(None, 1)), Outcome::Committed { .. }));
    assert!(matches!(driver.commit(write(Some(1), 2)), Outcome::Committed { .. }));
    assert_eq!(driver.commit(write(Some(1), 3)), conflict);
    assert_eq!(block_on(store.dedup(SCOPE, SLUG, "p")).expect("a read"), Some(record(2)));
    let demand = |id: &str, expected: Option<u8>| {
        let demand =
            DedupDemand { slug: SLUG.into(), provider_id: id.into(), expected: expected.map(record) };
        Batch { dedup_demands: vec![demand], ..Batch::default() }
    };
    assert_eq!(driver.commit(demand("p", Some(1))), conflict);
    assert!(matches!(driver.commit(demand("p", None)), Outcome::Conflict(Conflict::Duplicate { .. })));
    assert!(matches!(driver.commit(demand("p", Some(2))), Outcome::Committed { .. }));
    assert!(matches!(driver.commit(demand("q", None)), Outcome::Committed { .. }));
    assert_eq!(block_on(store.dedup(SCOPE, SLUG, "p")).expect("a read"), Some(record(2)));
    assert_eq!(block_on(store.dedup(SCOPE, SLUG, "q")).expect("a read"), None);
    let forget = |n: u8| {
        let forget = ForgetWrite {
            delivery: DeliveryId::from_bytes([9; 16]),
            revision: None,
            slug: SLUG.into(),
            identifiers: Vec::new(),
            provider_ids: vec![("p".into(), record(n))],
            set_asides: Vec::new(),
        };
        Batch { forget: vec![forget], ..Batch::default() }
    };
    assert_eq!(driver.commit(forget(1)), conflict);
    assert!(block_on(store.dedup(SCOPE, SLUG, "p")).expect("a read").is_some());
    assert!(matches!(driver.commit(forget(2)), Outcome::Committed { .. }));
    assert!(block_on(store.dedup(SCOPE, SLUG, "p")).expect("a read").is_none());

    let through = |count| Forgotten { through: DeliveryId::from_bytes([1; 16]), count };
    let count = |expected: Option<u64>, count| Batch {
        forgotten: Some(ForgottenWrite { expected: expected.map(through), record: through(count) }),
        ..Batch::default()
    };
    assert!(matches!(driver.commit(count(None, 3)), Outcome::Committed { .. }));
    assert_eq!(driver.commit(count(None, 4)), Outcome::Conflict(Conflict::Forgotten));
    assert!(matches!(driver.commit(count(Some(3), 5)), Outcome::Committed { .. }));
    assert_eq!(driver.commit(count(Some(3), 6)), Outcome::Conflict(Conflict::Forgotten));
}

/// An event in quarantine is found by its provider's id, and replaced only by
/// who has read it.
///
/// # Panics
/// If a store does otherwise.
pub fn what_is_set_aside_is_found_by_its_id(store: Arc<dyn Store>) {
    let driver = Driver::new(Arc::clone(&store));
    let aside =
        |n: u8| SetAside { delivery: DeliveryId::from_bytes([n; 16]), event: EventId::from_bytes([n; 16]) };
    let write = |expected: Option<u8>, record: Option<u8>| {
        let (expected, record) = (expected.map(aside), record.map(aside));
        let write = SetAsideWrite { slug: SLUG.into(), provider_id: "p".into(), expected, record };
        Batch { set_asides: vec![write], ..Batch::default() }
    };
    let conflict = Outcome::Conflict(Conflict::SetAside { slug: SLUG.into(), provider_id: "p".into() });
    let found = || block_on(store.set_aside(SCOPE, SLUG, "p")).expect("a read");
    assert_eq!(found(), None);
    assert!(matches!(driver.commit(write(None, Some(1))), Outcome::Committed { .. }));
    assert_eq!(found(), Some(aside(1)));
    assert_eq!(block_on(store.set_aside(SCOPE, SLUG, "q")).expect("a read"), None);
    assert_eq!(block_on(store.set_aside(SCOPE, "other", "p")).expect("a read"), None);
    assert_eq!(driver.commit(write(None, Some(2))), conflict);
    assert_eq!(driver.commit(write(None, None)), conflict, "nothing is demanded, and there is something");
    assert!(matches!(driver.commit(write(Some(1), Some(1))), Outcome::Committed { .. }));
    assert!(matches!(driver.commit(write(Some(1), Some(2))), Outcome::Committed { .. }));
    assert_eq!(driver.commit(write(Some(1), None)), conflict);
    assert_eq!(found(), Some(aside(2)));
    assert!(matches!(driver.commit(write(Some(2), None)), Outcome::Committed { .. }));
    assert!(matches!(driver.commit(write(None, None)), Outcome::Committed { .. }));
    assert_eq!(found(), None);
}

/// Events of one delivery that lie apart from it are read, taken and written one by
/// one, at the same time too; they are shown with their delivery and go with it.
///
/// # Panics
/// If a store does otherwise.
pub fn events_that_lie_apart_change_one_by_one(store: Arc<dyn Store>) {
    let mut driver = Driver::new(Arc::clone(&store));
    let id = driver.deliver_batch(&[key(0), key(1), key(2), key(0)]);
    let read = || block_on(store.delivery(SCOPE, id)).expect("a read").expect("a row");
    let event = |place| block_on(store.event_apart(SCOPE, id, place)).expect("a read");
    let first = read();
    let identifiers: Vec<_> = first.events.iter().filter_map(|event| event.identifier.as_deref()).collect();
    assert_eq!(identifiers, ["k0", "k1", "k2", "k0"]);
    assert!(first.events.iter().all(|event| event.apart != 0 && event.response.is_some()));
    for (place, shown) in (0..).zip(&first.events) {
        assert_eq!(event(place).as_ref(), Some(shown));
    }
    assert_eq!(event(4), None);

    // Two runs take theirs at once: neither commit hinders the other.
    let runs = [driver.start("one"), driver.start("one")];
    let mut batches = Vec::new();
    for (n, run) in (0..).zip(runs) {
        batches.push(driver.wait_batch(run, &[(key(n), None)], None).expect("a wait"));
    }
    for batch in &batches {
        assert!(batch.deliveries.is_empty() && batch.events_apart.len() == 1);
        assert!(matches!(driver.commit(batch.clone()), Outcome::Committed { .. }));
    }
    let states = |delivery: &Delivery| delivery.events.iter().map(|event| event.state).collect::<Vec<_>>();
    use InboxState::{Queued, Resumed};
    let taken = read();
    assert_eq!(states(&taken), [Resumed, Resumed, Queued, Queued]);
    let takers: Vec<_> = taken.events.iter().filter_map(|event| event.run).collect();
    assert_eq!(takers, runs);
    assert_eq!(taken.revision, first.revision);
    for state in [Queued, Resumed] {
        let list = DeliveryList::State(state);
        let listed = block_on(store.delivery_ids(SCOPE, list, None, 10)).expect("a list");
        assert_eq!(listed, [id], "{state:?}");
        let filter = DeliveryFilter { state: Some(state), ..DeliveryFilter::default() };
        let found = block_on(store.deliveries(SCOPE, &filter, None, 10)).expect("a list").items;
        assert_eq!(found, std::slice::from_ref(&taken), "{state:?}");
    }

    // Whoever read one before it changed cannot write it.
    let stale = batches.into_iter().flat_map(|batch| batch.events_apart).collect();
    let stale = Batch { events_apart: stale, ..Batch::default() };
    assert_eq!(driver.commit(stale), Outcome::Conflict(Conflict::Delivery(id)));
    assert_eq!(read(), taken);

    // A delivery that is written anew does not write what its events say.
    let emptied = Delivery { emptied: true, ..first };
    let write = DeliveryWrite { delivery: emptied, new: false };
    let batch = Batch { deliveries: vec![write], ..Batch::default() };
    assert!(matches!(driver.commit(batch), Outcome::Committed { .. }));
    let emptied = read();
    assert!(emptied.emptied && emptied.events == taken.events);

    let batch = Batch { forget: vec![forget(&*store, &emptied)], ..Batch::default() };
    assert!(matches!(driver.commit(batch), Outcome::Committed { .. }));
    assert_eq!([event(0), event(2)], [None, None]);
}
