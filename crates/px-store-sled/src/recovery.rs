//! From a directory to what the store needs to go on: the tree, the mark, the
//! batches above the mark, and the segments that hold them.
//!
//! A record that cannot be read ends the journal, if it is where the journal
//! may end: in the newest segment, with nothing readable behind it. Anywhere
//! else it is damage, and the store does not open: what was answered would be
//! missing.

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use px_store::Error;

use crate::change::Changes;
use crate::journal::format::{HEADER, Record, SegmentHeader, SegmentKind};
use crate::journal::segments::{Sealed, Slot};
use crate::journal::{Disk, Mark};
use crate::overlay::Generation;

/// The journal's directory in the store's directory.
pub(crate) const JOURNAL: &str = "journal";

/// What the journal held.
#[derive(Debug)]
pub(crate) struct Recovered {
    /// Every batch above the mark, folded.
    pub(crate) generation: Generation,
    /// Segments that are still needed.
    pub(crate) sealed: VecDeque<Sealed>,
    /// Files that hold nothing needed.
    pub(crate) spares: Vec<Slot>,
    pub(crate) next_number: u64,
    pub(crate) next_sequence: u64,
}

/// Whether the directory holds a journal with anything in it.
pub(crate) fn has_segments(dir: &Path) -> Result<bool, Error> {
    let disk = crate::journal::RealDisk;
    Ok(files(&disk, dir)?.iter().any(|(_, kind)| !matches!(kind, SegmentKind::Blank)))
}

fn files(disk: &dyn Disk, dir: &Path) -> Result<Vec<(Slot, SegmentKind)>, Error> {
    let journal = dir.join(JOURNAL);
    let context = |path: &PathBuf| format!("read {}", path.display());
    let mut found = Vec::new();
    let entries = fs::read_dir(&journal).map_err(|error| Error::io(context(&journal), &error))?;
    for entry in entries {
        let path = entry.map_err(|error| Error::io(context(&journal), &error))?.path();
        if path.extension().is_none_or(|extension| extension != "seg") {
            continue;
        }
        let file = disk.open(&path).map_err(|error| Error::io(context(&path), &error))?;
        let bytes = file.metadata().map_err(|error| Error::io(context(&path), &error))?.len();
        let mut head = vec![0; HEADER.min(usize::try_from(bytes).unwrap_or(HEADER))];
        std::os::unix::fs::FileExt::read_exact_at(&file, &mut head, 0)
            .map_err(|error| Error::io(context(&path), &error))?;
        found.push((Slot { file, path, bytes }, SegmentHeader::decode(&head)));
    }
    Ok(found)
}

/// Reads the journal.
pub(crate) fn recover(
    disk: &Arc<dyn Disk>,
    dir: &Path,
    mark: Mark,
    segment_bytes: usize,
) -> Result<Recovered, Error> {
    let mut live = Vec::new();
    let mut spares = Vec::new();
    for (slot, kind) in files(&**disk, dir)? {
        match kind {
            SegmentKind::Newer(found) => {
                return Err(Error::Format { found, supported: crate::journal::format::VERSION });
            }
            SegmentKind::Used(header) if header.number >= mark.segment => live.push((header, slot)),
            // A size that is not the usual one is left by other options or by
            // an interrupted preparation.
            _ if slot.bytes == segment_bytes as u64 => spares.push(slot),
            _ => remove(&**disk, &slot.path)?,
        }
    }
    live.sort_unstable_by_key(|(header, _)| header.number);
    for (expected, (header, slot)) in (mark.segment..).zip(&live) {
        if header.number != expected {
            let path = slot.path.display();
            return Err(Error::Corrupt(format!(
                "the journal misses segment {expected}: {path} is segment {}",
                header.number
            )));
        }
    }
    let mut recovered = Recovered {
        generation: Generation { last_sequence: mark.sequence, ..Generation::default() },
        sealed: VecDeque::new(),
        spares,
        next_number: mark.segment,
        next_sequence: mark.sequence + 1,
    };
    let ends: Vec<_> = live.iter().skip(1).map(|(header, _)| Some(*header)).chain([None]).collect();
    for ((header, slot), next) in live.into_iter().zip(ends) {
        let segment = Segment { header, slot, next };
        recovered.read(&**disk, segment, mark)?;
    }
    Ok(recovered)
}

fn remove(disk: &dyn Disk, path: &Path) -> Result<(), Error> {
    disk.remove(path).map_err(|error| Error::io(format!("remove {}", path.display()), &error))
}

struct Segment {
    header: SegmentHeader,
    slot: Slot,
    next: Option<SegmentHeader>,
}

impl Recovered {
    fn read(&mut self, disk: &dyn Disk, segment: Segment, mark: Mark) -> Result<(), Error> {
        let Segment { header, slot, next } = segment;
        let path = slot.path.display();
        let first = self.sealed.is_empty();
        if (first && header.first_sequence > mark.sequence + 1)
            || (!first && header.first_sequence != self.next_sequence)
        {
            return Err(Error::Corrupt(format!(
                "{path} starts at batch {}, the journal before it ends at {}",
                header.first_sequence,
                self.next_sequence - 1
            )));
        }
        // What the kernel still has in memory after a kill must be durable
        // before anything is built on it.
        disk.sync_data(&slot.file).map_err(|error| Error::io(format!("sync {path}"), &error))?;
        let bytes = fs::read(&slot.path).map_err(|error| Error::io(format!("read {path}"), &error))?;
        let mut at = HEADER;
        let mut expected = header.first_sequence;
        while next.is_none_or(|next| expected < next.first_sequence) {
            let rest = bytes.get(at..).unwrap_or_default();
            let record = Record::decode(&header, rest).filter(|record| record.sequence == expected);
            let Some(record) = record else {
                let behind = Record::lies_in(&header, rest);
                if next.is_some() || behind.is_some() {
                    return Err(Error::Corrupt(format!(
                        "{path} has a bad record at byte {at}, where batch {expected} should be"
                    )));
                }
                break;
            };
            if record.sequence > mark.sequence {
                self.replay(&record).ok_or_else(|| {
                    Error::Corrupt(format!("{path} has a record that makes no sense at byte {at}"))
                })?;
            }
            expected = record.last_sequence() + 1;
            at += record.bytes();
        }
        self.next_sequence = self.next_sequence.max(expected);
        self.next_number = header.number + 1;
        self.sealed.push_back(Sealed { number: header.number, last_sequence: expected - 1, slot });
        Ok(())
    }

    fn replay(&mut self, record: &Record<'_>) -> Option<()> {
        let changes = record.changes().collect::<Option<Vec<_>>>()?;
        self.generation.publish(Changes { changes, ..Changes::default() }, Instant::now());
        self.generation.journal_bytes += record.bytes() as u64;
        self.generation.last_sequence = record.last_sequence();
        Some(())
    }
}
