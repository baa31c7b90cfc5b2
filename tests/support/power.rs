//! Images of what a disk may hold after a power cut, by a model of a disk for LD_PRELOAD
//! that copies a file's dirty pages to a shadow directory at fsync and fdatasync only.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

const PAGE: usize = 4096;

/// The source of the model, which `PLSIM_C` names; none if there is none here.
pub fn model() -> Option<PathBuf> {
    std::env::var_os("PLSIM_C").map(PathBuf::from).filter(|source| source.is_file())
}

/// Compiles a model to a library for LD_PRELOAD.
pub fn compiled(source: &Path, into: &Path) -> PathBuf {
    let model = into.join("model.so");
    let status = Command::new("cc")
        .args(["-shared", "-fPIC", "-O2", "-w", "-o"])
        .args([&model, source])
        .args(["-ldl", "-lpthread"])
        .status();
    assert!(status.unwrap().success(), "the model compiles");
    model
}

/// Numbers that are the same for the same seed; splitmix64.
pub struct Random(pub u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

/// Copies a directory with all that is in it.
pub fn copy(from: &Path, to: &Path) {
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

fn read_or_empty(path: &Path) -> Vec<u8> {
    match fs::read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
        read => read.unwrap(),
    }
}

/// What the disk may hold: the shadow, and some of the pages that differ from it.
pub fn image(store: &Path, shadow: &Path, target: &Path, percent: u64, random: &mut Random) {
    fs::create_dir_all(target).unwrap();
    for entry in fs::read_dir(store).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name();
        if entry.file_type().unwrap().is_dir() {
            image(&entry.path(), &shadow.join(&name), &target.join(&name), percent, random);
            continue;
        }
        let written = fs::read(entry.path()).unwrap();
        let mut survives = read_or_empty(&shadow.join(&name));
        for (index, page) in written.chunks(PAGE).enumerate() {
            let at = index * PAGE;
            if survives.get(at..at + page.len()) == Some(page) || random.below(100) >= percent {
                continue;
            }
            if survives.len() < at + page.len() {
                survives.resize(at + page.len(), 0);
            }
            survives[at..at + page.len()].copy_from_slice(page);
        }
        fs::write(target.join(name), survives).unwrap();
    }
}
