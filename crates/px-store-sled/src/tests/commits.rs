//! Behaviour that callers see: reads before and after the tree has a row, groups, the order of sync,
//! publishing and answers, bounds.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use px_store::{Admission, Error, Hint};
use px_store_rows::{Backing, Check, Expect, Order, RowBatch, RowOp, RowOutcome};

use super::rig::{
    Answer, Door, Fate, Rig, Step, at_once, batch, by_committer, by_hand, claim, commit, hand_over, noise,
    poll, put, remove, text, wait,
};
use crate::tree::Tree as _;
use crate::{Options, SledRows};

#[test]
fn what_is_committed_is_read_back_before_and_after_the_tree_has_it_and_after_a_reopen() {
    let dir = tempfile::tempdir().unwrap();
    for close in [true, false, true] {
        let store = SledRows::open(dir.path(), Options::default()).unwrap();
        let mut first = claim("b", "2");
        first.ops.extend([put("a", "1"), RowOp::Post { list: b"l".as_slice().into(), id: [7; 16] }]);
        commit(&store, first);
        assert_eq!(store.range(b"a", b"z", Order::Ascending, 10).unwrap().len(), 2);
        commit(&store, batch([remove("b")]));
        store.checkpoint().unwrap();
        assert_eq!(text(&store, "a").as_deref(), Some("1"));
        assert_eq!(store.range(b"a", b"z", Order::Descending, 10).unwrap().len(), 1);
        assert_eq!(store.postings(b"l", None, Order::Descending, 10).unwrap(), [[7; 16]]);
        if close {
            store.close().unwrap();
            assert!(matches!(wait(store.submit(batch([]), Admission::Wait)), Err(Error::Closed)));
            assert_eq!(store.stats().overlay_bytes, 0);
        }
    }
}

/// Shuts a door before the journal's next sync, once the store is warm.
fn with_door_before_sync(rig: &Rig) -> (SledRows, Arc<Door>) {
    let store = rig.open(by_hand());
    commit(&store, batch([put("warm", "1")]));
    let door = Arc::new(Door::default());
    let before = door.clone();
    rig.disk.rule(move |step| {
        if step == Step::Sync && by_committer() {
            before.pass();
        }
        Fate::Happens
    });
    door.shut();
    (store, door)
}

#[test]
fn nothing_is_seen_or_answered_before_the_sync() {
    let rig = Rig::new();
    let (store, door) = with_door_before_sync(&rig);
    let mut answer = hand_over(
        &store,
        RowBatch { hints: vec![Hint::Work(px_core::RunId::from_bytes([7; 16]))], ..claim("a", "1") },
    );
    door.wait_for_knock();
    // Written, not synced: the second group waits in the queue meanwhile.
    let mut conflict = hand_over(&store, claim("a", "2"));
    let mut work = Box::pin({
        let hints = store.hints().clone();
        async move { hints.work().await }
    });
    let mut hinted = || {
        let waker = std::task::Waker::noop();
        work.as_mut().poll(&mut std::task::Context::from_waker(waker)).is_ready()
    };
    assert!(poll(&mut answer).is_pending());
    assert!(poll(&mut conflict).is_pending());
    assert!(!hinted());
    assert_eq!(text(&store, "a"), None);
    assert_eq!(store.stats().commits, 1);
    door.open();
    assert_eq!(wait(answer).unwrap(), RowOutcome::Committed { sequence: 2 });
    assert!(hinted());
    assert_eq!(text(&store, "a").as_deref(), Some("1"));
    assert!(matches!(wait(conflict).unwrap(), RowOutcome::Conflict { check: 0, found: Some(_) }));
}

#[test]
fn batches_that_wait_for_a_sync_share_the_next_one_and_see_each_other() {
    let rig = Rig::new();
    let (store, door) = with_door_before_sync(&rig);
    let first = hand_over(&store, batch([put("a", "1")]));
    door.wait_for_knock();
    let before = store.stats();
    let waiting: Vec<Answer> = vec![
        hand_over(&store, claim("k", "one")),
        hand_over(&store, claim("k", "two")),
        hand_over(&store, batch([remove("k")])),
        hand_over(&store, claim("k", "three")),
    ];
    door.open();
    wait(first).unwrap();
    let answers: Vec<_> = waiting.into_iter().map(|answer| wait(answer).unwrap()).collect();
    assert_eq!(answers[0], RowOutcome::Committed { sequence: 3 });
    assert_eq!(answers[1], RowOutcome::Conflict { check: 0, found: Some(Bytes::from_static(b"one")) });
    assert_eq!(answers[2], RowOutcome::Committed { sequence: 4 });
    assert_eq!(answers[3], RowOutcome::Committed { sequence: 5 });
    let after = store.stats();
    assert_eq!((after.groups, after.syncs), (before.groups + 2, before.syncs + 2));
    assert_eq!((after.commits, after.conflicts), (5, 1));
    assert_eq!(text(&store, "k").as_deref(), Some("three"));
}

