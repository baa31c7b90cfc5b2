//! Building blocks of the tests: a disk and a tree that call back before each step, a store on them, and
//! batches in one line each.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::future::Future;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use px_store::{Admission, BoxFuture, Error};
use px_store_rows::{Backing, Check, Expect, Order, RowBatch, RowOp, RowOutcome};

use crate::journal::{Disk, RealDisk};
use crate::packing::Head;
use crate::tree::{Pair, Tree, Write};
use crate::{Options, SledRows};

/// A step of the store that a test hears of before it happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Write {
        offset: u64,
        length: usize,
    },
    Sync,
    SyncDir,
    SetLength,
    Remove,
    TreeWrite,
    TreeCheckpoint,
    /// Short of it if the fate is, else there is plenty.
    Room,
}

/// Fate that a test decides for a step.
#[derive(Debug, Clone, Copy)]
pub(super) enum Fate {
    Happens,
    Fails(io::ErrorKind),
    /// Only so many bytes are written, by one call.
    Short(usize),
    /// So many bytes are written, and then the call fails all the same.
    Torn(usize, io::ErrorKind),
}

type Hook = Arc<dyn Fn(Step) -> Fate + Send + Sync>;

/// A disk and the hook that rules it.
#[derive(Clone)]
pub(super) struct HookedDisk {
    hook: Arc<Mutex<Hook>>,
}

impl HookedDisk {
    pub(super) fn new() -> Self {
        Self { hook: Arc::new(Mutex::new(Arc::new(|_| Fate::Happens))) }
    }

    pub(super) fn rule(&self, hook: impl Fn(Step) -> Fate + Send + Sync + 'static) {
        *self.hook.lock().unwrap() = Arc::new(hook);
    }

    fn fate(&self, step: Step) -> Fate {
        let hook = self.hook.lock().unwrap().clone();
        hook(step)
    }

    fn outcome(&self, step: Step) -> io::Result<()> {
        match self.fate(step) {
            Fate::Fails(kind) => Err(kind.into()),
            _ => Ok(()),
        }
    }
}

impl Disk for HookedDisk {
    fn write_at(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<usize> {
        match self.fate(Step::Write { offset, length: bytes.len() }) {
            Fate::Happens => file.write_at(bytes, offset),
            Fate::Fails(kind) => Err(kind.into()),
            Fate::Short(most) => file.write_at(&bytes[..most.min(bytes.len())], offset),
            Fate::Torn(written, kind) => {
                file.write_all_at(&bytes[..written.min(bytes.len())], offset)?;
                Err(kind.into())
            }
        }
    }

    fn sync_data(&self, file: &File) -> io::Result<()> {
        self.outcome(Step::Sync).and_then(|()| file.sync_data())
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.outcome(Step::SyncDir).and_then(|()| RealDisk.sync_dir(path))
    }

    fn free_bytes(&self, _path: &Path) -> io::Result<u64> {
        match self.fate(Step::Room) {
            Fate::Short(bytes) => Ok(bytes as u64),
            _ => Ok(u64::MAX),
        }
    }

    fn set_len(&self, file: &File, bytes: u64) -> io::Result<()> {
        self.outcome(Step::SetLength).and_then(|()| file.set_len(bytes))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.outcome(Step::Remove).and_then(|()| fs::remove_file(path))
    }
}

/// A tree in memory. Clones share it, so that it outlives the store.
#[derive(Debug, Clone, Default)]
pub(super) struct MemoryTree(Arc<Mutex<BTreeMap<Vec<u8>, Bytes>>>);

impl MemoryTree {
    /// A tree of its own with what this one holds now.
    pub(super) fn deep_copy(&self) -> Self {
        Self(Arc::new(Mutex::new(self.0.lock().unwrap().clone())))
    }
}

impl Tree for MemoryTree {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, Error> {
        Ok(self.0.lock().unwrap().get(key).cloned())
    }

    fn head(&self, key: &[u8]) -> Result<Option<Head>, Error> {
        Ok(self.0.lock().unwrap().get(key).map(|value| Head::of(value)))
    }

