//! Sources of a project that hold more than its binary does: a file with a registration that no
//! `mod` names, and a brain that nobody registers. The compiler is silent about the first, and says
//! of the second at most that it is dead code.
//!
//! It reads `brains/` and `webhooks/` of the packages that were linked, where these are still there,
//! and looks at words alone: it finds what is forgotten, and proves nothing.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::registry;

/// Folders that hold brains and webhooks.
const HELD: [&str; 2] = ["brains", "webhooks"];
/// Folders that may name a brain.
const NAMING: [&str; 3] = ["src", "tests", "examples"];
/// Maximum number of files that are read.
const MAX_FILES: usize = 5_000;
/// Maximum number of bytes of a file that is read.
const MAX_BYTES: u64 = 1 << 20;
/// Words of a registration.
const REGISTRATIONS: [&str; 4] = ["px::brain!", "px::webhook!", "#[px::register", "#[px::handler"];

/// Tells what the sources of the linked packages hold and the binary does not, a sentence for each:
/// the place, what is wrong, and the line to add.
#[must_use]
pub fn forgotten() -> Vec<String> {
    let compiled: BTreeSet<PathBuf> = registry::files().map(PathBuf::from).collect();
    let roots: BTreeSet<&str> = registry::manifest_dirs().collect();
    roots.into_iter().flat_map(|root| forgotten_in(Path::new(root), &compiled)).collect()
}

/// A file without its comments and texts, the lines as they were.
struct File {
    path: PathBuf,
    code: String,
}

fn forgotten_in(root: &Path, compiled: &BTreeSet<PathBuf>) -> Vec<String> {
    let files = read(root, &HELD);
    let others = read(root, &NAMING);
    let mut found = Vec::new();
    for file in &files {
        let shown = file.path.strip_prefix(root).unwrap_or(&file.path);
        let at = |offset: usize| format!("{}:{}", shown.display(), line(&file.code, offset));
        if let Some(offset) = REGISTRATIONS.iter().filter_map(|word| file.code.find(word)).min()
            && !compiled.iter().any(|known| file.path.ends_with(known))
        {
            found.push(format!(
                "{} registers something that this binary does not have: no `mod` names the file; {}",
                at(offset),
                mod_line(root, &file.path)
            ));
            continue;
        }
        for (offset, name) in brains_of(&file.code) {
            if !files.iter().chain(&others).any(|other| names(&other.code, name)) {
                found.push(format!(
                    "{}: the brain that `fn {name}` makes is registered nowhere: write `px::brain!({name});` behind \
                     the function",
                    at(offset)
                ));
            }
        }
    }
    found
}

/// The line that brings a file into the binary.
fn mod_line(root: &Path, path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let folder = path.parent().unwrap_or(root);
    let above = ["lib.rs", "mod.rs"].into_iter().map(|name| folder.join(name)).find(|file| file.exists());
    let above = above.unwrap_or_else(|| folder.with_extension("rs"));
    format!("write `mod {stem};` in {}", above.strip_prefix(root).unwrap_or(&above).display())
}

