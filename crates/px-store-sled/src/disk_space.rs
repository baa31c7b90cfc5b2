//! Whether the disk has room. A full disk is refused before anything is
//! half-written; sled, which does not survive one, never meets it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use px_store::Error;

use crate::journal::Disk;

/// What is left of the reserve when the tree stops being written, too.
const TREE_SHARE: u64 = 4;

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

    /// Whether commits may be written.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let free = self.free.load(Ordering::Relaxed);
        if free >= self.reserve {
            return Ok(());
        }
        let (free, reserve) = (free >> 20, self.reserve >> 20);
        Err(Error::Full(format!("{free} MiB are free, and {reserve} MiB are kept in reserve")))
    }

    /// Whether the store waits for room.
    pub(crate) fn is_short(&self) -> bool {
        self.free.load(Ordering::Relaxed) < self.reserve
    }

    /// Whether the tree may be written.
    pub(crate) fn is_enough_for_the_tree(&self) -> bool {
        self.free.load(Ordering::Relaxed) >= self.reserve / TREE_SHARE
    }
}
