//! Rows of files that came with deliveries: a row a piece, its bytes as they came.
//! A delivery's pieces are written in its own commit, and are never written again.

use bytes::Bytes;
use px_core::{DeliveryId, FILE_PIECE_BYTES, FileId, Scope};
use px_store::{Delivery, Error, FileDrop, Row, Table};

use crate::layout;
use crate::rows::RowKey;
use crate::translation::Translation;

/// Delivery, place and number, by which the pieces of a file lie side by side.
pub(crate) fn piece_row(scope: Scope, file: FileId, piece: u32) -> RowKey {
    let mut row = layout::id_row(scope, Table::File, file.delivery.to_bytes());
    row.extend_from_slice(&file.place.to_be_bytes());
    row.extend_from_slice(&piece.to_be_bytes());
    row
}

/// A piece of its row, and the key that the row should have.
pub(crate) fn read(scope: Scope, row: &[u8], value: &Bytes) -> Result<(Row, RowKey), Error> {
    let (row, piece) = row.split_last_chunk::<4>().ok_or_else(layout::short)?;
    let (row, place) = row.split_last_chunk::<2>().ok_or_else(layout::short)?;
    let delivery = DeliveryId::from_bytes(layout::id_of(row)?);
    let (file, piece) = (FileId { delivery, place: u16::from_be_bytes(*place) }, u32::from_be_bytes(*piece));
    Ok((Row::File(file, piece, value.clone()), piece_row(scope, file, piece)))
}

impl Translation {
    /// The contents that a delivery brings with it.
    pub(crate) fn put_files(&mut self, scope: Scope, delivery: &Delivery) {
        for (place, content) in (0..).zip(&delivery.contents) {
            let file = FileId { delivery: delivery.id, place };
            let mut rest = content.clone();
            let mut piece = 0;
            while !rest.is_empty() {
                let most = usize::try_from(FILE_PIECE_BYTES).unwrap_or(usize::MAX);
                let bytes = rest.split_to(rest.len().min(most));
                self.put(piece_row(scope, file, piece), bytes);
                piece += 1;
            }
        }
    }

    pub(crate) fn drop_files(&mut self, scope: Scope, files: &[FileDrop]) {
        for FileDrop { file, pieces } in files {
            for piece in 0..*pieces {
                self.remove(piece_row(scope, *file, piece));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Older rows are read for ever.
    #[test]
    fn a_piece_lies_under_delivery_place_and_number() {
        let file = FileId { delivery: DeliveryId::from_bytes([7; 16]), place: 2 };
        let row = piece_row(Scope::default(), file, 258);
        assert_eq!(&row[2..3], b"F");
        assert_eq!(&row[3..19], [7; 16]);
        assert_eq!(&row[19..], [0, 2, 0, 0, 1, 2]);
        let (read, expected) = read(Scope::default(), &row, &Bytes::from_static(b"abc")).unwrap();
        assert_eq!(read, Row::File(file, 258, Bytes::from_static(b"abc")));
        assert_eq!(expected, row);
    }
}
