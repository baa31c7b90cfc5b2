//! A store whose files lie in memory, and what is done to them before it is opened.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::Arc;

use px_store::Error;
use px_store_rows::Backing;

use crate::journal::Disk;
use crate::journal::format::{HEADER, Record, SegmentHeader, SegmentKind};
use crate::tests::rig::{MemoryTree, batch, by_hand, commit, noise, put, rows};
use crate::{Options, SledRows};

/// Records that a store has, …
const RECORDS: usize = 40;
/// … after how many of them it is checkpointed, …
const CHECKPOINT: usize = 8;
/// … and after how many its files are kept as earlier copies.
const EARLIER: [usize; 2] = [16, 39];

/// A disk that is durable at once: these tests never cut the power.
pub(super) struct Durable;

impl Disk for Durable {
    fn sync_data(&self, _file: &File) -> io::Result<()> {
        Ok(())
    }

    fn sync_dir(&self, _path: &Path) -> io::Result<()> {
        Ok(())
    }

    fn free_bytes(&self, _path: &Path) -> io::Result<u64> {
        Ok(u64::MAX)
    }
}

/// Last act of a store before its image is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Stopped,
    Killed,
    /// Stopped, and then started and stopped without a commit.
    Idle,
}

/// Damage to an image. Files are named as they lie in the store's directory.
#[derive(Debug, Clone)]
pub(super) enum Change {
    Flip { file: String, bit: usize },
    Missing { file: String },
    Cut { file: String, at: usize },
    Grown { file: String },
    Swapped { file: String, other: String },
    Earlier { file: String, snapshot: usize },
}

/// Result of opening an image.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// With nothing changed.
    Refused,
    /// With everything that was acknowledged.
    Served,
    /// With everything but the last record.
    WithoutTheLast,
}

pub(super) type Files = BTreeMap<String, Vec<u8>>;

/// A segment that recovery reads.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) name: String,
    /// Offset of each record's beginning, and of the last one's end.
    pub(super) starts: Vec<usize>,
}

/// A store to damage.
pub(super) struct Base {
    pub(super) end: End,
    pub(super) files: Files,
    pub(super) earlier: Vec<Files>,
    /// In the order of their numbers.
    pub(super) segments: Vec<Segment>,
    tree: MemoryTree,
    expected: String,
    without_the_last: String,
    dir: tempfile::TempDir,
}

pub(super) fn open(dir: &Path, tree: &MemoryTree) -> Result<SledRows, Error> {
    let tree = tree.clone();
    let options = Options { spare_segments: 3, ..by_hand() };
    SledRows::open_on(dir, options, Arc::new(Durable), &move |_, _| Ok(Arc::new(tree.clone())))
}

/// The files of a store. Who holds it is not part of it.
pub(super) fn read(dir: &Path) -> Files {
    let mut files = Files::new();
    for folder in ["", "journal"] {
        let Ok(entries) = fs::read_dir(dir.join(folder)) else { continue };
        for entry in entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()) {
            let name = entry.strip_prefix(dir).unwrap().to_str().unwrap().to_owned();
            if name != "px.lock" {
                files.insert(name, fs::read(&entry).unwrap());
            }
        }
    }
    files
}

/// Makes a directory hold just these files.
pub(super) fn write(dir: &Path, files: &Files) {
    let there = read(dir);
    for name in there.keys().filter(|name| !files.contains_key(*name)) {
        fs::remove_file(dir.join(name)).unwrap();
    }
    fs::create_dir_all(dir.join("journal")).unwrap();
    for (name, bytes) in files.iter().filter(|(name, bytes)| there.get(*name) != Some(bytes)) {
        fs::write(dir.join(name), bytes).unwrap();
    }
}

