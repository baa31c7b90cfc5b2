//! The index of what px promises: each rule, each hard case of a webhook and
//! each thing that senders of callbacks get wrong, with the tests that hold it.
//!
//! A test whose name begins with `rule_<number>_`, `hard_case_<number>_` or
//! `hooks_6_` counts by its name; the others are named here. A rule without a
//! test fails, and so does a test that is named here and is gone.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "test code: what is unexpected fails the test"
)]

#[path = "rules_index/cases.rs"]
mod cases;
#[path = "rules_index/edges.rs"]
mod edges;
#[path = "rules_index/mistakes.rs"]
mod mistakes;
#[path = "rules_index/page.rs"]
mod page;
#[path = "rules_index/rules.rs"]
mod rules;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use app as _;
use cases::{CALLBACKS, HARD_CASES};
use edges::EDGES;
use rules::RULES;

/// What holds: a number, a sentence, and the tests beside those that bear the
/// number in their names.
type Row = (u32, &'static str, &'static [&'static str]);

/// A rule: a number, a sentence, the reason for it, and its tests as in [`Row`].
type Rule = (u32, &'static str, &'static str, &'static [&'static str]);

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every test of the project by file; a file below `crates/` without that.
fn tests() -> BTreeMap<String, BTreeSet<String>> {
    fn walk(folder: &Path, found: &mut BTreeMap<String, BTreeSet<String>>) {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let name = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
                let name = name.strip_prefix("crates/").unwrap_or(&name).to_owned();
                let functions =
                    functions(&std::fs::read_to_string(&path).unwrap(), name.contains("conformance"));
                found.insert(name, functions);
            }
        }
    }
    let mut found = BTreeMap::new();
    for folder in ["crates", "tests", "brains", "webhooks"] {
        walk(&root().join(folder), &mut found);
    }
    found
}

/// The tests in a source: functions with `#[test]`, `#[tokio::test]` or the
/// like above; all of them in a suite that a macro makes tests of.
fn functions(source: &str, is_suite: bool) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut is_test = is_suite;
    for line in source.lines().map(str::trim) {
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            is_test = true;
        } else if let Some((_, rest)) = line.split_once("fn ").filter(|_| is_test && !line.starts_with("//"))
        {
            let name = rest.split(['(', '<']).next().unwrap_or_default();
            found.insert(name.to_owned());
            is_test = is_suite;
        }
    }
    found
}

/// Every test that holds each row; says what is wrong instead.
fn check(
    rows: &[Row],
    prefixes: &[&str],
    all: &BTreeMap<String, BTreeSet<String>>,
) -> Result<Vec<BTreeSet<String>>, String> {
    assert!(
        rows.iter().map(|row| row.0).is_sorted_by(|before, after| before < after),
        "the rows are in order"
    );
    let mut held = Vec::new();
    let mut wrong = Vec::new();
    for (number, sentence, named) in rows {
        let mut tests: BTreeSet<String> = BTreeSet::new();
        for test in *named {
            let (file, function) = test.split_once("::").expect("file::function");
            if all.get(file).is_some_and(|functions| functions.contains(function)) {
                tests.insert((*test).to_owned());
            } else {
                wrong.push(format!("{number}. {sentence}: {test} is gone"));
            }
        }
        for (file, functions) in all {
            let by_name = |name: &&String| prefixes.iter().any(|prefix| bears(name, prefix, *number));
            tests.extend(functions.iter().filter(by_name).map(|name| format!("{file}::{name}")));
        }
        if tests.is_empty() {
            wrong.push(format!("{number}. {sentence}: no test holds it"));
        }
        held.push(tests);
    }
    if wrong.is_empty() { Ok(held) } else { Err(wrong.join("\n")) }
}

fn count(held: &[BTreeSet<String>]) -> usize {
    held.iter().map(BTreeSet::len).sum()
}

/// Every rule, by its number.
fn all_rules() -> Vec<Rule> {
    let mut rules: Vec<Rule> = RULES.iter().chain(EDGES).copied().collect();
    rules.sort_by_key(|(number, ..)| *number);
    rules
}

/// The tests that hold each of the rules.
fn held_rules() -> Vec<BTreeSet<String>> {
    let rows: Vec<Row> =
        all_rules().iter().map(|(number, sentence, _, tests)| (*number, *sentence, *tests)).collect();
    check(&rows, &["rule_", "rules_"], &tests()).unwrap_or_else(|wrong| panic!("{wrong}"))
}

/// Whether a test's name begins with the prefix and this number; `rules_17_and_20_` bears both.
fn bears(name: &str, prefix: &str, number: u32) -> bool {
    let Some(rest) = name.strip_prefix(prefix) else { return false };
    let mut words = rest.split('_').filter(|word| *word != "and");
    let numbers = words.by_ref().map_while(|word| word.parse::<u32>().ok());
    numbers.take(2).any(|found| found == number)
}

#[test]
fn every_rule_is_held_by_a_test_that_exists() {
    let held = held_rules();
    println!("{} rules, {} tests", all_rules().len(), count(&held));
}

#[test]
fn the_published_page_says_what_the_table_does() {
    page::check(&root().join("docs/rules.md"), &all_rules(), &held_rules());
}

#[test]
fn every_hard_case_is_held_by_a_test_that_exists() {
    let held = check(HARD_CASES, &["hard_case_"], &tests()).unwrap_or_else(|wrong| panic!("{wrong}"));
    println!("{} hard cases, {} tests", HARD_CASES.len(), count(&held));
}

#[test]
fn everything_that_others_get_wrong_with_callbacks_is_held_by_a_test_that_exists() {
    let held = check(CALLBACKS, &[], &tests()).unwrap_or_else(|wrong| panic!("{wrong}"));
    println!("{} mistakes, {} tests", CALLBACKS.len(), count(&held));
}

#[test]
fn every_mistake_on_its_page_is_held_by_a_test_that_exists() {
    let count = mistakes::check(&root(), &tests()).unwrap_or_else(|wrong| panic!("{wrong}"));
    println!("{count} mistakes");
}

#[test]
fn a_rule_without_a_test_and_a_test_that_is_gone_are_found() {
    let all = BTreeMap::from([(
        "a.rs".to_owned(),
        functions("#[test]\nfn rule_1_holds() {}\nfn other() {}", false),
    )]);
    assert_eq!(check(&[(1, "one", &[])], &["rule_"], &all).map(|held| count(&held)), Ok(1));
    assert!(
        check(&[(1, "one", &["a.rs::other"])], &["rule_"], &all).unwrap_err().contains("a.rs::other is gone")
    );
    assert!(check(&[(1, "one", &[])], &["hard_case_"], &all).unwrap_err().contains("no test holds it"));
    assert!(bears("rules_17_and_20_x", "rules_", 20) && !bears("rule_5_000_x", "rule_", 50));
}
