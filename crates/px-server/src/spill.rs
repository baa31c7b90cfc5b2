//! Bodies that are too large to wait for in memory: what has come of one lies in a
//! temporary file while the rest comes, so that slow senders hold no memory. It is read
//! back when all of it is there.
//!
//! A file has no name, so a process that dies leaves none. Where a file system cannot
//! make one without a name, it has one until it is open: a process that died in that
//! moment leaves it, empty, and the next start removes it.
//!
//! This file refuses to know what a body is.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::{Bytes, BytesMut};
use px_inbound::{AdmissionDenied, Permit};
use tokio::runtime::Handle;

/// Bytes of a body that are held in memory before they are written to its file.
const HELD: usize = 256 * 1024;

/// The place of these files; none where bodies stay in memory.
#[derive(Debug, Clone, Default)]
pub(crate) struct Spills(Option<Arc<Dir>>);

#[derive(Debug)]
struct Dir {
    path: PathBuf,
    made: AtomicU64,
}

/// The cause for which a body is not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SpillError {
    /// There is no room for it now.
    #[error(transparent)]
    Denied(#[from] AdmissionDenied),
    /// Its file failed.
    #[error("the temporary file of a body: {0}")]
    Io(#[from] io::Error),
}

impl Spills {
    /// Makes the directory, which is the owner's alone, and removes what an earlier
    /// process has left there.
    ///
    /// # Errors
    /// The operating system's.
    pub(crate) fn open(path: PathBuf) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(&path)?;
        for entry in fs::read_dir(&path)? {
            let left = entry?.path();
            if left.extension().is_some_and(|ending| ending == "part") {
                fs::remove_file(left)?;
            }
        }
        Ok(Self(Some(Arc::new(Dir { path, made: AtomicU64::new(0) }))))
    }

    /// An empty body.
    pub(crate) fn body(&self, runtime: Handle) -> Body {
        Body { dir: self.0.clone(), runtime, held: BytesMut::new(), spilled: None, spilled_bytes: 0 }
    }
}

impl Dir {
    fn make(&self) -> io::Result<File> {
        nameless(&self.path).or_else(|_| self.named())
    }

    /// The way for file systems that give every file a name.
    fn named(&self) -> io::Result<File> {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        let path = self.path.join(format!("{}-{number}.part", std::process::id()));
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
        fs::remove_file(path)?;
        Ok(file)
    }
}

/// A file that never had a name.
#[cfg(target_os = "linux")]
fn nameless(dir: &Path) -> io::Result<File> {
    use rustix::fs::{Mode, OFlags, open};

    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    Ok(open(dir, flags, Mode::RUSR | Mode::WUSR)?.into())
}

#[cfg(not(target_os = "linux"))]
fn nameless(_: &Path) -> io::Result<File> {
    Err(io::ErrorKind::Unsupported.into())
}

/// A body that comes.
#[derive(Debug)]
pub(crate) struct Body {
    dir: Option<Arc<Dir>>,
    /// The server's, whose threads may wait for a disk.
    runtime: Handle,
    held: BytesMut,
    spilled: Option<File>,
    spilled_bytes: usize,
}

impl Body {
    /// Adds what has come.
    ///
    /// # Errors
    /// See [`SpillError`].
    pub(crate) async fn push(&mut self, data: &Bytes, permit: &mut Permit) -> Result<(), SpillError> {
        permit.hold(data.len())?;
        self.held.extend_from_slice(data);
        let Some(dir) = self.dir.clone().filter(|_| self.held.len() >= HELD) else { return Ok(()) };
        permit.spill(self.held.len())?;
        self.spilled_bytes += self.held.len();
        let (file, mut held) = (self.spilled.take(), std::mem::take(&mut self.held));
        let written = self.runtime.spawn_blocking(move || {
            let mut file = file.map_or_else(|| dir.make(), Ok)?;
            file.write_all(&held)?;
            held.clear();
            Ok::<_, io::Error>((file, held))
        });
        let (file, held) = written.await.map_err(io::Error::other)??;
        (self.spilled, self.held) = (Some(file), held);
        Ok(())
    }

