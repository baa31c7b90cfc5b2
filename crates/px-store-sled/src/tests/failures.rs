//! A disk that fails: what is answered, what is poisoned, what comes back.

use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use px_store::{Admission, Error};
use px_store_rows::{Backing, RowOutcome};

use crate::{Options, SledRows};

use super::rig::{
    Answer, Door, Fate, HookedDisk, Rig, Step, at_once, batch, by_committer, by_hand, claim, commit,
    hand_over, noise, open_over, put, rows, text, wait,
};

/// Fails one kind of step once there is something to lose, and checks that
/// nobody gets a yes.
fn poisoned_by(fails: impl Fn(Step) -> Option<Fate> + Send + Sync + 'static) {
    let rig = Rig::new();
    let store = rig.open(by_hand());
    commit(&store, batch([put("safe", "1")]));
    let failure = store.failure();
    assert_eq!(*failure.borrow(), None);

    // A door in front of the failure, so that several wait for it.
    let door = Arc::new(Door::default());
    let before = door.clone();
    rig.disk.rule(move |step| match fails(step) {
        Some(fate) if by_committer() => {
            before.pass();
            fate
        }
        _ => Fate::Happens,
    });
    door.shut();
    let first = hand_over(&store, batch([put("lost", "1")]));
    door.wait_for_knock();
    let others = [hand_over(&store, batch([put("lost", "2")])), hand_over(&store, claim("safe", "3"))];
    door.open();
    assert!(matches!(wait(first), Err(Error::Poisoned(_))));
    for other in others {
        assert!(matches!(wait(other), Err(Error::Poisoned(_))));
    }
    assert!(failure.borrow().is_some());

    // The disk is well again; the store stays as it is, and still answers reads.
    rig.disk.rule(|_| Fate::Happens);
    let late = wait(store.submit(batch([put("late", "1")]), Admission::Wait));
    assert!(matches!(late, Err(Error::Poisoned(_))));
    assert_eq!(rows(&store), "safe=1");
    assert!(matches!(store.checkpoint(), Ok(()) | Err(Error::Poisoned(_))));
    assert!(matches!(store.close(), Err(Error::Poisoned(_))));
    drop(store);

    // A restart reads what the disk holds: all that was answered, and of the
    // failed group all or nothing.
    let store = rig.open(by_hand());
    assert!(["safe=1", "lost=1 safe=1"].contains(&rows(&store).as_str()), "{}", rows(&store));
    commit(&store, batch([put("after", "1")]));
}

#[test]
fn a_failed_write_poisons() {
    poisoned_by(|step| matches!(step, Step::Write { .. }).then_some(Fate::Fails(ErrorKind::Other)));
}

#[test]
fn a_failed_write_after_half_the_bytes_poisons() {
    poisoned_by(|step| matches!(step, Step::Write { .. }).then_some(Fate::Torn(20, ErrorKind::Other)));
}

#[test]
fn a_failed_sync_poisons() {
    poisoned_by(|step| (step == Step::Sync).then_some(Fate::Fails(ErrorKind::Other)));
}

#[test]
fn a_disk_that_is_full_at_the_sync_poisons_too() {
    poisoned_by(|step| (step == Step::Sync).then_some(Fate::Fails(ErrorKind::StorageFull)));
}

#[test]
fn a_tree_that_cannot_be_written_poisons() {
    for broken in [Step::TreeWrite, Step::TreeCheckpoint] {
        let rig = Rig::new();
        let store = rig.open(by_hand());
        commit(&store, batch([put("a", "1")]));
        rig.disk.rule(move |step| if step == broken { Fate::Fails(ErrorKind::Other) } else { Fate::Happens });
        assert!(matches!(store.checkpoint(), Err(Error::Poisoned(_))));
        assert!(store.failure().borrow().is_some());
        let late = wait(store.submit(batch([put("b", "1")]), Admission::Wait));
        assert!(matches!(late, Err(Error::Poisoned(_))));
        drop(store);
        rig.disk.rule(|_| Fate::Happens);
        assert_eq!(rows(&rig.open(by_hand())), "a=1");
    }
}

#[test]
fn short_writes_are_continued() {
    let rig = Rig::new();
    rig.disk.rule(|step| if matches!(step, Step::Write { .. }) { Fate::Short(977) } else { Fate::Happens });
    let store = rig.open(at_once());
    for turn in 0..20 {
        commit(&store, batch([put(&format!("k{turn:02}"), &noise(turn * 100))]));
    }
    let before = rows(&store);
    drop(store);
    assert_eq!(rows(&rig.open(by_hand())), before);
}

