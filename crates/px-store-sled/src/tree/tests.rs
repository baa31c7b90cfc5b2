//! Rows that are not what was written.

use super::*;

#[test]
fn a_pointer_with_a_damaged_length_is_damage_and_can_be_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let tree = SledTree::open(dir.path(), 1 << 20, Duration::ZERO).unwrap();
    let value = Stored::Whole(vec![7; 2 * PIECE_BYTES].into());
    for length in [u64::MAX, u64::MAX / 2, 1 << 40, 3 * PIECE_BYTES as u64, 1, 0] {
        tree.write_sorted(&[(b"large".to_vec(), Some(value.clone()))]).unwrap();
        let mut row = tree.db.get(stored(b"large")).unwrap().unwrap().to_vec();
        let at = row.len() - 8;
        row[at..].copy_from_slice(&length.to_be_bytes());
        tree.db.insert(stored(b"large"), row).unwrap();
        let read = tree.get(b"large");
        assert!(matches!(read, Err(Error::Corrupt(_))), "{length}: {read:?}");
        let read = tree.range(b"a", b"z", Order::Ascending, 9);
        assert!(matches!(read, Err(Error::Corrupt(_))), "{length}: {read:?}");
        tree.write_sorted(&[(b"large".to_vec(), Some(value.clone()))]).unwrap();
        assert_eq!(tree.get(b"large").unwrap(), Some(value.value().unwrap()), "{length}");
    }
}
