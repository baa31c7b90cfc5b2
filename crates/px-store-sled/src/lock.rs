//! One process a directory: an exclusive lock on `px.lock`, whose content
//! tells the next opener who holds it. The kernel lets go of the lock when the
//! process ends, however it ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use px_store::Error;

/// The file's name in the store's directory.
pub(crate) const FILE: &str = "px.lock";

/// Interval at which a waiting opener looks again.
const POLL: Duration = Duration::from_millis(25);

/// Longest text that is read from a holder.
const HOLDER_BYTES: u64 = 1024;

/// The held lock; dropping it lets go.
#[derive(Debug)]
pub(crate) struct DirLock {
    file: Mutex<File>,
}

impl DirLock {
    /// Takes the lock, waiting at most `wait` for another process.
    pub(crate) fn acquire(dir: &Path, wait: Duration) -> Result<Self, Error> {
        let path = dir.join(FILE);
        let context = || format!("open {}", path.display());
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&path).map_err(|source| Error::io(context(), &source))?;
        let deadline = Instant::now() + wait;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::Error(source)) => return Err(Error::io(context(), &source)),
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                    // The kernel has no event for "a lock was let go" that
                    // does not block without end, so this looks again.
                    std::thread::park_timeout(POLL);
                }
                Err(TryLockError::WouldBlock) => return Err(Error::Locked(holder(&file, &path))),
            }
        }
        let lock = Self { file: Mutex::new(file) };
        lock.describe(None)?;
        Ok(lock)
    }

    /// Writes who holds the lock, and where it can be reached.
    pub(crate) fn describe(&self, url: Option<&str>) -> Result<(), Error> {
        let mut text = format!("pid {}\n", std::process::id());
        if let Some(url) = url {
            text.push_str("url ");
            text.push_str(url);
            text.push('\n');
        }
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.set_len(0)
            .and_then(|()| file.seek(SeekFrom::Start(0)))
            .and_then(|_| file.write_all(text.as_bytes()))
            .map_err(|source| Error::io(format!("write {FILE}"), &source))
    }
}

/// The place where the holder of a directory's lock says that it can be reached.
pub(crate) fn served_at(dir: &Path) -> Option<String> {
    let text = said(&File::open(dir.join(FILE)).ok()?);
    text.lines().find_map(|line| line.strip_prefix("url ")).map(str::to_owned)
}

fn said(mut file: &File) -> String {
    let mut text = String::new();
    // A holder that cannot be read is still a holder.
    let _ = file.seek(SeekFrom::Start(0)).and_then(|_| file.take(HOLDER_BYTES).read_to_string(&mut text));
    text
}

fn holder(file: &File, path: &Path) -> String {
    let text = said(file);
    let who = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let who = if who.is_empty() { "an unknown process".to_owned() } else { who };
    format!("{} is held by {who}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_opener_is_told_who_holds_the_directory() {
        let dir = tempfile::tempdir().unwrap();
        let first = DirLock::acquire(dir.path(), Duration::ZERO).unwrap();
        first.describe(Some("http://127.0.0.1:7000")).unwrap();
        let error = DirLock::acquire(dir.path(), Duration::ZERO).unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, Error::Locked(_)), "{text}");
        assert!(text.contains(&format!("pid {}", std::process::id())), "{text}");
        assert!(text.contains("url http://127.0.0.1:7000"), "{text}");
        assert_eq!(served_at(dir.path()).as_deref(), Some("http://127.0.0.1:7000"));
        first.describe(None).unwrap();
        assert_eq!(served_at(dir.path()), None);
        drop(first);
        DirLock::acquire(dir.path(), Duration::ZERO).unwrap();
    }

    #[test]
    fn a_waiting_opener_gets_the_lock_when_it_is_let_go() {
        let dir = tempfile::tempdir().unwrap();
        let first = DirLock::acquire(dir.path(), Duration::ZERO).unwrap();
        let path = dir.path().to_owned();
        let second = std::thread::spawn(move || DirLock::acquire(&path, Duration::from_secs(30)).map(drop));
        drop(first);
        second.join().unwrap().unwrap();
    }
}
