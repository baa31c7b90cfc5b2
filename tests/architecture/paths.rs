//! Paths that pages and comments name: each can be opened. A page leaves out `crates/`, and `src/` behind
//! the crate's name; a name without a folder lies beside those that stand before it.

use std::path::Path;

use crate::source::{everything, page, root};

/// Beginnings by which a text is known to be a path in this repository.
const FOLDERS: [&str; 7] = ["crates/", "px-", "px/", "tests/", "docs/", "brains/", "webhooks/"];

/// The texts between backticks.
fn spans(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2).filter(|span| !span.contains('\n'))
}

/// Returns true if a text between backticks is a path of the repository, as far as one can tell.
fn is_path(span: &str) -> bool {
    let is_of_a_path = |letter: char| letter.is_alphanumeric() || "-_./{},<>… ".contains(letter);
    let in_a_folder = span.contains('/') && FOLDERS.iter().any(|folder| span.starts_with(folder));
    let is_a_file = [".rs", ".md", ".sh"].iter().any(|ending| span.ends_with(ending));
    span.chars().all(is_of_a_path)
        && !span.starts_with('/')
        && (in_a_folder || is_a_file || span.ends_with('/'))
}

/// The paths that a text with braces stands for: `src/{a,b}.rs` for two.
fn expanded(span: &str) -> Vec<String> {
    let Some((before, (inner, after))) =
        span.split_once('{').and_then(|(before, rest)| Some((before, rest.split_once('}')?)))
    else {
        return vec![span.to_owned()];
    };
    inner.split(',').flat_map(|one| expanded(&format!("{before}{}{after}", one.trim()))).collect()
}

/// Returns true if there is a file of this name, or one that begins so before a `*`.
fn exists(path: &str) -> bool {
    let Some((start, _)) = path.split_once('*') else { return root().join(path).exists() };
    let (folder, start) = start.rsplit_once('/').unwrap_or(("", start));
    let entries = std::fs::read_dir(root().join(folder)).into_iter().flatten().flatten();
    entries.into_iter().any(|entry| entry.file_name().to_string_lossy().starts_with(start))
}

/// The crate that a path lies in.
fn crate_of(path: &str) -> Option<String> {
    let name = path.strip_prefix("crates/")?.split('/').next()?;
    Some(format!("crates/{name}"))
}

/// The path from the root that a text means, behind others.
fn resolve(named: &str, before: &[String]) -> Option<String> {
    // What stands behind it is for whoever runs it.
    let named = named.split(['<', '…', ' ']).next().unwrap_or_default();
    let mut places = vec![named.to_owned(), format!("crates/{named}")];
    if let Some((first, rest)) = named.split_once('/') {
        places.push(format!("crates/{first}/src/{rest}"));
    }
    for path in before {
        let is_folder = root().join(path).is_dir();
        let folder =
            if is_folder { Some(Path::new(path.as_str())) } else { Path::new(path.as_str()).parent() };
        places.extend(folder.map(|folder| folder.join(named).display().to_string()));
        if let Some(of) = crate_of(path) {
            places.extend([format!("{of}/src/{named}"), format!("{of}/{named}")]);
        }
    }
    places.into_iter().find(|place| !named.is_empty() && exists(place))
}

/// The paths of a text that nothing is at.
fn missing(text: &str) -> Vec<String> {
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    for path in spans(text).filter(|span| is_path(span)).flat_map(expanded) {
        match resolve(&path, &found) {
            Some(there) => found.push(there),
            None => missing.push(path),
        }
    }
    missing
}

#[test]
fn each_task_names_files_that_are_there() {
    let text = page("CONTRIBUTING.md");
    let table = text.split("## Task").nth(1).expect("the table").split("\n## ").next().expect("its end");
    let rows: Vec<_> =
        table.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| task")).collect();
    assert!(rows.len() > 30, "the table is read: {}", rows.len());
    for row in rows {
        let files = row.rsplit_once(" | ").map_or("", |(_, files)| files);
        assert!(spans(files).any(is_path), "it says where to begin: {row}");
        assert_eq!(missing(files), Vec::<String>::new(), "{row}");
    }
    for line in text.lines() {
        // A name alone is any file of that name.
        let missing: Vec<_> = missing(line).into_iter().filter(|path| path.contains('/')).collect();
        assert_eq!(missing, Vec::<String>::new(), "{line}");
    }
}

#[test]
fn the_page_of_the_architecture_names_files_that_are_there() {
    let text = page("ARCHITECTURE.md");
    // Between fences are the crates and their arrows, which have a test of their own.
    let prose: Vec<_> = text.split("```").step_by(2).collect();
    let paragraphs: Vec<_> = prose.iter().flat_map(|prose| prose.split("\n\n")).collect();
    assert!(paragraphs.iter().any(|paragraph| spans(paragraph).any(is_path)), "paths are found");
    for paragraph in paragraphs {
        assert_eq!(missing(paragraph), Vec::<String>::new(), "{paragraph}");
    }
}

/// The paths that a comment names, whether or not between backticks.
fn cited(comment: &str) -> Vec<&str> {
    let is_of_a_path = |letter: char| letter.is_ascii_alphanumeric() || "-_./*".contains(letter);
    let words = comment.split(|letter: char| !is_of_a_path(letter));
    words
        .map(|word| word.trim_end_matches(['.', '-']))
        .filter(|word| word.contains('/') && FOLDERS.iter().any(|folder| word.starts_with(folder)))
        // URLs begin so too.
        .filter(|word| {
            word.ends_with(".rs") || !["brains/", "webhooks/"].iter().any(|url| word.starts_with(url))
        })
        .collect()
}

#[test]
fn comments_name_files_that_are_there() {
    let (mut wrong, mut count) = (Vec::new(), 0);
    for (name, text) in everything() {
        for (at, line) in text.lines().enumerate() {
            let Some((_, comment)) = line.split_once("//") else { continue };
            for path in cited(comment) {
                count += 1;
                if resolve(path, std::slice::from_ref(&name)).is_none() {
                    wrong.push(format!("{name}:{}: there is no {path}", at + 1));
                }
            }
        }
    }
    assert!(count > 100, "paths are found: {count}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn paths_are_told_from_other_words() {
    assert!(is_path("px-engine/src/{places,takeover}.rs") && is_path("phases/") && is_path("docs/cli.md"));
    assert!(!is_path("/metrics") && !is_path("[providers.<name>]") && !is_path("tree/values"));
    assert_eq!(expanded("a/{b,c}.rs"), ["a/b.rs", "a/c.rs"]);
    assert_eq!(missing("`px-core/src/key.rs`, `clock.rs` and `nothing.rs`"), ["nothing.rs"]);
    assert_eq!(cited("/ see tests/a_*.rs, px-core/x.rs. Not a/b."), ["tests/a_*.rs", "px-core/x.rs"]);
}
