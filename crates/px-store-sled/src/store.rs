//! [`SledRows`]: opens the directory, starts the two threads, and serves the
//! [`Backing`] that the semantic store is built on.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use bytes::Bytes;
use px_store::{Admission, BoxFuture, Error, HintBus, RowStats};
use px_store_rows::{Backing, Order, RowBatch, RowOutcome};
use tokio::sync::watch;

use crate::applier::{APPLIED_KEY, Applier, Signals};
use crate::change::Changes;
use crate::committer::Committer;
use crate::creation::{TREE, create};
use crate::disk_space::{self, DiskSpace};
use crate::health::Health;
use crate::journal::{Disk, Journal, Known, Mark, Opened, OpenedPages, RealDisk, SegmentPool};
use crate::lock::DirLock;
use crate::options::Options;
use crate::overlay::{Generations, Overlay};
use crate::pace::Pace;
use crate::queue::Queue;
use crate::recovery::{self, JOURNAL, Recovered};
use crate::shared::{Counters, Lag, Shared};
use crate::threads::spawn;
use crate::tree::{SledTree, Tree};

/// An id in a posting list.
type Id = [u8; 16];

/// Opens or creates the tree in a directory.
pub(crate) type OpenTree<'a> = &'a dyn Fn(&Path, &Options) -> Result<Arc<dyn Tree>, Error>;

/// The embedded store's rows: a journal that answers, and sled that remembers.
///
/// Keys and names of posting lists have at most 1,504 bytes, a batch at most
/// [`Options::batch_bytes`]; more is refused before anything is written.
///
/// Dropping it stops its threads without bringing everything into the tree;
/// what was answered is in the journal and comes back with the next open.
/// [`close`](Backing::close) also empties the journal.
pub struct SledRows {
    pub(crate) shared: Arc<Shared>,
    threads: Mutex<Threads>,
    lock: DirLock,
    dir: PathBuf,
}

#[derive(Default)]
struct Threads {
    /// Returns the journal as it left it.
    committer: Option<JoinHandle<Journal>>,
    applier: Option<JoinHandle<()>>,
}

impl std::fmt::Debug for SledRows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SledRows").field("dir", &self.dir).finish_non_exhaustive()
    }
}

impl SledRows {
    /// Opens the store in `dir`, creating it if there is none. What the journal
    /// holds beyond the tree is readable at once and reaches the tree behind
    /// the caller's back.
    ///
    /// # Errors
    ///
    /// [`Error::Locked`] if another process still has the directory after
    /// [`Options::lock_wait`]; [`Error::Corrupt`] or [`Error::Format`] if what
    /// is there is not what was written, in which case nothing is removed and
    /// no empty store is begun;
    /// [`Error::Io`] and [`Error::Full`] from the operating system.
    pub fn open(dir: &Path, options: Options) -> Result<Self, Error> {
        // A mark is made behind its tree, so a tree that is gone is damage. sled
        // would make another one.
        let is_marked = dir.join(crate::journal::high_water::FILE).exists();
        let open_tree = |tree: &Path, options: &Options| {
            if is_marked && !SledTree::exists(tree) {
                return Err(Error::Corrupt(format!("{} has no data", tree.display())));
            }
            open_sled(tree, options)
        };
        Self::open_on(dir, options, Arc::new(RealDisk), &open_tree)
    }

    pub(crate) fn open_on(
        dir: &Path,
        options: Options,
        disk: Arc<dyn Disk>,
        open_tree: OpenTree<'_>,
    ) -> Result<Self, Error> {
        let context = |error: &_| Error::io(format!("create {}", dir.display()), error);
        fs::create_dir_all(dir).map_err(|error| context(&error))?;
        let lock = DirLock::acquire(dir, options.lock_wait)?;
        let (mut known, recovered, tree) = match Known::open(disk.clone(), dir)? {
            Some(known) => {
                // Before the tree, which an open may change.
                let recovered = recovery::recover(&disk, dir, known.water.mark(), known.opened)?;
                (known, recovered, open_tree(&dir.join(TREE), &options)?)
            }
            None => {
                let (known, tree) = create(dir, &options, disk.clone(), open_tree)?;
                let recovered = recovery::recover(&disk, dir, known.water.mark(), known.opened)?;
                (known, recovered, tree)
            }
        };
        check_applied(&*tree, known.water.mark(), recovered.next_sequence - 1)?;
        fs::create_dir_all(dir.join(JOURNAL)).map_err(|error| context(&error))?;
        known.settle(Opened { segment: recovered.next_number - 1, sequence: recovered.next_sequence - 1 })?;
        let Known { water, pages, .. } = known;
        let (shared, journal, pool) = assemble(dir, options, disk, tree, pages, recovered);
        let mut threads = Threads::default();
        let committer = Committer::new(shared.clone(), journal);
        let applier = Applier::new(shared.clone(), pool, water);
        threads.committer = Some(spawn("px-commit", &shared, move || committer.run())?);
        let applying = spawn("px-apply", &shared, move || applier.run());
        let store = Self { shared, threads: Mutex::new(threads), lock, dir: dir.to_owned() };
        store.threads.lock().unwrap_or_else(PoisonError::into_inner).applier = Some(applying?);
        Ok(store)
    }

