//! [`Seen`] in a file: an event and the mark that it was seen are the same
//! bytes, so there is nothing between them to fail.
//!
//! One thread owns the file. It takes what waits, writes it as one batch with
//! one write and one `fdatasync`, and answers then; copies that arrive in the
//! meantime wait for the same sync. After a failed write or sync nothing more
//! is taken: what the file holds is known again when it is opened anew.

mod format;
mod memory;
mod writer;

pub use memory::{MAX_IDS, Stored};

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{mpsc, oneshot, watch};

use crate::{Event, Recorded, Seen, Unavailable};
use memory::Memory;
use writer::Job;

/// Number of events that may wait for the writer; more wait outside.
const MAX_QUEUED: usize = 1_024;

/// Reason that a journal cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Reading or writing failed.
    #[error("failed to open the journal {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Error of the system.
        source: io::Error,
    },
    /// Another process has it open; its marks would not be seen here.
    #[error("the journal {0} is open in another process")]
    Locked(PathBuf),
    /// It was damaged after it was written.
    #[error(
        "the journal {path} is damaged at byte {at}: restore it from a copy, or move it away to begin anew"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Start of the damaged batch.
        at: u64,
    },
}

/// A durable record of the events that were received. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Journal {
    jobs: mpsc::Sender<Job>,
    memory: Arc<Mutex<Memory>>,
    changed: watch::Receiver<u64>,
}

impl Journal {
    /// Opens the file, or makes it. A batch that a dying process left
    /// unfinished is cut off; nobody was told of it.
    ///
    /// # Errors
    /// If the file cannot be read or written, is open elsewhere, or is damaged.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let failed = |source| Error::Io { path: path.to_owned(), source };
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true);
        // What was received is its owner's.
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Error::Locked(path.to_owned())),
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        let mut memory = Memory::default();
        let kept = match format::read(&file, |event| memory.add(event)).map_err(failed)? {
            format::End::Whole(end) | format::End::Torn(end) => end,
            format::End::Damaged(at) => return Err(Error::Damaged { path: path.to_owned(), at }),
        };
        file.set_len(kept).and_then(|()| file.sync_all()).map_err(failed)?;
        // The name has to be durable, too.
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)?;
        Self::start(file, memory).map_err(failed)
    }

    fn start(log: impl writer::Log, memory: Memory) -> io::Result<Self> {
        let (jobs, queue) = mpsc::channel(MAX_QUEUED);
        let (told, changed) = watch::channel(memory.count());
        let memory = Arc::new(Mutex::new(memory));
        let shared = Arc::clone(&memory);
        std::thread::Builder::new()
            .name("receive-journal".to_owned())
            .spawn(move || writer::run(log, queue, &shared, &told))?;
        Ok(Self { jobs, memory, changed })
    }

    /// The newest events after position `after`, oldest first. Only the newest
    /// are in memory, at most 1,000 or 16 MiB of them.
    #[must_use]
    pub fn recent(&self, after: u64) -> Vec<Stored> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner).recent(after)
    }

    /// The position of the newest event, as it changes.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.clone()
    }
}

impl Seen for Journal {
    async fn record(&self, event: Event) -> Result<Recorded, Unavailable> {
        let stopped = || Unavailable("the journal has stopped after an earlier failure".to_owned());
        let (answer, answered) = oneshot::channel();
        self.jobs.send(Job { event, answer }).await.map_err(|_| stopped())?;
        answered.await.map_err(|_| stopped())?
    }
}
