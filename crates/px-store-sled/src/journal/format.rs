//! The journal's bytes. All integers are little endian.
//!
//! A segment starts with a header of [`HEADER`] bytes:
//!
//! | bytes | what |
//! |---|---|
//! | 8 | `pxjournl` |
//! | 4 | format version, [`VERSION`] |
//! | 4 | zero |
//! | 8 | number of the segment, from 1, never reused |
//! | 8 | sequence of the first batch in it |
//! | 8 | salt, random |
//! | 8 | since version 4: bytes that the file has at least; zero before |
//! | 12 | zero |
//! | 4 | crc32c of the 60 bytes before |
//!
//! Records follow without gaps, one a group of batches:
//!
//! | bytes | what |
//! |---|---|
//! | 4 | `PXR1` |
//! | 4 | length of the body |
//! | 8 | sequence of the first batch; the others count on |
//! | 4 | number of batches |
//! | 4 | crc32c of the salt, the segment's number, the 20 bytes before, and the body |
//!
//! The body is a run of changes, each a tag byte: 1 put (key length 4, value
//! length 4, key, value), 2 remove (key length 4, key), 3 post (list length 4,
//! list, id 16), since version 2 also 4 unpost (as post), since version 3 also 5
//! put packed (as put). Number and salt in the checksum keep apart what an earlier
//! use of the same file left behind, and what a sender might put into a payload to
//! look like a record.
//!
//! Since version 4 a body ends with 6, the seal: zeros up to a multiple of eight
//! bytes, then eight bytes of a [second checksum](digest). It tells a record that
//! one flipped bit broke from one that a power cut tore, where the first checksum
//! alone could be met by chance; and because a device tears at no finer border
//! than eight bytes, what a tear leaves out never differs by one bit only.
//!
//! Version 5 has the bytes of version 4. It says that rows may be of forms that
//! programs before it do not know (lines of keys beside their records, large values
//! apart and in files), so that those refuse the store by name. Version 6 says the same
//! of secrets and of values that outlive runs: to a program that does not know the secret
//! which verifies a webhook, anybody would be its sender.
//!
//! `tests/fixtures` holds a segment of every version that was ever written.

use bytes::Bytes;
use px_store_rows::RowKey;

use crate::change::Change;
use crate::packing::Stored;

/// The version that is written; older ones stay readable.
pub(crate) const VERSION: u32 = 6;

/// Bytes of a segment's header.
pub(crate) const HEADER: usize = 64;

/// Bytes of a record before its body.
pub(crate) const RECORD: usize = 24;

const SEGMENT_MAGIC: &[u8; 8] = b"pxjournl";
pub(super) const RECORD_MAGIC: &[u8; 4] = b"PXR1";
const PUT: u8 = 1;
const REMOVE: u8 = 2;
const POST: u8 = 3;
const UNPOST: u8 = 4;
const PUT_PACKED: u8 = 5;
const SEAL: u8 = 6;

/// The first version whose header states the size of the file, and whose
/// records end with a seal.
const SEALED_SINCE: u32 = 4;

/// Bytes of the second checksum, and the border that records begin at.
pub(super) const WORD: usize = 8;

/// Header at the beginning of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    /// The version of the segment's bytes.
    pub(crate) version: u32,
    pub(crate) number: u64,
    pub(crate) first_sequence: u64,
    pub(crate) salt: u64,
    /// Bytes that the file has at least; 0 if its version does not say.
    pub(crate) bytes: u64,
}

/// Kind of a segment file, judged by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SegmentKind {
    /// In use now or once.
    Used(SegmentHeader),
    /// Never used: all zeros, or shorter than a header.
    Blank,
    /// No header: cut off while its first record was being written, or damaged.
    Unreadable,
    /// A version that this program does not know.
    Newer(u32),
}

impl SegmentHeader {
    /// A header of the version that is written.
    pub(crate) fn new(number: u64, first_sequence: u64, salt: u64, bytes: u64) -> Self {
        Self { version: VERSION, number, first_sequence, salt, bytes }
    }