fn read(root: &Path, folders: &[&str]) -> Vec<File> {
    let mut open: Vec<PathBuf> = folders.iter().map(|folder| root.join(folder)).collect();
    let mut files = Vec::new();
    while let Some(path) = open.pop() {
        let Ok(about) = path.symlink_metadata() else { continue };
        if about.is_dir() {
            let inner = std::fs::read_dir(&path).into_iter().flatten().flatten();
            open.extend(inner.map(|entry| entry.path()));
        } else if path.extension().is_some_and(|ending| ending == "rs")
            && about.len() <= MAX_BYTES
            && files.len() < MAX_FILES
            && let Ok(text) = std::fs::read_to_string(&path)
        {
            files.push(File { path, code: code_of(&text) });
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

/// The functions that make a brain and have no `#[px::register]`: where the name is, and the name.
fn brains_of(code: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("fn ") {
        let is_word = !code.get(..at).and_then(|before| before.chars().next_back()).is_some_and(is_of_word);
        let Some(after) = code.get(at + "fn ".len()..).filter(|_| is_word) else { continue };
        let name = word(after);
        let head = after.split(['{', ';']).next().unwrap_or_default();
        let output = head.split_once("->").map(|(_, output)| output.trim_start()).unwrap_or_default();
        let kind = output.split_once('<').and_then(|(path, _)| path.rsplit("::").next());
        let before = code.get(..at).unwrap_or_default();
        let attributes = before.rsplit(['}', ';']).next().unwrap_or_default();
        if kind == Some("Brain") && !name.is_empty() && !attributes.contains("register") {
            found.push((at + "fn ".len(), name));
        }
    }
    found
}

/// Returns true if a name is in the code other than behind `fn`.
fn names(code: &str, name: &str) -> bool {
    code.match_indices(name).any(|(at, _)| {
        let before = code.get(..at).unwrap_or_default();
        let after = code.get(at + name.len()..).unwrap_or_default();
        !before.ends_with("fn ")
            && !before.chars().next_back().is_some_and(is_of_word)
            && !after.chars().next().is_some_and(is_of_word)
    })
}

fn word(text: &str) -> &str {
    text.split(|letter| !is_of_word(letter)).next().unwrap_or_default()
}

fn is_of_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

fn line(text: &str, offset: usize) -> usize {
    text.get(..offset).unwrap_or_default().matches('\n').count() + 1
}

/// Part of a source that a letter is in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Code,
    Line,
    /// A comment of several lines, so deep.
    Block(usize),
    Text,
    /// A raw text with so many `#`.
    Raw(usize),
}

/// The code, with a space for each letter of a comment or a text.
fn code_of(source: &str) -> String {
    let mut code = String::with_capacity(source.len());
    let mut part = Part::Code;
    let mut rest = source;
    while let Some(letter) = rest.chars().next() {
        let (next, length) = step(part, rest, code.chars().next_back());
        let length = length.max(letter.len_utf8());
        let shows = part == Part::Code && next == Part::Code && length == letter.len_utf8();
        for taken in rest.get(..length).unwrap_or_default().chars() {
            code.push(if shows || taken == '\n' { taken } else { ' ' });
        }
        part = next;
        rest = rest.get(length..).unwrap_or_default();
    }
    code
}

/// The part that comes after the beginning of `rest`, and the length of that beginning.
fn step(part: Part, rest: &str, before: Option<char>) -> (Part, usize) {
    match part {
        Part::Code if rest.starts_with("//") => (Part::Line, 2),
        Part::Code if rest.starts_with("/*") => (Part::Block(1), 2),
        // A quote that is a letter, and begins no text.
        Part::Code if rest.starts_with("'\"'") => (Part::Code, 3),
        Part::Code if rest.starts_with("'\\\"'") => (Part::Code, 4),
        Part::Code if rest.starts_with('"') => (Part::Text, 1),
        Part::Code if rest.starts_with('r') && !before.is_some_and(is_of_word) => {
            let fence = rest.chars().skip(1).take_while(|letter| *letter == '#').count();
            let is_raw = rest.get(1 + fence..).is_some_and(|text| text.starts_with('"'));
            if is_raw { (Part::Raw(fence), fence + 2) } else { (Part::Code, 1) }
        }
        Part::Line if rest.starts_with('\n') => (Part::Code, 1),
        Part::Block(depth) if rest.starts_with("/*") => (Part::Block(depth + 1), 2),
        Part::Block(1) if rest.starts_with("*/") => (Part::Code, 2),
        Part::Block(depth) if rest.starts_with("*/") => (Part::Block(depth - 1), 2),
        Part::Text if rest.starts_with("\\\\") || rest.starts_with("\\\"") => (Part::Text, 2),
        Part::Text if rest.starts_with('"') => (Part::Code, 1),
        Part::Raw(fence) if rest.starts_with(&format!("\"{}", "#".repeat(fence))) => (Part::Code, fence + 1),
        same => (same, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_texts_are_no_code() {
        for (source, code) in [
            ("a // px::brain!(b)\nc", "ac"),
            ("/* b /* c */ d */ e", "e"),
            (r#"f("px::brain!(x)", 'y')"#, "f(,'y')"),
            (r##"r#"a"b"# + '"' + d"##, "++d"),
            (r#""a\"b" c"#, "c"),
        ] {
            let read = code_of(source);
            assert_eq!(read.split_whitespace().collect::<String>(), code, "{source}");
            assert_eq!(
                read.lines().map(str::len).collect::<Vec<_>>(),
                source.lines().map(str::len).collect::<Vec<_>>()
            );
        }
    }

    #[test]
    fn a_brain_is_registered_or_named() {
        let code = "pub fn a() -> Brain<X> {\n}\n#[px::register]\nfn b() -> px::Brain<X, Y> {}\nfn c() -> u8 {}\n\
                    fn d(\n) -> px::Brain<Z>\n{ brain() }";
        let found: Vec<_> = brains_of(code).into_iter().map(|(at, name)| (line(code, at), name)).collect();
        assert_eq!(found, [(1, "a"), (6, "d")]);
        assert!(names("px::brain!(a);", "a") && names(".brain(\"x\", a, b)", "a"));
        assert!(!names(code, "a") && !names("ab(a_, ba)", "a"));
    }

    #[test]
    fn what_is_forgotten_is_named_with_the_line_to_add() {
        let root = std::env::temp_dir().join(format!("px-sources-{}", std::process::id()));
        let write = |name: &str, text: &str| {
            let path = root.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("brains/lib.rs", "pub mod known;\n");
        write(
            "brains/known.rs",
            "pub fn used() -> Brain<A> {}\npx::brain!(used);\n\nfn lost() -> Brain<A> {}\n",
        );
        write("brains/new.rs", "// px::brain!(no);\n\n#[px::register]\nfn new() -> Brain<A> {}\n");
        write("webhooks/mod.rs", "");
        write("webhooks/mail.rs", "px::webhook! {\n}\n");
        let found = forgotten_in(
            &root,
            &BTreeSet::from([PathBuf::from("app/brains/known.rs"), "brains/known.rs".into()]),
        );
        std::fs::remove_dir_all(&root).unwrap();
        assert_eq!(
            found,
            [
                "brains/known.rs:4: the brain that `fn lost` makes is registered nowhere: write `px::brain!(lost);` \
                 behind the function",
                "brains/new.rs:3 registers something that this binary does not have: no `mod` names the file; write \
                 `mod new;` in brains/lib.rs",
                "webhooks/mail.rs:1 registers something that this binary does not have: no `mod` names the file; write \
                 `mod mail;` in webhooks/mod.rs",
            ]
        );
    }
}
