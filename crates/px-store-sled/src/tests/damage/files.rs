//! Power cuts while forms with files are taken in: a delivery that was answered is there
//! with every byte of its files, and one that was not is there as a whole or not at all.
//!
//! The disk is the one of `power`, which takes back any part of what was not synced.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use px_core::{DeliveryId, FILE_PIECE_BYTES, Scope, StoredFile, Timestamp};
use px_store::audit::audit;
use px_store::{Admission, Batch, Delivery, DeliveryWrite, Error, Outcome, Store as _};
use px_store_rows::Embedded;
use sha2::{Digest as _, Sha256};

use super::aloud;
use super::image::{Files, read, write};
use super::power::{Cut, options};
use crate::SledRows;
use crate::tests::rig::{MemoryTree, Random};

const SCOPE: Scope = Scope(0);

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

/// The files of a delivery, which follow from its number: one that is empty and one of
/// two pieces are among them.
fn contents(number: usize) -> Vec<Bytes> {
    let piece = usize::try_from(FILE_PIECE_BYTES).unwrap();
    let sizes: &[usize] = match number % 4 {
        0 => &[piece + 700, 0],
        1 => &[300],
        2 => &[2_000, 5_000, 1],
        _ => &[40_000],
    };
    let mut random = Random(number as u64);
    let mut content = |size: usize| -> Bytes {
        let noise = std::iter::repeat_with(|| random.next().to_be_bytes());
        noise.flatten().take(size).collect::<Vec<_>>().into()
    };
    sizes.iter().map(|size| content(*size)).collect()
}

fn id(number: usize) -> DeliveryId {
    DeliveryId::from_bytes((number as u128).to_be_bytes())
}

fn delivery(number: usize) -> Delivery {
    let contents = contents(number);
    let stored = |content: &Bytes| StoredFile {
        field: "photo".into(),
        name: format!("../{number}.jpg"),
        size: content.len() as u64,
        sha256: hex::encode(Sha256::digest(content)),
        content_type: None,
        unread: false,
    };
    Delivery {
        id: id(number),
        slug: "claims".into(),
        received_at: Timestamp::from_millis(1),
        remote: String::new(),
        method: "POST".into(),
        target: "/webhooks/claims".into(),
        headers: Vec::new(),
        verdict: "verified".into(),
        status: 200,
        took_us: 0,
        size: 0,
        events: Vec::new(),
        holders: Vec::new(),
        emptied: false,
        test: None,
        files: contents.iter().map(stored).collect(),
        body: Bytes::from_static(b"{}"),
        contents,
        revision: 0,
    }
}

type Opened = Embedded<SledRows>;

fn open(dir: &Path, random: &mut Random, disk: Arc<Cut>, tree: &MemoryTree) -> Result<Opened, Error> {
    let tree = tree.clone();
    SledRows::open_on(dir, options(random), disk, &|_, _| Ok(Arc::new(tree.clone()))).map(Embedded::new)
}

fn take_in(store: &Opened, delivery: Delivery) {
    let deliveries = vec![DeliveryWrite { delivery, new: true }];
    let batch = Batch { scope: SCOPE, deliveries, ..Batch::default() };
    let outcome = block_on(store.commit(batch, Admission::Wait)).unwrap();
    assert!(matches!(outcome, Outcome::Committed { .. }), "{outcome:?}");
}

/// Returns the number of deliveries that are there, from the first on: each has the files
/// that it came with, and no piece of a file belongs to nothing.
fn found(store: &Opened, known: &[Vec<StoredFile>], what: &str) -> usize {
    let report = block_on(audit(store, SCOPE, &mut |_| {})).unwrap();
    // It takes the digest of every file.
    assert!(report.is_clean(), "{what}: {report:?}");
    let there = usize::try_from(report.counts.deliveries).unwrap();
    for (number, files) in (1..=there).zip(known) {
        let kept = block_on(store.delivery(SCOPE, id(number))).unwrap();
        assert_eq!(kept.unwrap_or_else(|| panic!("{what}: {number} is lost")).files, *files, "{what}");
    }
    there
}

#[test]
fn no_power_cut_loses_a_file_that_was_answered_or_leaves_a_part_of_another_one() {
    let (chains, rounds) = if super::is_long() { (300, 6) } else { (10, 5) };
    let (mut torn, mut kept, mut answers) = (0, 0, 0);
    for seed in 0..chains {
        let mut random = Random(seed);
        let (mut files, mut tree) = (Files::new(), MemoryTree::default());
        // The files of what was sent, and the number of those that were answered.
        let (mut known, mut answered) = (Vec::new(), 0);
        for round in 0..rounds {
            let what = format!("chain {seed}, round {round}");
            let dir = tempfile::tempdir().unwrap();
            if !files.is_empty() {
                write(dir.path(), &files);
            }
            let left = 1 + random.below(60);
            let disk = Cut::new(dir.path(), &tree, left, Random(random.next()));
            let store = open(dir.path(), &mut random, Arc::clone(&disk), &tree);
            let store = store.unwrap_or_else(|error| panic!("{what}: {error}"));
            let there = found(&store, &known, &what);
            // One more than was answered may be there: the power was cut before the answer.
            assert!((answered..=answered + 1).contains(&there), "{what}: {there} of {answered}");
            kept += there - answered;
            known.truncate(there);
            while !disk.is_cut() {
                // What was answered before the step that is cut.
                answered = known.len();
                if random.one_in(7) {
                    store.backing().checkpoint().unwrap();
                } else {
                    let delivery = delivery(answered + 1);
                    known.push(delivery.files.clone());
                    take_in(&store, delivery);
                    answers += 1;
                }
            }
            drop(store);
            (files, tree) = disk.take_image().unwrap();
            torn += usize::from(files != read(dir.path()));
        }
    }
    let cuts = u64::try_from(rounds).unwrap() * chains;
    aloud(&format!(
        "damage: files: {cuts} cuts, {torn} images that lost something, {answers} deliveries with files, {kept} \
         unanswered ones kept"
    ));
    assert!(torn > 0 && kept > 0, "what was not answered is there or not");
}
