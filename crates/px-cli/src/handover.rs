//! Handing over: in the directory of another project, its own binary is the
//! one that knows its brains. This decides whose directory it is, and becomes
//! `cargo run` there. It knows no command but those that need no project.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::ui::Ui;

/// Set for the process that is handed over to, so that it does not hand over
/// again; whoever sets it keeps this binary.
pub(crate) const VARIABLE: &str = "PX_HANDED_OVER";

/// Commands that want to know the brains and webhooks of the project. All the
/// others ask a server or a store, which know their own.
const OF_A_PROJECT: &[&[&str]] = &[
    &["serve"],
    &["dev"],
    &["check"],
    &["run"],
    &["brains"],
    &["webhooks", "list"],
    &["webhooks", "show"],
    &["webhooks", "send"],
    &["webhooks", "verify"],
    &["runs", "explain"],
];

/// Global flags that take a value, which is no command.
const WITH_VALUE: &[&str] = &["--url", "--config"];

/// Becomes the binary of the project in whose directory this is, if that is
/// another one. Returns if there is nothing to hand over.
pub(crate) fn attempt() -> Result<()> {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    if is_set(VARIABLE) || is_set("PX_URL") || !needs_a_project(&arguments) {
        return Ok(());
    }
    if commands(&arguments).first().is_some_and(|command| command == "serve") && is_deployed() {
        return Ok(());
    }
    let Some(project) = std::env::current_dir().ok().and_then(|dir| project_of(&dir)) else { return Ok(()) };
    if is_home(&project) {
        return Ok(());
    }
    let ui = Ui::new(arguments.iter().any(|argument| argument.to_str().is_some_and(crate::entry::is_json)));
    if !ui.json {
        ui.note(format_args!(
            "Handing over to the px of {} (cargo run, which builds it first).",
            project.display()
        ));
    }
    become_it(&arguments, &project)
}

/// Returns whether a command wants the project's brains. One that names a server
/// is about that server's.
fn needs_a_project(arguments: &[OsString]) -> bool {
    let flags =
        || arguments.iter().map(|argument| argument.to_string_lossy()).take_while(|text| text != "--");
    let keeps = |text: &str| {
        matches!(text, "--help" | "-h" | "--version" | "-V" | "--url") || text.starts_with("--url=")
    };
    let words = commands(arguments);
    let is_of_a_project = |command: &&[&str]| {
        words.len() >= command.len() && words.iter().zip(*command).all(|(word, part)| word == part)
    };
    OF_A_PROJECT.iter().any(is_of_a_project) && !flags().any(|text| keeps(&text))
}

/// The first words that are neither flags nor their values.
fn commands(arguments: &[OsString]) -> Vec<String> {
    let mut words = Vec::new();
    let mut is_value = false;
    for text in arguments.iter().map(|argument| argument.to_string_lossy()).take_while(|text| text != "--") {
        if !std::mem::replace(&mut is_value, WITH_VALUE.contains(&&*text)) && !text.starts_with('-') {
            words.push(text.into_owned());
        }
    }
    words
}

/// Returns whether this is a project's binary away from where it was built: it
/// serves its own brains, wherever it is started. Cargo leaves a file in each of
/// its target directories.
fn is_deployed() -> bool {
    let is_a_projects = px_sdk::registry::manifest_dirs().next().is_some();
    let built_here = std::env::current_exe()
        .is_ok_and(|exe| exe.ancestors().skip(1).take(4).any(|dir| dir.join(".rustc_info.json").is_file()));
    is_a_projects && !built_here
}

/// The nearest directory that holds a project: a px.toml beside a Cargo.toml
/// that depends on px.
pub(crate) fn project_of(dir: &Path) -> Option<PathBuf> {
    dir.ancestors().find(|dir| is_project(dir)).map(Path::to_owned)
}

/// The name of a project's program that its manifest gives, for px or for `cargo run`.
/// One that has a single program need not say so.
pub(crate) fn program_of(project: &Path) -> Option<String> {
    let manifest: toml::Table = std::fs::read_to_string(project.join("Cargo.toml")).ok()?.parse().ok()?;
    let package = manifest.get("package")?;
    let of_px = package.get("metadata").and_then(|metadata| metadata.get("px")?.get("program"));
    of_px.or_else(|| package.get("default-run"))?.as_str().map(str::to_owned)
}

fn is_project(dir: &Path) -> bool {
    let Ok(manifest) = std::fs::read_to_string(dir.join("Cargo.toml")) else { return false };
    let depends = || {
        let manifest: toml::Table = manifest.parse().ok()?;
        manifest.get("package")?;
        manifest.get("dependencies")?.get("px")?;
        Some(())
    };
    dir.join(crate::config::FILE).is_file() && depends().is_some()
}

