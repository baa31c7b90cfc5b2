//! Every bound of the embedded store, named, with its default and its reason.

use std::time::Duration;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// Budget of the store in memory, disk and time. Sizes of batches and rows are those of the bytes that are
/// kept, with their values packed. [`Options::default`] suits a server with a few hundred MiB to spare.
#[derive(Debug, Clone)]
pub struct Options {
    /// Memory that the tree may use to keep pages, in bytes.
    pub cache_bytes: u64,

    /// Batches that may wait for the committer before
    /// [`Admission::Refuse`](px_store::Admission::Refuse) is answered
    /// with `Busy`.
    pub queue_batches: usize,
    /// Bytes of batches that may wait for the committer before `Refuse` is
    /// answered with `Busy`.
    pub queue_bytes: usize,
    /// Batches that may wait when their callers said
    /// [`Admission::Wait`](px_store::Admission::Wait). They wait in the
    /// same line as the others; only past this far bound are they answered
    /// with `Busy`, too.
    pub waiting_batches: usize,
    /// Bytes of batches that may wait when their callers said `Wait`.
    pub waiting_bytes: usize,

    /// Batches that share one write and one sync.
    pub group_batches: usize,
    /// Bytes of batches that share one write and one sync. One batch that is
    /// larger makes a group of its own.
    pub group_bytes: usize,
    /// A group of so many batches says that many callers are at work: the next
    /// one is put off by `gather`.
    pub gather_from: usize,
    /// Shortest time between the beginning of such a group and the next one, so that more batches share its
    /// write and its sync. A caller alone never waits for this.
    pub gather: Duration,
    /// The largest batch; a larger one is refused before anything is written.
    pub batch_bytes: usize,

    /// The size of a journal segment. It is written with zeros once and then
    /// reused, so that an append changes neither the file's size nor its
    /// extents, and a sync has no metadata to write.
    pub segment_bytes: usize,
    /// Segments kept ready beside those in use; what is more is deleted, and all but
    /// one while nothing is written.
    pub spare_segments: usize,

    /// Time that rows wait in memory, so that later writes of the same row can replace them before they
    /// cost the tree anything.
    pub apply_after: Duration,
    /// Bytes of rows in memory at which they are written to the tree at once.
    pub apply_bytes: usize,
    /// Bytes written to the tree between two syncs of it. A large unsynced
    /// region is what makes sled unopenable after a power cut, so this stays
    /// small; it must be well below sled's segment size of 2 MiB.
    pub chunk_bytes: usize,
    /// Rows written to the tree between two syncs of it.
    pub chunk_rows: usize,

    /// Bytes of journal that are not in the tree yet, around which the
    /// committer is paced to the measured speed of the applier.
    pub lag_bytes: u64,
    /// Time that the tree may be behind, at its measured speed, before the committer is paced. The smaller
    /// of this and `lag_bytes` decides.
    pub lag: Duration,
    /// Bytes of journal that are not in the tree yet at which commits stop
    /// until there is less. Pacing keeps the store far below it.
    pub lag_limit_bytes: u64,
    /// The longest pause that pacing makes before one group.
    pub pace_pause: Duration,

    /// Room that is kept free on the disk. With less, commits are refused as
    /// [`Full`](px_store::Error::Full) before anything is written; with less
    /// than a quarter of it, the tree is not written either, since sled does
    /// not survive a disk that is full.
    pub reserve_bytes: u64,

    /// Bytes of journal after which the tree is checkpointed and segments
    /// become free.
    pub checkpoint_bytes: u64,
    /// Time after which the tree is checkpointed if anything was applied.
    pub checkpoint_after: Duration,

    /// Time to wait for another process to let go of the directory, and for the kernel to let go of the
    /// tree's own lock after a kill.
    pub lock_wait: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            cache_bytes: 32 * MIB as u64,
            queue_batches: 4096,
            queue_bytes: 64 * MIB,
            waiting_batches: 65_536,
            waiting_bytes: 512 * MIB,
            group_batches: 1024,
            group_bytes: 4 * MIB,
            gather_from: 8,
            gather: Duration::from_millis(1),
            batch_bytes: 256 * MIB,
            segment_bytes: 16 * MIB,
            spare_segments: 4,
            apply_after: Duration::from_millis(500),
            apply_bytes: 16 * MIB,
            chunk_bytes: 256 * KIB,
            chunk_rows: 2048,
            lag_bytes: 64 * MIB as u64,
            lag: Duration::from_secs(4),
            lag_limit_bytes: 512 * MIB as u64,
            pace_pause: Duration::from_millis(20),
            reserve_bytes: 64 * MIB as u64,
            checkpoint_bytes: 32 * MIB as u64,
            checkpoint_after: Duration::from_secs(5),
            lock_wait: Duration::from_secs(5),
        }
    }
}
