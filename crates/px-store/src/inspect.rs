//! The inside of a store, as far as tools ask for it: the derived lists of rows, and the
//! figures of a journal. Only stores of rows have either; a tool that asks for
//! them goes on without where there is nothing to ask.

use px_core::Scope;

use crate::scan::Row;
use crate::store::Read;

/// Figures of a store of rows since it was opened, for metrics, benchmarks and tests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RowStats {
    /// Batches made durable.
    pub commits: u64,
    /// Batches refused by a check.
    pub conflicts: u64,
    /// Groups of batches that shared one write and one sync.
    pub groups: u64,
    /// Syncs of the journal.
    pub syncs: u64,
    /// Bytes appended to the journal.
    pub journal_bytes: u64,
    /// Changes of rows in committed batches, before folding.
    pub ops: u64,
    /// Inserts and removes that reached the tree below the overlay.
    pub applied_rows: u64,
    /// Bytes of rows that wait in memory for the tree.
    pub overlay_bytes: u64,
    /// Checkpoints of the tree.
    pub checkpoints: u64,
    /// Reads that met a damaged row.
    pub damaged_reads: u64,
}

/// The inside of a store of rows.
pub trait Inspect: Send + Sync {
    /// The derived lists that should show this run or delivery and do not; none
    /// for rows of other tables, which are in no list.
    fn unlisted<'a>(&'a self, scope: Scope, row: &'a Row) -> Read<'a, Vec<String>>;

    /// Figures since the store was opened.
    fn stats(&self) -> RowStats;

    /// Bytes of the store's files, of so many of them as a look can take in; `None` if it has
    /// none. It may wait for the file system.
    fn disk_bytes(&self) -> Option<u64> {
        None
    }
}
