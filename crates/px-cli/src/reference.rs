//! The reference of the command line, `docs/cli.md`: every command with its
//! help as it is printed. The test holds the file to it; `PX_BLESS=1` writes it.

use std::fmt::Write as _;

use clap::{Command, CommandFactory as _};

use crate::entry::Cli;

/// The whole help tree as a page.
fn page() -> String {
    let mut out = String::from(
        "# The command line\n\nMade from the help texts, and tested to be equal to them: `px <command> --help` prints the same. \
         Data goes to stdout, everything else to stderr; `--json` prints data, and errors, as JSON.\n\n\
         | exit code | what it means |\n|---|---|\n| 0 | ok |\n| 1 | tried, and it did not work, or its output could not be written |\n\
         | 2 | the command line or the configuration makes no sense |\n| 3 | not found |\n| 4 | conflict: it is there, and in no \
         state for this |\n| 5 | cannot reach the server |\n| 130 | ended by a second signal |\n",
    );
    let mut root = Cli::command().term_width(100);
    root.build();
    section(&mut out, &root, "px");
    out
}

fn section(out: &mut String, command: &Command, path: &str) {
    let help = command.clone().term_width(100).render_long_help().to_string();
    // Texts in a text cannot fail to be written.
    let _ = write!(out, "\n## {path}\n\n```text\n");
    for line in help.trim_end().lines() {
        let _ = writeln!(out, "{}", line.trim_end());
    }
    out.push_str("```\n");
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        section(out, sub, &format!("{path} {}", sub.get_name()));
    }
}

#[test]
fn the_reference_is_the_help() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/cli.md");
    if std::env::var_os("PX_BLESS").is_some() {
        std::fs::write(path, page()).unwrap();
    }
    let known = std::fs::read_to_string(path).unwrap_or_default();
    assert!(known == page(), "the help has changed: look at it, then run the test with PX_BLESS=1");
}
