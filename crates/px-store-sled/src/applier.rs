//! Brings what is durable in the journal into the tree, behind the committer's
//! back. It freezes the active generation, writes its rows in key order and in
//! small chunks, lets go of it, and from time to time checkpoints the tree and
//! gives segments back to the journal.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use px_store::Error;

use crate::journal::{Mark, SegmentPool, Water};
use crate::overlay::Generation;
use crate::packing::Stored;
use crate::postings::{self, row_key};
use crate::shared::Shared;
use crate::tree::Write;

/// Requests of other threads to the applier.
#[derive(Debug, Default)]
struct Wishes {
    /// Something changed that the applier may wait for.
    poked: bool,
    /// Stop now; what is not in the tree stays in the journal.
    stop: bool,
    /// Apply and checkpoint everything, then stop. Nothing new comes any more.
    drain: bool,
    /// Checkpoints asked for, and done.
    asked: u64,
    done: u64,
    /// The thread is gone.
    gone: bool,
}

/// Means by which other threads reach the applier.
#[derive(Debug, Default)]
pub(crate) struct Signals {
    wishes: Mutex<Wishes>,
    changed: Condvar,
    /// Held by the applier while it freezes.
    freezing: Mutex<()>,
}

impl Signals {
    fn lock(&self) -> MutexGuard<'_, Wishes> {
        self.wishes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut Wishes)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    /// There is something to apply, or more of it than before.
    pub(crate) fn poke(&self) {
        self.change(|wishes| wishes.poked = true);
    }

    pub(crate) fn stop(&self) {
        self.change(|wishes| wishes.stop = true);
    }

    pub(crate) fn drain(&self) {
        self.change(|wishes| wishes.drain = true);
    }

    /// Nobody should wait for the applier any more.
    pub(crate) fn gone(&self) {
        self.change(|wishes| wishes.gone = true);
    }

    /// Waits until everything that is durable now is in the tree, and the tree
    /// is checkpointed. `false` if the applier ended first.
    pub(crate) fn checkpoint(&self) -> bool {
        let mut wishes = self.lock();
        wishes.asked += 1;
        let wanted = wishes.asked;
        self.changed.notify_all();
        while wishes.done < wanted && !wishes.gone {
            wishes = self.changed.wait(wishes).unwrap_or_else(PoisonError::into_inner);
        }
        wishes.done >= wanted
    }

    /// Runs `read` while no generation is frozen.
    pub(crate) fn hold<T>(&self, read: impl FnOnce() -> T) -> T {
        let _still = self.freezing.lock().unwrap_or_else(PoisonError::into_inner);
        read()
    }
}

/// The next task of the applier.
enum Turn {
    Apply,
    /// Apply what there is and checkpoint; the number of the wish that this fulfils.
    Checkpoint(u64),
    PrepareSegment,
    Stop,
}

/// The applier's own state.
pub(crate) struct Applier {
    shared: Arc<Shared>,
    pool: Arc<SegmentPool>,
    water: Water,
    /// The last batch in the tree.
    applied: u64,
    /// Journal applied since the last checkpoint.
    unmarked_bytes: u64,
    last_checkpoint: Instant,
    /// A spare segment could not be made; try again after this.
    no_spare_before: Option<Instant>,
}

/// Time between two looks for room on the disk.
const ROOM_RETRY: Duration = Duration::from_secs(1);

/// Key in the tree under which the number of the last batch stands that the tree has completely.
pub(crate) const APPLIED_KEY: &[u8] = b"m/applied";

impl Applier {
    pub(crate) fn new(shared: Arc<Shared>, pool: Arc<SegmentPool>, water: Water) -> Self {
        let applied = water.mark().sequence;
        Self {
            shared,
            pool,
            water,
            applied,
            unmarked_bytes: 0,
            last_checkpoint: Instant::now(),
            no_spare_before: None,
        }
    }

    /// Applies until it is told to stop, or something fails.
    pub(crate) fn run(mut self) {
        if let Err(error) = self.work() {
            self.shared.health.poison(&format!("the tree could not be written: {error}"));
        }
        self.shared.lag.release();
        self.shared.applier.gone();
    }