/// Fills the disk by `full`, and checks that the store says so, keeps nothing
/// of it, and goes on when there is room.
fn full_then_room(full: impl Fn(Step) -> Fate + Send + Sync + 'static) {
    let rig = Rig::new();
    let store = rig.open(by_hand());
    let value = noise(900);
    commit(&store, batch([put("a", &value)]));
    rig.disk.rule(full);
    let mut committed = 1;
    // Some find room in the segment in use; then there is none.
    let refused = loop {
        match wait(store.submit(batch([put(&format!("b{committed}"), &value)]), Admission::Wait)) {
            Ok(RowOutcome::Committed { .. }) => committed += 1,
            other => break other,
        }
        assert!(committed < 20);
    };
    assert!(matches!(refused, Err(Error::Full(_))), "{refused:?}");
    let again = wait(store.submit(claim("a", "other"), Admission::Wait));
    assert!(matches!(again, Ok(RowOutcome::Conflict { .. })), "a conflict needs no room: {again:?}");
    assert_eq!(*store.failure().borrow(), None);
    let before = rows(&store);

    // What a restart would find now.
    let copy = tempfile::tempdir().unwrap();
    super::rig::copy(rig.dir.path(), copy.path());
    let restarted = open_over(copy.path(), by_hand(), &HookedDisk::new(), &rig.tree).unwrap();
    assert_eq!(rows(&restarted), before);
    drop(restarted);

    rig.disk.rule(|_| Fate::Happens);
    let sequence = commit(&store, batch([put("room", "1")]));
    // The store may have tried by itself meanwhile.
    assert!(sequence > committed);
    let before = rows(&store);
    drop(store);
    let store = rig.open(by_hand());
    assert_eq!(rows(&store), before);
    assert_eq!(text(&store, "room").as_deref(), Some("1"));
}

#[test]
fn a_store_that_was_full_finds_out_by_itself_that_there_is_room() {
    let rig = Rig::new();
    let store = Arc::new(rig.open(by_hand()));
    commit(&store, batch([put("a", "1")]));
    assert_eq!(store.unwritten(), None);
    // Large records find no room. What the store says is asked when it writes a small one.
    let (tell, told) = std::sync::mpsc::channel();
    let was_refused = Arc::new(AtomicBool::new(false));
    let (asked, after) = (Arc::downgrade(&store), was_refused.clone());
    rig.disk.rule(move |step| match step {
        Step::Write { length, .. } if length > 900 && length < 4096 => {
            Fate::Torn(100, ErrorKind::StorageFull)
        }
        Step::Write { .. } if by_committer() && after.load(Ordering::SeqCst) => {
            // The test ends with the first.
            let _ = tell.send(asked.upgrade().and_then(|store| store.unwritten()));
            Fate::Happens
        }
        _ => Fate::Happens,
    });
    let refused = wait(store.submit(batch([put("b", &noise(900))]), Admission::Wait));
    assert!(matches!(refused, Err(Error::Full(_))), "{refused:?}");
    was_refused.store(true, Ordering::SeqCst);
    // Nobody commits any more, since readiness says that it is in vain.
    let said = told.recv_timeout(Duration::from_secs(60)).expect("the store tries by itself");
    assert!(said.is_some_and(|why| why.contains("no room")), "it was said until then");
    commit(&store, batch([put("c", "1")]));
    assert_eq!(store.unwritten(), None);
    let before = rows(&store);
    drop(store);
    assert_eq!(rows(&rig.open(by_hand())), before);
}

#[test]
fn a_store_without_room_says_so_before_anybody_commits() {
    let rig = Rig::new();
    drop(rig.open(by_hand()));
    let is_short = |step| if matches!(step, Step::Room) { Fate::Short(100) } else { Fate::Happens };
    rig.disk.rule(is_short);
    let store = rig.open(Options { reserve_bytes: 1000, ..by_hand() });
    assert!(store.unwritten().is_some_and(|why| why.contains("kept in reserve")), "from the start");
    rig.disk.rule(|_| Fate::Happens);
    assert_eq!(store.unwritten(), None);
    commit(&store, batch([put("a", "1")]));
    rig.disk.rule(is_short);
    assert!(store.unwritten().is_some(), "and where others fill the disk");
}

#[test]
fn a_full_disk_before_a_new_segment_is_refused_and_then_goes_on() {
    full_then_room(|step| match step {
        // Segments are prepared in pieces of their own size, from the start.
        Step::Write { offset: 0, length: 4096 } => Fate::Fails(ErrorKind::StorageFull),
        _ => Fate::Happens,
    });
}

#[test]
fn a_full_disk_in_the_middle_of_a_record_leaves_nothing_of_it() {
    for written in [0, 10, 24, 100, 900] {
        let failed = Arc::new(AtomicBool::new(false));
        full_then_room(move |step| match step {
            Step::Write { length, .. } if length > 900 && length < 4096 => {
                failed.store(true, Ordering::SeqCst);
                Fate::Torn(written, ErrorKind::StorageFull)
            }
            _ => Fate::Happens,
        });
    }
}

