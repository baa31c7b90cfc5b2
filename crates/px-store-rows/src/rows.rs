//! Rows: what an embedded store keeps under the semantic [`Store`](px_store::Store).
//!
//! A row is a key and a value in one ordered space; a [`RowBatch`] is a set of
//! checks and a set of changes that happen together or not at all. A row that
//! is guarded by checks starts its value with a version, eight bytes, big
//! endian. Posting lists are the derived indexes: a list name and a set of
//! 16-byte ids; they may lag a commit, and a reader must confirm each id at
//! its row.
//!
//! This file refuses to know what the rows mean (that is `layout`), and where
//! they lie (that is a [`Backing`]).

use std::sync::Arc;

use bytes::Bytes;
use px_store::{Admission, BoxFuture, Error, Hint, HintBus, RowStats};
use smallvec::SmallVec;
use tokio::sync::watch;

/// Bytes of a [`RowKey`] that lie in it and not on the heap: enough for an id,
/// and for a short slug with an identifier.
const KEY_INLINE: usize = 48;

/// The key of a row, or the name of a posting list. A commit has a score of them,
/// which other threads let go of: on the heap each would be a block of its own.
pub type RowKey = SmallVec<[u8; KEY_INLINE]>;

/// The demand of a [`Check`] on a row at the moment of the commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expect {
    /// There is no row under this key.
    Absent,
    /// There is a row, whatever its version.
    Present,
    /// The row's value starts with this version (eight bytes, big endian).
    Version(u64),
    /// The row's value is this one, byte for byte: for rows without a version.
    Same(Bytes),
}

/// One precondition of a [`RowBatch`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// The row that is looked at.
    pub key: RowKey,
    /// The demand on it.
    pub expect: Expect,
}

/// One change of a [`RowBatch`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RowOp {
    /// Writes the whole value of a row.
    Put {
        /// The row's key.
        key: RowKey,
        /// Its new value.
        value: Bytes,
    },
    /// Removes a row; removing what is not there is no error.
    Remove {
        /// The row's key.
        key: RowKey,
    },
    /// Adds an id to a posting list; adding it twice is adding it once.
    Post {
        /// The list's name.
        list: RowKey,
        /// A time-ordered id (uuid v7).
        id: [u8; 16],
    },
    /// Takes an id out of a posting list; taking out what is not in it is no error.
    Unpost {
        /// The list's name.
        list: RowKey,
        /// The id.
        id: [u8; 16],
    },
}

/// Checks and changes that belong together.
#[derive(Debug, Clone, Default)]
pub struct RowBatch {
    /// All of them must hold, or nothing happens.
    pub checks: Vec<Check>,
    /// Applied in order; a later one of the same key wins.
    pub ops: Vec<RowOp>,
    /// Published once the batch is durable.
    pub hints: Vec<Hint>,
}

/// The outcome of a [`RowBatch`]. A conflict is a value, not an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RowOutcome {
    /// The batch is durable.
    Committed {
        /// Its place in the order of all commits of this store, from 1, never reused.
        sequence: u64,
    },
    /// A check did not hold; nothing was changed.
    Conflict {
        /// Index in [`RowBatch::checks`] of the check that did not hold.
        check: usize,
        /// The row as it is now.
        found: Option<Bytes>,
    },
}

/// The direction of a range read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Ascending by key.
    Ascending,
    /// Descending by key.
    Descending,
}

/// The version that a value starts with.
///
/// # Errors
/// It is shorter than a version.
pub fn version_of(value: &[u8]) -> Result<u64, Error> {
    let version = value.first_chunk().ok_or_else(|| Error::Corrupt("a record is cut short".into()))?;
    Ok(u64::from_be_bytes(*version))
}

/// Name of a batch as a whole in [`Error::TooLarge`], for backings that refuse one.
pub const BATCH: &str = "a batch";

/// The place where rows lie. Implemented by the memory backing here and by the journal
/// with sled in px-store-sled.
pub trait Backing: Send + Sync + 'static {
    /// Reads one row as of the newest durable commit.
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, Error>;

    /// Reads the version that the value of a row starts with, as of the newest durable
    /// commit. What is behind it need not be read.
    fn version(&self, key: &[u8]) -> Result<Option<u64>, Error> {
        self.get(key)?.map(|value| version_of(&value)).transpose()
    }

    /// Reads at most `limit` rows with `from <= key < to`.
    fn range(
        &self,
        from: &[u8],
        to: &[u8],
        order: Order,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Bytes)>, Error>;

    /// Reads at most `limit` ids of a posting list: newest (largest) first and only
    /// those below `beyond` if it is given, or oldest first and only those above it.
    fn postings(
        &self,
        list: &[u8],
        beyond: Option<[u8; 16]>,
        order: Order,
        limit: usize,
    ) -> Result<Vec<[u8; 16]>, Error>;

    /// Hands a batch to the committer. Batches are checked in the order in
    /// which they were handed over. The future resolves when the outcome is
    /// durable; dropping it after its first poll does not take the batch back.
    fn submit(&self, batch: RowBatch, admission: Admission) -> BoxFuture<'static, Result<RowOutcome, Error>>;

    /// Returns true if all changes of rows are submitted through this very value,
    /// so that what was seen to be empty stays empty until it is written here, and
    /// whoever remembers something of the rows need not ask for its epoch.
    fn is_exclusive(&self) -> bool {
        false
    }

    /// Returns the bus on which hints of durable batches go out.
    fn hints(&self) -> &Arc<HintBus>;

    /// Figures since the backing was opened.
    fn stats(&self) -> RowStats;

    /// See [`Inspect::disk_bytes`](px_store::Inspect::disk_bytes).
    fn disk_bytes(&self) -> Option<u64> {
        None
    }

    /// Becomes `Some` when the backing is poisoned: no further write will be
    /// taken, and the process should end.
    fn failure(&self) -> watch::Receiver<Option<String>>;

    /// See [`Store::unwritten`](px_store::Store::unwritten).
    fn unwritten(&self) -> Option<String> {
        None
    }

    /// Brings everything that is durable in the journal into the tree, and
    /// stops the backing's threads. Later writes are refused.
    fn close(&self) -> Result<(), Error>;
}
