//! Journals as a crash leaves them: torn, damaged, used before.

use std::fs;
use std::path::{Path, PathBuf};

use px_store::Error;
use px_store_rows::{Backing, RowOp};

use super::rig::{
    HookedDisk, MemoryTree, Rig, batch, by_hand, claim, commit, copy, noise, open_over, put, remove, rows,
    text,
};
use crate::SledRows;
use crate::journal::format::{HEADER, Record, SegmentHeader, SegmentKind, VERSION};

/// The segments that hold records, by number, with where each record starts.
fn segments(dir: &Path) -> Vec<(PathBuf, Vec<usize>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir.join("journal")).unwrap() {
        let path = entry.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        let SegmentKind::Used(header) = SegmentHeader::decode(&bytes) else { continue };
        let mut starts = vec![HEADER];
        while let Some(record) = Record::decode(&header, &bytes[*starts.last().unwrap()..]) {
            starts.push(starts.last().unwrap() + record.bytes());
        }
        found.push((header.number, path, starts));
    }
    found.sort();
    found.into_iter().map(|(_, path, starts)| (path, starts)).collect()
}

fn open_copy(from: &Path, change: impl FnOnce(&Path)) -> Result<String, Error> {
    let dir = tempfile::tempdir().unwrap();
    copy(from, dir.path());
    change(dir.path());
    let store = open_over(dir.path(), by_hand(), &HookedDisk::new(), &MemoryTree::default())?;
    let found = rows(&store);
    // It goes on from there, and stands another reopen.
    commit(&store, batch([put("next", "1")]));
    drop(store);
    let store = open_over(dir.path(), by_hand(), &HookedDisk::new(), &MemoryTree::default())?;
    assert_eq!(text(&store, "next").as_deref(), Some("1"));
    Ok(found)
}

fn change(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
}

/// The high-water file as it was at some time. Put into an image, it says what was
/// known to be durable then: what came later was not answered.
fn high_water(dir: &Path) -> Vec<u8> {
    fs::read(dir.join("high-water")).unwrap()
}

/// Asserts the result of opening a store with a torn record: nothing of the record is there. If a single
/// bit is all that is missing, which only damage does, the store is refused.
fn is_torn_to(found: Result<String, Error>, before: &[u8], after: &[u8], expected: &str, what: &str) {
    let bits: u32 = before.iter().zip(after).map(|(left, right)| (left ^ right).count_ones()).sum();
    match found {
        Err(Error::Corrupt(_)) => assert_eq!(bits, 1, "{what}"),
        found => assert_eq!(found.unwrap(), expected, "{what}"),
    }
}

#[test]
fn a_torn_tail_at_every_byte_leaves_what_was_answered() {
    let rig = Rig::new();
    let store = rig.open(by_hand());
    commit(&store, batch([put("a", "1")]));
    commit(&store, batch([put("b", "1"), remove("a")]));
    let known = high_water(rig.dir.path());
    commit(
        &store,
        batch([put("c", "1"), put("d", "1"), RowOp::Post { list: b"l".as_slice().into(), id: [1; 16] }]),
    );
    drop(store);
    let (path, starts) = segments(rig.dir.path()).pop().unwrap();
    let [start, end] = *starts.last_chunk::<2>().unwrap();
    let name = path.file_name().unwrap().to_owned();
    let whole = fs::read(&path).unwrap();
    for cut in start..=end {
        for filling in [0, 0xaa] {
            let mut torn = whole.clone();
            torn[cut..end].fill(filling);
            let image = |known: Option<&[u8]>| {
                open_copy(rig.dir.path(), |dir| {
                    fs::write(dir.join("journal").join(&name), &torn).unwrap();
                    known.iter().for_each(|known| fs::write(dir.join("high-water"), known).unwrap());
                })
            };
            let what = format!("cut at {cut} of {start}..{end}, filled with {filling}");
            let expected = if torn == whole { "b=1 c=1 d=1" } else { "b=1" };
            is_torn_to(image(Some(&known)), &whole, &torn, expected, &what);
            // Nobody tears what was answered.
            let found = image(None);
            assert_eq!(found.is_ok(), torn == whole, "{what}: {found:?}");
        }
    }
}

/// A store with two segments of one record each, and its high-water file before the
/// second one was begun.
fn two_segments(rig: &Rig) -> (PathBuf, Vec<usize>, Vec<u8>) {
    let store = rig.open(by_hand());
    commit(&store, batch([put("a", "1")]));
    drop(store);
    let store = rig.open(by_hand());
    let known = high_water(rig.dir.path());
    commit(&store, batch([put("b", "1")]));
    drop(store);
    let mut all = segments(rig.dir.path());
    assert_eq!(all.len(), 2, "an open begins a segment of its own");
    let (path, starts) = all.pop().unwrap();
    (path.file_name().unwrap().into(), starts, known)
}

