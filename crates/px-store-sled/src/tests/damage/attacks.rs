//! Images that somebody thought of: what an operator's copying, an older backup or a
//! confused repair may leave behind.

use std::fs;

use super::image::{Base, Change, End, Files, Found, open, read, write};
use crate::SledRows;
use crate::journal::format::{RecordBuffer, SegmentHeader};
use crate::tests::rig::{MemoryTree, batch, commit, put, rows};

const PAGE: usize = 4096;

#[test]
fn every_mixture_of_old_and_new_pages_is_refused_or_serves_everything() {
    for end in [End::Stopped, End::Killed, End::Idle] {
        let base = Base::make(end);
        for snapshot in &base.earlier {
            for mixture in 0..1 << 6 {
                let mut image = base.files.clone();
                let pages = image.get_mut("high-water").unwrap();
                for page in (0..6).filter(|page| mixture >> page & 1 == 1) {
                    let place = page * PAGE..(page + 1) * PAGE;
                    pages[place.clone()].copy_from_slice(&snapshot["high-water"][place]);
                }
                let found = base.open_files(&image, &format!("{end:?}, pages {mixture:b}"));
                assert_ne!(found, Found::WithoutTheLast, "{end:?}, pages {mixture:b}");
            }
        }
    }
}

#[test]
fn a_journal_that_is_as_long_as_an_earlier_mark_says_and_holds_more_is_refused() {
    // The mark of long ago, and of the segments that came since only the newest.
    let base = Base::make(End::Killed);
    let mut image = base.files.clone();
    image.insert("high-water".into(), base.earlier[0]["high-water"].clone());
    let newest = base.segments.len() - 1;
    for segment in &base.segments[3..newest] {
        image.remove(&segment.name);
    }
    assert_eq!(base.open_files(&image, "only the newest segment is left"), Found::Refused);
}

/// A power cut may take the note of the last record, and with it what tells a torn
/// record from one that was answered; one bit is damage all the same.
#[test]
fn without_its_note_a_last_record_with_one_flipped_bit_is_refused_and_a_torn_one_is_the_end() {
    let base = Base::make(End::Killed);
    let (file, from, to) = base.last_record().unwrap();
    let unnoted = Change::Earlier { file: "high-water".into(), snapshot: 1 };
    let flip = |bit: usize| Change::Flip { file: file.clone(), bit };
    for bit in from * 8..to * 8 {
        assert_eq!(base.open(&[unnoted.clone(), flip(bit)]), Found::Refused, "bit {bit}");
    }
    for bit in (from * 8..to * 8 - 9).step_by(61) {
        let two = [unnoted.clone(), flip(bit), flip(bit + 9)];
        assert_eq!(base.open(&two), Found::WithoutTheLast, "bits {bit} and {}", bit + 9);
        assert!(base.tears_the_last_record(&two));
    }
}

#[test]
fn a_folder_that_is_gone_is_damage_if_anything_was_in_it() {
    for end in [End::Stopped, End::Killed, End::Idle] {
        let base = Base::make(end);
        let only_the_mark: Files = base
            .files
            .iter()
            .filter(|(name, _)| !name.starts_with("journal/"))
            .map(|(n, b)| (n.clone(), b.clone()))
            .collect();
        // A store that is stopped keeps its newest segment until it is started again;
        // with nothing begun after it there is nothing to miss.
        let expected = if end == End::Idle { Found::Served } else { Found::Refused };
        assert_eq!(base.open_files(&only_the_mark, &format!("{end:?}")), expected, "{end:?}");
    }
    let base = Base::make(End::Killed);
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), &base.files);
    fs::remove_dir_all(dir.path().join("journal")).unwrap();
    assert!(open(dir.path(), &MemoryTree::default()).is_err());
    assert!(!dir.path().join("journal").exists(), "nothing is made in its place");
}

