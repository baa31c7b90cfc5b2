//! Power cuts at every step, in process: what was written and not synced may be
//! gone, sector by sector, and what was answered must be there.
//!
//! A disk keeps what each sector held before its first write since the last sync of
//! its file. An image is what the files hold with any part of these put back; files
//! whose folder was not synced since they were made may be missing. The next store
//! begins from such an image, so that what recovery builds on is cut off, too.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use px_store_rows::Backing;

use super::aloud;
use super::image::{Files, read, write};
use crate::journal::{Disk, RealDisk};
use crate::tests::rig::{MemoryTree, Random, batch, by_hand, commit, noise, put, rows};
use crate::{Options, SledRows};

const SECTOR: u64 = 512;

/// Part of a file that a power cut may take.
#[derive(Debug, Default, Clone)]
struct Pending {
    /// Former content of sectors, by their number.
    sectors: BTreeMap<u64, Vec<u8>>,
    /// Its length when it was last synced.
    bytes: u64,
}

#[derive(Debug, Default)]
struct State {
    pending: BTreeMap<u64, Pending>,
    /// Files whose names may be lost.
    unnamed: BTreeSet<PathBuf>,
    /// Steps until the power is cut.
    left: usize,
    image: Option<(Files, MemoryTree)>,
}

/// A disk whose power is cut before one of its steps.
pub(super) struct Cut {
    state: Mutex<State>,
    dir: PathBuf,
    tree: MemoryTree,
    random: Mutex<Random>,
}

impl Cut {
    /// A disk for a directory and its tree, cut before so many more steps are done.
    pub(super) fn new(dir: &Path, tree: &MemoryTree, left: usize, random: Random) -> Arc<Self> {
        let state = Mutex::new(State { left, ..State::default() });
        Arc::new(Self { state, dir: dir.to_owned(), tree: tree.clone(), random: Mutex::new(random) })
    }

    /// Returns true once the power was cut.
    pub(super) fn is_cut(&self) -> bool {
        self.state.lock().unwrap().image.is_some()
    }

    /// Takes what files and tree may hold after the cut; none if it has not come.
    pub(super) fn take_image(&self) -> Option<(Files, MemoryTree)> {
        self.state.lock().unwrap().image.take()
    }

    /// Takes the image if this is the step.
    fn step(&self) {
        let mut state = self.state.lock().unwrap();
        let Some(left) = state.left.checked_sub(1) else { return };
        state.left = left;
        if left == 0 {
            let image = self.image(&state);
            state.image = Some((image, self.tree.deep_copy()));
        }
    }

    fn image(&self, state: &State) -> Files {
        let mut random = self.random.lock().unwrap();
        let mut files = read(&self.dir);
        // All and nothing are the ends of what can happen.
        let lost = [0, 1, 2, 4, 8, 8][random.below(6)];
        let is_lost = |random: &mut Random| random.below(8) < lost;
        for path in &state.unnamed {
            if is_lost(&mut random) {
                files.remove(path.strip_prefix(&self.dir).unwrap().to_str().unwrap());
            }
        }
        for (name, bytes) in &mut files {
            let number = fs::metadata(self.dir.join(name)).unwrap().ino();
            let Some(pending) = state.pending.get(&number) else { continue };
            for (sector, before) in &pending.sectors {
                let at = (sector * SECTOR) as usize;
                // Another thread may be about to write behind the file's end.
                if let Some(place) = bytes.get_mut(at..).filter(|_| is_lost(&mut random)) {
                    let length = before.len().min(place.len());
                    place[..length].copy_from_slice(&before[..length]);
                }
            }
            if (pending.bytes as usize) < bytes.len() && is_lost(&mut random) {
                bytes.truncate(pending.bytes as usize);
            }
        }
        files
    }
}

impl Disk for Cut {
    fn open(&self, path: &Path) -> io::Result<File> {
        let is_new = !path.exists();
        let file = RealDisk.open(path)?;
        if is_new && path.extension().is_some_and(|extension| extension == "seg") {
            let mut state = self.state.lock().unwrap();
            state.unnamed.insert(path.to_owned());
            state.pending.insert(file.metadata()?.ino(), Pending::default());
        }
        Ok(file)
    }

