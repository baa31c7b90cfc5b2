//! The high-water mark: up to which batch the tree has everything, durably,
//! and from which segment on the journal is needed. Kept in `high-water`, in
//! two pages that are written in turn, so that a torn write leaves the other.
//!
//! A page is `pxhiwatr`, version 4, zero 4, turn 8, sequence 8, segment 8,
//! crc32c 4, all little endian.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use px_store::Error;

use super::disk::{Disk, write_all_at};

/// The file's name in the store's directory. It is the last thing that is made
/// when a store is created, so a directory without it holds no store.
pub(crate) const FILE: &str = "high-water";

/// Far enough apart that no device tears both pages at once.
const PAGE: u64 = 4096;
const BYTES: usize = 44;
const MAGIC: &[u8; 8] = b"pxhiwatr";
const VERSION: u32 = 1;

/// What is known to be in the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    /// Every batch up to this one is in the tree.
    pub(crate) sequence: u64,
    /// Segments below this number are not needed.
    pub(crate) segment: u64,
}

/// The open file.
pub(crate) struct Water {
    disk: Arc<dyn Disk>,
    file: File,
    path: PathBuf,
    turn: u64,
    mark: Mark,
}

impl Water {
    /// Reads the mark. `None` if there is no file.
    pub(crate) fn open(disk: Arc<dyn Disk>, dir: &Path) -> Result<Option<Self>, Error> {
        let path = dir.join(FILE);
        if !path.exists() {
            return Ok(None);
        }
        let context = |source| Error::io(format!("open {}", path.display()), &source);
        let file = disk.open(&path).map_err(context)?;
        let mut newest: Option<(u64, Mark)> = None;
        for page in [0, PAGE] {
            let mut bytes = [0; BYTES];
            match file.read_exact_at(&mut bytes, page) {
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => continue,
                other => other.map_err(context)?,
            }
            if let Some(found) = decode(&bytes)?
                && newest.is_none_or(|(turn, _)| found.0 > turn)
            {
                newest = Some(found);
            }
        }
        let Some((turn, mark)) = newest else {
            return Err(Error::Corrupt(format!("{} has no undamaged page", path.display())));
        };
        Ok(Some(Self { disk, file, path, turn, mark }))
    }

    /// Makes the file of a new store, durably.
    pub(crate) fn create(disk: Arc<dyn Disk>, dir: &Path) -> Result<Self, Error> {
        let path = dir.join(FILE);
        let mark = Mark { sequence: 0, segment: 1 };
        let context = |source| Error::io(format!("create {}", path.display()), &source);
        // Both pages under another name first: a name without a whole page
        // would be a store that cannot be opened.
        let draft = dir.join("high-water.new");
        let file = disk.open(&draft).map_err(context)?;
        for (page, turn) in [(0, 2), (PAGE, 1)] {
            write_all_at(&*disk, &file, &encode(turn, mark), page).map_err(context)?;
        }
        disk.sync_data(&file).map_err(context)?;
        std::fs::rename(&draft, &path).map_err(context)?;
        disk.sync_dir(dir).map_err(context)?;
        Ok(Self { disk, file, path, turn: 2, mark })
    }

    pub(crate) fn mark(&self) -> Mark {
        self.mark
    }

    /// Raises the mark, durably.
    pub(crate) fn raise(&mut self, mark: Mark) -> Result<(), Error> {
        let turn = self.turn + 1;
        let page = turn % 2 * PAGE;
        let context = |source| Error::io(format!("write {}", self.path.display()), &source);
        write_all_at(&*self.disk, &self.file, &encode(turn, mark), page).map_err(context)?;
        self.disk.sync_data(&self.file).map_err(context)?;
        self.turn = turn;
        self.mark = mark;
        Ok(())
    }
}

fn encode(turn: u64, mark: Mark) -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    let fields = MAGIC
        .iter()
        .copied()
        .chain(VERSION.to_le_bytes())
        .chain([0; 4])
        .chain(turn.to_le_bytes())
        .chain(mark.sequence.to_le_bytes())
        .chain(mark.segment.to_le_bytes());
    for (to, from) in bytes.iter_mut().zip(fields) {
        *to = from;
    }
    if let Some((head, crc)) = bytes.split_last_chunk_mut::<4>() {
        *crc = crc32c::crc32c(head).to_le_bytes();
    }
    bytes
}

fn decode(bytes: &[u8; BYTES]) -> Result<Option<(u64, Mark)>, Error> {
    let Some((head, crc)) = bytes.split_last_chunk::<4>() else { return Ok(None) };
    if crc32c::crc32c(head) != u32::from_le_bytes(*crc) || !head.starts_with(MAGIC) {
        return Ok(None);
    }
    let word =
        |at: usize| head.get(at..).and_then(<[u8]>::first_chunk).copied().map_or(0, u64::from_le_bytes);
    // The version's word has four zero bytes behind it.
    let found = u32::try_from(word(8)).unwrap_or(u32::MAX);
    if found != VERSION {
        return Err(Error::Format { found, supported: VERSION });
    }
    Ok(Some((word(16), Mark { sequence: word(24), segment: word(32) })))
}

#[cfg(test)]
mod tests {
    use super::super::RealDisk;
    use super::*;

    #[test]
    fn a_torn_page_leaves_the_mark_before_it() {
        let dir = tempfile::tempdir().unwrap();
        let disk: Arc<dyn Disk> = Arc::new(RealDisk);
        assert!(Water::open(disk.clone(), dir.path()).unwrap().is_none());
        let mut water = Water::create(disk.clone(), dir.path()).unwrap();
        water.raise(Mark { sequence: 10, segment: 2 }).unwrap();
        water.raise(Mark { sequence: 20, segment: 3 }).unwrap();
        let path = dir.path().join(FILE);
        let whole = std::fs::read(&path).unwrap();
        for at in 0..BYTES {
            let mut torn = whole.clone();
            torn[at] ^= 0x55;
            std::fs::write(&path, torn).unwrap();
            let mark = Water::open(disk.clone(), dir.path()).unwrap().unwrap().mark();
            assert_eq!(mark, Mark { sequence: 10, segment: 2 }, "byte {at}");
        }
        std::fs::write(&path, &whole).unwrap();
        let water = Water::open(disk.clone(), dir.path()).unwrap().unwrap();
        assert_eq!(water.mark(), Mark { sequence: 20, segment: 3 });
        std::fs::write(&path, vec![0; whole.len()]).unwrap();
        assert!(matches!(Water::open(disk, dir.path()), Err(Error::Corrupt(_))));
    }
}