    pub(crate) fn encode(&self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        let fields = SEGMENT_MAGIC
            .iter()
            .copied()
            .chain(self.version.to_le_bytes())
            .chain([0; 4])
            .chain(self.number.to_le_bytes())
            .chain(self.first_sequence.to_le_bytes())
            .chain(self.salt.to_le_bytes())
            .chain(self.bytes.to_le_bytes());
        for (to, from) in bytes.iter_mut().zip(fields) {
            *to = from;
        }
        if let Some((head, tail)) = bytes.split_last_chunk_mut::<4>() {
            *tail = crc32c::crc32c(head).to_le_bytes();
        }
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> SegmentKind {
        let Some(bytes) = bytes.get(..HEADER) else { return SegmentKind::Blank };
        if bytes.iter().all(|byte| *byte == 0) {
            return SegmentKind::Blank;
        }
        let Some((head, crc)) = bytes.split_last_chunk::<4>() else { return SegmentKind::Blank };
        let mut reader = Reader { rest: head };
        if crc32c::crc32c(head) != u32::from_le_bytes(*crc) || reader.array() != Some(*SEGMENT_MAGIC) {
            return SegmentKind::Unreadable;
        }
        let fields = (reader.u32(), reader.u32(), reader.u64(), reader.u64(), reader.u64(), reader.u64());
        match fields {
            (Some(version @ 1..=VERSION), _, Some(number), Some(first_sequence), Some(salt), Some(bytes)) => {
                SegmentKind::Used(Self { version, number, first_sequence, salt, bytes })
            }
            (Some(version), ..) => SegmentKind::Newer(version),
            _ => SegmentKind::Unreadable,
        }
    }

    /// The header that these bytes are once one bit is turned, if there is one.
    pub(crate) fn mended(bytes: &[u8]) -> Option<Self> {
        let bytes: [u8; HEADER] = bytes.get(..HEADER)?.try_into().ok()?;
        (0..HEADER * 8).find_map(|bit| {
            let mut mended = bytes;
            *mended.get_mut(bit / 8)? ^= 1 << (bit % 8);
            match Self::decode(&mended) {
                SegmentKind::Used(header) => Some(header),
                _ => None,
            }
        })
    }

    /// Returns true if the segment's records end with a seal.
    pub(super) fn is_sealed(&self) -> bool {
        self.version >= SEALED_SINCE
    }
}

/// A record being put together. The room in front is for the record's header
/// and, if it becomes the first of its segment, for the segment's.
#[derive(Debug)]
pub(crate) struct RecordBuffer {
    bytes: Vec<u8>,
    batches: u32,
    /// Bytes without the seal.
    unsealed: usize,
}

impl RecordBuffer {
    pub(crate) fn new() -> Self {
        Self { bytes: vec![0; HEADER + RECORD], batches: 0, unsealed: HEADER + RECORD }
    }

    /// Empties the buffer, keeping at most `keep` bytes of memory.
    pub(crate) fn clear(&mut self, keep: usize) {
        self.bytes.truncate(HEADER + RECORD);
        self.bytes.shrink_to(keep);
        self.batches = 0;
        self.unsealed = HEADER + RECORD;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.batches == 0
    }

    pub(crate) fn batches(&self) -> u32 {
        self.batches
    }

    /// Bytes of the record with its own header and its seal.
    pub(crate) fn record_bytes(&self) -> usize {
        (self.unsealed + 1 + WORD).next_multiple_of(WORD) - HEADER
    }

