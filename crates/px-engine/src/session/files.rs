//! Reads of files that came with deliveries, for the steps of a run.

use bytes::Bytes;
use px_sdk::{Error, FileRead};

use super::Session;

impl Session {
    /// A piece of a file. The delivery is looked at with the first one; whoever reads
    /// holds the others against the digest.
    pub(super) async fn read_file(&self, read: &FileRead) -> Result<Bytes, Error> {
        let (store, scope) = (&self.parts.store, self.parts.scope);
        let unread = |error| Error::msg(format_args!("file {} could not be read: {error}", read.id));
        if read.piece == 0 {
            let delivery = store.delivery(scope, read.id.delivery).await.map_err(unread)?;
            let place = usize::from(read.id.place);
            let known = delivery.as_ref().and_then(|delivery| delivery.files.get(place));
            if known.is_none_or(|file| file.sha256 != read.sha256) {
                let why = match &delivery {
                    None => "its delivery was forgotten, as the inbox's retention says",
                    Some(delivery) if delivery.emptied => {
                        "its delivery has lost its content: there were more than are kept"
                    }
                    Some(_) => "its delivery has no such file",
                };
                return Err(Error::permanent(format_args!("file {} is not in the store: {why}", read.id)));
            }
        }
        Ok(store.file_piece(scope, read.id, read.piece).await.map_err(unread)?.unwrap_or_default())
    }
}
