//! The opening of sled: what an interrupted write of its index left is removed
//! before, the kernel may hold its lock for a moment after a kill, and over damaged
//! files it panics.

use std::path::Path;
use std::time::{Duration, Instant};

use px_store::Error;

use crate::journal::disk::is_full;
use crate::tree::SEGMENT_BYTES;

/// Interval at which an opener looks whether sled's lock is free.
const POLL: Duration = Duration::from_millis(25);

/// Opens or creates sled's files in `dir`, waiting for its lock.
pub(crate) fn open(dir: &Path, cache_bytes: u64, wait: Duration) -> Result<sled::Db, Error> {
    remove_unfinished(dir)?;
    let open = || {
        sled::Config::new()
            .path(dir)
            .cache_capacity(cache_bytes)
            .flush_every_ms(None)
            .segment_size(SEGMENT_BYTES)
            .open()
    };
    let deadline = Instant::now() + wait;
    loop {
        // Over damaged files sled panics as often as it says so. Nothing of
        // it is used after a panic.
        let refused = match std::panic::catch_unwind(open) {
            Ok(Ok(db)) => return Ok(db),
            Ok(Err(sled::Error::Io(error))) if is_lock(&error) && Instant::now() < deadline => {
                // There is no event to wait for: the lock is the kernel's.
                std::thread::park_timeout(POLL);
                continue;
            }
            Ok(Err(sled::Error::Io(error))) if is_lock(&error) => {
                return Err(Error::Locked(format!("{}: {error}", dir.display())));
            }
            // Nothing is wrong with what is there.
            Ok(Err(sled::Error::Io(error))) if is_full(&error) => {
                return Err(Error::Full(format!("the tree in {} cannot be opened: {error}", dir.display())));
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => "sled panicked".to_owned(),
        };
        return Err(Error::Corrupt(format!(
            "the tree in {} cannot be opened ({refused}); the directory is kept for a restore",
            dir.display()
        )));
    }
}

/// Removes the indexes of sled that were not written to their end.
fn remove_unfinished(dir: &Path) -> Result<(), Error> {
    let context = |source| Error::io(format!("look for unfinished files in {}", dir.display()), &source);
    let entries = match std::fs::read_dir(dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        other => other.map_err(context)?,
    };
    for entry in entries {
        let path = entry.map_err(context)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with("snap.") && name.ends_with(".generating") {
            std::fs::remove_file(&path).map_err(context)?;
        }
    }
    Ok(())
}

fn is_lock(error: &std::io::Error) -> bool {
    // sled wraps the refused lock into an error of kind `Other` with this text.
    error.to_string().contains("could not acquire lock")
}
