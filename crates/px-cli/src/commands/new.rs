//! `px new`: writes a project of the documented shape. What it writes lies in
//! `template/`, word for word but for three names.

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::context::Context;
use crate::error::{Error, Kind, Result};
use crate::ui::{HEADING, paint};

/// The files of a project, with what each is made from.
const FILES: &[(&str, &str)] = &[
    ("Cargo.toml", include_str!("../../template/Cargo.toml.in")),
    ("README.md", include_str!("../../template/README.md.in")),
    ("px.toml", include_str!("../../template/px.toml.in")),
    (".rustfmt.toml", include_str!("../../template/rustfmt.toml")),
    (".gitignore", include_str!("../../template/gitignore")),
    (".github/workflows/ci.yml", include_str!("../../template/github/ci.yml")),
    ("brains/lib.rs", include_str!("../../template/brains/lib.rs")),
    ("brains/main.rs", include_str!("../../template/brains/main.rs")),
    ("brains/approval.rs", include_str!("../../template/brains/approval.rs")),
    ("webhooks/mod.rs", include_str!("../../template/webhooks/mod.rs")),
    ("webhooks/decisions.rs", include_str!("../../template/webhooks/decisions.rs")),
    ("tests/approval.rs", include_str!("../../template/tests/approval.rs")),
];

/// The longest name of a project.
const MAX_NAME_CHARS: usize = 64;

/// Names that cargo, or the project's own crates, have taken.
const TAKEN: &[&str] = &["px", "core", "std", "alloc", "test", "proc-macro", "proc_macro", "build", "deps"];

/// Words of the language, which cannot name a crate.
const KEYWORDS: &[&str] = &[
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate", "do", "dyn",
    "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop",
    "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref", "return", "self", "static",
    "struct", "super", "trait", "true", "try", "type", "typeof", "unsafe", "unsized", "use", "virtual",
    "where", "while", "yield",
];

/// Make a new project: one brain, one webhook, and their test
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The project builds, tests and serves at once. While px is not published, --path says where \
                        its sources are.\n\n\
                        Exit codes: 0 made, 2 a bad name or no --path, 3 no px at --path, or no folder to write into, 4 the folder is there already\n\n\
                        Examples:\n  px new demo --path ~/src/px\n  px new ../demo --path . --json"
)]
pub(crate) struct Args {
    /// The project's name, or the folder to make for it
    #[arg(value_name = "NAME")]
    folder: PathBuf,

    /// Folder of px's own sources, the one with px's crates/
    #[arg(long, value_name = "DIR")]
    path: Option<PathBuf>,
}

pub(crate) fn run(context: &Context, args: &Args) -> Result<()> {
    let name = name(&args.folder)?;
    let px = sources(args)?;
    if args.folder.symlink_metadata().is_ok() {
        let what = format!("{} is there already", args.folder.display());
        return Err(Error::new(Kind::Conflict, what)
            .hint("px new writes into a new folder only: take another name, or remove it"));
    }
    if let Some(above) = args.folder.parent().filter(|above| !above.as_os_str().is_empty() && !above.is_dir())
    {
        return Err(Error::not_found(format!("there is no folder {}", above.display()))
            .hint("make it first, or take another place"));
    }
    write_all(&args.folder, &name, &px).map_err(|(file, error)| {
        Error::failed(format!("cannot write {}: {error}", file.display()))
            .hint("see that the folder above may be written to; what was written is removed again")
    })?;
    let folder = std::fs::canonicalize(&args.folder).unwrap_or_else(|_| args.folder.clone());
    if context.ui.json {
        let files: Vec<&str> = FILES.iter().map(|(file, _)| *file).collect();
        return context.ui.json(&json!({ "name": name, "path": folder, "files": files }));
    }
    context.ui.line(folder.display())?;
    context.ui.note(format_args!(
        "{} Next:\n\n  cd {}\n  cargo test\n  cargo run -- serve\n\nREADME.md there goes on.",
        paint(HEADING, format_args!("Made the project '{name}'.")),
        quoted(&args.folder),
    ));
    Ok(())
}

/// The project's name: the folder's, if a crate can be called so.
fn name(folder: &Path) -> Result<String> {
    let given = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let bad = |why: &str| {
        let mut error = Error::usage(format!("'{given}' cannot name a project: {why}"));
        if let Some(better) = better(&given) {
            error = error.hint(format!("'{better}' can"));
        }
        Err(error.hint("a name is made of a-z, 0-9, '-' and '_', and begins with a letter: my-app"))
    };
    if given.is_empty() {
        return bad("it is empty");
    }
    if given.chars().count() > MAX_NAME_CHARS {
        return bad(&format!("it is longer than {MAX_NAME_CHARS} characters"));
    }
    if !given.starts_with(|c: char| c.is_ascii_lowercase()) {
        return bad("it does not begin with a letter from a to z");
    }
    if let Some(wrong) = given.chars().find(|c| !is_name_char(*c)) {
        return bad(&format!("it has a '{wrong}'"));
    }
    if KEYWORDS.contains(&given.as_str()) {
        return bad("it is a word of Rust");
    }
    if TAKEN.contains(&given.as_str()) {
        return bad("it is taken");
    }
    Ok(given)
}

