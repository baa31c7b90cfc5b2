//! Files that `px dev` watches: the project's sources, by size and time of change. It
//! looks instead of being told, since a look at some hundred files costs a
//! millisecond and works on every file system, shared folders of containers too.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::shown;

/// Parts of a project that are built or read at the start.
const WATCHED: &[&str] =
    &["Cargo.toml", "Cargo.lock", "px.toml", "build.rs", ".cargo", "brains", "webhooks", "src", "crates"];

/// Interval at which it looks.
const INTERVAL: Duration = Duration::from_millis(300);

/// Maximum number of files it looks at; the rest of a larger project is not watched.
const MAX_FILES: usize = 20_000;

/// The files at one moment.
pub(super) type Look = BTreeMap<PathBuf, (u64, Option<SystemTime>)>;

pub(super) struct Sources {
    root: PathBuf,
    places: Vec<PathBuf>,
}

impl Sources {
    pub(super) fn new(root: &Path, also: &[PathBuf]) -> Self {
        let places = WATCHED.iter().map(|name| root.join(name)).chain(also.iter().cloned()).collect();
        Self { root: root.to_owned(), places }
    }

    pub(super) fn look(&self) -> Look {
        let mut files = Look::new();
        let mut open = self.places.clone();
        while let Some(path) = open.pop() {
            let Ok(about) = path.symlink_metadata() else { continue };
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if about.is_dir() {
                let is_built = name == "target" || (name.starts_with('.') && name != ".cargo");
                if !is_built || self.places.contains(&path) {
                    open.extend(
                        std::fs::read_dir(&path).into_iter().flatten().flatten().map(|entry| entry.path()),
                    );
                }
            } else if !is_passing(&name) && files.len() < MAX_FILES {
                files.insert(path, (about.len(), about.modified().ok()));
            }
        }
        files
    }

    /// Waits until the files are not those of this look any more, and then for
    /// the end of the change: editors and git write several files. Returns one
    /// that changed.
    pub(super) async fn changed(&self, seen: Look) -> String {
        let mut now = self.look();
        while now == seen {
            tokio::time::sleep(INTERVAL).await;
            now = self.look();
        }
        let which = difference(&seen, &now).map_or(String::new(), |path| shown(path, &self.root));
        loop {
            tokio::time::sleep(INTERVAL).await;
            let next = self.look();
            if next == now {
                return which;
            }
            now = next;
        }
    }
}

/// Returns what editors write beside a file for a moment.
fn is_passing(name: &str) -> bool {
    name.ends_with('~')
        || name.ends_with(".swp")
        || name.ends_with(".swx")
        || name.starts_with(".#")
        || name == "4913"
}

/// A file that is in one of them only, or is another one.
fn difference<'a>(before: &'a Look, after: &'a Look) -> Option<&'a Path> {
    let changed = after.iter().find(|(path, about)| before.get(*path) != Some(about));
    let gone = || before.keys().find(|path| !after.contains_key(*path));
    changed.map(|(path, _)| path.as_path()).or_else(|| gone().map(PathBuf::as_path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_watched() {
        let dir = tempfile::tempdir().unwrap();
        for folder in ["brains/deep", "target/debug", ".px/data", "crates/a/target", "docs"] {
            std::fs::create_dir_all(dir.path().join(folder)).unwrap();
        }
        for file in [
            "brains/deep/a.rs",
            "brains/a.rs~",
            "target/debug/px",
            ".px/data/x",
            "crates/a/target/b.rs",
            "px.toml",
            "docs/a.md",
        ] {
            std::fs::write(dir.path().join(file), "1").unwrap();
        }
        let sources = Sources::new(dir.path(), &[]);
        let before = sources.look();
        let names: Vec<_> = before.keys().map(|path| shown(path, dir.path())).collect();
        assert_eq!(names, ["brains/deep/a.rs", "px.toml"]);
        std::fs::write(dir.path().join("px.toml"), "22").unwrap();
        assert_eq!(difference(&before, &sources.look()), Some(dir.path().join("px.toml").as_path()));
        std::fs::write(dir.path().join("px.toml"), "1").unwrap();
        std::fs::remove_file(dir.path().join("brains/deep/a.rs")).unwrap();
        let also = Sources::new(dir.path(), &[dir.path().join("docs")]);
        assert!(also.look().contains_key(&dir.path().join("docs/a.md")));
        assert!(difference(&before, &sources.look()).is_some());
    }
}
