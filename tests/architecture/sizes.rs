//! Sizes: files stay under 400 lines and functions under 70. What does not is
//! named here; the lists may only shrink.

use std::collections::BTreeSet;

use crate::source::everything;

const MAX_LINES: usize = 400;
const MAX_LINES_OF_A_FUNCTION: usize = 70;

/// No exception is longer.
const HARD_MAX_LINES: usize = 800;

/// Files that are longer.
const LONG_FILES: &[&str] = &[
    "crates/px-server/src/api/tests/matrix.rs",
    "crates/px-server/tests/edge.rs",
    "crates/px-store-sled/src/journal/format.rs",
    "crates/px-store-sled/src/tests/commits.rs",
    "crates/px-store-sled/src/tests/rig.rs",
    "crates/px-testkit/tests/forms.rs",
    "crates/px-testkit/tests/interleave/mod.rs",
    "crates/px-verify/tests/local.rs",
    "crates/px-verify/tests/verify_vectors.rs",
];

/// Functions that are longer: tables of cases, and one `match` each.
const LONG_FUNCTIONS: &[&str] = &[
    "crates/px-inbound/src/route.rs::carry_out",
    "crates/px-testkit/tests/broken/mod.rs::break_store",
    "crates/px-cli/tests/cli/snapshots.rs::without_a_server",
    "crates/px-cli/tests/cli/snapshots.rs::with_a_server",
    "crates/px-core/src/run/apply.rs::try_apply",
    "crates/px-core/src/wire.rs::body",
    "crates/px-core/tests/rules.rs::command",
    "crates/px-store-sled/examples/commit_load.rs::raw_load",
    "crates/px-store/src/conformance/differential.rs::differential",
    "crates/px-store/src/conformance/lists.rs::tables_are_scanned_in_pages",
    "crates/px-testkit/examples/fuzz/corpus.rs::seeds",
    "crates/px-testkit/examples/fuzz/targets.rs::case",
    "crates/px-testkit/tests/interleave/mod.rs::run",
    "crates/px-testkit/tests/interleave/situations.rs::situations",
    "crates/px-testkit/tests/schedule/mod.rs::perform",
    "crates/px-verify/tests/local.rs::a_host_is_an_address_or_below_localhost_with_digits_as_port",
    "crates/px-verify/tests/local.rs::what_proxies_and_tunnels_add_is_known_by_its_kind",
    "crates/px-verify/tests/verify_vectors.rs::published",
    "crates/px-verify/tests/verify_vectors.rs::made_with_the_providers_libraries",
    "tests/conformance/access.rs::every_route",
    "tests/hooks/deaths.rs::hooks_4_a_kill_9_loses_nothing_and_repeats_at_most_what_was_in_flight",
];

/// The functions of a source as rustfmt writes it, each with its lines: from
/// `fn` to the brace that stands below it.
fn functions(text: &str) -> Vec<(String, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let code = line.trim_start();
        let indent = line.len() - code.len();
        let Some((before, after)) = code.split_once("fn ") else { continue };
        let is_head = before.split_whitespace().all(|word| {
            word.starts_with("pub")
                || matches!(word, "const" | "async" | "unsafe" | "extern")
                || word.ends_with(')')
        });
        let name: String =
            after.chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect();
        if !is_head || name.is_empty() || code.ends_with('}') {
            continue;
        }
        let close = format!("{}}}", " ".repeat(indent));
        let body = lines.iter().skip(at);
        // A declaration of a trait has no body.
        let opens = body.clone().position(|line| line.ends_with('{')).unwrap_or(usize::MAX);
        if body.clone().take(opens).any(|line| line.ends_with(';')) {
            continue;
        }
        if let Some(end) = body.clone().position(|line| *line == close) {
            found.push((name, end + 1));
        }
    }
    found
}

fn compare(what: &str, found: &BTreeSet<String>, known: &[&str]) {
    let known: BTreeSet<String> = known.iter().map(|name| (*name).to_owned()).collect();
    let new: Vec<_> = found.difference(&known).collect();
    assert!(new.is_empty(), "{what}: {new:#?}");
    let stale: Vec<_> = known.difference(found).collect();
    assert!(stale.is_empty(), "no exceptions any more, so take them off the list: {stale:#?}");
}

#[test]
fn files_stay_small() {
    let mut long = BTreeSet::new();
    for (name, text) in everything() {
        let lines = text.lines().count();
        assert!(lines < HARD_MAX_LINES, "{name} has {lines} lines");
        if lines > MAX_LINES {
            long.insert(name);
        }
    }
    compare("files over 400 lines", &long, LONG_FILES);
}

#[test]
fn functions_stay_short() {
    let mut long = BTreeSet::new();
    let mut count = 0;
    for (name, text) in everything() {
        for (function, lines) in functions(&text) {
            count += 1;
            if lines > MAX_LINES_OF_A_FUNCTION {
                long.insert(format!("{name}::{function}"));
            }
        }
    }
    assert!(count > 3_000, "the functions are found: {count}");
    compare("functions over 70 lines", &long, LONG_FUNCTIONS);
}

#[test]
fn lines_are_counted_from_the_head_to_the_brace_below_it() {
    let text = concat!(
        "fn one() {}\nfn two() {\n}\ntrait T {\n    fn three(\n        self,\n    ) -> X;\n",
        "    fn four()\n    where\n        X: Y,\n    {\n        if a {\n        }\n    }\n}\n"
    );
    assert_eq!(functions(text), [("two".to_owned(), 2), ("four".to_owned(), 7)]);
}
