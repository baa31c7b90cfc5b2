//! The files of sled, below the journal: missing, empty, or as they were earlier.

use std::fs;
use std::path::Path;
use std::time::Duration;

use px_store::rows::Backing;

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