    fn range(&self, from: &[u8], to: &[u8], order: Order, limit: usize) -> Result<Vec<Pair>, Error> {
        if from >= to {
            return Ok(Vec::new());
        }
        let rows = self.0.lock().unwrap();
        let rows = rows.range(from.to_vec()..to.to_vec()).map(|(key, value)| (key.clone(), value.clone()));
        Ok(match order {
            Order::Ascending => rows.take(limit).collect(),
            Order::Descending => rows.rev().take(limit).collect(),
        })
    }

    fn write_sorted(&self, chunk: &[Write]) -> Result<(), Error> {
        assert!(
            chunk.is_sorted_by(|left, right| left.0 < right.0),
            "a chunk is sorted and has each key once"
        );
        let mut rows = self.0.lock().unwrap();
        for (key, value) in chunk {
            match value {
                Some(value) => rows.insert(key.clone(), value.value()?),
                None => rows.remove(key),
            };
        }
        Ok(())
    }

    fn checkpoint(&self) -> Result<(), Error> {
        Ok(())
    }
}

/// Any tree, with the disk's hook asked before it is written.
pub(super) struct HookedTree<T> {
    pub(super) tree: T,
    pub(super) disk: HookedDisk,
}

impl<T: Tree> Tree for HookedTree<T> {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, Error> {
        self.tree.get(key)
    }

    fn head(&self, key: &[u8]) -> Result<Option<Head>, Error> {
        self.tree.head(key)
    }

    fn range(&self, from: &[u8], to: &[u8], order: Order, limit: usize) -> Result<Vec<Pair>, Error> {
        self.tree.range(from, to, order, limit)
    }

    fn write_sorted(&self, chunk: &[Write]) -> Result<(), Error> {
        self.disk.outcome(Step::TreeWrite).map_err(|error| Error::io("write the tree", &error))?;
        self.tree.write_sorted(chunk)
    }

    fn checkpoint(&self) -> Result<(), Error> {
        self.disk.outcome(Step::TreeCheckpoint).map_err(|error| Error::io("checkpoint the tree", &error))?;
        self.tree.checkpoint()
    }
}

/// A directory, a disk that does as it is told, and a tree in memory.
pub(super) struct Rig {
    pub(super) dir: tempfile::TempDir,
    pub(super) disk: HookedDisk,
    pub(super) tree: MemoryTree,
}

impl Rig {
    pub(super) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), disk: HookedDisk::new(), tree: MemoryTree::default() }
    }

    pub(super) fn open(&self, options: Options) -> SledRows {
        self.try_open(options).unwrap()
    }

    pub(super) fn try_open(&self, options: Options) -> Result<SledRows, Error> {
        open_over(self.dir.path(), options, &self.disk, &self.tree)
    }
}

/// Opens the store of a directory over a tree in memory.
pub(super) fn open_over(
    dir: &Path,
    options: Options,
    disk: &HookedDisk,
    tree: &MemoryTree,
) -> Result<SledRows, Error> {
    SledRows::open_on(dir, options, Arc::new(disk.clone()), &|_, _| {
        Ok(Arc::new(HookedTree { tree: tree.clone(), disk: disk.clone() }))
    })
}

/// Small segments, and nothing reaches the tree unless a test asks for it.
pub(super) fn by_hand() -> Options {
    Options {
        segment_bytes: 4096,
        apply_after: Duration::from_secs(3600),
        checkpoint_after: Duration::from_secs(3600),
        lock_wait: Duration::from_secs(5),
        ..Options::default()
    }
}

/// Everything reaches the tree as soon as it can, in chunks of a few rows.
pub(super) fn at_once() -> Options {
    Options {
        apply_after: Duration::ZERO,
        apply_bytes: 1,
        chunk_bytes: 300,
        checkpoint_bytes: 1,
        ..by_hand()
    }
}