impl Base {
    pub(super) fn make(end: End) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let tree = MemoryTree::default();
        let store = open(dir.path(), &tree).unwrap();
        let mut earlier = Vec::new();
        let mut without_the_last = String::new();
        for number in 1..=RECORDS {
            let value = format!("{number} {}", noise(number * 37 % 300 + 400));
            commit(&store, batch([put(&format!("k{number:02}"), &value), put("head", &number.to_string())]));
            if number == CHECKPOINT {
                store.checkpoint().unwrap();
            }
            if EARLIER.contains(&number) {
                earlier.push(read(dir.path()));
            }
            if number == RECORDS - 1 {
                without_the_last = rows(&store);
            }
        }
        let expected = rows(&store);
        if end != End::Killed {
            store.close().unwrap();
        }
        drop(store);
        if end == End::Idle {
            open(dir.path(), &tree).unwrap().close().unwrap();
        }
        let files = read(dir.path());
        let segments = segments(&files);
        Self { end, files, earlier, segments, tree, expected, without_the_last, dir }
    }

    /// The tree below the store.
    pub(super) fn tree(&self) -> MemoryTree {
        self.tree.deep_copy()
    }

    /// Returns the directory in which images are opened.
    pub(super) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The newest segment's last record: file, begin and end.
    pub(super) fn last_record(&self) -> Option<(String, usize, usize)> {
        let segment = self.segments.last()?;
        let [from, to] = *segment.starts.last_chunk::<2>()?;
        Some((segment.name.clone(), from, to))
    }

    /// Returns true if changes leave of the last record less than all, and in more than one bit.
    pub(super) fn tears_the_last_record(&self, changes: &[Change]) -> bool {
        let image = self.image(changes);
        let Some((name, from, to)) = self.last_record() else { return false };
        let Some(found) = image.get(&name).and_then(|bytes| bytes.get(from..to)) else { return true };
        let bits =
            found.iter().zip(&self.files[&name][from..to]).map(|(found, was)| (found ^ was).count_ones());
        bits.sum::<u32>() > 1
    }

    fn image(&self, changes: &[Change]) -> Files {
        let mut files = self.files.clone();
        for change in changes {
            match change.clone() {
                Change::Flip { file, bit } => {
                    if let Some(byte) = files.get_mut(&file).and_then(|bytes| bytes.get_mut(bit / 8)) {
                        *byte ^= 1 << (bit % 8);
                    }
                }
                Change::Missing { file } => drop(files.remove(&file)),
                Change::Cut { file, at } => {
                    files.entry(file).and_modify(|bytes| bytes.truncate(at));
                }
                Change::Grown { file } => {
                    files.entry(file).and_modify(|bytes| bytes.resize(bytes.len() + 4096, 0));
                }
                Change::Swapped { file, other } => {
                    let [left, right] = [files.remove(&file), files.remove(&other)];
                    files.extend(left.map(|bytes| (other, bytes)));
                    files.extend(right.map(|bytes| (file, bytes)));
                }
                Change::Earlier { file, snapshot } => match self.earlier[snapshot].get(&file) {
                    Some(bytes) => drop(files.insert(file, bytes.clone())),
                    None => drop(files.remove(&file)),
                },
            }
        }
        files
    }

    /// Opens the store with its files changed.
    pub(super) fn open(&self, changes: &[Change]) -> Found {
        self.open_files(&self.image(changes), &format!("{changes:?}"))
    }

    /// Opens the store with these files in place of its own.
    pub(super) fn open_files(&self, image: &Files, what: &str) -> Found {
        let dir = self.dir.path();
        write(dir, image);
        match open(dir, &self.tree) {
            Err(Error::Corrupt(text)) => {
                assert!(!text.is_empty());
                assert_eq!(read(dir), *image, "a refusal changes nothing: {what}: {text}");
                Found::Refused
            }
            Err(Error::Format { .. }) => {
                assert_eq!(read(dir), *image, "a refusal changes nothing: {what}");
                Found::Refused
            }
            Err(error) => panic!("{what}: {error}"),
            Ok(store) => {
                let found = rows(&store);
                // It goes on from there, and stands another open.
                commit(&store, batch([put("next", "1")]));
                drop(store);
                let again = open(dir, &self.tree).unwrap_or_else(|error| panic!("again, {what}: {error}"));
                assert_eq!(rows(&again), format!("{found} next=1"), "again: {what}");
                if found == self.expected {
                    Found::Served
                } else {
                    assert!(
                        found == self.without_the_last,
                        "acknowledged rows are gone: {what}\n{found:.200}"
                    );
                    Found::WithoutTheLast
                }
            }
        }
    }
}

/// The segments that recovery reads of these files.
fn segments(files: &Files) -> Vec<Segment> {
    let mut found = Vec::new();
    for (name, bytes) in files.iter().filter(|(name, _)| name.ends_with(".seg")) {
        let SegmentKind::Used(header) = SegmentHeader::decode(bytes) else { continue };
        let mut starts = vec![HEADER];
        while let Some(record) = Record::decode(&header, &bytes[*starts.last().unwrap()..]) {
            starts.push(starts.last().unwrap() + record.bytes());
        }
        found.push((header.number, Segment { name: name.clone(), starts }));
    }
    found.sort_by_key(|(number, _)| *number);
    found.into_iter().map(|(_, segment)| segment).collect()
}
