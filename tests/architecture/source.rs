//! The sources as text.

#![expect(unreachable_pub, reason = "a module of a test")]

use std::path::{Path, PathBuf};

pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The source files below a folder of the project, with their text.
pub fn sources(folder: &str) -> Vec<(String, String)> {
    fn walk(folder: &Path, out: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).into_iter().flatten() {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                walk(&path, out);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                out.push(path);
            }
        }
    }
    let mut paths = Vec::new();
    walk(&root().join(folder), &mut paths);
    paths.sort();
    assert!(!paths.is_empty(), "there are sources in {folder}");
    paths
        .into_iter()
        .map(|path| {
            let text = std::fs::read_to_string(&path).expect("a source");
            let name = path.strip_prefix(root()).expect("below the root").display().to_string();
            (name.replace('\\', "/"), text)
        })
        .collect()
}

pub fn crates() -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(root().join("crates"))
        .expect("crates")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// Library code: no tests, benches or examples, and of a file only what comes
/// before its unit tests.
pub fn library() -> Vec<(String, String)> {
    sources("crates")
        .into_iter()
        .filter(|(name, _)| {
            name.contains("/src/") && !name.contains("/tests/") && !name.ends_with("/tests.rs")
        })
        .map(|(name, text)| {
            let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default().to_owned();
            (name, code)
        })
        .collect()
}

/// The lines of code, without comments, that hold one of these texts.
pub fn lines_with<'a>(code: &'a str, wanted: &'a [&str]) -> impl Iterator<Item = (usize, &'a str)> {
    code.lines()
        .enumerate()
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
        .filter(|(_, line)| wanted.iter().any(|text| line.contains(text)))
        .map(|(at, line)| (at + 1, line))
}

/// Every source but those that must not compile.
pub fn everything() -> Vec<(String, String)> {
    let mut all = sources("crates");
    all.extend(["brains", "webhooks", "tests", "examples"].into_iter().flat_map(sources));
    all.retain(|(name, _)| !name.contains("compile_fail/"));
    all
}

/// A page of the repository.
pub fn page(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).expect("a page")
}
