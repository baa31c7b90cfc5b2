//! The journal's files. A segment is written with zeros once, used from its
//! start to its end, and used again when the tree has what it holds. Names mean
//! nothing: the header says which segment a file is, so reuse needs no rename
//! and no sync of the directory on the way of an answer.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::disk::{Disk, is_full, write_all_at};
use super::format::{HEADER, RECORD, RecordBuffer, SegmentHeader};
use super::opened::{Opened, OpenedPages};

/// Zeros are written in pieces of this size.
const ZEROS: usize = 1024 * 1024;

/// A file that holds a segment, or will.
#[derive(Debug)]
pub(crate) struct SegmentFile {
    pub(crate) file: File,
    pub(crate) path: PathBuf,
    pub(crate) bytes: u64,
}

/// A segment that takes no more records.
#[derive(Debug)]
pub(crate) struct Sealed {
    pub(crate) number: u64,
    pub(crate) last_sequence: u64,
    pub(crate) segment: SegmentFile,
}

/// Spares that stay while nothing is written: as many as are made in advance.
const IDLE_SPARES: usize = 1;

/// The segments that the committer does not write to at the moment. The
/// applier gives back what the tree has, and keeps spares ready.
pub(crate) struct SegmentPool {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    segment_bytes: u64,
    spare_segments: usize,
    state: Mutex<PoolState>,
    prepared: Condvar,
}

#[derive(Debug)]
struct PoolState {
    sealed: VecDeque<Sealed>,
    spares: Vec<SegmentFile>,
    /// Files of another size, which go with the segments that are freed next.
    odd: Vec<SegmentFile>,
    /// The number of the segment in use, or of the next one.
    head: u64,
    /// The next file name to try.
    next_name: u64,
    /// A spare is being made.
    preparing: bool,
}