#[test]
fn a_commit_costs_one_write_and_one_sync() {
    let rig = Rig::new();
    let store = rig.open(by_hand());
    commit(&store, batch([put("warm", "1")]));
    let steps = Arc::new(Mutex::new(Vec::new()));
    let seen = steps.clone();
    rig.disk.rule(move |step| {
        if by_committer() {
            seen.lock().unwrap().push(step);
        }
        Fate::Happens
    });
    commit(&store, batch([put("a", "1"), put("b", "1"), remove("warm")]));
    drop(store);
    let steps = std::mem::take(&mut *steps.lock().unwrap());
    // The last one notes how far the journal reaches, after the answer.
    let note = Step::Write { offset: 5 * 4096, length: 44 };
    assert!(matches!(steps.as_slice(), [Step::Write { .. }, Step::Sync, last] if *last == note), "{steps:?}");
}

#[test]
fn the_first_record_of_a_segment_is_answered_after_two_more_syncs() {
    let rig = Rig::new();
    let store = rig.open(by_hand());
    let steps = Arc::new(Mutex::new(Vec::new()));
    let seen = steps.clone();
    rig.disk.rule(move |step| {
        if by_committer() {
            seen.lock().unwrap().push(step);
        }
        Fate::Happens
    });
    commit(&store, batch([put("a", "1")]));
    drop(store);
    let mut steps = std::mem::take(&mut *steps.lock().unwrap());
    // The applier may have made the file, or the committer.
    let record = steps.iter().position(|step| matches!(step, Step::Write { length: 1..1000, .. })).unwrap();
    let opened = |page: u64| Step::Write { offset: page * 4096, length: 44 };
    let expected = [Step::Sync, opened(2), Step::Sync, opened(3), Step::Sync];
    assert_eq!(steps.split_off(record)[1..], expected);
}

#[test]
fn a_version_is_the_first_eight_bytes_of_the_row() {
    let rig = Rig::new();
    let store = rig.open(at_once());
    let write = |from: u64, to: u64| RowBatch {
        checks: vec![Check { key: b"r".as_slice().into(), expect: Expect::Version(from) }],
        ops: vec![RowOp::Put {
            key: b"r".as_slice().into(),
            value: Bytes::copy_from_slice(&to.to_be_bytes()),
        }],
        hints: Vec::new(),
    };
    commit(
        &store,
        batch([RowOp::Put {
            key: b"r".as_slice().into(),
            value: Bytes::copy_from_slice(&1u64.to_be_bytes()),
        }]),
    );
    commit(&store, write(1, 2));
    store.checkpoint().unwrap();
    commit(&store, write(2, 3));
    let lost = wait(store.submit(write(2, 4), Admission::Wait)).unwrap();
    let found = Some(Bytes::copy_from_slice(&3u64.to_be_bytes()));
    assert_eq!(lost, RowOutcome::Conflict { check: 0, found });
}

#[test]
fn a_full_queue_refuses_some_and_lets_others_wait() {
    let rig = Rig::new();
    let options = Options { queue_batches: 2, ..by_hand() };
    let store = rig.open(options);
    commit(&store, batch([]));
    let door = Arc::new(Door::default());
    let before = door.clone();
    rig.disk.rule(move |_| {
        if by_committer() {
            before.pass();
        }
        Fate::Happens
    });
    door.shut();
    let mut answers = vec![hand_over(&store, batch([put("a", "1")]))];
    door.wait_for_knock();
    for _ in 0..2 {
        answers.push(hand_over(&store, batch([put("b", "1")])));
    }
    let mut refused = store.submit(batch([put("c", "1")]), Admission::Refuse);
    assert!(matches!(poll(&mut refused), Poll::Ready(Err(Error::Busy))));
    answers.push(hand_over(&store, batch([put("d", "1")])));
    door.open();
    for answer in answers {
        wait(answer).unwrap();
    }
    assert_eq!(text(&store, "c"), None);
    assert_eq!(text(&store, "d").as_deref(), Some("1"));
}

#[test]
fn a_batch_counts_after_its_caller_went_away() {
    let rig = Rig::new();
    let (store, door) = with_door_before_sync(&rig);
    drop(hand_over(&store, batch([put("a", "1")])));
    door.open();
    commit(&store, batch([]));
    assert_eq!(text(&store, "a").as_deref(), Some("1"));
}

