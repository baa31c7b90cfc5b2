//! Ordered map below the overlay: a trait of four calls, and sled as its implementation. To put another
//! ordered map in sled's place, change this file.
//!
//! To survive a power cut, sled 0.34.7 needs help. Its source and the power-loss model
//! (`tests/power-loss.sh`) show:
//!
//! * its `flush` is `sync_file_range`, so every write here ends with a true
//!   sync of its data file;
//! * it opens reliably only if little was written since the last true sync, so
//!   a write here is one small chunk;
//! * a page above a quarter of its segment becomes a file of its own that it
//!   never syncs. Leaves hold up to 20 rows, so values are cut into pieces that
//!   keep 20 of them below that size;
//! * a page is rewritten as a whole, so what is large is a [file](crate::values) of
//!   its own;
//! * it never syncs its configuration file, so that is done after an open;
//! * it writes its index as `snap.<lsn>.generating`, renames that once it is
//!   whole, and at an open reads every file whose name begins with `snap.`, so one
//!   that a kill or a full disk left unfinished keeps it from opening. Those are
//!   removed before: the index before it is still there, and so is the data.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use px_store::Error;
use px_store_rows::Order;

use crate::opening::open;
use crate::packing::{HEAD_BYTES, Head, PACKED_UP_TO, Stored, unpack};
use crate::values::{FILED_FROM, Filed, ValueFiles};

/// A key and what becomes of it: a value, or nothing.
pub(crate) type Write = (Vec<u8>, Option<Stored>);

/// A key and its value.
pub(crate) type Pair = (Vec<u8>, Bytes);

/// An ordered map on disk. Written by one thread, read by many.
pub(crate) trait Tree: Send + Sync + 'static {
    /// Reads one value.
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, Error>;

    /// Reads how one value begins, which says its version.
    fn head(&self, key: &[u8]) -> Result<Option<Head>, Error>;

    /// Reads at most `limit` values with `from <= key < to`.
    fn range(&self, from: &[u8], to: &[u8], order: Order, limit: usize) -> Result<Vec<Pair>, Error>;

    /// Writes a small chunk, sorted by key, and makes it durable.
    fn write_sorted(&self, chunk: &[Write]) -> Result<(), Error>;

    /// Makes everything durable that was ever written.
    fn checkpoint(&self) -> Result<(), Error>;
}

/// sled's own unit of allocation. A quarter of it is the largest page that
/// stays in the data file.
pub(crate) const SEGMENT_BYTES: usize = 2 * 1024 * 1024;

/// The largest value that is stored as one row; 20 of them stay below a
/// quarter of a segment.
const PIECE_BYTES: usize = PACKED_UP_TO;

/// The longest key: 256 of them in an index page stay below a quarter of a
/// segment.
pub(crate) const KEY_BYTES: usize = 1536;

/// Pieces that one value may have.
const PIECES: u32 = u32::MAX;

/// First byte of a stored value: the rest is the value.
const WHOLE: u8 = 0;
/// First byte of a stored value: the rest is an id (8) and a length (8).
const PIECED: u8 = 1;
/// First byte of a stored value: the rest is its length (4), its head (8) and
/// what follows that, [packed](crate::packing).
const PACKED: u8 = 2;

/// First byte of a stored value: the rest says which [file](crate::values) it is.
const FILED: u8 = 3;

/// First byte of every key that [`Tree`]'s callers use.
const VALUES: u8 = 1;
/// First byte of the keys of pieces, followed by id (8) and index (4).
const PARTS: u8 = 2;

/// Maximum number of times that a read of a pieced value starts anew because the value was replaced
/// meanwhile.
const READ_TRIES: usize = 100;

/// sled, fenced.
pub(crate) struct SledTree {
    db: sled::Db,
    data: File,
    blobs: PathBuf,
    values: ValueFiles,
    /// Files below this number may be left over from a crash. They are looked at by the
    /// first checkpoint: by then it is known that the store is whole.
    strays_below: AtomicU64,
    /// The next id of a value in pieces or in a file. Starts above every id that is
    /// stored.
    next_id: AtomicU64,
}

impl SledTree {
    /// Returns true if there is a file with data in `dir`.
    pub(crate) fn exists(dir: &Path) -> bool {
        dir.join("db").exists()
    }

    /// Opens or creates the tree in `dir`, waiting for sled's lock, which the
    /// kernel may still hold for a moment after a kill.
    pub(crate) fn open(dir: &Path, cache_bytes: u64, wait: Duration) -> Result<Self, Error> {
        let db = open(dir, cache_bytes, wait)?;
        let path = dir.join("db");
        let data = File::options()
            .read(true)
            .write(true)
            .open(&path)
            .map_err(|error| Error::io(format!("open {}", path.display()), &error))?;
        let (values, next_file) = ValueFiles::open(dir.join("values"))?;
        let strays_below = AtomicU64::new(next_file);
        let blobs = dir.join("blobs");
        let tree = Self { db, data, blobs, values, strays_below, next_id: AtomicU64::new(0) };
        tree.sync_all(dir)?;
        let last = tree.db.range(..=[PARTS, 0xff]).next_back().transpose().map_err(|error| broken(&error))?;
        let last = last.and_then(|(key, _)| piece_id(&key)).map_or(Some(0), |id| id.checked_add(1));
        let last =
            last.ok_or_else(|| Error::Corrupt("the tree has a piece with the last number".to_owned()))?;
        tree.next_id.store(last.max(next_file), Ordering::Relaxed);
        Ok(tree)
    }

