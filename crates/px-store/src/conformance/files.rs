//! Files that came with deliveries: written, found, and removed in pieces.

use std::sync::Arc;

use bytes::Bytes;
use px_core::{FILE_PIECE_BYTES, FileId, Ids, StoredFile, Timestamp};
use sha2::{Digest as _, Sha256};

use super::driver::{delivery_record, key};
use super::{SCOPE, block_on};
use crate::{Admission, Batch, Delivery, DeliveryWrite, FileDrop, Outcome, Row, Store, Table};

/// The files of a delivery are there once it is, in pieces that together are what was
/// sent, stay when it is written without them, and go when they are dropped.
///
/// # Panics
/// If the store does otherwise.
pub fn the_files_of_a_delivery_are_there_with_it(store: Arc<dyn Store>) {
    let ids = Ids::counted(79);
    let at = Timestamp::from_millis(1_000);
    let piece = usize::try_from(FILE_PIECE_BYTES).unwrap();
    let contents: Vec<Bytes> = [0, 5, piece, piece + 1].map(|bytes| Bytes::from(vec![b'x'; bytes])).to_vec();
    let files: Vec<_> = contents.iter().map(|content| stored(content)).collect();
    let delivery =
        Delivery { files, contents: contents.clone(), ..delivery_record(ids.delivery(at), &key(1), at) };
    let of = |place| FileId { delivery: delivery.id, place };
    let read = |place: u16| -> Vec<Bytes> {
        (0..).map_while(|piece| block_on(store.file_piece(SCOPE, of(place), piece)).unwrap()).collect()
    };
    let commit = |batch| {
        let outcome = block_on(store.commit(batch, Admission::Wait)).unwrap();
        assert!(matches!(outcome, Outcome::Committed { .. }), "{outcome:?}");
    };
    assert_eq!(block_on(store.file_piece(SCOPE, of(1), 0)).unwrap(), None);
    let write = DeliveryWrite { delivery: delivery.clone(), new: true };
    commit(Batch { scope: SCOPE, deliveries: vec![write], ..Batch::default() });
    let found = block_on(store.delivery(SCOPE, delivery.id)).unwrap().unwrap();
    assert_eq!((&found.files, found.contents.len()), (&delivery.files, 0));
    for (place, content) in (0..).zip(&contents) {
        let pieces = read(place);
        assert_eq!(pieces.concat(), content.to_vec(), "file {place}");
        assert!(pieces.iter().all(|bytes| (1..=piece).contains(&bytes.len())), "file {place}");
    }
    let rows = block_on(store.scan(SCOPE, Table::File, None, 100)).unwrap().rows;
    let names =
        rows.iter().map(|row| if let Row::File(file, piece, _) = row { (*file, *piece) } else { panic!() });
    assert_eq!(names.collect::<Vec<_>>(), [(of(1), 0), (of(2), 0), (of(3), 0), (of(3), 1)]);
    // Written again, for the sake of an event: its files stay as they are.
    let again = DeliveryWrite { delivery: found.clone(), new: false };
    commit(Batch { scope: SCOPE, deliveries: vec![again], ..Batch::default() });
    assert_eq!(read(3).concat(), contents.last().unwrap().to_vec());
    let found = block_on(store.delivery(SCOPE, delivery.id)).unwrap().unwrap();
    let dropped_files = FileDrop::all_of(&found).collect();
    let emptied = DeliveryWrite { delivery: Delivery { files: Vec::new(), ..found }, new: false };
    commit(Batch { scope: SCOPE, deliveries: vec![emptied], dropped_files, ..Batch::default() });
    assert!(block_on(store.scan(SCOPE, Table::File, None, 100)).unwrap().rows.is_empty());
}

fn stored(content: &[u8]) -> StoredFile {
    StoredFile {
        field: "file".into(),
        name: "a.bin".into(),
        size: content.len() as u64,
        sha256: hex::encode(Sha256::digest(content)),
        content_type: None,
        unread: false,
    }
}