    /// The whole body, in memory.
    ///
    /// # Errors
    /// See [`SpillError`].
    pub(crate) async fn finish(self, permit: &mut Permit) -> Result<Bytes, SpillError> {
        let Self { runtime, held, spilled, spilled_bytes, .. } = self;
        let Some(mut file) = spilled else { return Ok(held.freeze()) };
        permit.hold_spilled()?;
        let read = runtime.spawn_blocking(move || {
            let mut whole = vec![0; spilled_bytes];
            file.seek(SeekFrom::Start(0))?;
            file.read_exact(&mut whole)?;
            whole.extend_from_slice(&held);
            Ok::<_, io::Error>(whole)
        });
        let whole = read.await.map_err(io::Error::other)??;
        permit.unspill();
        Ok(whole.into())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::net::{IpAddr, Ipv4Addr};
    use std::os::unix::fs::MetadataExt as _;

    use px_core::Timestamp;
    use px_inbound::{Gate, GateLimits};

    use super::*;

    fn permit(limits: GateLimits) -> Permit {
        let gate = Gate::new(limits, HashMap::new());
        gate.enter("a", IpAddr::V4(Ipv4Addr::LOCALHOST), Timestamp::from_millis(1)).unwrap()
    }

    fn names(dir: &tempfile::TempDir) -> usize {
        fs::read_dir(dir.path()).unwrap().count()
    }

    #[test]
    fn a_file_has_no_name_whichever_way_it_was_made() {
        let dir = tempfile::tempdir().unwrap();
        let made = Dir { path: dir.path().to_owned(), made: AtomicU64::new(0) };
        for make in [Dir::make, Dir::named] {
            let mut file = make(&made).unwrap();
            assert_eq!((names(&dir), file.metadata().unwrap().mode() & 0o777), (0, 0o600));
            file.write_all(b"held").unwrap();
            file.seek(SeekFrom::Start(0)).unwrap();
            assert_eq!(io::read_to_string(file).unwrap(), "held");
        }
    }

    #[tokio::test]
    async fn a_body_comes_back_as_it_came_and_its_file_has_no_name() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("1-0.part"), "left by a process that died").unwrap();
        let spills = Spills::open(dir.path().to_owned()).unwrap();
        assert_eq!(names(&dir), 0);
        for size in [0, 10, HELD - 1, HELD, 3 * HELD + 7] {
            let whole: Bytes = (0..size).map(|n| u8::try_from(n % 251).unwrap()).collect::<Vec<_>>().into();
            let mut permit = permit(GateLimits::default());
            let mut body = spills.body(Handle::current());
            for piece in whole.chunks(100_000) {
                body.push(&whole.slice_ref(piece), &mut permit).await.unwrap();
                assert_eq!(names(&dir), 0);
            }
            assert_eq!(body.finish(&mut permit).await.unwrap(), whole, "{size} bytes");
        }
    }

    #[tokio::test]
    async fn memory_and_disk_are_bounded_each_for_itself() {
        let dir = tempfile::tempdir().unwrap();
        let spills = Spills::open(dir.path().to_owned()).unwrap();
        let limits =
            GateLimits { body_bytes: 2 * HELD, spilled_bytes: 3 * HELD as u64, ..GateLimits::default() };
        let piece = Bytes::from(vec![1; HELD]);
        let mut permit = permit(limits);
        let mut body = spills.body(Handle::current());
        for _ in 0..3 {
            body.push(&piece, &mut permit).await.unwrap();
        }
        assert!(
            matches!(body.push(&piece, &mut permit).await, Err(SpillError::Denied(_))),
            "the disk is full"
        );
        assert!(matches!(body.finish(&mut permit).await, Err(SpillError::Denied(_))), "so is the memory");
    }
}
