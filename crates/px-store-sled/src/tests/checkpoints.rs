//! A crash at every step between a commit and the reuse of its segment: the
//! directory is copied before each step, and every copy must open with all
//! that was answered by then. Over sled, with its own files in the copy.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use px_store_rows::{Backing, Order, RowOp};

use super::rig::{Fate, HookedDisk, HookedTree, Step, batch, by_hand, commit, copy, noise, put, remove};
use crate::tree::SledTree;
use crate::{Options, SledRows};

fn id(number: u32) -> [u8; 16] {
    let mut id = [0; 16];
    id[..4].copy_from_slice(&number.to_be_bytes());
    id
}

fn options() -> Options {
    Options { chunk_bytes: 4000, cache_bytes: 1 << 20, ..by_hand() }
}

/// Changes of large values, which are files beside the tree: one is replaced, and
/// one goes.
fn large(round: u32, turn: u32) -> Option<RowOp> {
    match (round, turn) {
        (_, 5) => Some(put("large", &format!("{round} {}", noise(70_000)))),
        (0, 6) => Some(put("other", &noise(80_000))),
        (1, 6) => Some(remove("other")),
        _ => None,
    }
}

/// Number of such files once a round is in the tree.
const FILES: [usize; 2] = [2, 1];

#[test]
fn a_crash_at_every_step_of_apply_and_checkpoint_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let copies = tempfile::tempdir().unwrap();
    let disk = HookedDisk::new();
    let open_tree = {
        let disk = disk.clone();
        move |path: &std::path::Path, options: &Options| {
            let tree = SledTree::open(path, options.cache_bytes, Duration::from_secs(10))?;
            Ok(Arc::new(HookedTree { tree, disk: disk.clone() }) as Arc<dyn crate::tree::Tree>)
        }
    };
    let store = SledRows::open_on(dir.path(), options(), Arc::new(disk.clone()), &open_tree).unwrap();
    let taken = Arc::new(AtomicUsize::new(0));
    let taking = Arc::new(AtomicBool::new(false));
    let steps = Arc::new(Mutex::new(Vec::new()));
    {
        let (dir, copies) = (dir.path().to_owned(), copies.path().to_owned());
        let (taken, taking, steps) = (taken.clone(), taking.clone(), steps.clone());
        disk.rule(move |step| {
            if taking.load(Ordering::SeqCst) {
                copy(&dir, &copies.join(taken.fetch_add(1, Ordering::SeqCst).to_string()));
                steps.lock().unwrap().push(step);
            }
            Fate::Happens
        });
    }
    // Two rounds, so that the second finds rows in the tree and used segments.
    for round in 0..2_u32 {
        taking.store(false, Ordering::SeqCst);
        for turn in 0..20 {
            let mut ops = vec![put(&format!("k{turn:02}"), &format!("{round} {}", noise(500)))];
            ops.push(RowOp::Post { list: b"l".as_slice().into(), id: id(turn * 7 % 20 + round * 10) });
            if round == 1 && turn == 3 {
                ops.push(remove("k00"));
            }
            ops.extend(large(round, turn));
            commit(&store, batch(ops));
        }
        let expected = super::rig::rows(&store);
        let ids = store.postings(b"l", None, Order::Descending, 100).unwrap();
        taking.store(true, Ordering::SeqCst);
        store.checkpoint().unwrap();
        taking.store(false, Ordering::SeqCst);
        let seen = std::mem::take(&mut *steps.lock().unwrap());
        for needed in [Step::TreeWrite, Step::TreeCheckpoint, Step::Sync] {
            assert!(seen.contains(&needed), "{seen:?}");
        }
        for (number, step) in seen.iter().enumerate() {
            let copy = copies.path().join(number.to_string());
            leave_strays(&copy.join("tree/values"));
            let again = SledRows::open(&copy, options()).unwrap();
            assert_eq!(super::rig::rows(&again), expected, "round {round}, before {step:?} ({number})");
            assert_eq!(
                again.postings(b"l", None, Order::Descending, 100).unwrap(),
                ids,
                "round {round}, before {step:?} ({number})"
            );
            again.checkpoint().unwrap();
            assert_eq!(super::rig::rows(&again), expected);
            // What crashes left is gone with the first checkpoint that has something to say.
            commit(&again, batch(vec![put("later", "x")]));
            again.checkpoint().unwrap();
            let files = std::fs::read_dir(copy.join("tree/values")).unwrap().count();
            assert_eq!(files, FILES[round as usize], "round {round}, before {step:?} ({number})");
            drop(again);
            std::fs::remove_dir_all(copy).unwrap();
        }
        taken.store(0, Ordering::SeqCst);
    }
}

/// Files as a crash leaves them: whole before the tree pointed to it, and written in part.
fn leave_strays(values: &std::path::Path) {
    let files: Vec<_> = std::fs::read_dir(values).unwrap().map(|file| file.unwrap().path()).collect();
    if let Some(file) = files.first() {
        std::fs::copy(file, values.join(format!("{:016x}", 900))).unwrap();
        let part = std::fs::read(file).unwrap();
        std::fs::write(values.join(format!("{:016x}", 901)), &part[..20]).unwrap();
    }
}

#[test]
fn what_a_burst_of_large_batches_took_is_given_back_once_the_store_is_idle() {
    let dir = tempfile::tempdir().unwrap();
    let small = Options { segment_bytes: 16 * 1024, spare_segments: 4, ..options() };
    let store = SledRows::open(dir.path(), small).unwrap();
    let segments = || std::fs::read_dir(dir.path().join("journal")).unwrap().count();
    for turn in 0..40 {
        commit(&store, batch(vec![put(&format!("k{turn:02}"), &noise(8_000))]));
    }
    assert!(segments() > 10, "{}", segments());
    store.checkpoint().unwrap();
    // The one that is written to, a spare, and one that may be made in advance.
    assert!(segments() <= 3, "{}", segments());
    for turn in 0..40 {
        commit(&store, batch(vec![put(&format!("k{turn:02}"), &noise(8_001))]));
    }
    let expected = super::rig::rows(&store);
    drop(store);
    let again = SledRows::open(dir.path(), options()).unwrap();
    assert_eq!(super::rig::rows(&again), expected);
}