const fn is_name_char(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_')
}

/// A name that can be one, made from what was given.
fn better(given: &str) -> Option<String> {
    let lower = given.to_lowercase();
    let spelled: String = lower.chars().map(|c| if is_name_char(c) { c } else { '-' }).collect();
    let trimmed = spelled.trim_start_matches(|c: char| !c.is_ascii_lowercase()).trim_end_matches('-');
    let named: String = trimmed.chars().take(MAX_NAME_CHARS).collect();
    let is_free = !named.is_empty()
        && named != given
        && !TAKEN.contains(&named.as_str())
        && !KEYWORDS.contains(&named.as_str());
    is_free.then_some(named)
}

/// The folder with px's own sources, as an absolute path.
fn sources(args: &Args) -> Result<PathBuf> {
    // Where this binary was made from, which may be gone by now.
    let made_from = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).filter(|dir| is_px(dir));
    let suggestion = |dir: &Path| format!("px new {} --path {}", quoted(&args.folder), quoted(dir));
    let Some(given) = &args.path else {
        let known = made_from.map_or_else(|| suggestion(Path::new("DIR")), suggestion);
        return Err(Error::usage(
            "px is not published yet, so a project needs its sources: say where they are with --path",
        )
        .hint(format!("--path is the folder with px's crates/: {known}")));
    };
    let found = std::fs::canonicalize(given).ok().filter(|dir| is_px(dir));
    found.ok_or_else(|| {
        Error::not_found(format!("there is no px in {}: it has no crates/px/Cargo.toml", given.display()))
            .maybe_hint(made_from.map(|dir| format!("this px was made from {}", dir.display())))
            .hint("--path names the folder of px's own sources, the one with crates/")
    })
}

fn is_px(dir: &Path) -> bool {
    dir.join("crates/px/Cargo.toml").is_file()
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '-' | '_' | '~');
    if text.chars().all(is_plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

/// Writes the project, all of it or nothing.
fn write_all(folder: &Path, name: &str, px: &Path) -> Result<(), (PathBuf, std::io::Error)> {
    std::fs::create_dir(folder).map_err(|error| (folder.to_owned(), error))?;
    let written = write_files(folder, name, px);
    if written.is_err() {
        // What cannot be removed either is the same trouble, of which one report is enough.
        let _ = std::fs::remove_dir_all(folder);
    }
    written
}

fn write_files(folder: &Path, name: &str, px: &Path) -> Result<(), (PathBuf, std::io::Error)> {
    // A path in a TOML string, in which both of these mean something.
    let path = px.display().to_string().replace('\\', "\\\\").replace('"', "\\\"");
    for (file, template) in FILES {
        let text = template
            .replace("{{name}}", name)
            .replace("{{px}}", &path)
            .replace("{{rust}}", env!("CARGO_PKG_RUST_VERSION"));
        let target = folder.join(file);
        let parent = target.parent().unwrap_or(folder);
        std::fs::create_dir_all(parent)
            .and_then(|()| std::fs::write(&target, text))
            .map_err(|error| (target, error))?;
    }
    // With the versions that px was tested with; cargo drops what the project does not need.
    let lock = px.join("Cargo.lock");
    if lock.is_file() {
        let target = folder.join("Cargo.lock");
        std::fs::copy(&lock, &target).map_err(|error| (target, error))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_projects() {
        for good in ["demo", "my-app", "a1_b", "../there/demo", "demo/"] {
            assert!(name(Path::new(good)).is_ok(), "{good}");
        }
        let hint = |bad: &str| name(Path::new(bad)).unwrap_err().hint.unwrap_or_default();
        assert_eq!(hint("My App"), "'my-app' can");
        assert_eq!(hint("1st"), "'st' can");
        assert!(hint("px").starts_with("a name is made of"));
        for bad in ["", "..", "-x", "é", "match", "test", &"a".repeat(65)] {
            assert_eq!(name(Path::new(bad)).unwrap_err().kind, Kind::Usage, "{bad}");
        }
    }

    #[test]
    fn paths_are_quoted_for_a_shell() {
        assert_eq!(quoted(Path::new("../demo")), "../demo");
        assert_eq!(quoted(Path::new("it's here")), r"'it'\''s here'");
    }
}