    /// Adds the changes of one batch.
    pub(crate) fn push(&mut self, changes: &[Change]) {
        self.batches += 1;
        for change in changes {
            match change {
                Change::Put { key, value: Stored::Whole(value) } => self.put(PUT, key, value),
                Change::Put { key, value: Stored::Packed(value) } => self.put(PUT_PACKED, key, value),
                Change::Remove { key } => {
                    self.bytes.push(REMOVE);
                    self.length(key.len());
                    self.bytes.extend_from_slice(key);
                }
                Change::Post { list, id } => self.list_op(POST, list, id),
                Change::Unpost { list, id } => self.list_op(UNPOST, list, id),
            }
        }
        self.unsealed = self.bytes.len();
    }

    fn put(&mut self, tag: u8, key: &[u8], value: &[u8]) {
        self.bytes.push(tag);
        self.length(key.len());
        self.length(value.len());
        self.bytes.extend_from_slice(key);
        self.bytes.extend_from_slice(value);
    }

    fn list_op(&mut self, tag: u8, list: &[u8], id: &[u8; 16]) {
        self.bytes.push(tag);
        self.length(list.len());
        self.bytes.extend_from_slice(list);
        self.bytes.extend_from_slice(id);
    }

    fn length(&mut self, length: usize) {
        // A batch is bounded far below 4 GiB before it gets here.
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        self.bytes.extend_from_slice(&length.to_le_bytes());
    }

    /// Finishes the record for its place and returns what to write: with the
    /// segment's header in front if the record is the segment's first.
    pub(crate) fn seal(&mut self, segment: &SegmentHeader, sequence: u64, first: bool) -> &[u8] {
        let batches = self.batches;
        // Both headers are multiples of a word, so what is one in the buffer is
        // one in the file.
        let end = self.record_bytes() + HEADER;
        self.bytes.truncate(self.unsealed);
        self.bytes.push(SEAL);
        self.bytes.resize(end, 0);
        if let Some((front, body)) = self.bytes.split_at_mut_checked(HEADER + RECORD)
            && let Some((header, record)) = front.split_first_chunk_mut::<HEADER>()
        {
            *header = segment.encode();
            let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
            let fields = RECORD_MAGIC
                .iter()
                .copied()
                .chain(length.to_le_bytes())
                .chain(sequence.to_le_bytes())
                .chain(batches.to_le_bytes());
            for (to, from) in record.iter_mut().zip(fields) {
                *to = from;
            }
            if let Some((head, crc)) = record.split_last_chunk_mut::<4>() {
                if let Some((changes, seal)) = body.split_last_chunk_mut::<WORD>() {
                    *seal = digest(segment, head, changes).to_le_bytes();
                }
                *crc = checksum(segment, head, body).to_le_bytes();
            }
        }
        let from = if first { 0 } else { HEADER };
        self.bytes.get(from..).unwrap_or_default()
    }
}

/// The second checksum of a record, over the same bytes as the first: a multiply
/// and a rotation a word, as fast as memory and nothing like a CRC.
pub(super) fn digest(segment: &SegmentHeader, head: &[u8], changes: &[u8]) -> u64 {
    let mix = |sum: u64, word: u64| (sum.rotate_left(23) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut sum = mix(segment.salt, segment.number);
    for part in [head, changes] {
        let (words, rest) = part.as_chunks::<WORD>();
        sum = words.iter().fold(sum, |sum, word| mix(sum, u64::from_le_bytes(*word)));
        sum = rest.iter().fold(sum, |sum, byte| mix(sum, u64::from(*byte)));
    }
    mix(sum, sum >> 32)
}

pub(super) fn checksum(segment: &SegmentHeader, head: &[u8], body: &[u8]) -> u32 {
    let crc = crc32c::crc32c(&segment.salt.to_le_bytes());
    let crc = crc32c::crc32c_append(crc, &segment.number.to_le_bytes());
    let crc = crc32c::crc32c_append(crc, head);
    crc32c::crc32c_append(crc, body)
}

/// A record found in a segment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Record<'a> {
    pub(crate) sequence: u64,
    pub(crate) batches: u32,
    pub(crate) body: &'a [u8],
}

impl<'a> Record<'a> {
    /// Reads the record at the start of `bytes`; `None` if there is no whole
    /// and undamaged one.
    pub(crate) fn decode(segment: &SegmentHeader, bytes: &'a [u8]) -> Option<Self> {
        let (record, rest) = bytes.split_at_checked(RECORD)?;
        let (head, crc) = record.split_last_chunk::<4>()?;
        let mut reader = Reader { rest: head };
        if reader.array()? != *RECORD_MAGIC {
            return None;
        }
        let length = usize::try_from(reader.u32()?).ok()?;
        let (sequence, batches) = (reader.u64()?, reader.u32()?);
        let body = rest.get(..length)?;
        let whole = checksum(segment, head, body) == u32::from_le_bytes(*crc);
        whole.then_some(Self { sequence, batches, body })
    }