#[test]
fn rows_that_came_and_went_never_reach_the_tree() {
    let rig = Rig::new();
    let store = rig.open(by_hand());
    for turn in 0..50 {
        commit(&store, claim(&format!("checked/{turn}"), "x"));
        commit(&store, batch([put(&format!("blind/{turn}"), "x")]));
        commit(&store, batch([remove(&format!("checked/{turn}")), remove(&format!("blind/{turn}"))]));
    }
    commit(&store, batch([put("stays", "1")]));
    commit(&store, batch([put("stays", "2")]));
    store.checkpoint().unwrap();
    assert_eq!(store.stats().applied_rows, 1);
    commit(&store, batch([remove("stays")]));
    store.checkpoint().unwrap();
    assert_eq!(store.stats().applied_rows, 2);
    assert_eq!(text(&store, "stays"), None);
}

#[test]
fn posting_lists_cost_a_row_for_some_hundred_ids() {
    let rig = Rig::new();
    let store = rig.open(by_hand());
    let id = |number: u32| {
        let mut id = [0; 16];
        id[..4].copy_from_slice(&number.to_be_bytes());
        id
    };
    for from in (0..2000).step_by(100) {
        let posts: Vec<_> =
            (from..from + 100).map(|n| RowOp::Post { list: b"all".as_slice().into(), id: id(n) }).collect();
        commit(&store, batch(posts));
    }
    store.checkpoint().unwrap();
    assert!(store.stats().applied_rows <= 8, "{:?}", store.stats());
    let newest = store.postings(b"all", None, Order::Descending, 300).unwrap();
    assert_eq!(newest, (1700..2000).rev().map(id).collect::<Vec<_>>());
    assert_eq!(store.postings(b"all", Some(id(3)), Order::Descending, 9).unwrap(), [id(2), id(1), id(0)]);
    assert!(store.postings(b"al", None, Order::Descending, 9).unwrap().is_empty());
}

#[test]
fn ids_leave_their_lists_wherever_they_are() {
    let rig = Rig::new();
    let store = rig.open(by_hand());
    let id = |number: u32| {
        let mut id = [0; 16];
        id[..4].copy_from_slice(&number.to_be_bytes());
        id
    };
    let list = || b"all".to_vec();
    let post = |n| RowOp::Post { list: list().into(), id: id(n) };
    let unpost = |n| RowOp::Unpost { list: list().into(), id: id(n) };
    commit(&store, batch((0..1_000).map(post).collect::<Vec<_>>()));
    store.checkpoint().unwrap();
    // In the tree, with the first ids of blocks; and some that never were there.
    commit(&store, batch((0..700).chain([5_000]).map(unpost).collect::<Vec<_>>()));
    let newest = |limit| store.postings(b"all", None, Order::Descending, limit).unwrap();
    let from = |first: u32, limit| (first..1_000).rev().take(limit).map(id).collect::<Vec<_>>();
    assert_eq!(newest(2_000), from(700, 2_000), "before the applier came by");
    assert_eq!(store.postings(b"all", Some(id(702)), Order::Descending, 9).unwrap(), [id(701), id(700)]);
    store.checkpoint().unwrap();
    assert_eq!(newest(2_000), from(700, 2_000));
    assert_eq!(newest(3), from(700, 3));
    // In the overlay only, and back again.
    commit(&store, batch([post(2_000), unpost(2_000), unpost(700), post(700), unpost(999)]));
    assert_eq!(newest(1), [id(998)]);
    assert_eq!(newest(2_000), (700..999).rev().map(id).collect::<Vec<_>>());
    store.checkpoint().unwrap();
    assert_eq!(newest(2_000), (700..999).rev().map(id).collect::<Vec<_>>());
    // An empty list costs nothing.
    commit(&store, batch((700..999).map(unpost).collect::<Vec<_>>()));
    store.checkpoint().unwrap();
    assert!(newest(9).is_empty());
    let blocks = rig.tree.range(b"p", b"q", Order::Ascending, 9).unwrap();
    assert!(blocks.is_empty(), "{blocks:?}");
}

