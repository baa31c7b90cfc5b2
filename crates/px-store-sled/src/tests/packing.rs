//! Values in the tree: whole, packed or in pieces, they come back as they were.

use std::time::Duration;

use bytes::Bytes;

use crate::packing::{Head, Stored};
use crate::tests::rig::noise;
use crate::tree::{SEGMENT_BYTES, SledTree, Tree};

fn tree(dir: &tempfile::TempDir) -> SledTree {
    SledTree::open(dir.path(), 1024 * 1024, Duration::from_secs(5)).unwrap()
}

/// Opens the sled tree that lies under a store.
fn raw(dir: &tempfile::TempDir) -> sled::Db {
    sled::Config::new().path(dir.path()).segment_size(SEGMENT_BYTES).open().unwrap()
}

#[test]
fn every_value_comes_back_and_so_does_its_head() {
    let dir = tempfile::tempdir().unwrap();
    let tree = tree(&dir);
    let lengths = [0, 1, 7, 8, 9, 95, 255, 256, 257, 300, 5_000, 24 * 1024, 24 * 1024 + 1, 200_000];
    let values = lengths.into_iter().flat_map(|length| [vec![b'x'; length], noise(length).into_bytes()]);
    let values: Vec<_> =
        values.enumerate().map(|(n, value)| (n.to_be_bytes().to_vec(), Bytes::from(value))).collect();
    let stored = |value: &Bytes| Some(Stored::of(value.clone()));
    let chunk: Vec<_> = values.iter().map(|(key, value)| (key.clone(), stored(value))).collect();
    tree.write_sorted(&chunk).unwrap();
    for (key, value) in &values {
        assert_eq!(tree.get(key).unwrap().as_ref(), Some(value), "{} bytes", value.len());
        assert_eq!(tree.head(key).unwrap(), Some(Head::of(value)), "{} bytes", value.len());
        assert_eq!(tree.head(key).unwrap().unwrap().as_slice(), &value[..value.len().min(8)]);
    }
    assert_eq!(tree.head(b"nobody").unwrap(), None);
}

#[test]
fn a_record_takes_less_room_than_its_bytes_and_noise_hardly_more() {
    let dir = tempfile::tempdir().unwrap();
    let (record, noise) = (br#"{"seq":1,"event":{"type":"step:start"}}"#.repeat(40), noise(1_560));
    {
        let tree = tree(&dir);
        let chunk = [(b"a".to_vec(), Stored::of(record.into())), (b"b".to_vec(), Stored::of(noise.into()))];
        let chunk = chunk.map(|(key, value)| (key, Some(value)));
        tree.write_sorted(&chunk).unwrap();
    }
    let db = raw(&dir);
    let stored = |key: &[u8]| db.get([&[1], key].concat()).unwrap().unwrap().len();
    assert!(stored(b"a") < 300, "{}", stored(b"a"));
    assert_eq!(stored(b"b"), 1_561);
}

#[test]
fn a_damaged_packed_value_is_an_error_and_takes_no_memory() {
    let dir = tempfile::tempdir().unwrap();
    drop(tree(&dir).write_sorted(&[(b"a".to_vec(), Some(Stored::of(vec![b'x'; 1_000].into())))]));
    let stored = {
        let db = raw(&dir);
        let stored = db.get(b"\x01a").unwrap().unwrap().to_vec();
        // It claims four gigabytes; it ends early; its block is another one; it has no head.
        let huge = [&[2][..], &[0xff; 4], &stored[5..]].concat();
        let other = [&stored[..13], &[0xff; 20]].concat();
        for (key, damaged) in [("b", &huge[..]), ("c", &stored[..14]), ("d", &other), ("e", &stored[..9])] {
            db.insert([&[1], key.as_bytes()].concat(), damaged).unwrap();
        }
        db.flush().unwrap();
        stored
    };
    assert_eq!(stored[0], 2, "it was packed");
    let tree = tree(&dir);
    assert_eq!(tree.get(b"a").unwrap(), Some(vec![b'x'; 1_000].into()));
    for key in ["b", "c", "d", "e"] {
        let error = tree.get(key.as_bytes()).unwrap_err();
        assert!(error.to_string().contains("packed value"), "{key}: {error}");
    }
}

#[test]
fn a_value_that_an_earlier_binary_packed_is_read() {
    let record = br#"{"seq":4,"at":1795450181512,"event":{"type":"step:status","data":{"steps":"rp"}}} of an earlier day"#;
    let dir = tempfile::tempdir().unwrap();
    drop(tree(&dir));
    let stored: Vec<u8> = PACKED_EARLIER
        .as_bytes()
        .chunks(2)
        .map(|digits| u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap())
        .collect();
    raw(&dir).insert(b"\x01a", stored).unwrap();
    assert_eq!(tree(&dir).get(b"a").unwrap(), Some(Bytes::from_static(record)));
}

/// In hexadecimal. If it does not come back, the vocabulary is another one, and
/// no store that is in use could be read any more.
const PACKED_EARLIER: &str = "02000000637b22736571223a3405e504ae35343530313831353132410100d002103ab102207573370403ff0600160000b603\
    02e504f003206f6620616e206561726c69657220646179";
