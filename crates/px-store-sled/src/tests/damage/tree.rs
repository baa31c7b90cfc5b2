//! The files of sled, below the journal: missing, empty, or as they were earlier.

use std::fs;
use std::path::Path;
use std::time::Duration;

use px_store_rows::Backing;

use crate::tests::rig::{batch, by_hand, commit, copy, noise, put, rows};
use crate::{Options, SledRows};

const RECORDS: usize = 30;

fn options() -> Options {
    Options { lock_wait: Duration::from_secs(1), ..by_hand() }
}

#[test]
fn a_tree_that_is_not_the_one_of_the_journal_is_refused_or_everything_is_served() {
    for is_stopped in [false, true] {
        let [dir, earlier] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let store = SledRows::open(dir.path(), options()).unwrap();
        for number in 1..=RECORDS {
            commit(
                &store,
                batch([put(&format!("k{number:02}"), &noise(300)), put("head", &number.to_string())]),
            );
            if number % 10 == 0 {
                store.checkpoint().unwrap();
            }
            if number == 15 {
                copy(dir.path(), earlier.path());
            }
        }
        commit(&store, batch([put("head", "last")]));
        let expected = rows(&store);
        if is_stopped {
            store.close().unwrap();
        }
        drop(store);
        let mut refused = 0;
        for file in ["tree/db", "tree/conf", "tree"] {
            for damage in ["missing", "empty", "an earlier copy"] {
                let image = tempfile::tempdir().unwrap();
                copy(dir.path(), image.path());
                hurt(&image.path().join(file), &earlier.path().join(file), damage);
                let journal = super::image::read(image.path());
                match SledRows::open(image.path(), options()) {
                    Ok(store) => assert_eq!(rows(&store), expected, "{file} {damage}, stopped: {is_stopped}"),
                    Err(_) => {
                        refused += 1;
                        assert_eq!(super::image::read(image.path()), journal, "{file} {damage}");
                    }
                }
            }
        }
        assert!(refused >= 6, "stopped: {is_stopped}: {refused} refused");
    }
}

fn hurt(place: &Path, earlier: &Path, damage: &str) {
    let is_dir = place.is_dir();
    if is_dir { fs::remove_dir_all(place) } else { fs::remove_file(place) }.unwrap();
    match (damage, is_dir) {
        ("missing", _) => {}
        ("empty", true) => fs::create_dir(place).unwrap(),
        ("empty", false) => fs::write(place, []).unwrap(),
        (_, true) => copy(earlier, place),
        (_, false) => drop(fs::copy(earlier, place).unwrap()),
    }
}

#[test]
fn an_index_that_sled_did_not_finish_keeps_no_store_from_opening() {
    let dir = tempfile::tempdir().unwrap();
    let store = SledRows::open(dir.path(), options()).unwrap();
    for number in 1..=RECORDS {
        commit(&store, batch([put(&format!("k{number:02}"), &noise(300))]));
    }
    store.checkpoint().unwrap();
    let expected = rows(&store);
    store.close().unwrap();
    drop(store);
    let tree = dir.path().join("tree");
    let index = fs::read_dir(&tree).unwrap().map(|entry| entry.unwrap().path());
    let index = index.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("snap."));
    let whole = fs::read(index.max().unwrap()).unwrap();
    // As a kill, or a full disk, leaves it at each of its bytes; newer than any other.
    for length in (0..whole.len()).step_by(whole.len().div_ceil(20).max(1)) {
        fs::write(tree.join("snap.00000000FFFFFFFF.generating"), &whole[..length]).unwrap();
        let store = SledRows::open(dir.path(), options()).unwrap();
        assert_eq!(rows(&store), expected, "{length} of {} bytes", whole.len());
        store.close().unwrap();
    }
}

#[test]
fn a_store_without_its_tree_is_refused_and_none_is_made() {
    let dir = tempfile::tempdir().unwrap();
    let store = SledRows::open(dir.path(), options()).unwrap();
    commit(&store, batch([put("k", "v")]));
    store.checkpoint().unwrap();
    store.close().unwrap();
    drop(store);
    fs::remove_dir_all(dir.path().join("tree")).unwrap();
    assert!(matches!(SledRows::open(dir.path(), options()), Err(px_store::Error::Corrupt(_))));
    assert!(!dir.path().join("tree").exists());
}