#[test]
fn a_segment_whose_first_record_is_torn_is_the_end() {
    let rig = Rig::new();
    let (name, starts, known) = two_segments(&rig);
    let whole = fs::read(rig.dir.path().join("journal").join(&name)).unwrap();
    for cut in 0..starts[1] {
        let mut torn = whole.clone();
        torn[cut..starts[1]].fill(0x55);
        let found = open_copy(rig.dir.path(), |dir| {
            fs::write(dir.join("journal").join(&name), &torn).unwrap();
            fs::write(dir.join("high-water"), &known).unwrap();
        });
        is_torn_to(found, &whole, &torn, "a=1", &format!("cut at {cut}"));
    }
    let found = open_copy(rig.dir.path(), |dir| fs::write(dir.join("high-water"), &known).unwrap());
    assert_eq!(found.unwrap(), "a=1 b=1", "whole, and not said to be begun");
}

#[test]
fn a_segment_that_was_begun_and_whose_first_record_is_torn_is_damage() {
    let rig = Rig::new();
    let (name, starts, _) = two_segments(&rig);
    for cut in 0..starts[1] {
        let found = open_copy(rig.dir.path(), |dir| {
            // Turned and not filled: a byte may have any value before.
            let torn = |bytes: &mut Vec<u8>| bytes[cut..starts[1]].iter_mut().for_each(|byte| *byte ^= 0x55);
            change(&dir.join("journal").join(&name), torn);
        });
        assert!(matches!(found, Err(Error::Corrupt(_))), "cut at {cut}: {found:?}");
    }
}

/// A store with several full segments, the last with several records.
fn long_journal(rig: &Rig) -> SledRows {
    let store = rig.open(by_hand());
    for turn in 0..20 {
        commit(&store, batch([put(&format!("k{turn}"), &noise(700))]));
    }
    store
}

#[test]
fn damage_in_an_earlier_segment_is_named_and_nothing_is_changed() {
    let rig = Rig::new();
    drop(long_journal(&rig));
    let all = segments(rig.dir.path());
    let (path, starts) = &all[1];
    let name = path.file_name().unwrap();
    for at in [starts[0], starts[1] + 30, starts[starts.len() - 2] + 100] {
        let error = open_copy(rig.dir.path(), |dir| {
            change(&dir.join("journal").join(name), |bytes| bytes[at] ^= 1);
        });
        let Err(Error::Corrupt(text)) = error else { panic!("{error:?}") };
        let record = starts.iter().rfind(|start| **start <= at).unwrap();
        assert!(text.contains(name.to_str().unwrap()), "{text}");
        assert!(text.contains(&format!("byte {record}")), "{text}");
    }
    let error = open_copy(rig.dir.path(), |dir| fs::remove_file(dir.join("journal").join(name)).unwrap());
    assert!(matches!(&error, Err(Error::Corrupt(text)) if text.contains("misses segment 2")), "{error:?}");
    let error = open_copy(rig.dir.path(), |dir| {
        change(&dir.join("journal").join(name), |bytes| bytes[20] ^= 1);
    });
    assert!(matches!(&error, Err(Error::Corrupt(text)) if text.contains("misses segment 2")), "{error:?}");
    assert!(
        matches!(&error, Err(Error::Corrupt(text)) if text.contains(name.to_str().unwrap())),
        "{error:?}"
    );
}

#[test]
fn a_bad_record_before_a_good_one_is_damage_also_in_the_last_segment() {
    let rig = Rig::new();
    drop(long_journal(&rig));
    let (path, starts) = segments(rig.dir.path()).pop().unwrap();
    assert!(starts.len() > 3, "{starts:?}");
    let name = path.file_name().unwrap();
    let error = open_copy(rig.dir.path(), |dir| {
        change(&dir.join("journal").join(name), |bytes| bytes[starts[1] + 50] ^= 1);
    });
    assert!(matches!(error, Err(Error::Corrupt(_))), "{error:?}");
}

#[test]
fn a_missing_mark_or_a_newer_format_is_no_empty_store() {
    let rig = Rig::new();
    drop(long_journal(&rig));
    let error = open_copy(rig.dir.path(), |dir| fs::remove_file(dir.join("high-water")).unwrap());
    assert!(matches!(error, Err(Error::Corrupt(_))), "{error:?}");
    let (path, _) = segments(rig.dir.path()).pop().unwrap();
    let error = open_copy(rig.dir.path(), |dir| {
        change(&dir.join("journal").join(path.file_name().unwrap()), |bytes| {
            bytes[8] = 9;
            let crc = crc32c::crc32c(&bytes[..60]).to_le_bytes();
            bytes[60..64].copy_from_slice(&crc);
        });
    });
    assert!(matches!(error, Err(Error::Format { found: 9, supported: VERSION })), "{error:?}");
}

