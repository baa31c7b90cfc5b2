//! Runs an example binary in an empty directory and an empty environment.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What a command did.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Done {
    /// Stdout as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Stderr as JSON.
    pub(crate) fn error(&self) -> serde_json::Value {
        serde_json::from_str(&self.stderr).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// A project's binary and the directory in which it is run.
pub(crate) struct Project {
    binary: PathBuf,
    pub(crate) dir: tempfile::TempDir,
    env: Vec<(String, String)>,
}

impl Project {
    /// The binary of an example.
    pub(crate) fn of(example: &str) -> Self {
        let test = std::env::current_exe().unwrap();
        let binary = test.ancestors().nth(2).unwrap().join("examples").join(example);
        assert!(binary.exists(), "{} is missing: `cargo test -p px-cli` builds it", binary.display());
        Self { binary, dir: tempfile::tempdir().unwrap(), env: Vec::new() }
    }

    /// The project with all that the command line can do.
    pub(crate) fn small() -> Self {
        Self::of("small_project")
    }

    /// The same, in a folder that a px.toml says is a project's: a store may be made there.
    pub(crate) fn rooted() -> Self {
        Self::small().file("px.toml", "")
    }

    /// With a variable in its environment.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With a file in its directory.
    pub(crate) fn file(self, name: &str, text: &str) -> Self {
        std::fs::write(self.dir.path().join(name), text).unwrap();
        self
    }

    /// A path in its directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        Path::join(self.dir.path(), name)
    }

    /// A command that is not started yet.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command.args(arguments).current_dir(&self.dir).env_clear().stdin(Stdio::null());
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }

    /// A shell's script that is not started yet; `"$0"` in it is the binary.
    pub(crate) fn shell(&self, script: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        command.arg("-c").arg(script).arg(&self.binary);
        command.current_dir(&self.dir).env_clear().stdin(Stdio::null());
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs a command to its end.
    pub(crate) fn px(&self, arguments: &[&str]) -> Done {
        let output = self.command(arguments).output().unwrap();
        Done {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// How long anything may take that a test waits for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Looks until `found` finds something.
#[track_caller]
pub(crate) fn eventually<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(thing) = found() {
            return thing;
        }
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} for {what}");
        // Only to leave the processor to whom it is waited for.
        std::thread::park_timeout(Duration::from_millis(3));
    }
}