    pub(crate) fn bytes(&self) -> usize {
        RECORD + self.body.len()
    }

    pub(crate) fn last_sequence(&self) -> u64 {
        (self.sequence + u64::from(self.batches)).saturating_sub(1)
    }

    /// The changes, in order. `None` in place of one that makes no sense, after
    /// which there are no more.
    pub(crate) fn changes(&self) -> Ops<'a> {
        Ops::of(self.body)
    }

    /// Looks for a whole record anywhere in `bytes`, and returns its place: a bad record with a good one
    /// behind it is damage, not the end of the journal.
    pub(crate) fn lies_in(segment: &SegmentHeader, bytes: &[u8]) -> Option<usize> {
        // Nearly all of a segment is blank, and comparing pages is much
        // faster than looking at every byte.
        const BLANK: [u8; 4096] = [0; 4096];
        let mut pages = bytes.chunks(BLANK.len()).enumerate();
        pages.find_map(|(index, page)| {
            if BLANK.starts_with(page) {
                return None;
            }
            let from = index * BLANK.len();
            let starts = page.iter().enumerate().filter(|(_, byte)| Some(*byte) == RECORD_MAGIC.first());
            starts
                .map(|(at, _)| from + at)
                .find(|at| bytes.get(*at..).and_then(|rest| Record::decode(segment, rest)).is_some())
        })
    }
}

/// Iterates over the changes of a record.
#[derive(Debug)]
pub(crate) struct Ops<'a> {
    reader: Reader<'a>,
}

impl<'a> Ops<'a> {
    /// The changes of a record's body.
    pub(super) fn of(body: &'a [u8]) -> Self {
        Self { reader: Reader { rest: body } }
    }
}

impl Iterator for Ops<'_> {
    type Item = Option<Change>;

    fn next(&mut self) -> Option<Self::Item> {
        if matches!(self.reader.rest.first(), None | Some(&SEAL)) {
            return None;
        }
        let change = self.reader.change();
        if change.is_none() {
            self.reader.rest = &[];
        }
        Some(change)
    }
}

#[derive(Debug)]
struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn length(&mut self) -> Option<usize> {
        usize::try_from(self.u32()?).ok()
    }

    fn put(&mut self) -> Option<(RowKey, Bytes)> {
        let (key, value) = (self.length()?, self.length()?);
        let key = self.take(key)?.into();
        Some((key, Bytes::copy_from_slice(self.take(value)?)))
    }

    fn change(&mut self) -> Option<Change> {
        match self.array::<1>()? {
            [PUT] => self.put().map(|(key, value)| Change::Put { key, value: Stored::Whole(value) }),
            [PUT_PACKED] => self.put().map(|(key, value)| Change::Put { key, value: Stored::Packed(value) }),
            [REMOVE] => {
                let key = self.length()?;
                Some(Change::Remove { key: self.take(key)?.into() })
            }
            [POST] => {
                let list = self.length()?;
                Some(Change::Post { list: self.take(list)?.into(), id: self.array()? })
            }
            [UNPOST] => {
                let list = self.length()?;
                Some(Change::Unpost { list: self.take(list)?.into(), id: self.array()? })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
