//! Values as journal, overlay and tree keep them: records are JSON, have most of
//! their words in common, and take less than half the room as LZ4 blocks over a
//! vocabulary. Whoever commits packs them, while they are in its cache; from
//! there on only the packed ones are copied, synced and kept. A packed value is
//! its length (4), its head (8) and the block of the rest, so that the head can
//! be read as it is.

use std::cell::RefCell;

use bytes::Bytes;
use lz4_flex::block::{compress_into_with_dict, decompress_into_with_dict, get_maximum_output_size};
use px_store::Error;
use px_store_rows::{Check, NewValue};

/// The smallest value that is packed. Whatever its length, packing one begins with
/// the vocabulary, which takes longer than copying what would be saved of less.
const PACKED_FROM: usize = 256;

/// The largest value that is packed. The tree cuts larger ones into pieces.
pub(crate) const PACKED_UP_TO: usize = 24 * 1024;

/// Room for the largest packed value, with what its block may grow by.
const ROOM: usize = 4 + HEAD_BYTES + get_maximum_output_size(PACKED_UP_TO);

thread_local! {
    /// Buffer of a thread for packing.
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Text that the records of px have in common, which packing refers to. Stored values refer to its bytes,
/// so it never changes: another one needs another first byte in the tree, and another tag in the journal.
const VOCABULARY: &[u8] = include_bytes!("vocabulary.txt");

/// Number of bytes of a value that can be read without reading it whole.
pub(crate) const HEAD_BYTES: usize = 8;

/// Beginning of a value, at most eight bytes.
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

/// A value as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stored {
    /// The value itself.
    Whole(Bytes),
    /// A packed value.
    Packed(Bytes),
}

impl Stored {
    /// Packs a value, if that makes it smaller.
    pub(crate) fn of(value: Bytes) -> Self {
        SCRATCH.with_borrow_mut(|scratch| match pack(&value, scratch) {
            Some(packed) => Self::Packed(Bytes::copy_from_slice(packed)),
            None => Self::Whole(value),
        })
    }

    /// The bytes that are kept.
    pub(crate) fn bytes(&self) -> &Bytes {
        let (Self::Whole(bytes) | Self::Packed(bytes)) = self;
        bytes
    }

    /// Returns the number of bytes that are kept.
    pub(crate) fn len(&self) -> usize {
        self.bytes().len()
    }

    /// Returns the beginning of the value.
    pub(crate) fn head(&self) -> Head {
        match self {
            Self::Whole(value) => Head::of(value),
            Self::Packed(packed) => Head::of(packed.get(4..).unwrap_or_default()),
        }
    }

    /// The value.
    pub(crate) fn value(&self) -> Result<Bytes, Error> {
        match self {
            Self::Whole(value) => Ok(value.clone()),
            Self::Packed(packed) => unpack(packed),
        }
    }
}

impl NewValue for Stored {
    fn satisfies(&self, check: &Check) -> bool {
        if check.wants_whole_value() {
            // One that cannot be unpacked is no match, and its reader is told why.
            return self.value().is_ok_and(|value| check.holds(Some(&value)));
        }
        check.holds(Some(self.head().as_slice()))
    }

    fn bytes(&self) -> Result<Bytes, Error> {
        self.value()
    }
}

/// The packed value, in `scratch`; `None` if it would not be smaller.
fn pack<'a>(value: &[u8], scratch: &'a mut Vec<u8>) -> Option<&'a [u8]> {
    if !(PACKED_FROM..=PACKED_UP_TO).contains(&value.len()) {
        return None;
    }
    let length = u32::try_from(value.len()).ok()?;
    let (head, rest) = value.split_first_chunk::<HEAD_BYTES>()?;
    scratch.resize(ROOM, 0);
    let (front, room) = scratch.split_at_mut_checked(4 + HEAD_BYTES)?;
    let (length_place, head_place) = front.split_at_mut_checked(4)?;
    length_place.copy_from_slice(&length.to_be_bytes());
    head_place.copy_from_slice(head);
    let bytes = 4 + HEAD_BYTES + compress_into_with_dict(rest, room, VOCABULARY).ok()?;
    scratch.get(..bytes).filter(|packed| packed.len() < value.len())
}

/// The value of a packed one.
pub(crate) fn unpack(packed: &[u8]) -> Result<Bytes, Error> {
    unpacked(packed).ok_or_else(|| Error::Corrupt("a packed value is damaged".to_owned()))
}

fn unpacked(packed: &[u8]) -> Option<Bytes> {
    let (length, packed) = packed.split_first_chunk()?;
    let (head, block) = packed.split_first_chunk::<HEAD_BYTES>()?;
    let length = u32::from_be_bytes(*length) as usize;
    if length > PACKED_UP_TO {
        return None;
    }
    let mut value = vec![0; length];
    let (begin, rest) = value.split_first_chunk_mut::<HEAD_BYTES>()?;
    *begin = *head;
    let bytes = decompress_into_with_dict(block, rest, VOCABULARY).ok()?;
    (bytes == rest.len()).then(|| value.into())
}