#[test]
fn a_tree_that_is_older_than_the_mark_is_not_taken_for_the_store() {
    let rig = Rig::new();
    let store = rig.open(by_hand());
    commit(&store, batch([put("a", "1")]));
    store.checkpoint().unwrap();
    drop(store);
    let other = open_over(rig.dir.path(), by_hand(), &HookedDisk::new(), &MemoryTree::default());
    assert!(matches!(&other, Err(Error::Corrupt(text)) if text.contains("batch 1")), "{other:?}");
    assert_eq!(rows(&rig.open(by_hand())), "a=1");
}

#[test]
fn a_tree_that_sled_refuses_is_no_empty_store() {
    for (file, damage) in [("conf", b"no configuration".to_vec()), ("db", vec![0x5a; 3 << 20])] {
        let dir = tempfile::tempdir().unwrap();
        let store = SledRows::open(dir.path(), by_hand()).unwrap();
        commit(&store, batch([put("a", "1")]));
        store.checkpoint().unwrap();
        commit(&store, batch([put("a", "2")]));
        drop(store);
        let journal = segments(dir.path());
        fs::write(dir.path().join("tree").join(file), &damage).unwrap();
        let options = crate::Options { lock_wait: std::time::Duration::from_secs(1), ..by_hand() };
        let refused = SledRows::open(dir.path(), options);
        assert!(matches!(refused, Err(Error::Corrupt(_))), "{file}: {refused:?}");
        assert_eq!(segments(dir.path()), journal, "the journal is kept");
    }
}

#[test]
fn what_an_earlier_use_of_a_segment_left_behind_is_not_replayed() {
    let rig = Rig::new();
    let store = rig.open(by_hand());
    for turn in 0..30 {
        commit(&store, batch([put("k", &format!("old {turn} {}", noise(400)))]));
    }
    store.checkpoint().unwrap();
    let files = fs::read_dir(rig.dir.path().join("journal")).unwrap();
    let files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    // Fills the segment in use, and begins one that held records before.
    for turn in 0..8 {
        commit(&store, batch([put("k", &format!("new {turn} {}", noise(400)))]));
    }
    let expected = rows(&store);
    drop(store);
    let (path, starts) = segments(rig.dir.path()).pop().unwrap();
    assert!(files.contains(&path), "segments are used again");
    let behind = fs::read(path).unwrap()[*starts.last().unwrap()..].to_vec();
    assert!(behind.windows(4).any(|window| window == b"PXR1"), "the segment has old records behind the new");
    let store = rig.open(by_hand());
    assert_eq!(rows(&store), expected);
    assert_eq!(commit(&store, batch([])), 39);
}

#[test]
fn sequences_go_on_after_a_reopen_whatever_is_left_of_the_journal() {
    let rig = Rig::new();
    let mut last = 0;
    for turn in 0..12 {
        let store = rig.open(by_hand());
        for _ in 0..turn % 3 {
            let sequence = commit(&store, batch([put("k", "v")]));
            assert_eq!(sequence, last + 1);
            last = sequence;
        }
        match turn % 4 {
            0 => store.checkpoint().unwrap(),
            1 => store.close().unwrap(),
            _ => {}
        }
    }
    assert!(last > 8);
}

#[test]
fn a_drop_without_close_loses_nothing_and_applies_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = SledRows::open(dir.path(), by_hand()).unwrap();
    for turn in 0..50 {
        commit(&store, claim(&format!("k{turn:02}"), &noise(300)));
    }
    let expected = rows(&store);
    drop(store);
    let store = SledRows::open(dir.path(), by_hand()).unwrap();
    assert_eq!(rows(&store), expected);
    assert_eq!(store.stats().applied_rows, 0);
}

#[test]
fn a_record_larger_than_a_segment_has_one_to_itself() {
    let rig = Rig::new();
    let store = rig.open(by_hand());
    commit(&store, batch([put("small", "1")]));
    commit(&store, batch([put("large", &noise(20_000))]));
    commit(&store, batch([put("small", "2")]));
    let expected = rows(&store);
    drop(store);
    let store = rig.open(by_hand());
    assert_eq!(rows(&store), expected);
    store.checkpoint().unwrap();
    commit(&store, batch([put("small", "3")]));
    store.checkpoint().unwrap();
    let largest = fs::read_dir(rig.dir.path().join("journal"))
        .unwrap()
        .map(|entry| entry.unwrap().metadata().unwrap().len())
        .max();
    assert_eq!(largest, Some(4096), "the long segment is not kept");
}
