//! Values as the tree keeps them: records are JSON, have most of their words in
//! common, and take less than half the room as LZ4 blocks over a vocabulary, on
//! disk and in sled's cache. A packed value is its length (4), its head (8) and
//! the block of the rest, so that the head can be read as it is.

use bytes::Bytes;
use lz4_flex::block::{compress_into_with_dict, decompress_into_with_dict, get_maximum_output_size};

/// The smallest value that is packed: a shorter one hardly becomes smaller.
const PACKED_FROM: usize = 96;

/// What the records of px have in common. Stored values refer to its bytes, so
/// it never changes: another one needs another first byte.
const VOCABULARY: &[u8] = include_bytes!("vocabulary.txt");

/// How much of a value can be read without reading it whole.
pub(crate) const HEAD_BYTES: usize = 8;

/// How a value begins: at most eight bytes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    bytes: [u8; HEAD_BYTES],
    length: usize,
}

impl Head {
    pub(crate) fn of(value: &[u8]) -> Self {
        let length = value.len().min(HEAD_BYTES);
        let mut bytes = [0; HEAD_BYTES];
        bytes.iter_mut().zip(value).for_each(|(to, from)| *to = *from);
        Self { bytes, length }
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

/// Adds a packed value; `false` if that would not be smaller, and what was added
/// is then of no use.
pub(crate) fn pack(value: &[u8], packed: &mut Vec<u8>) -> bool {
    let (Ok(length), Some((head, rest))) =
        (u32::try_from(value.len()), value.split_first_chunk::<HEAD_BYTES>())
    else {
        return false;
    };
    if value.len() < PACKED_FROM {
        return false;
    }
    packed.extend_from_slice(&length.to_be_bytes());
    packed.extend_from_slice(head);
    let start = packed.len();
    packed.resize(start + get_maximum_output_size(rest.len()), 0);
    let Some(room) = packed.get_mut(start..) else { return false };
    let Ok(bytes) = compress_into_with_dict(rest, room, VOCABULARY) else { return false };
    packed.truncate(start + bytes);
    4 + HEAD_BYTES + bytes < value.len()
}

/// The value, unless it is damaged or has more than `most` bytes.
pub(crate) fn unpack(packed: &[u8], most: usize) -> Option<Bytes> {
    let (length, packed) = packed.split_first_chunk()?;
    let (head, block) = packed.split_first_chunk::<HEAD_BYTES>()?;
    let length = u32::from_be_bytes(*length) as usize;
    if length > most {
        return None;
    }
    let mut value = vec![0; length];
    let (begin, rest) = value.split_first_chunk_mut::<HEAD_BYTES>()?;
    *begin = *head;
    let bytes = decompress_into_with_dict(block, rest, VOCABULARY).ok()?;
    (bytes == rest.len()).then(|| value.into())
}
