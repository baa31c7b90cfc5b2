//! The crates and their arrows, as ARCHITECTURE.md has them and as Cargo has
//! them: the same, and not one more on either side.

use std::collections::{BTreeMap, BTreeSet};

use crate::source::{crates, page, root};

/// The blocks of a page between fences, without what the fence says.
fn blocks(text: &str) -> Vec<String> {
    let fenced = text.split("```").skip(1).step_by(2);
    fenced.filter_map(|block| block.split_once('\n')).map(|(_, block)| block.to_owned()).collect()
}

/// The crates of ours that a manifest names under `[dependencies]`.
fn dependencies(name: &str) -> BTreeSet<String> {
    let manifest = std::fs::read_to_string(root().join("crates").join(name).join("Cargo.toml"));
    let manifest = manifest.expect("a manifest");
    let section = manifest.split("\n[dependencies]\n").nth(1).unwrap_or_default();
    let section = section.split("\n[").next().unwrap_or_default();
    let names = section.lines().filter_map(|line| line.split(['.', ' ', '=']).next());
    names.filter(|name| *name == "px" || name.starts_with("px-")).map(str::to_owned).collect()
}

#[test]
fn the_list_of_crates_is_what_there_is() {
    let text = page("ARCHITECTURE.md");
    let list = blocks(&text).into_iter().find(|block| block.starts_with("crates/")).expect("the list");
    let mut listed: Vec<String> = list
        .lines()
        .skip(1)
        .filter_map(|line| line.trim().split_once('/'))
        .map(|(name, _)| name.into())
        .collect();
    listed.sort();
    assert_eq!(listed, crates(), "ARCHITECTURE.md lists each crate, and no other");
}

#[test]
fn the_arrows_are_cargos() {
    let text = page("ARCHITECTURE.md");
    let arrows = blocks(&text).into_iter().find(|block| block.starts_with("px-")).expect("the arrows");
    let written: BTreeMap<String, BTreeSet<String>> = arrows
        .lines()
        .filter_map(|line| line.split_once(" -> "))
        .map(|(name, to)| {
            let to = to.split_whitespace().filter(|name| *name != "nothing").map(str::to_owned);
            (name.trim().to_owned(), to.collect())
        })
        .collect();
    let found: BTreeMap<_, _> =
        crates().into_iter().map(|name| (name.clone(), dependencies(&name))).collect();
    for name in written.keys().chain(found.keys()) {
        assert_eq!(
            written.get(name),
            found.get(name),
            "the arrows of {name} in ARCHITECTURE.md, and Cargo's"
        );
    }
}

/// Lines of the page go down the river: a crate names only crates above it.
#[test]
fn the_arrows_are_written_in_the_order_of_the_river() {
    let text = page("ARCHITECTURE.md");
    let arrows = blocks(&text).into_iter().find(|block| block.starts_with("px-")).expect("the arrows");
    let mut above = BTreeSet::new();
    for (name, to) in arrows.lines().filter_map(|line| line.split_once(" -> ")) {
        for one in to.split_whitespace().filter(|name| *name != "nothing") {
            assert!(above.contains(one), "{name} names {one}, which is not above it");
        }
        above.insert(name.trim());
    }
}

/// The crates that a build of px with these features has.
fn built(features: &[&str]) -> BTreeSet<String> {
    let output = std::process::Command::new(env!("CARGO"))
        .args([
            "tree",
            "--offline",
            "--package",
            "px",
            "--edges",
            "normal",
            "--prefix",
            "none",
            "--format",
            "{p}",
        ])
        .args(features)
        .current_dir(root())
        .output()
        .expect("cargo");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("names");
    text.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

#[test]
fn a_project_without_the_page_has_none_of_its_crates() {
    let (whole, bare) = (built(&[]), built(&["--no-default-features", "--features", "cli"]));
    for name in ["px-dashboard", "maud"] {
        assert!(whole.contains(name), "{name} is there by default");
        assert!(!bare.contains(name), "{name} is there without the feature dashboard");
    }
    assert!(bare.contains("px-server"));
}
