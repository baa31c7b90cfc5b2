//! Free space of the disk. Commits are refused before a full disk leaves one half-written, and sled, which
//! does not survive a full disk, never meets one.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use px_store::Error;

use crate::journal::Disk;

/// Divisor of the reserve: below this part of it the tree is not written either.
const TREE_SHARE: u64 = 4;

/// Files that one look at the store's size takes in, at most.
const MAX_FILES: usize = 20_000;

/// Bytes of the files below a directory, of at most [`MAX_FILES`] of them. A file that goes away meanwhile
/// counts as nothing.
pub(crate) fn used_bytes(dir: &Path) -> u64 {
    let (mut folders, mut bytes, mut looked) = (vec![dir.to_owned()], 0_u64, 0);
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for entry in entries.flatten() {
            let Ok(meta) = entry.metadata() else { continue };
            if meta.is_dir() {
                folders.push(entry.path());
            } else {
                (bytes, looked) = (bytes.saturating_add(meta.len()), looked + 1);
            }
            if looked == MAX_FILES {
                return bytes;
            }
        }
    }
    bytes
}

/// The room that was there at the last look.
pub(crate) struct DiskSpace {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    reserve: u64,
    free: AtomicU64,
}

impl DiskSpace {
    pub(crate) fn new(disk: Arc<dyn Disk>, dir: &Path, reserve: u64) -> Self {
        let room = Self { disk, dir: dir.to_owned(), reserve, free: AtomicU64::new(u64::MAX) };
        room.look();
        room
    }

    /// Looks again. The applier does before it writes, and while it waits for room.
    pub(crate) fn look(&self) {
        // A file system that does not say how much it has is taken at its word
        // when it refuses a write.
        let free = self.disk.free_bytes(&self.dir).unwrap_or(u64::MAX);
        let had = self.free.swap(free, Ordering::Relaxed);
        if (free < self.reserve) != (had < self.reserve) {
            let (free, reserve) = (free >> 20, self.reserve >> 20);
            tracing::warn!(free_mib = free, reserve_mib = reserve, "the room on the store's disk changed");
        }
    }

    /// Refuses commits while less than the reserve is free.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let free = self.free.load(Ordering::Relaxed);
        if free >= self.reserve {
            return Ok(());
        }
        let (free, reserve) = (free >> 20, self.reserve >> 20);
        Err(Error::Full(format!("{free} MiB are free, and {reserve} MiB are kept in reserve")))
    }

    /// Looks again, and returns why a commit would be refused now.
    pub(crate) fn refusal(&self) -> Option<String> {
        self.look();
        self.check().err().map(|error| error.to_string())
    }

    /// Returns true if the store waits for room.
    pub(crate) fn is_short(&self) -> bool {
        self.free.load(Ordering::Relaxed) < self.reserve
    }

    /// Returns true if there is room enough for writing the tree.
    pub(crate) fn is_enough_for_the_tree(&self) -> bool {
        self.free.load(Ordering::Relaxed) >= self.reserve / TREE_SHARE
    }
}
