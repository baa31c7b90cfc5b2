//! A directory in which a store is to be made: whether that can be done, found out
//! without leaving anything there.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use px_store::Error;

use crate::disk_space::DiskSpace;
use crate::journal::RealDisk;

/// Returns why a store that keeps this reserve free could not be made in a directory
/// that has none: no directory or file can be made there, or there is no room.
pub(crate) fn refusal(dir: &Path, reserve: u64) -> Option<Error> {
    let mut made = Vec::new();
    let tried =
        try_out(dir, &mut made).map_err(|error| Error::io(format!("create {}", dir.display()), &error));
    let refused = tried.and_then(|()| DiskSpace::new(Arc::new(RealDisk), dir, reserve).check()).err();
    for dir in made.iter().rev() {
        // One that others use by now is not empty, and stays.
        let _ = fs::remove_dir(dir);
    }
    refused
}

/// Makes the directory and a file in it, which is removed at once.
fn try_out(dir: &Path, made: &mut Vec<PathBuf>) -> io::Result<()> {
    if dir.as_os_str().is_empty() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the directory has no name"));
    }
    let mut missing: Vec<&Path> =
        dir.ancestors().take_while(|dir| !dir.as_os_str().is_empty() && !dir.exists()).collect();
    while let Some(dir) = missing.pop() {
        fs::create_dir(dir)?;
        made.push(dir.to_owned());
    }
    let file = dir.join(format!(".px-try-{}", std::process::id()));
    OpenOptions::new().write(true).create_new(true).open(&file)?;
    fs::remove_file(&file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_tried_out_and_left_as_it_was() {
        let above = tempfile::tempdir().unwrap();
        let (deep, file) = (above.path().join("a/b"), above.path().join("file"));
        fs::write(&file, "x").unwrap();
        assert!(refusal(&deep, 0).is_none() && refusal(above.path(), 0).is_none());
        assert!(matches!(refusal(&deep, u64::MAX), Some(Error::Full(_))));
        for dir in [file.join("in"), file, PathBuf::new(), PathBuf::from("/proc/px-nowhere")] {
            assert!(matches!(refusal(&dir, 0), Some(Error::Io { .. })), "{}", dir.display());
        }
        let left: Vec<_> =
            fs::read_dir(above.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["file"]);
    }
}