impl SegmentPool {
    pub(crate) fn new(
        disk: Arc<dyn Disk>,
        dir: &Path,
        segment_bytes: usize,
        spare_segments: usize,
        sealed: VecDeque<Sealed>,
        files: Vec<SegmentFile>,
        head: u64,
    ) -> Self {
        let segment_bytes = segment_bytes.max(HEADER + RECORD) as u64;
        // A size that is not the usual one is left by other options or by an
        // interrupted preparation.
        let (spares, odd) = files.into_iter().partition(|segment| segment.bytes == segment_bytes);
        let state = PoolState { sealed, spares, odd, head, next_name: 1, preparing: false };
        Self {
            disk,
            dir: dir.to_owned(),
            segment_bytes,
            spare_segments: spare_segments.max(1),
            state: Mutex::new(state),
            prepared: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, PoolState> {
        // Every change below is one push or pop.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns true if a spare should be made before the committer asks for one.
    pub(crate) fn wants_spare(&self) -> bool {
        self.lock().spares.is_empty()
    }

    /// Makes one spare ready.
    pub(crate) fn prepare(&self) -> io::Result<()> {
        self.lock().preparing = true;
        let segment = self.create();
        let mut state = self.lock();
        state.preparing = false;
        let made = segment.map(|segment| state.spares.push(segment));
        drop(state);
        self.prepared.notify_all();
        made
    }

    fn obtain(&self) -> io::Result<SegmentFile> {
        let mut state = self.lock();
        loop {
            if let Some(spare) = state.spares.pop() {
                return Ok(spare);
            }
            if !state.preparing {
                break;
            }
            // Sooner there than a second one made at the same time.
            state = self.prepared.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        drop(state);
        self.create()
    }

    fn create(&self) -> io::Result<SegmentFile> {
        let (path, file) = self.free_name()?;
        let zeros = vec![0; ZEROS.min(usize::try_from(self.segment_bytes).unwrap_or(ZEROS))];
        let fill = || {
            let mut at = 0;
            while at < self.segment_bytes {
                let left = usize::try_from(self.segment_bytes - at).unwrap_or(ZEROS);
                let piece = zeros.get(..left).unwrap_or(&zeros);
                write_all_at(&*self.disk, &file, piece, at)?;
                at += piece.len() as u64;
            }
            self.disk.sync_data(&file)?;
            self.disk.sync_dir(&self.dir)
        };
        if let Err(error) = fill() {
            // Half a file of zeros only takes room. If it cannot be removed,
            // recovery will find it blank and use it.
            let _ = self.disk.remove(&path);
            return Err(error);
        }
        Ok(SegmentFile { file, path, bytes: self.segment_bytes })
    }

    fn free_name(&self) -> io::Result<(PathBuf, File)> {
        loop {
            let name = {
                let mut state = self.lock();
                state.next_name += 1;
                state.next_name - 1
            };
            let path = self.dir.join(format!("{name:08}.seg"));
            if !path.exists() {
                let file = self.disk.open(&path)?;
                return Ok((path, file));
            }
        }
    }

    fn give_back(&self, segment: SegmentFile) {
        self.lock().spares.push(segment);
    }

    fn seal(&self, sealed: Sealed) {
        let mut state = self.lock();
        state.head = sealed.number + 1;
        state.sealed.push_back(sealed);
    }

    /// The first segment that is still needed when the tree has everything up
    /// to `sequence`.
    pub(crate) fn oldest_needed(&self, sequence: u64) -> u64 {
        let state = self.lock();
        state
            .sealed
            .iter()
            .find(|sealed| sealed.last_sequence > sequence)
            .map_or(state.head, |sealed| sealed.number)
    }

    /// Makes the segments below `segment` free. The mark that says that they
    /// are not needed must be durable. While nothing is written, what a burst of large
    /// batches has left is given back to the disk.
    pub(crate) fn recycle(&self, segment: u64, is_idle: bool) -> io::Result<()> {
        let odd = std::mem::take(&mut self.lock().odd);
        for segment in odd {
            self.disk.remove(&segment.path)?;
        }
        loop {
            let mut state = self.lock();
            if state.sealed.front().is_none_or(|sealed| sealed.number >= segment) {
                break;
            }
            let Some(sealed) = state.sealed.pop_front() else { break };
            let enough = state.spares.len() >= self.spare_segments;
            if !enough && sealed.segment.bytes == self.segment_bytes {
                state.spares.push(sealed.segment);
                continue;
            }
            drop(state);
            // Too many, or one that a large batch made longer than the others.
            self.disk.remove(&sealed.segment.path)?;
        }
        if is_idle {
            self.drop_spares()?;
        }
        Ok(())
    }

    fn drop_spares(&self) -> io::Result<()> {
        loop {
            let mut state = self.lock();
            if state.spares.len() <= IDLE_SPARES {
                return Ok(());
            }
            let Some(spare) = state.spares.pop() else { return Ok(()) };
            drop(state);
            self.disk.remove(&spare.path)?;
        }
    }
}

/// Reason that a record was not appended.
#[derive(Debug)]
pub(crate) enum AppendError {
    /// There was no room, and nothing of the record can be read later.
    Full(io::Error),
    /// Content of the disk after the failure is unknown.
    Broken(io::Error),
}

struct Active {
    segment: SegmentFile,
    header: SegmentHeader,
    offset: u64,
    last_sequence: u64,
}

/// The committer's end of the journal.
pub(crate) struct Journal {
    disk: Arc<dyn Disk>,
    pool: Arc<SegmentPool>,
    opened: OpenedPages,
    active: Option<Active>,
    next_number: u64,
    next_sequence: u64,
}

impl Journal {
    pub(crate) fn new(
        disk: Arc<dyn Disk>,
        pool: Arc<SegmentPool>,
        opened: OpenedPages,
        next_number: u64,
        next_sequence: u64,
    ) -> Self {
        Self { disk, pool, opened, active: None, next_number, next_sequence }
    }

    /// Notes how far the journal reaches, once those who wait for it were answered.
    pub(crate) fn note(&mut self) {
        self.opened.note(self.next_sequence.saturating_sub(1));
    }

    /// Says durably where the journal ends, now that nothing is appended any more.
    pub(crate) fn close(&mut self) -> io::Result<()> {
        self.opened.close()
    }

    /// The sequence that the next batch will get.
    pub(crate) fn next_sequence(&self) -> u64 {
        self.next_sequence
    }

    /// Writes a record and makes it durable, with one write and one sync. The first
    /// record of a segment takes two more, which say that the segment has begun.
    pub(crate) fn append(&mut self, record: &mut RecordBuffer) -> Result<(), AppendError> {
        let room = |active: &Active| active.segment.bytes.saturating_sub(active.offset);
        let needed = record.record_bytes() as u64;
        // The last record of a segment may not grow it; the first one may, for
        // then no segment would be large enough.
        let active = match self.active.take_if(|active| room(active) < needed) {
            Some(full) => {
                self.pool.seal(Sealed {
                    number: full.header.number,
                    last_sequence: full.last_sequence,
                    segment: full.segment,
                });
                None
            }
            None => self.active.take(),
        };
        let first = active.is_none();
        let mut active = match active {
            Some(active) => active,
            None => self.activate()?,
        };
        let bytes = record.seal(&active.header, self.next_sequence, first);
        let written = write_all_at(&*self.disk, &active.segment.file, bytes, active.offset);
        let length = bytes.len() as u64;
        if let Err(error) = written {
            if !is_full(&error) {
                return Err(AppendError::Broken(error));
            }
            self.take_back(&active, length).map_err(AppendError::Broken)?;
            if first {
                self.pool.give_back(active.segment);
            } else {
                self.active = Some(active);
            }
            return Err(AppendError::Full(error));
        }
        self.disk.sync_data(&active.segment.file).map_err(AppendError::Broken)?;
        active.offset += length;
        active.segment.bytes = active.segment.bytes.max(active.offset);
        active.last_sequence = self.next_sequence + u64::from(record.batches()) - 1;
        self.next_sequence = active.last_sequence + 1;
        if first {
            self.next_number += 1;
            // Before anybody is answered: from then on a journal without this
            // segment is damaged.
            let opened = Opened { segment: active.header.number, sequence: active.last_sequence };
            self.opened.settle(opened).map_err(AppendError::Broken)?;
        }
        self.active = Some(active);
        Ok(())
    }

    fn activate(&self) -> Result<Active, AppendError> {
        let segment = self.pool.obtain().map_err(|error| {
            if is_full(&error) { AppendError::Full(error) } else { AppendError::Broken(error) }
        })?;
        let salt = px_core::salt();
        let header = SegmentHeader::new(self.next_number, self.next_sequence, salt, segment.bytes);
        Ok(Active { segment, header, offset: 0, last_sequence: self.next_sequence.saturating_sub(1) })
    }

    /// Makes sure that nothing of a record that found no room can be read.
    fn take_back(&self, active: &Active, length: u64) -> io::Result<()> {
        let file = &active.segment.file;
        let blank = [0; HEADER + RECORD];
        let blank = blank.get(..usize::try_from(length).unwrap_or(blank.len())).unwrap_or(&blank);
        // The record's place may lie at the very end of a segment, so no more
        // is blanked than there is room for.
        let room = usize::try_from(active.segment.bytes.saturating_sub(active.offset)).unwrap_or(blank.len());
        write_all_at(&*self.disk, file, blank.get(..room).unwrap_or(blank), active.offset)?;
        self.disk.set_len(file, active.segment.bytes)?;
        self.disk.sync_data(file)
    }
}
