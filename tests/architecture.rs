//! The house rules of ARCHITECTURE.md, as tests: who may depend on whom, who
//! may read the clock, who may commit, how files look and how comments speak.
//! They read the sources as text, so that a rule that is broken is named with
//! its place. Lists of exceptions may only shrink: an entry that is no
//! exception any more fails.

#![expect(clippy::expect_used, reason = "a test says by panicking that it failed")]

#[path = "architecture/comments.rs"]
mod comments;
#[path = "architecture/graph.rs"]
mod graph;
#[path = "architecture/paths.rs"]
mod paths;
#[path = "architecture/sizes.rs"]
mod sizes;
#[path = "architecture/source.rs"]
mod source;
#[path = "architecture/surface.rs"]
mod surface;

use app as _;
use source::{crates, everything, library, lines_with, root, sources};

fn nowhere_but(wanted: &[&str], allowed: &[&str], rule: &str) {
    let mut found = Vec::new();
    for (name, code) in library() {
        if allowed.iter().any(|place| name.starts_with(place)) {
            continue;
        }
        for (line, text) in lines_with(&code, wanted) {
            found.push(format!("{name}:{line}: {}", text.trim()));
        }
    }
    assert!(found.is_empty(), "{rule}\n{}", found.join("\n"));
}

#[test]
fn users_code_names_only_px() {
    for (name, text) in sources("brains").into_iter().chain(sources("webhooks")) {
        let found: Vec<_> = lines_with(
            &text,
            &["px_core", "px_sdk", "px_store", "px_engine", "px_inbound", "px_server", "px_cli"],
        )
        .collect();
        assert!(found.is_empty(), "{name} names more than px: {found:?}");
    }
}

#[test]
fn the_core_is_pure() {
    for (name, code) in library() {
        if !name.starts_with("crates/px-core/") {
            continue;
        }
        let impure =
            ["async ", "tokio", "std::fs", "std::net", "std::env", "std::io", "std::thread", "println!"];
        let found: Vec<_> = lines_with(&code, &impure).collect();
        assert!(found.is_empty(), "{name}: {found:?}");
    }
}

#[test]
fn one_file_reads_the_clock() {
    let allowed = [
        "crates/px-core/src/clock.rs",
        // These pace threads and starts by elapsed time; nothing that a run becomes depends on it.
        "crates/px-engine/src/suspects.rs",
        "crates/px-pool/src/standby.rs",
        "crates/px-store-sled/src/",
    ];
    nowhere_but(
        &["SystemTime::now", "Instant::now"],
        &allowed,
        "only px-core's clock module reads the clock",
    );
    nowhere_but(&["SystemTime::now"], &["crates/px-core/src/clock.rs"], "and nobody else the wall clock");
}

#[test]
fn one_file_reads_randomness() {
    let sources =
        ["Uuid::new", "Uuid::now", "ContextV7", "getrandom", "rand::", "thread_rng", "RandomState::new"];
    nowhere_but(
        &sources,
        &["crates/px-core/src/entropy.rs"],
        "only px-core's entropy module reads randomness",
    );
}

#[test]
fn there_is_one_write_seam() {
    let allowed = [
        "crates/px-inbound/src/context.rs",
        "crates/px-engine/src/",
        "crates/px-outbound/src/send/",
        "crates/px-outbound/src/operate/",
        "crates/px-secrets/src/",
        "crates/px-server/src/access/",
        "crates/px-server/src/values.rs",
        // The seam itself, and what stands in front of it in tests.
        "crates/px-store/src/",
        "crates/px-testkit/src/faults.rs",
    ];
    nowhere_but(
        &["store.commit(", "store.transact(", ".into_batch()"],
        &allowed,
        "only the way in, the engine, the sender, what operators do with hooks and values, the API tokens and the secrets commit",
    );
    let rows = ["crates/px-store-rows/src/", "crates/px-store-sled/src/"];
    nowhere_but(&[".submit("], &rows, "only the store hands rows to a backing");
}

#[test]
fn axum_is_known_to_the_edges_only() {
    let edges = ["crates/px-server/src/", "crates/px-callbacks/src/"];
    nowhere_but(&["axum::", "use axum"], &edges, "axum is the server's, and the receiving side's");
}

#[test]
fn only_the_command_line_prints_and_in_one_place() {
    // A print macro panics when nobody reads.
    let allowed = ["crates/px-cli/src/ui.rs", "crates/px-cli/src/log/"];
    let ways =
        ["print!(", "println!(", "dbg!(", "io::stdout", "io::stderr", "anstream::std", "rustix::stdio"];
    nowhere_but(&ways, &allowed, "only px-cli's ui prints, and the log where px serves");
    let macros = ["print!(", "println!(", "dbg!("];
    nowhere_but(&macros, &[], "and it uses no macro that panics");
}

#[test]
fn libraries_read_no_environment() {
    // The weather of users' tests may be told from outside how long it is to last.
    let allowed = ["crates/px-cli/src/", "crates/px-testkit/src/test/weather.rs"];
    nowhere_but(&["std::env", "env::var"], &allowed, "only the command line reads the environment");
}

#[test]
fn files_open_with_prose() {
    for (name, text) in everything() {
        assert!(text.starts_with("//!"), "{name} opens with `//!` prose");
    }
}

#[test]
fn lib_rs_is_a_table_of_contents() {
    // A macro must be in the root of its crate.
    for name in crates().into_iter().filter(|name| name != "px-derive") {
        let path = format!("crates/{name}/src/lib.rs");
        let text = std::fs::read_to_string(root().join(&path)).expect("a lib.rs");
        let limit = if name == "px" { 120 } else { 100 };
        assert!(text.lines().count() < limit, "{path} is longer than a table of contents");
    }
}

#[test]
fn nothing_is_left_unfinished() {
    let marks = [
        concat!("to", "do!("),
        concat!("unimple", "mented!("),
        concat!("#[ig", "nore"),
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
    ];
    for (name, text) in everything() {
        for mark in marks {
            assert!(!text.contains(mark), "{name} holds {mark}");
        }
    }
}

#[test]
fn every_error_code_is_used_and_every_page_belongs_to_one() {
    let text = std::fs::read_to_string(root().join("crates/px-core/src/code.rs")).expect("the codes");
    let table = text.split("\ncodes! {").nth(1).expect("a table").split("\n}").next().expect("an end");
    let codes: Vec<(&str, &str)> =
        table.lines().filter_map(|line| line.trim().trim_end_matches("\",").split_once(" = \"")).collect();
    assert!(codes.len() > 30, "the table is read: {codes:?}");
    let sources = library();
    for (name, code) in &codes {
        let used = format!("Code::{name}");
        let users = sources.iter().filter(|(file, _)| !file.ends_with("px-core/src/code.rs"));
        let is_used = users.clone().any(|(_, code)| {
            code.match_indices(&used)
                .any(|(at, found)| !code[at + found.len()..].starts_with(|next: char| next.is_alphanumeric()))
        });
        assert!(is_used, "{code} ({name}) is answered nowhere");
    }
    let mut pages: Vec<String> = std::fs::read_dir(root().join("crates/px-api/src/pages"))
        .expect("pages")
        .map(|page| page.expect("a page").file_name().to_string_lossy().into_owned())
        .collect();
    pages.sort();
    let expected: Vec<String> = codes.iter().map(|(_, code)| format!("{code}.md")).collect();
    assert_eq!(pages, expected, "a page each, and no other");
}