    /// Makes durable what an open of sled leaves to luck.
    fn sync_all(&self, dir: &Path) -> Result<(), Error> {
        let sync = |path: &Path| {
            File::open(path)
                .and_then(|file| file.sync_all())
                .map_err(|error| Error::io(format!("sync {}", path.display()), &error))
        };
        self.flush()?;
        sync(&dir.join("conf"))?;
        sync(&self.blobs)?;
        self.values.sync()?;
        sync(dir)
    }

    fn flush(&self) -> Result<(), Error> {
        self.db.flush().map_err(|error| broken(&error))?;
        self.sync_blobs()?;
        self.data.sync_data().map_err(|error| Error::io("sync the tree", &error))
    }

    /// Pieces keep pages out of files of their own; should one come about all
    /// the same, it is durable before the data file points to it for good.
    fn sync_blobs(&self) -> Result<(), Error> {
        let context = |error| Error::io("sync the tree's large pages", &error);
        let mut any = false;
        for entry in std::fs::read_dir(&self.blobs).map_err(context)? {
            match File::open(entry.map_err(context)?.path()) {
                Ok(file) => {
                    file.sync_data().map_err(context)?;
                    any = true;
                }
                // sled removes what it no longer needs whenever it likes.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(context(error)),
            }
        }
        if any { File::open(&self.blobs).and_then(|dir| dir.sync_all()).map_err(context) } else { Ok(()) }
    }

    /// Writes a value. What a file had that it takes the place of is added to `stale`.
    fn insert(
        &self,
        key: &[u8],
        value: &Stored,
        scratch: &mut Vec<u8>,
        stale: &mut Vec<Filed>,
    ) -> Result<(), Error> {
        scratch.clear();
        match value {
            Stored::Packed(packed) => {
                scratch.push(PACKED);
                scratch.extend_from_slice(packed);
            }
            Stored::Whole(value) if value.len() <= PIECE_BYTES => {
                scratch.push(WHOLE);
                scratch.extend_from_slice(value);
            }
            Stored::Whole(value) if value.len() > FILED_FROM => {
                let id = self.next_id.fetch_add(1, Ordering::Relaxed);
                let filed = self.values.write(id, key, value)?;
                // The entry is durable before what points to it.
                self.values.sync()?;
                scratch.push(FILED);
                filed.encode(scratch);
            }
            Stored::Whole(value) => {
                let id = self.next_id.fetch_add(1, Ordering::Relaxed);
                for (index, piece) in (0..PIECES).zip(value.chunks(PIECE_BYTES)) {
                    self.db.insert(part(id, index), piece).map_err(|error| broken(&error))?;
                }
                scratch.push(PIECED);
                scratch.extend_from_slice(&id.to_be_bytes());
                scratch.extend_from_slice(&(value.len() as u64).to_be_bytes());
            }
        }
        let old = self.db.insert(stored(key), scratch.as_slice()).map_err(|error| broken(&error))?;
        stale.extend(old.as_deref().and_then(filed));
        self.drop_pieces(old.as_deref())
    }

    /// Removes what a crash of an earlier process has left, once.
    fn remove_strays(&self) -> Result<(), Error> {
        let below = self.strays_below.load(Ordering::Relaxed);
        if below == 0 {
            return Ok(());
        }
        self.values.remove_strays(below, &|id, key| {
            let found = self.db.get(stored(key)).map_err(|error| broken(&error))?;
            Ok(match found.as_deref().and_then(<[u8]>::split_first) {
                // One that cannot be read may be this one.
                Some((&FILED, pointer)) => Filed::decode(pointer).is_none_or(|there| there.id == id),
                _ => false,
            })
        })?;
        self.strays_below.store(0, Ordering::Relaxed);
        Ok(())
    }

    /// Removes the pieces of a value that nothing points to any more. The first one that is
    /// missing ends it: a damaged length may count pieces that never were.
    fn drop_pieces(&self, old: Option<&[u8]>) -> Result<(), Error> {
        let Some((id, bytes)) = old.and_then(pointer) else { return Ok(()) };
        for index in (0..PIECES).take(bytes.div_ceil(PIECE_BYTES)) {
            if self.db.remove(part(id, index)).map_err(|error| broken(&error))?.is_none() {
                break;
            }
        }
        Ok(())
    }

