//! The suite that every [`Store`] must pass. A store instantiates it with
//! [`store_conformance!`](crate::store_conformance) in its own tests:
//!
//! ```ignore
//! px_store::store_conformance!(open_store);   // a `fn() -> (Arc<dyn Store>, Guard)`
//! ```
//!
//! Beside it stands [`differential`], which drives two stores with one random
//! stream of operations and compares every reply and the final snapshot.

mod inbox;
mod outbox;

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use bytes::Bytes;
use px_core::event::Cause;
use px_core::run::{After, Then};
use px_core::run::{BrainInfo, Catalog, Command, Response, Start, StepOutcome};
use px_core::wait::{Registration, Wait, WaitMode};
use px_core::{DeliveryId, Ids, KeyId, RunId, RunStatus, Scope, Timestamp};
use serde_json::{Value, json};

use crate::batch::{Conflict, DedupWrite, Outcome};
use crate::draft::Draft;
use crate::layout::Table;
use crate::model::{DedupRecord, Delivery, InboxEvent, InboxState, QueuedEvent, Timer, TimerKind, Work};
use crate::rows::Admission;
use crate::scan::Row;
use crate::store::{DeliveryFilter, RunFilter, Store};

/// Runs a future to its end on this thread. Stores answer from threads of
/// their own, or at once.
///
/// # Panics
/// If the future is not done after a minute: a store that does not answer.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Thread(std::thread::Thread);
    impl Wake for Thread {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Thread(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    for _ in 0..600 {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
        std::thread::park_timeout(Duration::from_millis(100));
    }
    panic!("the store does not answer");
}

/// The brains of these tests: one step, whatever its title.
#[derive(Debug)]
pub struct AnyBrain;

impl Catalog for AnyBrain {
    fn brain(&self, title: &str) -> Option<BrainInfo> {
        let step = px_core::event::StepInfo { title: "step".into(), kind: px_core::event::StepKind::Step };
        Some(BrainInfo { title: title.into(), description: None, version: 1, steps: vec![step] })
    }

    fn early(&self, _slug: &str) -> Option<Duration> {
        Some(Duration::from_secs(3600))
    }
}

const SCOPE: Scope = Scope(0);

/// What the tests and the differential run do to a store: each a commit that a
/// stage of px would make, at a time and with ids of the caller's choice.
pub struct Driver {
    store: Arc<dyn Store>,
    ids: Ids,
    now: u64,
}

impl std::fmt::Debug for Driver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Driver").field("now", &self.now).finish_non_exhaustive()
    }
}