    fn work(&mut self) -> Result<(), Error> {
        loop {
            let turn = self.next();
            let applies = matches!(turn, Turn::Apply | Turn::Checkpoint(_));
            if applies && !(self.wait_for_room() && self.apply()?) {
                return Ok(());
            }
            match turn {
                Turn::Stop => return Ok(()),
                Turn::PrepareSegment => self.prepare(),
                Turn::Apply => {
                    if self.checkpoint_due() {
                        self.checkpoint()?;
                    }
                }
                Turn::Checkpoint(wish) => {
                    self.checkpoint()?;
                    self.shared.applier.change(|wishes| wishes.done = wishes.done.max(wish));
                    if self.drained() {
                        return Ok(());
                    }
                }
            }
            if self.shared.health.is_poisoned() {
                return Ok(());
            }
        }
    }

    /// Waits while the tree could fill the disk; `false` if the store is going
    /// down first. What is not applied stays in the journal.
    fn wait_for_room(&self) -> bool {
        self.shared.room.look();
        let signals = &self.shared.applier;
        let mut wishes = signals.lock();
        while !self.shared.room.is_enough_for_the_tree() {
            if wishes.stop || wishes.drain || self.shared.health.is_poisoned() {
                return false;
            }
            let waited = signals.changed.wait_timeout(wishes, ROOM_RETRY);
            wishes = waited.unwrap_or_else(PoisonError::into_inner).0;
            self.shared.room.look();
        }
        true
    }

    fn drained(&self) -> bool {
        self.shared.applier.lock().drain && self.shared.overlay.read().active.is_empty()
    }

    /// Waits for something to do.
    fn next(&self) -> Turn {
        let options = &self.shared.options;
        let signals = &self.shared.applier;
        let mut wishes = signals.lock();
        loop {
            if wishes.stop {
                return Turn::Stop;
            }
            if wishes.drain || wishes.asked > wishes.done {
                return Turn::Checkpoint(wishes.asked);
            }
            let now = Instant::now();
            let (since, due) = {
                let generations = self.shared.overlay.read();
                (generations.active.since, self.shared.is_due(&generations.active))
            };
            let apply_at = since.map(|since| since + options.apply_after);
            if apply_at.is_some_and(|at| at <= now) || due {
                return Turn::Apply;
            }
            if self.pool.wants_spare() && self.no_spare_before.is_none_or(|at| at <= now) {
                return Turn::PrepareSegment;
            }
            let mark_at = (self.unmarked_bytes > 0).then(|| self.last_checkpoint + options.checkpoint_after);
            if mark_at.is_some_and(|at| at <= now) {
                return Turn::Checkpoint(wishes.done);
            }
            wishes.poked = false;
            // Short of room, somebody must look whether there is more.
            let look_at = self.shared.room.is_short().then(|| now + ROOM_RETRY);
            let wake_at = [apply_at, mark_at, look_at].into_iter().flatten().min();
            while !wishes.poked && !wishes.stop && !wishes.drain && wishes.asked == wishes.done {
                match wake_at.map(|at| at.saturating_duration_since(Instant::now())) {
                    Some(Duration::ZERO) => {
                        self.shared.room.look();
                        break;
                    }
                    Some(left) => {
                        let waited = signals.changed.wait_timeout(wishes, left);
                        wishes = waited.unwrap_or_else(PoisonError::into_inner).0;
                    }
                    None => wishes = signals.changed.wait(wishes).unwrap_or_else(PoisonError::into_inner),
                }
            }
        }
    }

    fn prepare(&mut self) {
        self.no_spare_before = None;
        if let Err(error) = self.pool.prepare() {
            // The committer will try for itself and knows what to answer.
            tracing::warn!(%error, "no spare journal segment could be prepared");
            self.no_spare_before = Some(Instant::now() + ROOM_RETRY);
        }
    }

    /// Writes the active generation to the tree; `false` if the store is going down first.
    fn apply(&mut self) -> Result<bool, Error> {
        if self.shared.overlay.read().active.is_empty() {
            return Ok(true);
        }
        let generation = self.shared.applier.hold(|| self.shared.overlay.freeze());
        let mut writer = Writer::new(&self.shared, &generation);
        for (key, row) in &generation.rows {
            let key = row_key(key);
            // A row that came and went costs a read instead of a write, which
            // in the tree is several times dearer.
            if row.value.is_none() && self.shared.tree.head(&key)?.is_none() {
                continue;
            }
            if !writer.add((key, row.value.clone()))? {
                return Ok(false);
            }
        }
        let mut shrunk = Vec::new();
        for (list, ids) in &generation.lists {
            let entered = ids.iter().filter(|(_, enters)| **enters).map(|(id, _)| *id).collect();
            let mut plan = postings::plan(&*self.shared.tree, list, &entered)?;
            for write in plan.grown {
                if !writer.add(write)? {
                    return Ok(false);
                }
            }
            shrunk.append(&mut plan.shrunk);
        }
        writer.flush()?;
        for write in shrunk {
            if !writer.add(write)? {
                return Ok(false);
            }
        }
        writer.flush()?;
        // What left is looked for once everything else is in its place.
        for (list, ids) in &generation.lists {
            let left: BTreeSet<_> = ids.iter().filter(|(_, enters)| !**enters).map(|(id, _)| *id).collect();
            for write in postings::without(&*self.shared.tree, list, &left)? {
                if !writer.add(write)? {
                    return Ok(false);
                }
            }
        }
        writer.flush()?;
        writer.finish();
        self.applied = generation.last_sequence;
        self.unmarked_bytes += generation.journal_bytes.max(1);
        // The map is taken down here, not under the overlay's lock.
        let frozen = self.shared.overlay.thaw();
        drop((frozen, generation));
        Ok(true)
    }