    /// The value behind what is stored; `None` if its pieces, or its file, were
    /// replaced while they were read.
    fn resolve(&self, found: &[u8]) -> Result<Option<Bytes>, Error> {
        if let Some(filed) = filed(found) {
            return self.values.read(&filed);
        }
        if let Some((id, bytes)) = pointer(found) {
            // A damaged length is found by its pieces; no room is made for it before.
            let mut value = Vec::with_capacity(bytes.min(FILED_FROM));
            for index in (0..PIECES).take(bytes.div_ceil(PIECE_BYTES)) {
                match self.db.get(part(id, index)).map_err(|error| broken(&error))? {
                    Some(piece) => value.extend_from_slice(&piece),
                    None => return Ok(None),
                }
            }
            return Ok((bytes > 0 && value.len() == bytes).then(|| value.into()));
        }
        match found.split_first() {
            Some((&WHOLE, value)) => Ok(Some(Bytes::copy_from_slice(value))),
            Some((&PACKED, packed)) => unpack(packed).map(Some),
            _ => Err(Error::Corrupt("the tree holds a value of an unknown kind".to_owned())),
        }
    }
}

impl Tree for SledTree {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, Error> {
        for _ in 0..READ_TRIES {
            match self.db.get(stored(key)).map_err(|error| broken(&error))? {
                None => return Ok(None),
                Some(found) => {
                    if let Some(value) = self.resolve(&found)? {
                        return Ok(Some(value));
                    }
                }
            }
        }
        let filed = self.db.get(stored(key)).map_err(|error| broken(&error))?.as_deref().and_then(filed);
        Err(Error::Corrupt(match filed {
            Some(filed) => {
                format!("the file of a large value is gone: {}", self.values.path(filed.id).display())
            }
            None => "a large value in the tree misses a piece".to_owned(),
        }))
    }

    fn head(&self, key: &[u8]) -> Result<Option<Head>, Error> {
        let found = self.db.get(stored(key)).map_err(|error| broken(&error))?;
        match found.as_deref().and_then(<[u8]>::split_first) {
            Some((&WHOLE, value)) => Ok(Some(Head::of(value))),
            Some((&PACKED, packed)) if packed.len() >= 4 + HEAD_BYTES => Ok(packed.get(4..).map(Head::of)),
            Some((&FILED, pointer)) => Ok(Filed::decode(pointer).map(|filed| filed.head())),
            // In pieces, or damaged.
            Some(_) => Ok(self.get(key)?.as_deref().map(Head::of)),
            None => Ok(None),
        }
    }

    fn range(&self, from: &[u8], to: &[u8], order: Order, limit: usize) -> Result<Vec<Pair>, Error> {
        if from >= to {
            return Ok(Vec::new());
        }
        let mut rows = self.db.range(stored(from)..stored(to));
        let mut found = Vec::new();
        while found.len() < limit {
            let next = match order {
                Order::Ascending => rows.next(),
                Order::Descending => rows.next_back(),
            };
            let Some(next) = next else { break };
            let (key, value) = next.map_err(|error| broken(&error))?;
            let key = key.get(1..).unwrap_or_default();
            let value = match self.resolve(&value)? {
                Some(value) => Some(value),
                // Replaced or removed meanwhile: what is there now counts.
                None => self.get(key)?,
            };
            found.extend(value.map(|value| (key.to_vec(), value)));
        }
        Ok(found)
    }

    fn write_sorted(&self, chunk: &[Write]) -> Result<(), Error> {
        let (mut scratch, mut stale) = (Vec::new(), Vec::new());
        for (key, value) in chunk {
            match value {
                Some(value) => self.insert(key, value, &mut scratch, &mut stale)?,
                None => {
                    let old = self.db.remove(stored(key)).map_err(|error| broken(&error))?;
                    stale.extend(old.as_deref().and_then(filed));
                    self.drop_pieces(old.as_deref())?;
                }
            }
        }
        self.flush()?;
        // Nothing points to them any more, durably.
        stale.iter().try_for_each(|filed| self.values.remove(filed))
    }

    fn checkpoint(&self) -> Result<(), Error> {
        self.flush()?;
        self.remove_strays()
    }
}

fn stored(key: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(1 + key.len());
    bytes.push(VALUES);
    bytes.extend_from_slice(key);
    bytes
}

fn part(id: u64, index: u32) -> [u8; 13] {
    let mut bytes = [PARTS; 13];
    let fields = id.to_be_bytes().into_iter().chain(index.to_be_bytes());
    for (to, from) in bytes.iter_mut().skip(1).zip(fields) {
        *to = from;
    }
    bytes
}

fn piece_id(key: &[u8]) -> Option<u64> {
    key.strip_prefix(&[PARTS])?.first_chunk().copied().map(u64::from_be_bytes)
}

fn pointer(found: &[u8]) -> Option<(u64, usize)> {
    let (id, rest) = found.strip_prefix(&[PIECED])?.split_first_chunk()?;
    let bytes = u64::from_be_bytes(*rest.first_chunk()?);
    Some((u64::from_be_bytes(*id), usize::try_from(bytes).ok()?))
}

fn filed(found: &[u8]) -> Option<Filed> {
    Filed::decode(found.strip_prefix(&[FILED])?)
}

fn broken(error: &sled::Error) -> Error {
    match error {
        sled::Error::Io(error) => Error::io("use the tree", error),
        sled::Error::Corruption { .. } => Error::Corrupt(format!("the tree: {error}")),
        error => Error::Io { context: "use the tree".to_owned(), message: error.to_string() },
    }
}

#[cfg(test)]
mod tests;