#[test]
fn values_of_any_size_come_back_from_sled() {
    let dir = tempfile::tempdir().unwrap();
    let value = |size: usize| Bytes::from((0..size).map(|at| (at * 31 % 251) as u8).collect::<Vec<_>>());
    let sizes = [0, 1, 24 * 1024, 24 * 1024 + 1, 100_000, 1 << 20, 3 << 20];
    for turn in 0..2 {
        let store = SledRows::open(dir.path(), Options::default()).unwrap();
        for size in sizes {
            if turn == 0 {
                let key = format!("big/{size:08}").into_bytes();
                commit(&store, batch([RowOp::Put { key: key.clone().into(), value: value(10) }]));
                store.checkpoint().unwrap();
                commit(&store, batch([RowOp::Put { key: key.into(), value: value(size) }]));
            }
        }
        store.checkpoint().unwrap();
        let rows = store.range(b"big/", b"big0", Order::Ascending, 100).unwrap();
        assert_eq!(rows.len(), sizes.len());
        for ((key, found), size) in rows.into_iter().zip(sizes) {
            assert_eq!(found, value(size), "{size}");
            assert_eq!(store.get(&key).unwrap(), Some(found));
        }
        let blobs = std::fs::read_dir(dir.path().join("tree/blobs")).unwrap().count();
        assert_eq!(blobs, 0, "pages stay in sled's data file");
    }
}

#[test]
fn the_lag_has_a_limit_that_commits_wait_for() {
    let rig = Rig::new();
    let options =
        Options { lag_limit_bytes: 10_000, group_batches: 1, pace_pause: Duration::ZERO, ..at_once() };
    let store = rig.open(options);
    let door = Arc::new(Door::default());
    let before = door.clone();
    let writes = Arc::new(AtomicUsize::new(0));
    let counted = writes.clone();
    rig.disk.rule(move |step| {
        match step {
            Step::TreeWrite => before.pass(),
            Step::Write { .. } if by_committer() => _ = counted.fetch_add(1, Ordering::SeqCst),
            _ => {}
        }
        Fate::Happens
    });
    door.shut();
    let value = noise(1000);
    let answers: Vec<_> =
        (0..100).map(|n| hand_over(&store, batch([put(&format!("k{n}"), &value)]))).collect();
    door.wait_for_knock();
    door.open();
    for answer in answers {
        wait(answer).unwrap();
    }
    assert!(store.peak_lag_bytes() < 10_000 + 1200, "{}", store.peak_lag_bytes());
    store.close().unwrap();
    assert_eq!(store.lag_bytes(), 0);
    assert!(writes.load(Ordering::SeqCst) > 50);
}

#[test]
fn the_second_opener_is_refused_and_told_by_whom() {
    let rig = Rig::new();
    let store = rig.open(by_hand());
    store.announce("http://127.0.0.1:7000").unwrap();
    let second = rig.try_open(Options { lock_wait: Duration::ZERO, ..by_hand() });
    let Err(Error::Locked(holder)) = second else { panic!("{second:?}") };
    assert!(holder.contains("http://127.0.0.1:7000"), "{holder}");
    drop(store);
    rig.open(by_hand());
}

#[test]
fn a_batch_beyond_the_bounds_is_refused_before_anything_is_written() {
    let rig = Rig::new();
    let store = rig.open(Options { batch_bytes: 1000, ..by_hand() });
    let large = batch([put("a", &noise(2000))]);
    let refused = wait(store.submit(large, Admission::Wait));
    assert!(matches!(refused, Err(Error::TooLarge { most: 1000, .. })), "{refused:?}");
    let long = batch([put(&"k".repeat(4000), "")]);
    let refused = wait(store.submit(long, Admission::Wait));
    assert!(matches!(refused, Err(Error::TooLarge { .. })), "{refused:?}");
    assert_eq!(store.stats().journal_bytes, 0);
}

#[test]
fn the_group_after_a_large_one_is_put_off_and_a_close_ends_that() {
    let rig = Rig::new();
    let gather = Duration::from_secs(3600);
    let store = rig.open(Options { gather_from: 1, gather, ..by_hand() });
    commit(&store, batch([put("a", "1")]));
    let mut second = hand_over(&store, batch([put("b", "1")]));
    assert!(poll(&mut second).is_pending());
    store.close().unwrap();
    assert!(matches!(wait(second), Ok(RowOutcome::Committed { .. })));
    assert_eq!(store.stats().groups, 2);
}

#[test]
fn a_range_is_of_one_moment_while_rows_move_and_are_applied() {
    let rig = Rig::new();
    let store = rig.open(at_once());
    let from = |turn: usize| format!("row/{:03}", turn * 37 % 100);
    commit(&store, batch((0..10).map(|row| put(&from(row), "x")).collect::<Vec<_>>()));
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut reads = 0;
            while !over.load(Ordering::SeqCst) {
                for order in [Order::Ascending, Order::Descending] {
                    let found = store.range(b"row/", b"row0", order, 50).unwrap();
                    assert_eq!(found.len(), 10, "{found:?}");
                }
                reads += 1;
            }
            reads
        });
        for turn in 0..400 {
            commit(&store, batch([remove(&from(turn)), put(&from(turn + 10), "x")]));
        }
        over.store(true, Ordering::SeqCst);
        assert!(reader.join().unwrap() > 0);
    });
}
