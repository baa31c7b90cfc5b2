//! Steps and handlers that do not yield, over the real binary: everything else
//! goes on, they are named, and their timeout, a cancel and the shutdown count.
//!
//! This program serves its own brains and webhooks: it starts itself as `px`.
//! `cargo test --release --test stalls -- measure` prints what good webhooks
//! take beside them, in alternating rounds.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    unreachable_pub,
    missing_docs,
    dead_code,
    reason = "test code: what is unexpected fails the test"
)]

mod cases;
mod measure;
mod project;
#[path = "../support/mod.rs"]
mod support;

use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::process::ExitCode;

use support::{Project, Px};

/// A served project, and a folder for the files that its code waits for.
pub struct Suite {
    pub project: Project,
    pub px: Px,
    pub folder: PathBuf,
}

impl Suite {
    pub fn new(config: &str) -> Self {
        let project = Project::of(std::env::current_exe().unwrap()).env("WORD", "open sesame");
        let folder = project.path().join("files");
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(project.path().join("px.toml"), config).unwrap();
        let project = project.env(project::FOLDER, folder.to_str().unwrap());
        let px = project.serve();
        Self { project, px, folder }
    }

    /// A file that is not there yet.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Ends what waits for this file.
    pub fn release(&self, name: &str) {
        std::fs::write(self.file(name), "").unwrap();
    }

    /// Starts a run that goes on until [`release`](Self::release).
    pub fn start(&self, brain: &str, name: &str) -> String {
        self.px.start(brain, &serde_json::json!({ "file": self.file(name) }))
    }
}

impl Drop for Suite {
    fn drop(&mut self) {
        // A process that is killed takes its threads along; this is for those that are not.
        for name in ["handlers", "spin", "block", "late", "nest", "nest.enter"] {
            let _ = std::fs::write(self.file(name), "");
        }
    }
}

fn run(names: &[String]) -> bool {
    let mut failed = Vec::new();
    let mut passed = 0;
    for (name, case) in cases::CASES {
        if !names.is_empty() && !names.iter().any(|wanted| name.contains(wanted.as_str())) {
            continue;
        }
        match std::panic::catch_unwind(AssertUnwindSafe(case)) {
            Ok(()) => {
                passed += 1;
                println!("test {name} ... ok");
            }
            Err(_) => {
                println!("test {name} ... FAILED");
                failed.push(name);
            }
        }
    }
    println!("\nstalls: {passed} passed, {} failed {failed:?}", failed.len());
    failed.is_empty()
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| matches!(first.as_str(), "serve" | "runs")) {
        return px::main();
    }
    if arguments.iter().any(|argument| argument == "--list") {
        println!("stalls: test");
        return ExitCode::SUCCESS;
    }
    if arguments.iter().any(|argument| argument == "measure") {
        measure::run();
        return ExitCode::SUCCESS;
    }
    let names: Vec<String> = arguments.iter().filter(|name| !name.starts_with('-')).cloned().collect();
    if arguments.iter().any(|argument| argument == "--ignored") || run(&names) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
