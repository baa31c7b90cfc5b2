//! `docs/getting-started.md`, with the project that `px new` writes: its `sh`
//! blocks are run in order; those marked `console` build things, and
//! `tests/scripts/new-project` does what they do.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "test code: what is unexpected fails the test"
)]

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use app as _;

const PX: &str = env!("CARGO_BIN_EXE_px-new-project");

/// The served project.
struct Serving {
    child: Child,
    url: String,
}

impl Serving {
    fn start(dir: &Path, secret: Option<&str>) -> Self {
        let mut command = Command::new(PX);
        command.args(["serve", "--port", "0", "--json"]).current_dir(dir).env("PX_LOG", "off");
        command.env_remove("DECISIONS_SECRET").envs(secret.map(|secret| ("DECISIONS_SECRET", secret)));
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let greeting: serde_json::Value = serde_json::from_str(&line).unwrap();
        Self { child, url: greeting["url"].as_str().unwrap().to_owned() }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // As the page says: nothing is lost by it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn sh(dir: &Path, script: &str, url: &str) -> String {
    let bin = dir.join("bin");
    if !bin.exists() {
        std::fs::create_dir(&bin).unwrap();
        std::os::unix::fs::symlink(PX, bin.join("px")).unwrap();
    }
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let script = script.replace("http://127.0.0.1:8787", url);
    let done = Command::new("sh")
        .args(["-euc", &script])
        .current_dir(dir)
        .env("PATH", path)
        .env("PX_URL", url)
        .output()
        .unwrap();
    let said = String::from_utf8([done.stdout, done.stderr].concat()).unwrap();
    assert!(done.status.success(), "{script}\n{said}");
    said
}

fn blocks() -> Vec<String> {
    let page = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/getting-started.md");
    let page = std::fs::read_to_string(page).unwrap();
    let fenced = page.split("```").skip(1).step_by(2);
    fenced.filter_map(|block| block.strip_prefix("sh\n")).map(str::to_owned).collect()
}

fn is_there(program: &str) -> bool {
    Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

#[test]
fn getting_started_goes_as_the_page_says() {
    let dir = tempfile::tempdir().unwrap();
    let blocks = blocks();
    let (signed, plain): (Vec<_>, Vec<_>) = blocks.iter().partition(|block| block.contains("openssl"));
    let serving = Serving::start(dir.path(), None);
    let said: String = plain.iter().map(|block| sh(dir.path(), block, &serving.url)).collect();
    for expected in [
        "It has waited for a webhook since",
        "200 resumed 42",
        "200 queued 43",
        "\"approved\": true",
        "complete",
    ] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    drop(serving);
    assert_eq!(signed.len(), 1);
    if !is_there("openssl") || !is_there("curl") {
        println!("no openssl or no curl here: the signed request is not tried");
        return;
    }
    let serving = Serving::start(dir.path(), Some("change-me"));
    let said = sh(dir.path(), signed[0], &serving.url);
    // The request may be there before the run waits for it: then it is kept for the wait.
    let taken = ["resumed", "queued"].map(|action| format!(r#""action":"{action}""#));
    assert!(taken.iter().any(|action| said.contains(action)), "{said}");
}
