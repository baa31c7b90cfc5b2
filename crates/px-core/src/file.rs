//! Files that came with a delivery: how one is named, what is known of it beside
//! its bytes, and the pieces that these lie in.
//!
//! This file refuses to know where the pieces lie.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::id::{DeliveryId, ParseIdError};

/// Bytes of a piece of a file; the last one of a file may be shorter.
pub const FILE_PIECE_BYTES: u64 = 1024 * 1024;

/// The name of a file: the delivery that it came with, and its place among the
/// delivery's files, from 0. On the wire `whd_….0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId {
    /// The delivery.
    pub delivery: DeliveryId,
    /// The place.
    pub place: u16,
}

/// A text that is not the name of a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' names no file: that is a delivery's id, a dot and the file's place, as in `whd_….0`")]
pub struct ParseFileIdError {
    text: String,
    #[source]
    why: Option<ParseIdError>,
}

impl fmt::Display for FileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.delivery, self.place)
    }
}

impl FromStr for FileId {
    type Err = ParseFileIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = |why| ParseFileIdError { text: text.to_owned(), why };
        let (delivery, place) = text.split_once('.').ok_or_else(|| error(None))?;
        let delivery = delivery.parse().map_err(|why| error(Some(why)))?;
        let place = place.parse().map_err(|_| error(None))?;
        Ok(Self { delivery, place })
    }
}

impl Serialize for FileId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for FileId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// Everything that is known of a file beside its bytes. Name and content type are the
/// sender's claims.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredFile {
    /// The form's field that it came in.
    pub field: String,
    /// Its name, a text of the sender's; never a path of this machine.
    pub name: String,
    /// Its bytes.
    pub size: u64,
    /// The SHA-256 of its bytes, in hexadecimal digits.
    pub sha256: String,
    /// The content type that the sender says it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
}

impl StoredFile {
    /// Number of pieces that it lies in; none of an empty one.
    #[must_use]
    pub fn pieces(&self) -> u32 {
        file_pieces(self.size)
    }
}

/// Number of pieces that a file of so many bytes lies in.
#[must_use]
pub fn file_pieces(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(FILE_PIECE_BYTES)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_files_name_is_read_as_it_is_written() {
        let id = FileId { delivery: DeliveryId::from_bytes([7; 16]), place: 3 };
        assert_eq!(id.to_string().parse::<FileId>().unwrap(), id);
        assert_eq!(serde_json::to_string(&id).unwrap(), format!("\"{id}\""));
        for wrong in ["", "whd_1.0", &id.delivery.to_string(), &format!("{}.x", id.delivery), "a.0"] {
            assert!(wrong.parse::<FileId>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_file_lies_in_as_many_pieces_as_it_takes() {
        let pieces = [0, 1, FILE_PIECE_BYTES, FILE_PIECE_BYTES + 1, 3 * FILE_PIECE_BYTES].map(file_pieces);
        assert_eq!(pieces, [0, 1, 1, 2, 3]);
    }
}
