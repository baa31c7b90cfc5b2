//! Runs in the suite of every store: their logs, their timers, and the
//! preconditions that a commit can set on them.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use px_core::reminder::ReminderEnd;
use px_core::run::Command;
use px_core::{RunId, RunStatus, Timestamp};
use serde_json::json;

use super::driver::{Driver, key};
use super::{SCOPE, block_on};
use crate::batch::{Conflict, Outcome};
use crate::model::{Timer, TimerKind, Work};
use crate::store::{Admission, Store};

/// A run is read as it was written, with its whole log.
pub fn a_run_and_its_log_are_read_back(store: Arc<dyn Store>) {
    let mut driver = Driver::new(Arc::clone(&store));
    let run = driver.start("one");
    let record = block_on(store.run(SCOPE, run)).unwrap().expect("the run");
    assert_eq!((record.run.seq, record.run.status), (2, RunStatus::Running));
    let log = block_on(store.events(SCOPE, run, 0, 100)).unwrap();
    assert_eq!(log.iter().map(|event| event.seq).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(px_core::Run::replay(run, &log).unwrap(), *record.run);
    assert_eq!(block_on(store.events(SCOPE, run, 1, 100)).unwrap().len(), 1);
    assert_eq!(block_on(store.run_seq(SCOPE, run)).unwrap(), Some(2));
    let nobody = RunId::from_bytes([9; 16]);
    assert_eq!(block_on(store.run_seq(SCOPE, nobody)).unwrap(), None);
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
    assert_eq!((seq, block_on(store.run_seq(SCOPE, run)).unwrap()), (204, Some(204)));
    for after in [0, 1, 50, 51, 100, 202, 203, 204, 300] {
        let log = block_on(store.events(SCOPE, run, after, 1_000)).unwrap();
        let expected: Vec<u64> = (after + 1..=seq).collect();
        assert_eq!(log.iter().map(|event| event.seq).collect::<Vec<_>>(), expected, "after {after}");
    }
    let page = block_on(store.events(SCOPE, run, 10, 5)).unwrap();
    assert_eq!(page.iter().map(|event| event.seq).collect::<Vec<_>>(), [11, 12, 13, 14, 15]);
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

/// A commit comes behind an earlier one of its run: a claim is handed over by
/// the first poll, whether or not somebody waits for it, and the next commit may
/// demand its fence.
pub fn a_commit_comes_behind_an_earlier_one_of_its_run(store: Arc<dyn Store>) {
    let mut driver = Driver::new(Arc::clone(&store));
    let run = driver.start("one");
    let mut fence = block_on(store.work_of(SCOPE, run)).unwrap().expect("ready work").version;
    for round in 0..20 {
        let mut draft = driver.draft();
        draft.fence(run, fence);
        fence = 100 + round;
        draft.put_work(run, fence, Work { owner: Some(1), ..Work::default() });
        let mut claim = store.commit(draft.into_batch(), Admission::Wait);
        let mut context = Context::from_waker(Waker::noop());
        let polled = claim.as_mut().poll(&mut context);
        // Every other one is abandoned, as by an executor that was dropped.
        let claim = (round % 2 == 0).then_some(claim);
        let mut draft = driver.draft();
        draft.fence(run, fence);
        let entry = Command::RecordOnce { name: format!("o{round}"), value: json!(round), item: None };
        if round == 0 {
            block_on(draft.command(run, Command::BeginStep { index: 0 })).unwrap();
        }
        block_on(draft.command(run, entry)).unwrap();
        let batch = draft.into_batch();
        let outcome = driver.commit(batch);
        assert!(matches!(outcome, Outcome::Committed { .. }), "round {round}: {outcome:?}");
        let claimed = match (polled, claim) {
            (Poll::Ready(outcome), _) => outcome,
            (Poll::Pending, Some(claim)) => block_on(claim),
            (Poll::Pending, None) => continue,
        };
        assert!(matches!(claimed, Ok(Outcome::Committed { .. })), "round {round}: {claimed:?}");
    }
}

/// A wait has one timer of its reminders, and none while one of them is under way.
pub fn reminders_of_a_wait_have_one_timer(store: Arc<dyn Store>) {
    let mut driver = Driver::new(Arc::clone(&store));
    let run = driver.start("one");
    driver.wait_on(run, &[key(1)], Some(301)).unwrap();
    let timers = || -> Vec<Timer> {
        let due = block_on(store.due(SCOPE, Timestamp::from_millis(u64::MAX - 1), None, 9)).unwrap();
        due.into_iter().filter(|timer| matches!(timer.kind, TimerKind::Remind { .. })).collect()
    };
    let first = timers();
    let wait = || {
        block_on(store.run(SCOPE, run))
            .unwrap()
            .expect("the run")
            .run
            .waits
            .first()
            .cloned()
            .expect("its wait")
    };
    let kind = TimerKind::Remind { wait: wait().id, run };
    assert_eq!(first, [Timer { due: wait().next_reminder().expect("a reminder"), kind }]);
    let first = first.first().expect("one");
    assert!(block_on(store.is_armed(SCOPE, first)).unwrap());
    driver.now = first.due.as_millis();
    driver.ring(first).unwrap();
    assert_eq!((timers(), block_on(store.is_armed(SCOPE, first)).unwrap()), (Vec::new(), false));
    let ready = block_on(store.work_of(SCOPE, run)).unwrap().expect("it is to be executed");
    driver.command(run, Command::EndReminder(ReminderEnd::Complete)).unwrap();
    assert_eq!(block_on(store.work_of(SCOPE, run)).unwrap(), None);
    let next = timers();
    assert!(next.len() == 1 && next.iter().all(|timer| timer.due > first.due), "{next:?}");
    // What ends the wait has the work under another fence, and leaves no timer.
    driver.now = next.first().expect("one").due.as_millis();
    driver.ring(next.first().expect("one")).unwrap();
    driver.deliver(&key(1), "answer");
    let step = block_on(store.work_of(SCOPE, run)).unwrap().expect("its step is to run");
    assert!(step.version != ready.version && timers().is_empty());
}

/// Timers are found by their due time, soonest first, up to and with `until`.
pub fn timers_are_found_when_due(store: Arc<dyn Store>) {
    let mut driver = Driver::new(Arc::clone(&store));
    let mut dues = Vec::new();
    for after in [300, 100, 200] {
        let run = driver.start("one");
        driver.wait_on(run, &[key(after)], Some(after)).unwrap();
        let wait = block_on(store.run(SCOPE, run))
            .unwrap()
            .expect("the run")
            .run
            .waits
            .first()
            .cloned()
            .expect("its wait");
        dues.push(Timer {
            due: wait.deadline.expect("a deadline"),
            kind: TimerKind::Wait { wait: wait.id, run },
        });
    }
    dues.sort();
    let all = block_on(store.due(SCOPE, Timestamp::from_millis(u64::MAX - 1), None, 9)).unwrap();
    assert_eq!(all, dues);
    let until = all.get(1).expect("three").due;
    assert_eq!(block_on(store.due(SCOPE, until, None, 9)).unwrap().len(), 2);
    assert_eq!(block_on(store.due(SCOPE, until, None, 1)).unwrap().len(), 1);
}
