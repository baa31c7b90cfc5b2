//! From a directory to what the store needs to go on: the tree, the mark, the
//! batches above the mark, and the segments that hold them.
//!
//! The mark says which segments there have to be: from the first one that is
//! needed to the newest whose first record may have been answered, and of the
//! batches in them how many are known to have been durable. A segment after these
//! may be there, if the process died before it could say so. Every other file
//! holds nothing that is needed, whatever its header says.
//!
//! A record that cannot be read ends the journal, if it is where the journal may
//! end: in the newest segment, with nothing readable behind it, and not broken by
//! one flipped bit, which no power cut does. Anywhere else it is damage, and the
//! store does not open: what was answered would be missing. Nothing is changed here.
//!
//! Tested in `tests/damage`, image by image, and in `tests/journal.rs`.

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use px_store::Error;

use crate::change::Changes;
use crate::journal::flip::is_flipped;
use crate::journal::format::{HEADER, Record, SegmentHeader, SegmentKind, VERSION};
use crate::journal::segments::{Sealed, SegmentFile};
use crate::journal::{Disk, Mark, Opened};
use crate::overlay::Generation;

/// The journal's directory in the store's directory.
pub(crate) const JOURNAL: &str = "journal";

/// Content of the journal at the start.
#[derive(Debug)]
pub(crate) struct Recovered {
    /// Every batch above the mark, folded.
    pub(crate) generation: Generation,
    /// Segments that are still needed.
    pub(crate) sealed: VecDeque<Sealed>,
    /// Files that hold nothing needed, of any size.
    pub(crate) spares: Vec<SegmentFile>,
    pub(crate) next_number: u64,
    pub(crate) next_sequence: u64,
}

/// Returns true if the directory has a journal with anything in it.
pub(crate) fn has_segments(dir: &Path) -> Result<bool, Error> {
    let disk = crate::journal::RealDisk;
    Ok(files(&disk, dir)?.iter().any(|file| !matches!(file.kind, SegmentKind::Blank)))
}

/// A file of the journal's directory.
struct Found {
    segment: SegmentFile,
    head: Vec<u8>,
    kind: SegmentKind,
}

fn files(disk: &dyn Disk, dir: &Path) -> Result<Vec<Found>, Error> {
    let journal = dir.join(JOURNAL);
    let context = |path: &PathBuf| format!("read {}", path.display());
    let mut found = Vec::new();
    let entries = match fs::read_dir(&journal) {
        // As good as an empty one: the mark says what has to be in it.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
        entries => entries.map_err(|error| Error::io(context(&journal), &error))?,
    };
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
        let kind = SegmentHeader::decode(&head);
        found.push(Found { segment: SegmentFile { file, path, bytes }, head, kind });
    }
    // For a message that names the same file each time.
    found.sort_by(|left, right| left.segment.path.cmp(&right.segment.path));
    Ok(found)
}

/// Reads the journal. `opened` is `None` for a mark of version 1, which did not say
/// what was begun: then what is there has to hang together, and no more.
pub(crate) fn recover(
    disk: &Arc<dyn Disk>,
    dir: &Path,
    mark: Mark,
    opened: Option<Opened>,
) -> Result<Recovered, Error> {
    let found = files(&**disk, dir)?;
    let newest = opened.map_or(u64::MAX, |opened| opened.segment);
    if newest.saturating_add(1) < mark.segment {
        return Err(Error::Corrupt(format!(
            "the high-water mark needs segment {} of the journal next, and says that {newest} is the newest",
            mark.segment
        )));
    }
    let mut live = Vec::new();
    let mut others = Vec::new();
    for file in found {
        match file.kind {
            SegmentKind::Newer(found) => return Err(Error::Format { found, supported: VERSION }),
            SegmentKind::Used(header)
                if header.number >= mark.segment && header.number <= newest.saturating_add(1) =>
            {
                live.push((header, file.segment));
            }
            _ => others.push(file),
        }
    }
    live.sort_by_key(|(header, _)| header.number);
    are_all_there(&live, &others, mark, opened, dir)?;
    let mut recovered = Recovered {
        generation: Generation { last_sequence: mark.sequence, ..Generation::default() },
        sealed: VecDeque::new(),
        spares: Vec::new(),
        next_number: mark.segment,
        next_sequence: mark.sequence + 1,
    };
    let ends: Vec<_> = live.iter().skip(1).map(|(header, _)| Some(*header)).chain([None]).collect();
    for ((header, segment), next) in live.into_iter().zip(ends) {
        let segment = Segment { header, segment, next };
        recovered.read(&**disk, segment, mark)?;
    }
    let end = recovered.next_sequence - 1;
    if let Some(opened) = opened.filter(|opened| opened.sequence > end) {
        let path = recovered.sealed.back().map_or(dir.join(JOURNAL), |sealed| sealed.segment.path.clone());
        return Err(Error::Corrupt(format!(
            "the journal ends at batch {end} in {}, and batch {} was in it",
            path.display(),
            opened.sequence
        )));
    }
    recovered.take_others(disk, dir, others)?;
    Ok(recovered)
}

