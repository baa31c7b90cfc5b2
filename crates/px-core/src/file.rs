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

impl fmt::Display for FileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.delivery, self.place)
    }
}

impl FromStr for FileId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text.split_once('.');
        let read = parts.and_then(|(delivery, place)| {
            Some(Self { delivery: delivery.parse().ok()?, place: place.parse().ok()? })
        });
        let noun = "the id of a file, which is its delivery's with a dot and a place behind it";
        read.ok_or_else(|| ParseIdError::of(text, noun, DeliveryId::PREFIX))
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
    /// True if nothing that the webhook's handler gave to a run has it, so that no step reads it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unread: bool,
}

impl StoredFile {
    /// Number of pieces that it lies in; none of an empty one.
    #[must_use]
    pub fn pieces(&self) -> u32 {
        u32::try_from(self.size.div_ceil(FILE_PIECE_BYTES)).unwrap_or(u32::MAX)
    }
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
        let file = |size| StoredFile {
            field: "f".into(),
            name: "a".into(),
            size,
            sha256: String::new(),
            content_type: None,
            unread: false,
        };
        let sizes = [0, 1, FILE_PIECE_BYTES, FILE_PIECE_BYTES + 1, 3 * FILE_PIECE_BYTES];
        assert_eq!(sizes.map(|size| file(size).pieces()), [0, 1, 1, 2, 3]);
    }
}
