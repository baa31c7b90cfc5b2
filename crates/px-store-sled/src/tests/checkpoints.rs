//! A crash at every step between a commit and the reuse of its segment: the
//! directory is copied before each step, and every copy must open with all
//! that was answered by then. Over sled, with its own files in the copy.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use px_store_rows::{Backing, RowOp};

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
            commit(&store, batch(ops));
        }
        let expected = super::rig::rows(&store);
        let ids = store.postings(b"l", None, 100).unwrap();
        taking.store(true, Ordering::SeqCst);
        store.checkpoint().unwrap();
        taking.store(false, Ordering::SeqCst);
        let seen = std::mem::take(&mut *steps.lock().unwrap());
        for needed in [Step::TreeWrite, Step::TreeCheckpoint, Step::Sync] {
            assert!(seen.contains(&needed), "{seen:?}");
        }
        for (number, step) in seen.iter().enumerate() {
            let copy = copies.path().join(number.to_string());
            let again = SledRows::open(&copy, options()).unwrap();
            assert_eq!(super::rig::rows(&again), expected, "round {round}, before {step:?} ({number})");
            assert_eq!(
                again.postings(b"l", None, 100).unwrap(),
                ids,
                "round {round}, before {step:?} ({number})"
            );
            again.checkpoint().unwrap();
            assert_eq!(super::rig::rows(&again), expected);
            drop(again);
            std::fs::remove_dir_all(copy).unwrap();
        }
        taken.store(0, Ordering::SeqCst);
    }
}
