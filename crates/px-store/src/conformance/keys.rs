//! Keys and deliveries in the suite of every store: whoever lost a version
//! writes nothing, and events and waits meet whichever comes first.

use std::sync::Arc;

use px_core::{DeliveryId, Ids, Timestamp};
use serde_json::json;

use super::driver::{Driver, key};
use super::{AnyBrain, SCOPE, block_on};
use crate::batch::{Conflict, Outcome};
use crate::draft::Draft;
use crate::model::{QueuedEvent, TimerKind};
use crate::store::{DeliveryFilter, Store};

/// Two drafts that read the same key cannot both commit (docs/rules.md#1).
pub fn a_key_that_changed_is_a_conflict(store: Arc<dyn Store>) {
    let mut driver = Driver::new(Arc::clone(&store));
    let now = Timestamp::from_millis(5);
    let queued = |n: u8| QueuedEvent {
        event: px_core::EventId::from_bytes([n; 16]),
        delivery: DeliveryId::from_bytes([n; 16]),
        token: None,
        at: now,
        expires_at: None,
        starts: false,
    };
    let ids = Ids::counted(77);
    let mut first = Draft::new(&*store, &AnyBrain, &ids, SCOPE, now);
    let mut second = Draft::new(&*store, &AnyBrain, &ids, SCOPE, now);
    block_on(first.enqueue(&key(1), queued(1))).unwrap();
    block_on(second.enqueue(&key(1), queued(2))).unwrap();
    let (first, second) = (first.into_batch(), second.into_batch());
    assert!(matches!(driver.commit(first), Outcome::Committed { .. }));
    assert_eq!(driver.commit(second), Outcome::Conflict(Conflict::Key(key(1))));
    let rows = block_on(store.queued(SCOPE, &key(1), 0, 10)).unwrap();
    assert_eq!(rows.len(), 1, "nothing of the second is there");
    // An opening wait and an arriving event: whoever is second reads anew.
    let run = driver.start("one");
    let mut arriving = Draft::new(&*store, &AnyBrain, &ids, SCOPE, now);
    block_on(arriving.enqueue(&key(2), queued(3))).unwrap();
    let arriving = arriving.into_batch();
    driver.wait_on(run, &[key(2)], None).unwrap();
    assert_eq!(driver.commit(arriving), Outcome::Conflict(Conflict::Key(key(2))));
}

/// Two drafts that read the same delivery cannot both commit: its events
/// belong to keys that know nothing of each other.
pub fn a_delivery_that_changed_is_a_conflict(store: Arc<dyn Store>) {
    let mut driver = Driver::new(Arc::clone(&store));
    let now = Timestamp::from_millis(5);
    let ids = Ids::counted(78);
    assert!(matches!(driver.deliver(&key(1), "p"), Outcome::Committed { .. }));
    let all = block_on(store.deliveries(SCOPE, &DeliveryFilter::default(), None, 1)).unwrap();
    let delivery = all.items.into_iter().next().expect("the delivery");
    let (id, event) = (delivery.id, delivery.events.first().expect("its event").id);
    for round in 0..3 {
        let mut drafts = [(); 2].map(|()| Draft::new(&*store, &AnyBrain, &ids, SCOPE, now));
        for (draft, word) in drafts.iter_mut().zip(["first", "second"]) {
            let reason = Some(format!("{word} of round {round}"));
            block_on(draft.mark(id, event, |entry| entry.reason = reason)).unwrap();
        }
        let [first, second] = drafts.map(Draft::into_batch);
        assert!(matches!(driver.commit(first), Outcome::Committed { .. }));
        assert_eq!(driver.commit(second), Outcome::Conflict(Conflict::Delivery(id)));
        let read = block_on(store.delivery(SCOPE, id)).unwrap().expect("the delivery");
        let reason = read.events.first().and_then(|event| event.reason.clone());
        assert_eq!(reason, Some(format!("first of round {round}")));
        assert_eq!(read.body, delivery.body);
    }
}

/// A provider's id is taken once, and the conflict carries the original.
pub fn a_known_provider_id_is_a_conflict(store: Arc<dyn Store>) {
    let mut driver = Driver::new(Arc::clone(&store));
    assert!(matches!(driver.deliver(&key(1), "p"), Outcome::Committed { .. }));
    match driver.deliver(&key(1), "p") {
        Outcome::Conflict(Conflict::Duplicate { slug, provider_id, record }) => {
            assert_eq!((slug.as_str(), provider_id.as_str(), record.action.as_str()), ("hub", "p", "queued"));
            assert_eq!(block_on(store.dedup(SCOPE, "hub", "p")).unwrap(), Some(record));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(block_on(store.dedup(SCOPE, "hub", "q")).unwrap(), None);
}

/// An event and its wait meet whichever comes first, and the queue is kept in order.
pub fn events_and_waits_meet(store: Arc<dyn Store>) {
    let mut driver = Driver::new(Arc::clone(&store));
    for id in ["a", "b"] {
        driver.deliver(&key(1), id);
    }
    let first = driver.start("one");
    driver.wait_on(first, &[key(1)], None).unwrap();
    let run = block_on(store.run(SCOPE, first)).unwrap().expect("the run").run;
    assert_eq!(run.given.and_then(|given| given.response), Some(json!({"text": "a"})));
    let second = driver.start("one");
    driver.wait_on(second, &[key(1), key(2)], Some(50)).unwrap();
    let run = block_on(store.run(SCOPE, second)).unwrap().expect("the run").run;
    assert_eq!(run.given.and_then(|given| given.response), Some(json!({"text": "b"})));
    assert!(block_on(store.queued(SCOPE, &key(1), 0, 9)).unwrap().is_empty());
    let due = block_on(store.due(SCOPE, Timestamp::from_millis(u64::MAX - 1), 9)).unwrap();
    assert!(!due.iter().any(|timer| matches!(timer.kind, TimerKind::Wait { .. })), "{due:?}");
}