/// Checks that no segment is missing among those that are needed, and none is there
/// twice.
fn are_all_there(
    live: &[(SegmentHeader, SegmentFile)],
    others: &[Found],
    mark: Mark,
    opened: Option<Opened>,
    dir: &Path,
) -> Result<(), Error> {
    let mut expected = mark.segment;
    for (header, segment) in live {
        if header.number < expected {
            return Err(Error::Corrupt(format!(
                "segment {} of the journal is there twice, once as {}",
                header.number,
                segment.path.display()
            )));
        }
        if header.number > expected {
            return Err(missing(expected, others, dir));
        }
        expected += 1;
    }
    if opened.is_some_and(|opened| expected <= opened.segment) {
        return Err(missing(expected, others, dir));
    }
    Ok(())
}

/// The error for a segment that is not there, with the file that it may be.
fn missing(number: u64, others: &[Found], dir: &Path) -> Error {
    let broken = others.iter().find(|file| {
        matches!(file.kind, SegmentKind::Unreadable)
            && SegmentHeader::mended(&file.head).is_none_or(|header| header.number == number)
    });
    let journal = dir.join(JOURNAL);
    Error::Corrupt(match broken {
        Some(file) => format!(
            "the journal misses segment {number}: {} has a header that cannot be read",
            file.segment.path.display()
        ),
        None => format!("the journal misses segment {number}: no file of {} is it", journal.display()),
    })
}

struct Segment {
    header: SegmentHeader,
    segment: SegmentFile,
    next: Option<SegmentHeader>,
}

impl Recovered {
    fn read(&mut self, disk: &dyn Disk, segment: Segment, mark: Mark) -> Result<(), Error> {
        let Segment { header, segment, next } = segment;
        let path = segment.path.display();
        if segment.bytes < header.bytes {
            return Err(Error::Corrupt(format!(
                "{path} has {} bytes, and had {} when it was begun",
                segment.bytes, header.bytes
            )));
        }
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
        disk.sync_data(&segment.file).map_err(|error| Error::io(format!("sync {path}"), &error))?;
        let bytes = fs::read(&segment.path).map_err(|error| Error::io(format!("read {path}"), &error))?;
        let mut at = HEADER;
        let mut expected = header.first_sequence;
        while next.is_none_or(|next| expected < next.first_sequence) {
            let rest = bytes.get(at..).unwrap_or_default();
            let record = Record::decode(&header, rest).filter(|record| record.sequence == expected);
            let Some(record) = record else {
                let is_end = next.is_none()
                    && Record::lies_in(&header, rest).is_none()
                    && !is_flipped(&header, rest, expected);
                if !is_end {
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
        if next.is_none() && expected <= mark.sequence {
            return Err(Error::Corrupt(format!(
                "{path} ends at batch {}, and the tree has what came after it",
                expected - 1
            )));
        }
        self.next_sequence = self.next_sequence.max(expected);
        self.next_number = header.number + 1;
        self.sealed.push_back(Sealed { number: header.number, last_sequence: expected - 1, segment });
        Ok(())
    }

    /// Takes the files that are not needed, once it is sure that they are not.
    fn take_others(&mut self, disk: &Arc<dyn Disk>, dir: &Path, others: Vec<Found>) -> Result<(), Error> {
        for Found { segment, head, kind } in others {
            let header = match kind {
                SegmentKind::Used(header) => Some(header),
                SegmentKind::Unreadable => SegmentHeader::mended(&head),
                SegmentKind::Blank | SegmentKind::Newer(_) => None,
            };
            if let Some(header) = header.filter(|header| header.number >= self.next_number) {
                self.is_nothing_behind(&header, &segment)?;
            }
            // A header will state its size, so that has to be durable.
            disk.sync_data(&segment.file)
                .map_err(|error| Error::io(format!("sync {}", segment.path.display()), &error))?;
            self.spares.push(segment);
        }
        // So has its name: the process that made it may not have come so far.
        let journal = dir.join(JOURNAL);
        if journal.exists() {
            disk.sync_dir(&journal)
                .map_err(|error| Error::io(format!("sync {}", journal.display()), &error))?;
        }
        Ok(())
    }

    /// Refuses a file that would be a later segment and holds a record: a mark that
    /// is older than the journal does not know of it.
    fn is_nothing_behind(&self, header: &SegmentHeader, segment: &SegmentFile) -> Result<(), Error> {
        let path = segment.path.display();
        let bytes = fs::read(&segment.path).map_err(|error| Error::io(format!("read {path}"), &error))?;
        let records = bytes.get(HEADER..).unwrap_or_default();
        let holds =
            Record::lies_in(header, records).is_some() || is_flipped(header, records, header.first_sequence);
        if !holds {
            return Ok(());
        }
        Err(Error::Corrupt(format!(
            "{path} is segment {} and holds batch {}, and the journal ends at batch {} in segment {}",
            header.number,
            header.first_sequence,
            self.next_sequence - 1,
            self.next_number - 1
        )))
    }

    fn replay(&mut self, record: &Record<'_>) -> Option<()> {
        let changes = record.changes().collect::<Option<Vec<_>>>()?;
        self.generation.publish(Changes { changes, ..Changes::default() }, Instant::now());
        self.generation.journal_bytes += record.bytes() as u64;
        self.generation.last_sequence = record.last_sequence();
        Some(())
    }
}
