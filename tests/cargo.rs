//! What cargo, and whoever opens this project for the first time, find (rule
//! 46): which packages and programs there are, which tests see the brains, and
//! that tools are configured out of sight. What the compiler says to users is
//! in `px-sdk/tests/compile_fail.rs`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "test code: what is unexpected fails the test"
)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use app as _;
use serde_json::Value;

/// What may be seen in the root: what a user's project has, and what this one
/// has beside that.
const VISIBLE: [&str; 16] = [
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "brains",
    "crates",
    "docs",
    "examples",
    "px.toml",
    "target",
    "tests",
    "webhooks",
];

/// Tests that link brains and webhooks of their own, and must not see the others.
const OF_ITS_OWN: [&str; 3] = ["browser.rs", "files.rs", "kill_loop.rs"];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn names_in(folder: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// What cargo knows of this workspace.
fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn rule_46_cargo_builds_and_tests_all_crates_and_runs_px_without_being_told() {
    let metadata = metadata();
    let packages = metadata["packages"].as_array().unwrap();
    let by_default: BTreeSet<&str> = metadata["workspace_default_members"]
        .as_array()
        .expect("cargo says which packages it takes when none is named")
        .iter()
        .map(|id| packages.iter().find(|package| package["id"] == *id).unwrap()["name"].as_str().unwrap())
        .collect();
    let crates = names_in(&root().join("crates"));
    let expected: BTreeSet<&str> = crates.iter().map(String::as_str).chain(["px-app"]).collect();
    assert_eq!(by_default, expected);
    let app = packages.iter().find(|package| package["name"] == "px-app").unwrap();
    assert_eq!(app["default_run"], "px");
    let target = |kind: &str| {
        let targets = app["targets"].as_array().unwrap();
        targets.iter().find(|target| target["kind"][0] == kind).unwrap().clone()
    };
    let (program, library) = (target("bin"), target("lib"));
    assert_eq!((program["name"].as_str(), library["name"].as_str()), (Some("px"), Some("app")));
    // Else its page would take the place of the crate's that users read.
    assert_eq!(program["doc"], false);
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    assert!(readme.contains("\ncargo test --workspace\n") && !readme.contains("nextest"));
}

#[test]
fn rule_46_each_test_names_the_crate_that_the_brains_are_in() {
    let folder = root().join("tests");
    let files = names_in(&folder)
        .into_iter()
        .filter(|name| Path::new(name).extension().is_some_and(|ending| ending == "rs"));
    for name in files.filter(|name| !OF_ITS_OWN.contains(&name.as_str())) {
        let text = std::fs::read_to_string(folder.join(&name)).unwrap();
        let is_named = text.lines().any(|line| line == "use app as _;" || line.starts_with("use app::"));
        assert!(is_named, "tests/{name} sees no brains and no webhooks: it must say `use app as _;`");
    }
    // And this is what that is for.
    let registry = px::registry::Registry::collect().unwrap();
    assert!(registry.webhook("slack").is_some() && registry.brain("customer-feedback").is_some());
}

#[test]
fn rule_46_tools_are_configured_out_of_sight() {
    let hidden: BTreeSet<String> =
        names_in(&root()).into_iter().filter(|name| name.starts_with('.')).collect();
    for name in [".rustfmt.toml", ".clippy.toml", ".deny.toml"] {
        assert!(hidden.contains(name), "{name} is gone");
    }
    let ignored = std::fs::read_to_string(root().join(".gitignore")).unwrap();
    let is_ignored = |name: &str| ignored.lines().any(|line| line.trim_start_matches('/') == name);
    let seen = names_in(&root()).into_iter().filter(|name| !name.starts_with('.') && !is_ignored(name));
    let more: Vec<String> = seen.filter(|name| !VISIBLE.contains(&name.as_str())).collect();
    assert!(more.is_empty(), "a newcomer would have to ask what this is: {more:?}");
}
