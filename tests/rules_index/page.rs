//! The page of the rules, written from their table.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use super::Rule;

/// Parts of the page, each with its first rule.
const PARTS: &[(u32, &str)] = &[
    (1, "Keys, waits, owners"),
    (16, "Deliveries, events, dedup"),
    (22, "The way in"),
    (30, "Runs"),
    (42, "The process"),
    (48, "Callbacks"),
    (51, "Edges"),
    (75, "Reminders"),
];

/// Compares the page with the table, or writes it if `PX_BLESS` is set.
pub(super) fn check(path: &Path, rules: &[Rule], held: &[BTreeSet<String>]) {
    let page = write(rules, held);
    if std::env::var_os("PX_BLESS").is_some() {
        std::fs::write(path, &page).expect("the page");
    }
    let found = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        found == page,
        "docs/rules.md is not what the table says: PX_BLESS=1 cargo test --test rules_index"
    );
}

fn write(rules: &[Rule], held: &[BTreeSet<String>]) -> String {
    let mut page = String::from(
        "# Rules\n\nThe rules that px keeps, each with its reason and the tests that hold it. Comments in the code \
         refer to them by number; a number is never given to another rule. This page is written from the table in \
         [tests/rules_index/rules.rs](../tests/rules_index/rules.rs).\n",
    );
    let mut parts = PARTS.iter().peekable();
    for ((number, sentence, why, _), tests) in rules.iter().zip(held) {
        while let Some((_, title)) = parts.next_if(|(first, _)| first <= number) {
            let _ = write!(page, "\n## {title}\n");
        }
        let mut letters = sentence.chars();
        let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
        let _ = write!(page, "\n### {number}\n**{first}{}.** {why}\n\n", letters.as_str());
        let _ = writeln!(page, "<details><summary>Held by {}</summary>\n", counted(tests.len()));
        for test in tests {
            let (file, function) = test.split_once("::").unwrap_or((test, ""));
            let file = if file.starts_with("px") { format!("crates/{file}") } else { file.to_owned() };
            let _ = writeln!(page, "- [`{function}`](../{file})");
        }
        page.push_str("\n</details>\n");
    }
    page
}

fn counted(tests: usize) -> String {
    if tests == 1 { "one test".to_owned() } else { format!("{tests} tests") }
}
