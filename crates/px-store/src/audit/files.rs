//! Files of deliveries: each has the bytes that its delivery says, and no piece of
//! one belongs to nothing.

use px_core::{DeliveryId, FileId};
use sha2::{Digest as _, Sha256};

use super::{Audit, Rule, readable};
use crate::error::Error;
use crate::model::Delivery;

impl Audit<'_> {
    /// A piece of a file: its delivery has the file, and the file so many pieces.
    /// They come in the order of deliveries.
    pub(super) async fn file_piece(&mut self, file: FileId, piece: u32) -> Result<(), Error> {
        if self.files_of.as_ref().is_none_or(|(delivery, _)| *delivery != file.delivery) {
            let read = self.delivery_of(file.delivery).await?;
            let pieces =
                read.map_or_else(Vec::new, |read| read.files.iter().map(|file| file.pieces()).collect());
            self.files_of = Some((file.delivery, pieces));
        }
        let pieces = self.files_of.as_ref().and_then(|(_, pieces)| pieces.get(usize::from(file.place)));
        if pieces.is_none_or(|pieces| piece >= *pieces) {
            self.about_file(Rule::FileOrphan, &format!("piece {piece}"), file);
        }
        Ok(())
    }

    /// The files of a delivery: their pieces are there, and are what was sent.
    pub(super) async fn files(&mut self, delivery: &Delivery) -> Result<(), Error> {
        for (place, file) in (0..).zip(&delivery.files) {
            let id = FileId { delivery: delivery.id, place };
            self.report.counts.files += 1;
            self.report.counts.file_bytes += file.size;
            let mut sum = Sha256::new();
            let mut bytes = 0;
            for piece in 0..file.pieces() {
                let Some(read) = readable(self.store.file_piece(self.scope, id, piece).await)? else { break };
                bytes += read.len() as u64;
                sum.update(&read);
            }
            if bytes != file.size {
                let detail = format!("it has {bytes} bytes of {}", file.size);
                self.about_file(Rule::FileMissing, &detail, id);
            } else if hex::encode(sum.finalize()) != file.sha256 {
                self.about_file(Rule::FileMissing, "its digest is another one", id);
            }
        }
        Ok(())
    }

    fn about_file(&mut self, rule: Rule, detail: &str, file: FileId) {
        let ids = [("delivery", file.delivery.to_string()), ("file", file.place.to_string())];
        self.report.violation(rule, detail, ids);
    }
}

/// A delivery, and the number of pieces of each of its files.
pub(super) type FilesOf = (DeliveryId, Vec<u32>);