#[test]
fn a_disk_that_is_nearly_full_is_refused_before_sled_meets_it() {
    let rig = Rig::new();
    let options = crate::Options { reserve_bytes: 1000, ..by_hand() };
    let store = rig.open(options.clone());
    commit(&store, batch([put("a", "1")]));
    // Some is left: commits are refused, what there is reaches the tree.
    rig.disk.rule(|step| if step == Step::Room { Fate::Short(900) } else { Fate::Happens });
    store.checkpoint().unwrap();
    let refused = wait(store.submit(batch([put("b", "1")]), Admission::Wait));
    assert!(matches!(refused, Err(Error::Full(_))), "{refused:?}");
    // Nothing is left: the tree is not touched, and a close says why.
    rig.disk.rule(|_| Fate::Happens);
    store.checkpoint().unwrap();
    commit(&store, batch([put("c", "1")]));
    rig.disk.rule(|step| match step {
        Step::Room => Fate::Short(100),
        Step::TreeWrite | Step::TreeCheckpoint => panic!("the tree was written"),
        _ => Fate::Happens,
    });
    assert!(matches!(store.close(), Err(Error::Full(_))));
    drop(store);
    rig.disk.rule(|_| Fate::Happens);
    assert_eq!(rows(&rig.open(options)), "a=1 c=1");
}

/// Ends with a store that is behind as far as it may be, while its disk is short of room. Returns the
/// answers of those that wait for it.
fn behind_and_short_of_room(rig: &Rig) -> (SledRows, Vec<Answer>) {
    let options = Options { reserve_bytes: 1000, lag_limit_bytes: 5000, group_batches: 1, ..at_once() };
    let store = rig.open(Options { pace_pause: Duration::ZERO, ..options });
    let door = Arc::new(Door::default());
    door.shut();
    let (before, is_short) = (door.clone(), Arc::new(AtomicBool::new(false)));
    let short = is_short.clone();
    rig.disk.rule(move |step| match step {
        Step::TreeWrite => {
            before.pass();
            Fate::Happens
        }
        Step::Room if short.load(Ordering::SeqCst) => Fate::Short(100),
        _ => Fate::Happens,
    });
    let value = noise(1000);
    let answers = (0..20).map(|n| hand_over(&store, batch([put(&format!("k{n:02}"), &value)]))).collect();
    door.wait_for_knock();
    is_short.store(true, Ordering::SeqCst);
    door.open();
    (store, answers)
}

/// Runs something that may hang, and fails if it does.
fn in_time<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> T {
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || tell.send(run()));
    told.recv_timeout(Duration::from_secs(60)).expect("it comes to an end")
}

#[test]
fn a_store_that_is_behind_and_short_of_room_refuses_commits_and_says_so() {
    let rig = Rig::new();
    let (store, answers) = behind_and_short_of_room(&rig);
    let (store, kept) = in_time(move || {
        let outcomes: Vec<_> = answers.into_iter().map(wait).collect();
        let refused = outcomes.iter().filter(|outcome| matches!(outcome, Err(Error::Full(_)))).count();
        let kept = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        assert!(refused > 0 && refused + kept == 20, "{outcomes:?}");
        (store, kept)
    });
    assert!(store.unwritten().is_some_and(|why| why.contains("no room")), "readiness says why");
    drop(store);
    rig.disk.rule(|_| Fate::Happens);
    assert_eq!(rows(&rig.open(by_hand())).split(' ').count(), kept, "what was answered is there");
}

#[test]
fn a_close_ends_while_the_store_is_behind_and_short_of_room() {
    let rig = Rig::new();
    let (store, answers) = behind_and_short_of_room(&rig);
    let (closed, kept) = in_time(move || {
        let closed = store.close();
        (closed, answers.into_iter().map(wait).filter(Result::is_ok).count())
    });
    assert!(matches!(closed, Err(Error::Full(_))), "{closed:?}");
    rig.disk.rule(|_| Fate::Happens);
    assert_eq!(rows(&rig.open(by_hand())).split(' ').count(), kept, "what was answered is there");
}

#[test]
fn a_checkpoint_that_a_stop_breaks_off_is_not_said_to_be_done() {
    let rig = Rig::new();
    let store = rig.open(Options { chunk_rows: 1, ..by_hand() });
    commit(&store, batch([put("a", "1"), put("b", "1"), put("c", "1")]));
    let door = Arc::new(Door::default());
    door.shut();
    let before = door.clone();
    rig.disk.rule(move |step| {
        if step == Step::TreeWrite {
            before.pass();
        }
        Fate::Happens
    });
    std::thread::scope(|scope| {
        let checkpoint = scope.spawn(|| store.checkpoint());
        door.wait_for_knock();
        store.shared.applier.stop();
        door.open();
        assert!(matches!(checkpoint.join().unwrap(), Err(Error::Closed)));
    });
}

#[test]
fn a_record_that_cannot_be_taken_back_poisons() {
    let rig = Rig::new();
    let store = rig.open(by_hand());
    commit(&store, batch([put("a", "1")]));
    rig.disk.rule(|step| match step {
        Step::Write { length, .. } if length > 900 => Fate::Torn(500, ErrorKind::StorageFull),
        Step::Write { .. } => Fate::Fails(ErrorKind::Other),
        _ => Fate::Happens,
    });
    let refused = wait(store.submit(batch([put("b", &noise(900))]), Admission::Wait));
    assert!(matches!(refused, Err(Error::Poisoned(_))), "{refused:?}");
}