#[test]
fn a_store_without_its_mark_is_no_new_one_whatever_else_is_damaged() {
    for end in [End::Stopped, End::Killed, End::Idle] {
        let base = Base::make(end);
        for segment in &base.segments {
            for bit in [3, 100, 130, 200, 500] {
                let gone = Change::Missing { file: "high-water".into() };
                let flip = Change::Flip { file: segment.name.clone(), bit };
                assert_eq!(base.open(&[gone, flip]), Found::Refused, "{end:?}");
            }
        }
        let only_the_tree = Files::new();
        let found = base.open_files(&only_the_tree, "nothing but the tree");
        assert_eq!(found, Found::Refused, "{end:?}");
        let mut unmarked = base.files.clone();
        unmarked.remove("high-water");
        write(base.dir(), &unmarked);
        assert!(SledRows::exists(base.dir()), "what is left of a store is one for the audit, too");
    }
}

#[test]
fn two_files_that_are_the_same_segment_are_refused() {
    let base = Base::make(End::Killed);
    for segment in &base.segments {
        let mut image = base.files.clone();
        image.insert("journal/copy.seg".into(), base.files[&segment.name].clone());
        // A copy of one that is not needed any more is as good as any spare.
        let found = base.open_files(&image, &segment.name);
        assert_ne!(found, Found::WithoutTheLast, "{}", segment.name);
    }
    let newest = &base.segments[base.segments.len() - 1].name;
    let mut image = base.files.clone();
    image.insert("journal/copy.seg".into(), base.files[newest].clone());
    assert_eq!(base.open_files(&image, newest), Found::Refused);
}

/// A segment of a number, with a record or without.
fn segment(number: u64, first_sequence: u64, with_a_record: bool) -> Vec<u8> {
    let header = SegmentHeader::new(number, first_sequence, 77, 4096);
    let mut record = RecordBuffer::new();
    record.push(&[]);
    let mut bytes = record.seal(&header, first_sequence, true).to_vec();
    bytes.truncate(if with_a_record { bytes.len() } else { crate::journal::format::HEADER });
    bytes.resize(4096, 0);
    bytes
}

#[test]
fn a_file_that_is_no_part_of_the_journal_is_a_spare_whatever_its_header_says() {
    for end in [End::Stopped, End::Killed, End::Idle] {
        let base = Base::make(end);
        let damaged = {
            let mut bytes = segment(1, 1, true);
            bytes[17..40].fill(0x5a);
            bytes
        };
        let spares = [
            ("an old one", segment(1, 1, true)),
            ("one to come, without a record", segment(99, 500, false)),
            ("one with a damaged header", damaged),
            ("an empty file", Vec::new()),
            ("a short one", vec![0; 100]),
            ("noise", vec![0xa5; 4096]),
        ];
        for (what, bytes) in spares {
            let mut image = base.files.clone();
            image.insert("journal/00000077.seg".into(), bytes.clone());
            assert_eq!(base.open_files(&image, what), Found::Served, "{end:?}: {what}");
        }
        let mut image = base.files.clone();
        image.insert("journal/00000077.seg".into(), segment(99, 500, true));
        assert_eq!(base.open_files(&image, "a later record"), Found::Refused, "{end:?}");
    }
}

#[test]
fn recovery_removes_nothing_and_the_next_checkpoint_what_is_of_another_size() {
    let base = Base::make(End::Killed);
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), &base.files);
    let odd = dir.path().join("journal/odd.seg");
    fs::write(&odd, [0x5a; 5000]).unwrap();
    // The tree of the base is its own, so this one begins with nothing in it.
    let store = open(dir.path(), &base.tree()).unwrap();
    assert!(odd.exists());
    store.checkpoint().unwrap();
    assert!(!odd.exists());
}

#[test]
fn fresh_and_idle_stores_open_however_often_they_are_stopped_or_killed() {
    let dir = tempfile::tempdir().unwrap();
    let tree = MemoryTree::default();
    let mut expected = String::new();
    for turn in 0..40 {
        let store = open(dir.path(), &tree).unwrap();
        assert_eq!(rows(&store), expected);
        if turn % 7 == 6 {
            commit(&store, batch([put("k", &turn.to_string())]));
            expected = format!("k={turn}");
        }
        if turn % 3 == 0 {
            use px_store_rows::Backing as _;
            store.close().unwrap();
        }
    }
    assert!(read(dir.path()).len() > 1);
}