    /// Returns true if `dir` has a store or parts of one, which [`SledRows::open`] would open or refuse;
    /// otherwise it would create one.
    #[must_use]
    pub fn exists(dir: &Path) -> bool {
        // A journal that cannot be read is for `open` to report.
        dir.join(crate::journal::high_water::FILE).exists() || recovery::has_segments(dir).unwrap_or(true)
    }

    /// Returns why no store can be made in a directory that has none, as [`SledRows::open`]
    /// would; `None` if one can. What it makes to find out, it removes.
    #[must_use]
    pub fn refusal(dir: &Path) -> Option<Error> {
        crate::place::refusal(dir, Options::default().reserve_bytes)
    }

    /// Tells the next process that wants this directory where the store's owner
    /// can be reached.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the lock file cannot be written.
    pub fn announce(&self, url: &str) -> Result<(), Error> {
        self.lock.describe(Some(url))
    }

    /// Returns the place that was announced last by a process that has this directory
    /// open: for who has just met [`Locked`](Error::Locked). A process that is gone may
    /// have left one, too.
    #[must_use]
    pub fn announced(dir: &Path) -> Option<String> {
        crate::lock::served_at(dir)
    }

    /// The store's directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Brings everything that is durable now into the tree and lets go of the
    /// journal segments that held it. Blocks; commits go on meanwhile.
    ///
    /// # Errors
    ///
    /// [`Error::Poisoned`] if the tree cannot be written, [`Error::Full`] if
    /// the disk has no room for it, [`Error::Closed`] after a close.
    pub fn checkpoint(&self) -> Result<(), Error> {
        if !self.shared.room.is_enough_for_the_tree() {
            self.shared.room.check()?;
        }
        let done = self.shared.applier.checkpoint();
        self.shared.health.check()?;
        if done { Ok(()) } else { Err(Error::Closed) }
    }

    /// Returns the bytes of the journal that the tree does not have yet.
    #[must_use]
    pub fn lag_bytes(&self) -> u64 {
        self.shared.lag.now().0
    }

    /// The farthest that the tree was behind since the store was opened.
    #[must_use]
    pub fn peak_lag_bytes(&self) -> u64 {
        self.shared.lag.peak()
    }

    /// Waits for the threads to end; returns the journal if the committer did not
    /// panic and was not joined before.
    fn join(&self) -> Option<Journal> {
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        let committer = threads.committer.take();
        let applier = threads.applier.take();
        // A panic of theirs has poisoned the store already (see `Alarm`).
        let journal = committer.and_then(|committer| committer.join().ok());
        self.shared.applier.drain();
        let _ = applier.map(JoinHandle::join);
        journal
    }
}

impl Drop for SledRows {
    fn drop(&mut self) {
        self.shared.queue.abandon(&Error::Closed);
        self.shared.lag.release();
        self.shared.applier.stop();
        // As good as a kill: where the journal ends is not said.
        let _ = self.join();
    }
}

fn open_sled(dir: &Path, options: &Options) -> Result<Arc<dyn Tree>, Error> {
    Ok(Arc::new(SledTree::open(dir, options.cache_bytes, options.lock_wait)?))
}