/// A door that a test shuts before a thread of the store and opens again.
#[derive(Debug, Default)]
pub(super) struct Door {
    state: Mutex<DoorState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct DoorState {
    shut: bool,
    waiting: usize,
}

impl Door {
    pub(super) fn shut(&self) {
        self.state.lock().unwrap().shut = true;
    }

    pub(super) fn open(&self) {
        self.state.lock().unwrap().shut = false;
        self.changed.notify_all();
    }

    /// Waits while the door is shut.
    pub(super) fn pass(&self) {
        let mut state = self.state.lock().unwrap();
        state.waiting += 1;
        self.changed.notify_all();
        while state.shut {
            state = self.changed.wait(state).unwrap();
        }
        state.waiting -= 1;
    }

    /// Waits until a thread of the store stands before the door.
    pub(super) fn wait_for_knock(&self) {
        let mut state = self.state.lock().unwrap();
        while state.waiting == 0 {
            state = self.changed.wait(state).unwrap();
        }
    }
}

/// Returns true if the committer called a hook, and not the applier, which prepares segments when it likes.
pub(super) fn by_committer() -> bool {
    std::thread::current().name() == Some("px-commit")
}

/// A text that packing does not make smaller.
pub(super) fn noise(length: usize) -> String {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(b'!' + state.to_be_bytes()[3] % 90)
    };
    (0..length).map(|_| next()).collect()
}

pub(super) fn put(key: &str, value: &str) -> RowOp {
    RowOp::Put { key: key.as_bytes().into(), value: Bytes::copy_from_slice(value.as_bytes()) }
}

pub(super) fn remove(key: &str) -> RowOp {
    RowOp::Remove { key: key.as_bytes().into() }
}

pub(super) fn batch(ops: impl Into<Vec<RowOp>>) -> RowBatch {
    RowBatch { ops: ops.into(), ..RowBatch::default() }
}

/// A batch that is refused if the key is there.
pub(super) fn claim(key: &str, value: &str) -> RowBatch {
    let check = Check { key: key.as_bytes().into(), expect: Expect::Absent };
    RowBatch { checks: vec![check], ..batch([put(key, value)]) }
}

/// An answer that may not be there yet.
pub(super) type Answer = BoxFuture<'static, Result<RowOutcome, Error>>;

/// Hands a batch over without waiting for its answer.
pub(super) fn hand_over(store: &SledRows, batch: RowBatch) -> Answer {
    let mut answer = store.submit(batch, Admission::Wait);
    if let Poll::Ready(early) = poll(&mut answer) {
        answer = Box::pin(async move { early });
    }
    answer
}

/// Looks whether an answer is there.
pub(super) fn poll(answer: &mut Answer) -> Poll<Result<RowOutcome, Error>> {
    Pin::new(answer).poll(&mut Context::from_waker(Waker::noop()))
}

/// Waits for an answer.
pub(super) fn wait(answer: impl Future<Output = Result<RowOutcome, Error>>) -> Result<RowOutcome, Error> {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(answer)
}

/// Commits a batch and returns its sequence.
pub(super) fn commit(store: &SledRows, batch: RowBatch) -> u64 {
    match wait(store.submit(batch, Admission::Wait)) {
        Ok(RowOutcome::Committed { sequence }) => sequence,
        other => panic!("{other:?}"),
    }
}

/// A row's value as text.
pub(super) fn text(store: &SledRows, key: &str) -> Option<String> {
    store.get(key.as_bytes()).unwrap().map(|value| String::from_utf8(value.to_vec()).unwrap())
}

/// All rows as text, `key=value`, with blanks between.
pub(super) fn rows(store: &SledRows) -> String {
    let rows = store.range(b"", &[0xff; 4], Order::Ascending, usize::MAX).unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    rows.iter().map(|(key, value)| format!("{}={}", text(key), text(value))).collect::<Vec<_>>().join(" ")
}

/// Copies a store's directory as it is at this moment.
pub(super) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Random numbers that are the same for the same seed.
#[derive(Debug, Clone)]
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        // splitmix64
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    pub(super) fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    pub(super) fn one_in(&mut self, chances: usize) -> bool {
        self.below(chances) == 0
    }
}