    fn checkpoint_due(&self) -> bool {
        self.unmarked_bytes >= self.shared.options.checkpoint_bytes
            || (self.unmarked_bytes > 0
                && self.last_checkpoint.elapsed() >= self.shared.options.checkpoint_after)
    }

    /// Makes the tree durable, then says so in the mark, durably, and only
    /// then lets segments be written over.
    fn checkpoint(&mut self) -> Result<(), Error> {
        if self.shared.health.is_poisoned() {
            return Ok(());
        }
        (self.last_checkpoint, self.unmarked_bytes) = (Instant::now(), 0);
        let mark = Mark { sequence: self.applied, segment: self.pool.oldest_needed(self.applied) };
        if mark == self.water.mark() {
            return Ok(());
        }
        let applied = bytes::Bytes::copy_from_slice(&self.applied.to_be_bytes());
        self.shared.tree.write_sorted(&[(APPLIED_KEY.to_vec(), Some(Stored::Whole(applied)))])?;
        self.shared.tree.checkpoint()?;
        self.water.raise(mark)?;
        let context = |error| Error::io("recycle the journal", &error);
        self.pool.recycle(mark.segment, self.shared.overlay.is_idle()).map_err(context)?;
        self.shared.counters.checkpoints.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

/// Cuts a generation into chunks, and tells the committer how fast they go.
struct Writer<'a> {
    shared: &'a Shared,
    chunk: Vec<Write>,
    chunk_bytes: usize,
    started: Instant,
    /// Journal of the generation that was not reported yet, and its memory.
    journal_left: u64,
    bytes_left: u64,
}

impl<'a> Writer<'a> {
    fn new(shared: &'a Shared, generation: &Generation) -> Self {
        Self {
            shared,
            chunk: Vec::new(),
            chunk_bytes: 0,
            started: Instant::now(),
            journal_left: generation.journal_bytes,
            bytes_left: generation.bytes as u64,
        }
    }

    /// Adds a write; `false` if the applier was told to stop.
    fn add(&mut self, write: Write) -> Result<bool, Error> {
        self.chunk_bytes += write.0.len() + write.1.as_ref().map_or(0, Stored::len);
        self.chunk.push(write);
        let options = &self.shared.options;
        if self.chunk_bytes < options.chunk_bytes && self.chunk.len() < options.chunk_rows.max(1) {
            return Ok(true);
        }
        self.flush()?;
        Ok(!self.shared.applier.lock().stop && !self.shared.health.is_poisoned())
    }

    fn flush(&mut self) -> Result<(), Error> {
        if self.chunk.is_empty() {
            return Ok(());
        }
        self.chunk.sort_unstable_by(|left, right| left.0.cmp(&right.0));
        self.shared.tree.write_sorted(&self.chunk)?;
        self.shared.counters.applied_rows.fetch_add(self.chunk.len() as u64, Ordering::Relaxed);
        // The journal is said to shrink as the rows do; folding makes that an
        // estimate, which `finish` corrects.
        let bytes = (self.chunk_bytes as u64).min(self.bytes_left);
        let share = u128::from(self.journal_left) * u128::from(bytes) / u128::from(self.bytes_left.max(1));
        let share = u64::try_from(share).unwrap_or(self.journal_left);
        self.report(share);
        self.bytes_left -= bytes;
        self.chunk.clear();
        self.chunk_bytes = 0;
        Ok(())
    }

    fn finish(&mut self) {
        self.report(self.journal_left);
    }

    fn report(&mut self, journal: u64) {
        let now = Instant::now();
        self.shared.lag.shrank(journal, now - self.started);
        self.started = now;
        self.journal_left -= journal.min(self.journal_left);
    }
}
