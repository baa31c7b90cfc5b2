//! Keys and deliveries in the suite of every store: whoever lost a version
//! writes nothing, and events and waits meet whichever comes first.

use std::sync::Arc;

use px_core::run::Command;
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
        place: None,
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

/// Those who wait at a key are read by place, by token and by id, whoever has left.
pub fn a_line_is_read_by_place_by_token_and_by_id(store: Arc<dyn Store>) {
    let mut driver = Driver::new(Arc::clone(&store));
    let token = |n: usize| n.is_multiple_of(3).then(|| format!("t{n}"));
    let runs: Vec<_> = (0..40).map(|_| driver.start("one")).collect();
    for (n, run) in runs.iter().enumerate() {
        driver.wait_with(*run, &[(key(1), token(n)), (key(2), None)], None).unwrap();
    }
    let read = |wanted: Option<&str>, from, limit| {
        block_on(store.waiters(SCOPE, &key(1), wanted, from, limit)).expect("a line")
    };
    let line = || block_on(store.key(SCOPE, &key(1))).expect("a key").record.line;
    let all = read(None, 0, 100);
    assert_eq!(
        all.iter().map(|(_, waiter)| waiter.run()).collect::<Vec<_>>(),
        runs,
        "in the order of commits"
    );
    assert!(all.is_sorted_by(|one, next| one.0 < next.0));
    assert_eq!((line().count, line().tokens), (40, 14));
    let (place, _) = all.get(7).expect("the eighth").clone();
    assert_eq!(read(None, place, 3), all.get(7..10).expect("three"));
    let bearing = read(Some("t9"), 0, 100);
    assert_eq!(bearing, all.get(9..10).expect("one"));
    assert!(read(Some("t9"), bearing.first().expect("one").0 + 1, 100).is_empty());
    assert!(read(Some("none"), 0, 100).is_empty());
    for (place, waiter) in &all {
        assert_eq!(block_on(store.waiter_place(SCOPE, &key(1), waiter.id())).unwrap(), Some(*place));
    }
    // Events without a token go to those that want none, oldest first.
    for (n, run) in runs.iter().enumerate().filter(|(n, _)| token(*n).is_none()) {
        driver.deliver(&key(1), &format!("e{n}"));
        let found = block_on(store.run(SCOPE, *run)).unwrap().expect("the run").run;
        assert!(found.waits.is_empty(), "the wait of run {n}");
    }
    assert_eq!((line().count, line().free()), (14, 0));
    let left: Vec<_> =
        runs.iter().enumerate().filter(|(n, _)| token(*n).is_some()).map(|(_, run)| *run).collect();
    assert_eq!(read(None, 0, 100).iter().map(|(_, waiter)| waiter.run()).collect::<Vec<_>>(), left);
    for (place, waiter) in all.iter().filter(|(_, waiter)| waiter.token().is_none()) {
        let found = block_on(store.waiter_place(SCOPE, &key(1), waiter.id())).unwrap();
        assert_eq!(found, None, "place {place}");
    }
    for run in left.into_iter().rev() {
        driver.command(run, Command::Cancel { reason: None }).unwrap();
    }
    for key in [key(1), key(2)] {
        assert!(block_on(store.waiters(SCOPE, &key, None, 0, 1)).unwrap().is_empty());
        assert!(block_on(store.key(SCOPE, &key)).unwrap().record.line.is_empty());
    }
    let report = block_on(crate::audit::audit(&*store, SCOPE, &mut |_| {})).expect("an audit");
    let about_lines = |violation: &&crate::audit::Violation| violation.ids.contains_key("key");
    assert_eq!(report.violations.iter().find(about_lines), None);
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
    assert_eq!(run.given.clone().and_then(|given| given.response), Some(json!({"text": "a"})));
    let second = driver.start("one");
    driver.wait_on(second, &[key(1), key(2)], Some(50)).unwrap();
    let run = block_on(store.run(SCOPE, second)).unwrap().expect("the run").run;
    assert_eq!(run.given.clone().and_then(|given| given.response), Some(json!({"text": "b"})));
    assert!(block_on(store.queued(SCOPE, &key(1), 0, 9)).unwrap().is_empty());
    let due = block_on(store.due(SCOPE, Timestamp::from_millis(u64::MAX - 1), None, 9)).unwrap();
    assert!(!due.iter().any(|timer| matches!(timer.kind, TimerKind::Wait { .. })), "{due:?}");
}