impl Driver {
    /// Drives this store. Drivers of equal history make equal ids.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store, ids: Ids::counted(0), now: 1_000_000 }
    }

    fn draft(&mut self) -> Draft<'_> {
        self.now += 1;
        Draft::new(&*self.store, &AnyBrain, &self.ids, SCOPE, Timestamp::from_millis(self.now))
    }

    fn commit(&self, batch: crate::Batch) -> Outcome {
        block_on(self.store.commit(batch, Admission::Wait)).expect("the store takes a batch")
    }

    fn start(&mut self, brain: &str) -> RunId {
        let mut draft = self.draft();
        let info = AnyBrain.brain(brain).expect("any brain");
        let run = block_on(draft.start(Start::of(info, json!({"n": 0}), Cause::Api))).expect("a start");
        let batch = draft.into_batch();
        assert!(matches!(self.commit(batch), Outcome::Committed { .. }));
        run
    }

    fn command(&mut self, run: RunId, command: Command) -> Result<Outcome, String> {
        let mut draft = self.draft();
        block_on(draft.command(run, command)).map_err(|error| error.to_string())?;
        let batch = draft.into_batch();
        Ok(self.commit(batch))
    }

    fn wait_on(&mut self, run: RunId, keys: &[KeyId], timeout: Option<u64>) -> Result<Outcome, String> {
        self.command(run, Command::BeginStep { index: 0 })?;
        let opened_at = Timestamp::from_millis(self.now);
        let wait = Wait {
            id: self.ids.wait(opened_at),
            mode: WaitMode::Any,
            collected: Vec::new(),
            registrations: keys
                .iter()
                .map(|key| Registration { key: key.clone(), token: None, schema: 0 })
                .collect(),
            opened_at,
            deadline: timeout.map(|after| Timestamp::from_millis(self.now + after)),
            fresh: false,
        };
        let outcome =
            StepOutcome { state: json!({"n": 1}), after: After::Step("step".into()), then: Then::Wait(wait) };
        self.command(run, Command::ReturnStep(Box::new(outcome)))
    }

    fn deliver(&mut self, key: &KeyId, provider_id: &str) -> Outcome {
        let now = Timestamp::from_millis(self.now + 1);
        let (delivery, event) = (self.ids.delivery(now), self.ids.event(now));
        let mut record = delivery_record(delivery, key, now);
        let mut entry = InboxEvent {
            id: event,
            state: InboxState::Queued,
            since: now,
            provider_id: Some(provider_id.into()),
            identifier: Some(key.identifier.to_string()),
            token: None,
            response: Some(json!({"text": provider_id})),
            start: None,
            run: None,
            wait: None,
            passed: Vec::new(),
            original: None,
            reason: None,
        };
        let mut draft = self.draft();
        let wait = block_on(draft.key(key)).expect("a key").waits.first().cloned();
        let mut action = "queued";
        if let Some(wait) = wait {
            let response = Response {
                wait: wait.wait,
                index: wait.index,
                key: Some(key.clone()),
                event: Some(event),
                delivery: Some(delivery),
                response: json!({"text": provider_id}),
            };
            block_on(draft.command(wait.run, Command::Respond(Box::new(response)))).expect("an open wait");
            (entry.state, entry.run, action) = (InboxState::Resumed, Some(wait.run), "resumed");
        } else {
            let queued =
                QueuedEvent { event, delivery, token: None, at: now, expires_at: None, starts: false };
            block_on(draft.enqueue(key, queued)).expect("a place");
        }
        let run = entry.run;
        record.events.push(entry);
        draft.put_delivery(record);
        draft.put_dedup(DedupWrite {
            slug: key.slug.to_string(),
            provider_id: provider_id.into(),
            record: DedupRecord { delivery, action: action.into(), run, at: now, reply: None },
            force: false,
        });
        let batch = draft.into_batch();
        self.commit(batch)
    }
}

fn delivery_record(id: DeliveryId, key: &KeyId, at: Timestamp) -> Delivery {
    Delivery {
        id,
        slug: key.slug.to_string(),
        received_at: at,
        remote: "127.0.0.1:1".into(),
        method: "POST".into(),
        target: format!("/webhooks/{}", key.slug),
        headers: vec![("content-type".into(), "application/json".into())],
        verdict: "verified".into(),
        status: 200,
        took_us: 7,
        size: 9,
        events: Vec::new(),
        body: Bytes::from_static(b"{\"raw\":1}"),
        emptied: false,
        revision: 0,
    }
}

/// A key of the tests.
#[must_use]
pub fn key(n: u64) -> KeyId {
    KeyId::new("hub", format!("k{n}"))
}

/// What a store answers must hold over commits, conflicts and reads.
pub mod cases {
    pub use super::inbox::{what_changed_meanwhile_is_not_forgotten, what_is_forgotten_is_nowhere};
    pub use super::outbox::{
        a_run_has_a_hook_of_its_own, hooks_change_under_a_precondition, what_happens_is_told_in_its_commit,
        what_is_due_is_found_by_lane_and_time,
    };
    use super::*;

