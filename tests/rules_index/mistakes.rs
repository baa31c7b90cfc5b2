//! The page of mistakes: each row names the test that holds it, and quotes what the
//! compiler says.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Mistakes that the page has at least.
const MISTAKES: usize = 30;

/// Checks each row of the page against the tests of the project; says what is wrong instead.
pub(super) fn check(root: &Path, all: &BTreeMap<String, BTreeSet<String>>) -> Result<usize, String> {
    let page = std::fs::read_to_string(root.join("docs/mistakes.md")).expect("the page");
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| ") && line.contains("](")).collect();
    let wrong: Vec<String> = rows.iter().filter_map(|row| row_of(root, row, all).err()).collect();
    if rows.len() < MISTAKES {
        return Err(format!("{} mistakes, and the page promises {MISTAKES}", rows.len()));
    }
    if wrong.is_empty() { Ok(rows.len()) } else { Err(wrong.join("\n")) }
}

fn row_of(root: &Path, row: &str, all: &BTreeMap<String, BTreeSet<String>>) -> Result<(), String> {
    let link = row.rsplit_once(" | [").and_then(|(_, link)| link.trim_end_matches(") |").split_once("](../"));
    let (name, file) = link.ok_or_else(|| format!("no test is named: {row}"))?;
    if let Some(program) = file.strip_suffix(".stderr") {
        let said = std::fs::read_to_string(root.join(file)).map_err(|error| format!("{file}: {error}"))?;
        let quote = row.split_once('“').and_then(|(_, rest)| rest.split_once('”')).map(|(quote, _)| quote);
        let quote = quote.ok_or_else(|| format!("{name} quotes nothing"))?.replace("\\|", "|");
        return match root.join(program).with_extension("rs").exists()
            && program.ends_with(&format!("/{name}"))
        {
            false => Err(format!("{file}: there is no program {name}")),
            true if said.contains(&quote) => Ok(()),
            true => Err(format!("{file} does not say: {quote}")),
        };
    }
    let functions = file.strip_prefix("crates/").and_then(|file| all.get(file));
    match functions.is_some_and(|functions| functions.contains(name)) {
        true => Ok(()),
        false => Err(format!("{file}: there is no test {name}")),
    }
}

#[test]
fn a_row_whose_test_is_gone_or_whose_words_are_not_said_is_found() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let all = BTreeMap::from([("a.rs".to_owned(), BTreeSet::from(["holds".to_owned()]))]);
    let row = |quote: &str, link: &str| row_of(folder, &format!("| x | {quote} | y | {link} |"), &all);
    assert_eq!(row("it", "[holds](../crates/a.rs)"), Ok(()));
    assert_eq!(row("it", "[gone](../crates/a.rs)").unwrap_err(), "crates/a.rs: there is no test gone");
    let file = "crates/px-sdk/tests/compile_fail/wrong_state.stderr";
    assert_eq!(row("“type mismatch”", &format!("[wrong_state](../{file})")), Ok(()));
    assert!(row("“all is well”", &format!("[wrong_state](../{file})")).unwrap_err().contains("does not say"));
    assert!(row("“type mismatch”", &format!("[right_state](../{file})")).unwrap_err().contains("no program"));
}