/// A tree that is older than the mark would miss what the journal no longer
/// has: it was put back from elsewhere, or lost what it had said was durable. One
/// that is newer than the journal's end has seen what the journal misses, and what
/// the journal still has would be written over it.
fn check_applied(tree: &dyn Tree, mark: Mark, end: u64) -> Result<(), Error> {
    let applied = tree.get(APPLIED_KEY)?;
    let applied = applied.and_then(|row| row.first_chunk().copied()).map_or(0, u64::from_be_bytes);
    if applied < mark.sequence {
        return Err(Error::Corrupt(format!(
            "the tree ends at batch {applied}, and the journal was given up to batch {}",
            mark.sequence
        )));
    }
    if applied > end {
        return Err(Error::Corrupt(format!(
            "the journal ends at batch {end}, and the tree has everything up to batch {applied}"
        )));
    }
    Ok(())
}

fn assemble(
    dir: &Path,
    options: Options,
    disk: Arc<dyn Disk>,
    tree: Arc<dyn Tree>,
    pages: OpenedPages,
    recovered: Recovered,
) -> (Arc<Shared>, Journal, Arc<SegmentPool>) {
    let Recovered { generation, sealed, spares, next_number, next_sequence } = recovered;
    let pool = Arc::new(SegmentPool::new(
        disk.clone(),
        &dir.join(JOURNAL),
        options.segment_bytes,
        options.spare_segments,
        sealed,
        spares,
        next_number,
    ));
    let journal = Journal::new(disk.clone(), pool.clone(), pages, next_number, next_sequence);
    let overlay = Overlay::default();
    let lag = Lag::new(generation.journal_bytes, options.lag_limit_bytes);
    *overlay.write() = Generations { active: generation, ..Generations::default() };
    let shared = Arc::new(Shared {
        queue: Queue::new(&options),
        overlay,
        tree,
        hints: HintBus::new(),
        health: Health::new(),
        lag,
        room: DiskSpace::new(disk, dir, options.reserve_bytes),
        pace: Pace { lag_bytes: options.lag_bytes, lag: options.lag, pause: options.pace_pause },
        applier: Signals::default(),
        counters: Counters::default(),
        options,
    });
    (shared, journal, pool)
}

impl Backing for SledRows {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, Error> {
        self.shared.get(key)
    }

    fn version(&self, key: &[u8]) -> Result<Option<u64>, Error> {
        self.shared.version(key)
    }

    fn range(
        &self,
        from: &[u8],
        to: &[u8],
        order: Order,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Bytes)>, Error> {
        self.shared.range(from, to, order, limit)
    }

    fn postings(
        &self,
        list: &[u8],
        beyond: Option<Id>,
        order: Order,
        limit: usize,
    ) -> Result<Vec<Id>, Error> {
        self.shared.postings(list, beyond, order, limit)
    }

    fn submit(&self, batch: RowBatch, admission: Admission) -> BoxFuture<'static, Result<RowOutcome, Error>> {
        let shared = self.shared.clone();
        // Here and now, while the values are in the cache of whoever made them.
        let batch = Changes::from(batch);
        Box::pin(async move {
            shared.health.check()?;
            let answer = shared.queue.push(batch, admission)?;
            match answer.await {
                Ok(outcome) => outcome,
                // The committer went away without a word.
                Err(_) => Err(shared.health.check().err().unwrap_or(Error::Closed)),
            }
        })
    }

    fn is_exclusive(&self) -> bool {
        // The directory's lock keeps other processes out.
        true
    }

    fn hints(&self) -> &Arc<HintBus> {
        &self.shared.hints
    }

    fn stats(&self) -> RowStats {
        self.shared.stats()
    }

    fn disk_bytes(&self) -> Option<u64> {
        Some(disk_space::used_bytes(&self.dir))
    }

    fn failure(&self) -> watch::Receiver<Option<String>> {
        self.shared.health.watch()
    }

    fn unwritten(&self) -> Option<String> {
        // While nobody commits, nothing else would notice that the disk has become full.
        self.shared.health.unwritten().or_else(|| self.shared.room.refusal())
    }

    fn close(&self) -> Result<(), Error> {
        self.shared.queue.close();
        // The applier brings in the rest without being raced any more, and may have no room to.
        self.shared.lag.release();
        let journal = self.join();
        self.shared.health.check()?;
        if let Some(mut journal) = journal {
            journal.close().map_err(|error| Error::io("say where the journal ends", &error))?;
        }
        // Without room the rest stays in the journal, which is as durable.
        if self.shared.overlay.read().active.is_empty() { Ok(()) } else { self.shared.room.check() }
    }
}