    /// A run is read as it was written, with its whole log.
    pub fn a_run_and_its_log_are_read_back(store: Arc<dyn Store>) {
        let mut driver = Driver::new(Arc::clone(&store));
        let run = driver.start("one");
        let record = block_on(store.run(SCOPE, run)).unwrap().expect("the run");
        assert_eq!((record.run.seq, record.run.status), (2, RunStatus::Running));
        let log = block_on(store.events(SCOPE, run, 0, 100)).unwrap();
        assert_eq!(log.iter().map(|event| event.seq).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(px_core::Run::replay(run, &log).unwrap(), record.run);
        assert_eq!(block_on(store.events(SCOPE, run, 1, 100)).unwrap().len(), 1);
        let nobody = RunId::from_bytes([9; 16]);
        assert!(block_on(store.run(SCOPE, nobody)).unwrap().is_none());
        assert!(block_on(store.events(SCOPE, nobody, 0, 9)).unwrap().is_empty());
    }

    /// A log that outgrows its row is read in one piece, from any place.
    pub fn a_long_log_is_read_from_any_place(store: Arc<dyn Store>) {
        let mut driver = Driver::new(Arc::clone(&store));
        let run = driver.start("one");
        driver.command(run, Command::BeginStep { index: 0 }).unwrap();
        for n in 0..200 {
            let value = json!({"filler": "x".repeat(200), "n": n});
            driver.command(run, Command::RecordOnce { name: format!("o{n}"), value, item: None }).unwrap();
        }
        let seq = block_on(store.run(SCOPE, run)).unwrap().expect("the run").run.seq;
        assert_eq!(seq, 204);
        for after in [0, 1, 50, 51, 100, 202, 203, 204, 300] {
            let log = block_on(store.events(SCOPE, run, after, 1_000)).unwrap();
            let expected: Vec<u64> = (after + 1..=seq).collect();
            assert_eq!(log.iter().map(|event| event.seq).collect::<Vec<_>>(), expected, "after {after}");
        }
        let page = block_on(store.events(SCOPE, run, 10, 5)).unwrap();
        assert_eq!(page.iter().map(|event| event.seq).collect::<Vec<_>>(), [11, 12, 13, 14, 15]);
    }

    /// Two drafts that read the same key cannot both commit (RULES 1).
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

    /// A draft can demand that a run is as it was read without writing it.
    pub fn a_demanded_run_that_changed_is_a_conflict(store: Arc<dyn Store>) {
        let mut driver = Driver::new(Arc::clone(&store));
        let run = driver.start("one");
        let timer = Timer { due: Timestamp::from_millis(5), kind: TimerKind::Retry { run } };
        let removes = |driver: &mut Driver| {
            let mut draft = driver.draft();
            block_on(draft.run(run)).unwrap().expect("the run");
            draft.demand(run);
            draft.remove_timer(timer.clone());
            draft.into_batch()
        };
        let (batch, late) = (removes(&mut driver), removes(&mut driver));
        assert!(batch.runs.is_empty());
        assert!(matches!(driver.commit(batch), Outcome::Committed { .. }), "nothing has changed");
        driver.command(run, Command::BeginStep { index: 0 }).unwrap();
        assert_eq!(driver.commit(late), Outcome::Conflict(Conflict::Run(run)));
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
                assert_eq!(
                    (slug.as_str(), provider_id.as_str(), record.action.as_str()),
                    ("hub", "p", "queued")
                );
                assert_eq!(block_on(store.dedup(SCOPE, "hub", "p")).unwrap(), Some(record));
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(block_on(store.dedup(SCOPE, "hub", "q")).unwrap(), None);
    }

    /// A stale fence commits nothing (issue of a stalled executor).
    pub fn a_stale_fence_commits_nothing(store: Arc<dyn Store>) {
        let mut driver = Driver::new(Arc::clone(&store));
        let run = driver.start("one");
        let found = block_on(store.work_of(SCOPE, run)).unwrap().expect("ready work");
        let claim = |driver: &mut Driver, fence: u64, new: u64| {
            let mut draft = driver.draft();
            draft.fence(run, fence);
            draft.put_work(run, new, Work { owner: Some(1), ..Work::default() });
            let batch = draft.into_batch();
            driver.commit(batch)
        };
        assert!(matches!(claim(&mut driver, found.version, 41), Outcome::Committed { .. }));
        assert_eq!(claim(&mut driver, found.version, 42), Outcome::Conflict(Conflict::Fence(run)));
        driver.command(run, Command::Cancel { reason: None }).unwrap();
        assert_eq!(claim(&mut driver, 41, 43), Outcome::Conflict(Conflict::Fence(run)));
        assert_eq!(block_on(store.work_of(SCOPE, run)).unwrap(), None);
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

    /// Timers are found by their due time, soonest first, up to and with `until`.
    pub fn timers_are_found_when_due(store: Arc<dyn Store>) {
        let mut driver = Driver::new(Arc::clone(&store));
        let mut dues = Vec::new();
        for after in [300, 100, 200] {
            let run = driver.start("one");
            driver.wait_on(run, &[key(after)], Some(after)).unwrap();
            let wait = block_on(store.run(SCOPE, run)).unwrap().expect("the run").run.waits.remove(0);
            dues.push(Timer {
                due: wait.deadline.expect("a deadline"),
                kind: TimerKind::Wait { wait: wait.id, run },
            });
        }
        dues.sort();
        let all = block_on(store.due(SCOPE, Timestamp::from_millis(u64::MAX - 1), 9)).unwrap();
        assert_eq!(all, dues);
        let until = all.get(1).expect("three").due;
        assert_eq!(block_on(store.due(SCOPE, until, 9)).unwrap().len(), 2);
        assert_eq!(block_on(store.due(SCOPE, until, 1)).unwrap().len(), 1);
    }

    /// Lists are filtered, newest first, and page without gap or repetition.
    pub fn lists_are_filtered_and_page(store: Arc<dyn Store>) {
        let mut driver = Driver::new(Arc::clone(&store));
        let mut runs: Vec<RunId> =
            (0..25).map(|n| driver.start(if n % 2 == 0 { "even" } else { "odd" })).collect();
        let ended: Vec<RunId> = runs.iter().copied().filter(|run| run.to_bytes()[15] % 3 == 0).collect();
        for run in &ended {
            driver.command(*run, Command::Cancel { reason: None }).unwrap();
        }
        runs.reverse();
        let list = |filter: &RunFilter| {
            let (mut found, mut before) = (Vec::new(), None);
            loop {
                let page = block_on(store.runs(SCOPE, filter, before, 4)).unwrap();
                assert!(page.items.len() <= 4);
                found.extend(page.items.iter().map(|record| record.run.id));
                before = page.next;
                if before.is_none() {
                    return found;
                }
            }
        };
        assert_eq!(list(&RunFilter::default()), runs);
        let even = list(&RunFilter { brain: Some("even".into()), ..RunFilter::default() });
        assert_eq!(even, runs.iter().copied().rev().step_by(2).rev().collect::<Vec<_>>());
        let cancelled = list(&RunFilter { statuses: vec![RunStatus::Cancelled], ..RunFilter::default() });
        assert_eq!(cancelled, ended.iter().copied().rev().collect::<Vec<_>>());
        let both =
            RunFilter { statuses: vec![RunStatus::Cancelled, RunStatus::Running], ..RunFilter::default() };
        assert_eq!(list(&both), runs);
        for n in 0..6 {
            driver.deliver(&key(n % 2), &format!("p{n}"));
        }
        let filter = DeliveryFilter { identifier: Some("k1".into()), ..DeliveryFilter::default() };
        let page = block_on(store.deliveries(SCOPE, &filter, None, 10)).unwrap();
        assert_eq!(page.items.len(), 3);
        assert!(page.items.iter().all(|delivery| delivery.body.as_ref() == b"{\"raw\":1}"));
        let queued = DeliveryFilter {
            state: Some(InboxState::Queued),
            slug: Some("hub".into()),
            ..DeliveryFilter::default()
        };
        assert_eq!(block_on(store.deliveries(SCOPE, &queued, None, 10)).unwrap().items.len(), 6);
        let none = DeliveryFilter { slug: Some("other".into()), ..DeliveryFilter::default() };
        assert!(block_on(store.deliveries(SCOPE, &none, None, 10)).unwrap().items.is_empty());
    }

    /// Every table is scanned in pages of any size, each row once, and agrees
    /// with what is read by point.
    pub fn tables_are_scanned_in_pages(store: Arc<dyn Store>) {
        let mut driver = Driver::new(Arc::clone(&store));
        let runs: Vec<RunId> = (0..5).map(|_| driver.start("one")).collect();
        for (n, run) in (0..).zip(runs.iter().take(3)) {
            driver.wait_on(*run, &[key(n), key(n + 1)], Some(1_000)).unwrap();
        }
        for n in 0..7 {
            driver.deliver(&key(n), &format!("p{n}"));
        }
        let value = json!({"filler": "x".repeat(20_000)});
        driver.command(*runs.last().unwrap(), Command::BeginStep { index: 0 }).unwrap();
        driver
            .command(*runs.last().unwrap(), Command::RecordOnce { name: "o".into(), value, item: None })
            .unwrap();
        let scan = |table, limit| {
            let (mut rows, mut after) = (Vec::new(), None);
            loop {
                let page = block_on(store.scan(SCOPE, table, after.as_ref(), limit)).unwrap();
                assert!(page.rows.len() <= limit);
                rows.extend(page.rows);
                after = page.next;
                if after.is_none() {
                    return rows;
                }
            }
        };
        for table in crate::audit::TABLES {
            let all = scan(table, 1_000);
            assert_eq!(scan(table, 1), all, "{table:?} in pages of one");
            assert_eq!(scan(table, 3), all, "{table:?} in pages of three");
        }
        let found: Vec<RunId> = scan(Table::Run, 2)
            .iter()
            .map(|row| match row {
                Row::Run(record) => {
                    assert_eq!(block_on(store.run(SCOPE, record.run.id)).unwrap().as_ref(), Some(&**record));
                    assert!(block_on(store.unlisted(SCOPE, row)).unwrap().is_empty());
                    record.run.id
                }
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(found, runs);
        for row in scan(Table::Key, 2) {
            match row {
                Row::Key(key, record) => assert_eq!(block_on(store.key(SCOPE, &key)).unwrap(), record),
                other => panic!("{other:?}"),
            }
        }
        let timers = scan(Table::Timer, 2);
        assert!(!timers.is_empty());
        for row in timers {
            match row {
                Row::Timer(timer) => {
                    assert!(block_on(store.is_armed(SCOPE, &timer)).unwrap());
                    let later = Timer { due: timer.due.after(Duration::from_millis(1)), ..timer };
                    assert!(!block_on(store.is_armed(SCOPE, &later)).unwrap());
                }
                other => panic!("{other:?}"),
            }
        }
        assert!(matches!(scan(Table::Log, 9).as_slice(), [Row::Log(_, 1, 4..)]));
        for (table, rows) in [(Table::Queue, 4), (Table::Delivery, 7), (Table::Dedup, 7), (Table::Start, 0)] {
            assert_eq!(scan(table, 5).len(), rows, "{table:?}");
        }
        let report = block_on(crate::audit::audit(&*store, SCOPE, &mut |_| {})).unwrap();
        assert!(report.is_clean(), "{:?}", report.violations);
    }

    /// Every commit has a number of its own, and they grow.
    pub fn commits_are_numbered(store: Arc<dyn Store>) {
        let mut driver = Driver::new(store);
        let mut last = 0;
        for n in 0..5 {
            match driver.deliver(&key(n), &n.to_string()) {
                Outcome::Committed { sequence } => {
                    assert!(sequence > last);
                    last = sequence;
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

/// Instantiates the suite for a store: `$open` is a `fn() -> (Arc<dyn Store>, Guard)`
/// that opens an empty one, and whose guard lives as long as it is used.
#[macro_export]
macro_rules! store_conformance {
    ($open:path) => {
        $crate::store_conformance!(@cases $open:
            a_run_and_its_log_are_read_back, a_long_log_is_read_from_any_place,
            a_key_that_changed_is_a_conflict, a_demanded_run_that_changed_is_a_conflict, a_delivery_that_changed_is_a_conflict,
            a_known_provider_id_is_a_conflict,
            a_stale_fence_commits_nothing, events_and_waits_meet, timers_are_found_when_due,
            lists_are_filtered_and_page, tables_are_scanned_in_pages, commits_are_numbered,
            what_happens_is_told_in_its_commit, a_run_has_a_hook_of_its_own,
            what_is_forgotten_is_nowhere, what_changed_meanwhile_is_not_forgotten,
            what_is_due_is_found_by_lane_and_time, hooks_change_under_a_precondition);
    };
    (@cases $open:path: $($case:ident),+) => {
        $(
            #[test]
            fn $case() {
                let (store, _guard) = $open();
                $crate::conformance::cases::$case(store);
            }
        )+
    };
}

/// A small random number generator (xorshift64*), so that a seed is a whole story.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// Dice of this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `n`.
    pub fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % n.max(1)
    }
}

/// Drives two stores with one stream of `steps` operations, compares every
/// reply, and at the end everything that can be read. `shake` is called now
/// and then with the second store's driver, to let it be reopened.
///
/// # Panics
/// Where the stores differ; the message holds the seed.
pub fn differential(
    seed: u64,
    steps: u64,
    left: Arc<dyn Store>,
    right: Arc<dyn Store>,
    mut shake: impl FnMut(Arc<dyn Store>) -> Arc<dyn Store>,
) {
    let mut dice = Dice::new(seed);
    let (mut left, mut right) = (Driver::new(left), Driver::new(right));
    let mut runs: Vec<RunId> = Vec::new();
    for step in 0..steps {
        let pick = |dice: &mut Dice, runs: &[RunId]| {
            let at = dice.below(runs.len() as u64);
            runs.get(usize::try_from(at).unwrap_or(0)).copied()
        };
        let replies = match dice.below(14) {
            10 => {
                // Half of the histories begin without anybody who listens.
                let events: &[&str] = if dice.below(2) == 0 { &[] } else { &["run.*"] };
                let url = format!("https://r{}.example/", dice.below(3));
                if dice.below(steps / 20 + 1) > 0 {
                    continue;
                }
                (format!("{}", left.hook(&url, events)), format!("{}", right.hook(&url, events)))
            }
            13 => {
                let most = usize::try_from(dice.below(4)).unwrap_or(0);
                (format!("{:?}", left.forget_oldest(most)), format!("{:?}", right.forget_oldest(most)))
            }
            11 | 12 => {
                let end = dice.below(5);
                (format!("{:?}", left.try_first(end)), format!("{:?}", right.try_first(end)))
            }
            0 | 1 => {
                let brain = format!("b{}", dice.below(3));
                let (a, b) = (left.start(&brain), right.start(&brain));
                runs.push(a);
                (format!("{a}"), format!("{b}"))
            }
            2..=4 => {
                let keys: Vec<KeyId> = (0..=dice.below(2)).map(|_| key(dice.below(6))).collect();
                let timeout = (dice.below(2) == 0).then(|| dice.below(40));
                let Some(run) = pick(&mut dice, &runs) else { continue };
                let both = (left.wait_on(run, &keys, timeout), right.wait_on(run, &keys, timeout));
                (format!("{:?}", both.0), format!("{:?}", both.1))
            }
            5..=7 => {
                let (key, id) = (key(dice.below(6)), format!("p{}", dice.below(steps)));
                let both = (left.deliver(&key, &id), right.deliver(&key, &id));
                (format!("{:?}", both.0), format!("{:?}", both.1))
            }
            8 => {
                let Some(run) = pick(&mut dice, &runs) else { continue };
                let cancel = || Command::Cancel { reason: None };
                let both = (left.command(run, cancel()), right.command(run, cancel()));
                (format!("{:?}", both.0), format!("{:?}", both.1))
            }
            _ => {
                let until = Timestamp::from_millis(left.now);
                let due = block_on(left.store.due(SCOPE, until, 3)).expect("timers");
                let other = block_on(right.store.due(SCOPE, until, 3)).expect("timers");
                assert_eq!(due, other, "seed {seed}, step {step}: due timers");
                let mut said = (String::new(), String::new());
                for timer in due {
                    if let TimerKind::Wait { wait, run } = timer.kind {
                        let command = || Command::TimeOut { wait };
                        said.0 += &format!("{:?}", left.command(run, command()));
                        said.1 += &format!("{:?}", right.command(run, command()));
                    }
                }
                said
            }
        };
        assert_eq!(replies.0, replies.1, "seed {seed}, step {step}");
        if dice.below(40) == 0 {
            right.store = shake(right.store);
        }
    }
    assert_eq!(snapshot(&left), snapshot(&right), "seed {seed}: the final snapshots");
    for driver in [&left, &right] {
        let report = block_on(crate::audit::audit(&*driver.store, SCOPE, &mut |_| {})).expect("an audit");
        assert!(report.is_clean(), "seed {seed}: {:?}", report.violations);
    }
}

/// Everything that can be read of a store that a [`Driver`] filled.
fn snapshot(driver: &Driver) -> Vec<Value> {
    let store = &driver.store;
    let mut out = Vec::new();
    let mut before = None;
    loop {
        let page = block_on(store.runs(SCOPE, &RunFilter::default(), before, 100)).expect("runs");
        for record in page.items {
            let log = block_on(store.events(SCOPE, record.run.id, 0, 10_000)).expect("a log");
            assert_eq!(px_core::Run::replay(record.run.id, &log).expect("a legal log"), record.run);
            out.push(json!([record.run, log]));
        }
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    let mut before = None;
    loop {
        let page =
            block_on(store.deliveries(SCOPE, &DeliveryFilter::default(), before, 100)).expect("deliveries");
        out.extend(page.items.iter().map(|delivery| json!([delivery, delivery.body.len()])));
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    for status in RunStatus::ALL {
        let filter = RunFilter { statuses: vec![status], ..RunFilter::default() };
        let page = block_on(store.runs(SCOPE, &filter, None, 10_000)).expect("runs");
        out.push(page.items.iter().map(|record| json!(record.run.id)).collect());
    }
    for n in 0..6 {
        let record = block_on(store.key(SCOPE, &key(n))).expect("a key");
        let queued = block_on(store.queued(SCOPE, &key(n), 0, 1_000)).expect("a queue");
        out.push(json!([record.version, record.record, queued]));
    }
    out.extend(outbox::snapshot(driver));
    let work = block_on(store.work(SCOPE, None, 10_000)).expect("work");
    out.push(work.iter().map(|(run, work)| json!([run, work.version, work.record])).collect());
    out
}