    fn write_at(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.step();
        let found = file.metadata()?;
        let mut state = self.state.lock().unwrap();
        let new = || Pending { bytes: found.len(), ..Pending::default() };
        let pending = state.pending.entry(found.ino()).or_insert_with(new);
        for sector in offset / SECTOR..(offset + bytes.len() as u64).div_ceil(SECTOR) {
            let mut before = vec![0; SECTOR as usize];
            // Beyond the end there were zeros.
            let mut read = 0;
            while let Ok(more @ 1..) = file.read_at(&mut before[read..], sector * SECTOR + read as u64) {
                read += more;
            }
            pending.sectors.entry(sector).or_insert(before);
        }
        drop(state);
        file.write_at(bytes, offset)
    }

    fn sync_data(&self, file: &File) -> io::Result<()> {
        self.step();
        let found = file.metadata()?;
        self.state.lock().unwrap().pending.remove(&found.ino());
        Ok(())
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.step();
        self.state.lock().unwrap().unnamed.retain(|file| file.parent() != Some(path));
        Ok(())
    }

    fn set_len(&self, file: &File, bytes: u64) -> io::Result<()> {
        self.step();
        let found = file.metadata()?;
        let mut state = self.state.lock().unwrap();
        state
            .pending
            .entry(found.ino())
            .or_insert_with(|| Pending { bytes: found.len(), ..Pending::default() });
        drop(state);
        file.set_len(bytes)
    }

    fn free_bytes(&self, _path: &Path) -> io::Result<u64> {
        Ok(u64::MAX)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.step();
        let number = fs::metadata(path)?.ino();
        // The number may be another file's next.
        self.state.lock().unwrap().pending.remove(&number);
        fs::remove_file(path)
    }
}

pub(super) fn options(random: &mut Random) -> Options {
    // Sometimes other sizes than before, so that files are left over.
    let segment_bytes = if random.one_in(6) { 6144 } else { 4096 };
    Options { segment_bytes, spare_segments: 1 + random.below(3), ..by_hand() }
}

/// The rows after so many commits.
fn expected(commits: usize) -> String {
    let kept = (1..=commits).map(|number| (number % 10, number)).collect::<BTreeMap<_, _>>();
    kept.iter()
        .map(|(key, number)| format!("k{key}={number} {}", value(*number)))
        .collect::<Vec<_>>()
        .join(" ")
}

fn value(number: usize) -> String {
    noise(100 + number * 97 % 900)
}

#[test]
fn no_power_cut_at_any_step_loses_what_was_answered_or_makes_a_store_that_does_not_open() {
    let (chains, rounds) = if super::is_long() { (3_000, 6) } else { (60, 6) };
    let (mut cuts, mut kept, mut torn) = (0, 0, 0);
    for seed in 0..chains {
        let mut random = Random(seed);
        let mut files = Files::new();
        let mut tree = MemoryTree::default();
        let mut answered = 0;
        for round in 0..rounds {
            let dir = tempfile::tempdir().unwrap();
            if !files.is_empty() {
                write(dir.path(), &files);
            }
            let left = 1 + random.below(60);
            let disk = Cut::new(dir.path(), &tree, left, Random(random.next()));
            let shared = tree.clone();
            let what = format!("chain {seed}, round {round}");
            let open = SledRows::open_on(dir.path(), options(&mut random), disk.clone(), &|_, _| {
                Ok(Arc::new(shared.clone()))
            });
            let store = open.unwrap_or_else(|error| panic!("{what}: {error}"));
            let found = rows(&store);
            // One more than was answered may be there: the power was cut before the answer.
            let there = (answered..=answered + 1).find(|commits| found == expected(*commits));
            let mut commits =
                there.unwrap_or_else(|| panic!("{what}: {answered} were answered: {found:.300}"));
            kept += usize::from(commits > answered);
            while !disk.is_cut() {
                // What was answered before the step that is cut.
                answered = commits;
                if random.one_in(9) {
                    store.checkpoint().unwrap();
                } else if random.one_in(20) {
                    store.close().unwrap();
                    break;
                } else {
                    commits += 1;
                    let key = format!("k{}", commits % 10);
                    commit(&store, batch([put(&key, &format!("{commits} {}", value(commits)))]));
                }
            }
            drop(store);
            let image = disk.take_image();
            cuts += usize::from(image.is_some());
            (files, tree) = image.unwrap_or_else(|| {
                answered = commits;
                (read(dir.path()), tree.clone())
            });
            torn += usize::from(files != read(dir.path()));
        }
    }
    aloud(&format!(
        "damage: power: {cuts} cuts, {torn} images that lost something, {kept} unanswered commits kept"
    ));
    assert!(cuts > chains as usize, "the power is cut");
}
