//! Marks of version 1: opened by the rule of then, once.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

use px_store::Error;

use super::image::{Base, End, Files, Found, read, write};
use crate::SledRows;
use crate::journal::Known;
use crate::journal::high_water::MAGIC;
use crate::journal::pages::Page;
use crate::tests::rig::{Fate, HookedDisk, by_hand, copy, open_over, rows};

/// Makes the mark of an image one of version 1.
fn as_version_1(files: &Files) -> Files {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), files);
    let known = Known::open(Arc::new(super::image::Durable), dir.path()).unwrap().unwrap();
    let mark = known.water.mark();
    let mut bytes = vec![0; 4096];
    for (place, turn) in [(0, 2), (4096, 1)] {
        let page = Page { version: 1, turn, words: [mark.sequence, mark.segment] }.encode(MAGIC);
        bytes.resize(place, 0);
        bytes.extend_from_slice(&page);
    }
    let mut files = files.clone();
    files.insert("high-water".into(), bytes);
    files
}

#[test]
fn a_mark_of_version_1_is_rewritten_before_anything_is_committed() {
    for end in [End::Stopped, End::Killed, End::Idle] {
        let base = Base::make(end);
        let image = as_version_1(&base.files);
        assert_eq!(base.open_files(&image, "version 1"), Found::Served, "{end:?}");
        let rewritten = fs::read(base.dir().join("high-water")).unwrap();
        for page in 0..2 {
            assert_eq!(rewritten[page * 4096 + 8], 2, "{end:?}: page {page} has version 2");
        }
    }
}

#[test]
fn what_is_there_is_checked_beside_a_mark_of_version_1_too() {
    let base = Base::make(End::Killed);
    let image = as_version_1(&base.files);
    let newest = base.segments.last().unwrap();
    let (name, from, to) = base.last_record().unwrap();
    let open = |change: &dyn Fn(&mut Files)| {
        let mut image = image.clone();
        change(&mut image);
        base.open_files(&image, "version 1")
    };
    // One bit of the newest header, and of the last record.
    for bit in (0..64 * 8).step_by(7) {
        let found = open(&|files| files.get_mut(&newest.name).unwrap()[bit / 8] ^= 1 << (bit % 8));
        assert_eq!(found, Found::Refused, "bit {bit} of the header");
    }
    for bit in (from * 8..to * 8).step_by(101) {
        let found = open(&|files| files.get_mut(&name).unwrap()[bit / 8] ^= 1 << (bit % 8));
        assert_eq!(found, Found::Refused, "bit {bit} of the last record");
    }
    assert_eq!(open(&|files| drop(files.remove(&base.segments[3].name))), Found::Refused);
    // Of a tail that is torn it does not know that it was answered.
    assert_eq!(open(&|files| files.get_mut(&name).unwrap()[to - 40..to].fill(0)), Found::WithoutTheLast);
}

#[test]
fn a_crash_at_every_step_of_the_rewrite_leaves_a_store_that_opens() {
    let base = Base::make(End::Killed);
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), &as_version_1(&base.files));
    let images = tempfile::tempdir().unwrap();
    let taken = Arc::new(Mutex::new(0));
    let disk = HookedDisk::new();
    {
        let (from, to, taken) = (dir.path().to_owned(), images.path().to_owned(), taken.clone());
        disk.rule(move |_| {
            let mut taken = taken.lock().unwrap();
            copy(&from, &to.join(taken.to_string()));
            *taken += 1;
            Fate::Happens
        });
    }
    let store = open_over(dir.path(), by_hand(), &disk, &base.tree()).unwrap();
    let expected = rows(&store);
    drop(store);
    let taken = *taken.lock().unwrap();
    assert!(taken > 8, "{taken}");
    for number in 0..taken {
        let image = images.path().join(number.to_string());
        let store = open_over(&image, by_hand(), &HookedDisk::new(), &base.tree()).unwrap();
        assert_eq!(rows(&store), expected, "before step {number}");
    }
}

#[path = "../../../../../tests/fixtures/stores/archive.rs"]
#[allow(dead_code, unreachable_pub, reason = "the suites over the real binary also make archives")]
mod archive;

fn restore(name: &str) -> tempfile::TempDir {
    let stores = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/stores");
    let dir = tempfile::tempdir().unwrap();
    archive::unpack(&fs::read(stores.join(name)).unwrap(), dir.path());
    dir
}

#[test]
fn the_kept_stores_of_an_earlier_version_open_and_are_refused_when_damaged() {
    let options = crate::Options::default;
    for name in ["stopped-2f79062.px", "killed-2f79062.px"] {
        let dir = restore(name);
        let data = dir.path().join("data");
        let before = read(&data);
        let known = Known::open(Arc::new(super::image::Durable), &data).unwrap().unwrap();
        assert!(known.opened.is_none(), "{name} has a mark of version 1");
        let found = {
            let store = SledRows::open(&data, options()).unwrap();
            rows(&store).len()
        };
        assert!(found > 4_000, "{name} has {found} bytes of rows");
        let store = SledRows::open(&data, options()).unwrap();
        assert_eq!(rows(&store).len(), found, "{name}, opened again");
        assert_ne!(read(&data)["high-water"], before["high-water"], "{name} is one of this version now");
    }
    // One bit of the newest header, where all that was acknowledged is in the journal.
    let dir = restore("killed-2f79062.px");
    let data = dir.path().join("data");
    let mut files = read(&data);
    let used =
        files.iter_mut().find(|(name, bytes)| name.ends_with(".seg") && bytes.starts_with(b"pxjournl"));
    used.unwrap().1[16] ^= 1;
    write(&data, &files);
    let refused = SledRows::open(&data, options());
    assert!(matches!(&refused, Err(Error::Corrupt(text)) if text.contains(".seg")), "{refused:?}");
    assert_eq!(read(&data), files, "a refusal changes nothing");
}