/// Returns whether this binary's brains were compiled in this directory. A binary
/// without any is at home nowhere.
fn is_home(project: &Path) -> bool {
    let real = |dir: &Path| std::fs::canonicalize(dir).unwrap_or_else(|_| dir.to_owned());
    let project = real(project);
    px_sdk::registry::manifest_dirs().any(|dir| real(Path::new(dir)) == project)
}

/// The cargo that runs this process, else the one on the path: without what a
/// `cargo run` around this process says of its own package. Build scripts watch
/// these variables (ring's does), and would be run again, with all that depends
/// on them, whenever the same project is built with and without them.
pub(crate) fn cargo() -> std::process::Command {
    let mut cargo = std::process::Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in std::env::vars_os().filter(|(name, _)| is_of_the_package(name)) {
        cargo.env_remove(name);
    }
    cargo
}

/// Returns whether a variable is one that cargo sets for the package that it runs.
fn is_of_the_package(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|prefix| name.starts_with(prefix))
        || ["CARGO_BIN_NAME", "CARGO_CRATE_NAME", "CARGO_PRIMARY_PACKAGE", "OUT_DIR"].contains(&&*name)
}

#[cfg(unix)]
fn become_it(arguments: &[OsString], project: &Path) -> Result<()> {
    use std::os::unix::process::CommandExt as _;
    let mut run = cargo();
    run.args(["run", "--quiet"]);
    if let Some(program) = program_of(project) {
        run.args(["--bin", &program]);
    }
    run.arg("--").args(arguments).env(VARIABLE, "1");
    let error = run.exec();
    Err(Error::failed(format!(
        "this is the project at {}, of which this px is not the binary, and `cargo run` cannot be started: {error}",
        project.display()
    ))
    .hint(format!("install Rust, or run the project's own binary; {VARIABLE}=1 keeps to this one")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cargo_says_of_one_package_is_not_told_to_the_next_cargo() {
        for name in ["CARGO_PKG_NAME", "CARGO_PKG_VERSION_MAJOR", "CARGO_MANIFEST_DIR", "CARGO_MANIFEST_PATH"]
        {
            assert!(is_of_the_package(OsStr::new(name)), "{name}");
        }
        for name in
            ["CARGO_TARGET_DIR", "CARGO_HOME", "CARGO_INCREMENTAL", "CARGO", "RUSTUP_TOOLCHAIN", "PATH"]
        {
            assert!(!is_of_the_package(OsStr::new(name)), "{name}");
        }
    }

    #[test]
    fn what_needs_a_project() {
        let needs = |words: &str| needs_a_project(&words.split(' ').map(OsString::from).collect::<Vec<_>>());
        assert!(needs("serve") && needs("--json brains list") && needs("run x -- --help"));
        assert!(needs("--config px.toml check") && needs("webhooks send sms") && needs("runs explain run_1"));
        for others in [
            "runs list",
            "runs show run_1",
            "--url http://a runs list",
            "--url http://a serve",
            "run x --url=http://a",
            "webhooks deliveries list",
            "hooks list",
            "tokens create me",
            "store backup copy",
            "audit",
            "config show",
            "explain PX0001",
            "--config serve runs list",
        ] {
            assert!(!needs(others), "{others}");
        }
        assert!(
            !needs("new demo") && !needs("completions bash") && !needs("--version") && !needs("serve --help")
        );
        assert!(!needs_a_project(&[]));
    }

    #[test]
    fn a_projects_program_bears_the_name_that_its_manifest_gives() {
        let dir = tempfile::tempdir().unwrap();
        for (manifest, name) in [
            ("[package]\ndefault-run = 'a'\n[package.metadata.px]\nprogram = 'desk'\n", Some("desk")),
            ("[package]\ndefault-run = 'a'\n", Some("a")),
            ("[package]\nname = 'a'\n", None),
            ("no manifest", None),
        ] {
            std::fs::write(dir.path().join("Cargo.toml"), manifest).unwrap();
            assert_eq!(program_of(dir.path()).as_deref(), name, "{manifest}");
        }
    }

    #[test]
    fn whose_directory_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let inside = dir.path().join("brains");
        std::fs::create_dir(&inside).unwrap();
        assert_eq!(project_of(&inside), None);
        std::fs::write(dir.path().join("Cargo.toml"), "[package]\nname = 'a'\n[dependencies]\npx = '1'\n")
            .unwrap();
        assert_eq!(project_of(&inside), None, "without px.toml it may be anything");
        std::fs::write(dir.path().join("px.toml"), "").unwrap();
        assert_eq!(project_of(&inside).as_deref(), Some(dir.path()));
        assert!(!is_home(dir.path()));
    }
}
