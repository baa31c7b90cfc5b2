//! The pages of the high-water file. Each is written alone, so that a torn
//! write spoils one of them and no other:
//!
//! | page | what | written |
//! |---|---|---|
//! | 0, 1 | the [mark](super::Mark) | in turn, and synced |
//! | 2, 3 | what was [opened](super::Opened) | one after the other, each synced |
//! | 4, 5 | the same, with how far the segment in use is filled | in turn, not synced |
//!
//! A page is a magic of 8 bytes, the version 4, zero 4, its turn 8, two words of 8,
//! crc32c 4, all little endian, and zeros. Version 1 had the first two pages only.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use px_store::Error;

use super::disk::{Disk, write_all_at};

/// Far enough apart that no device tears two pages at once.
pub(crate) const PAGE: u64 = 4096;

/// Bytes of the whole file.
pub(crate) const FILE_BYTES: u64 = 6 * PAGE;

/// The version that is written; older ones stay readable.
pub(crate) const VERSION: u32 = 2;

const BYTES: usize = 44;

/// Content of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) version: u32,
    /// Of two pages that are written in turn, the one with the higher turn counts.
    pub(crate) turn: u64,
    pub(crate) words: [u64; 2],
}

impl Page {
    /// A page of the version that is written.
    pub(crate) fn new(turn: u64, words: [u64; 2]) -> Self {
        Self { version: VERSION, turn, words }
    }

    pub(crate) fn encode(&self, magic: &[u8; 8]) -> [u8; BYTES] {
        let [first, second] = self.words;
        let mut bytes = [0; BYTES];
        let fields = magic
            .iter()
            .copied()
            .chain(self.version.to_le_bytes())
            .chain([0; 4])
            .chain(self.turn.to_le_bytes())
            .chain(first.to_le_bytes())
            .chain(second.to_le_bytes());
        for (to, from) in bytes.iter_mut().zip(fields) {
            *to = from;
        }
        if let Some((head, crc)) = bytes.split_last_chunk_mut::<4>() {
            *crc = crc32c::crc32c(head).to_le_bytes();
        }
        bytes
    }

    /// Reads a page. `None` if it was never written, or is torn or damaged.
    pub(crate) fn read(file: &File, number: u64, magic: &[u8; 8]) -> io::Result<Option<Self>> {
        let mut bytes = [0; BYTES];
        match file.read_exact_at(&mut bytes, number * PAGE) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            other => other.map(|()| Self::decode(&bytes, magic)),
        }
    }

    fn decode(bytes: &[u8; BYTES], magic: &[u8; 8]) -> Option<Self> {
        let (head, crc) = bytes.split_last_chunk::<4>()?;
        if crc32c::crc32c(head) != u32::from_le_bytes(*crc) || !head.starts_with(magic) {
            return None;
        }
        let word = |at: usize| head.get(at..)?.first_chunk().copied().map(u64::from_le_bytes);
        // The version's word has four zero bytes behind it.
        let version = u32::try_from(word(8)?).unwrap_or(u32::MAX);
        Some(Self { version, turn: word(16)?, words: [word(24)?, word(32)?] })
    }

    /// Writes the page; it is not durable before a sync.
    pub(crate) fn write(&self, disk: &dyn Disk, file: &File, number: u64, magic: &[u8; 8]) -> io::Result<()> {
        write_all_at(disk, file, &self.encode(magic), number * PAGE)
    }

    /// Refuses a version that this program does not know.
    pub(crate) fn known(self) -> Result<Self, Error> {
        match self.version {
            1..=VERSION => Ok(self),
            found => Err(Error::Format { found, supported: VERSION }),
        }
    }
}
