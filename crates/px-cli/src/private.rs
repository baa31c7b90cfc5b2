//! Files and directories that are their owner's and nobody else's: what a store
//! holds is what came in, with numbers and names of people in it
//! (docs/rules.md#67).

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

/// Permissions of a directory.
const DIRECTORY: u32 = 0o700;
/// Permissions of a file.
const FILE: u32 = 0o600;

/// The permissions of what lies at a path; `None` if they cannot be read.
pub(crate) fn mode(path: &Path) -> Option<u32> {
    std::fs::metadata(path).ok().map(|about| about.permissions().mode() & 0o777)
}

/// Makes a directory, and those above it that are not there.
///
/// # Errors
/// The operating system's.
pub(crate) fn create_dir_all(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(DIRECTORY).create(path)
}

/// Makes a file that is not there yet, for writing.
///
/// # Errors
/// The operating system's; something may be there already.
pub(crate) fn create_new(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(FILE).open(path)
}

/// Takes the permissions of others from a directory and from all that is below
/// it, but for the files of these names. Follows no link.
///
/// # Errors
/// The first that the operating system refuses; the rest is narrowed all the same.
pub(crate) fn narrow(path: &Path, but_for: &[&str]) -> io::Result<()> {
    let about = std::fs::symlink_metadata(path)?;
    let name = path.file_name().unwrap_or_default();
    if about.is_symlink() || but_for.iter().any(|spared| name == *spared) {
        return Ok(());
    }
    let mode = about.permissions().mode() & 0o777;
    let mut done = Ok(());
    if mode & 0o077 != 0 {
        let narrow = if about.is_dir() { DIRECTORY } else { FILE };
        done = std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode & narrow));
    }
    if about.is_dir() {
        for entry in std::fs::read_dir(path)? {
            let below = entry.and_then(|entry| match narrow(&entry.path(), but_for) {
                // The store removes files of its own meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                narrowed => narrowed,
            });
            done = done.and(below);
        }
    }
    done
}

/// Makes a data directory where there is none, and says whether others can get
/// into the one that is there.
///
/// # Errors
/// The operating system's.
pub(crate) fn data_dir(path: &Path) -> io::Result<Option<u32>> {
    match mode(path) {
        Some(mode) => Ok((mode & 0o077 != 0).then_some(mode)),
        None => create_dir_all(path).map(|()| None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_67_what_is_made_and_what_is_narrowed_is_its_owners() {
        let dir = tempfile::tempdir().unwrap();
        let made = dir.path().join("a/b");
        assert_eq!(data_dir(&made).unwrap(), None);
        assert_eq!([mode(&dir.path().join("a")), mode(&made)], [Some(0o700), Some(0o700)]);
        create_new(&made.join("new")).unwrap();
        assert_eq!(mode(&made.join("new")), Some(0o600));
        create_new(&made.join("new")).unwrap_err();

        let wide = |path: &Path, mode| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        std::fs::write(made.join("spared"), "").unwrap();
        std::fs::write(dir.path().join("elsewhere"), "").unwrap();
        std::os::unix::fs::symlink(dir.path().join("elsewhere"), made.join("link")).unwrap();
        for (path, mode) in [("a/b", 0o755), ("a/b/new", 0o664), ("a/b/spared", 0o644), ("elsewhere", 0o644)]
        {
            wide(&dir.path().join(path), mode);
        }
        assert_eq!(data_dir(&made).unwrap(), Some(0o755));
        narrow(&made, &["spared"]).unwrap();
        let modes = ["a/b", "a/b/new", "a/b/spared", "elsewhere"].map(|path| mode(&dir.path().join(path)));
        assert_eq!(modes, [Some(0o700), Some(0o600), Some(0o644), Some(0o644)]);
    }
}
