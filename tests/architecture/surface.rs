//! The surface of each crate: every `pub` item is named by somebody else, or is
//! part of what users write against.

use std::collections::{BTreeMap, BTreeSet};

use crate::source::{crates, everything};

/// What users write against, and what a macro names in the crate of its caller.
const FOR_OTHERS: [&str; 9] = [
    "crates/px/",
    "crates/px-api/",
    "crates/px-callbacks/",
    "crates/px-client/",
    "crates/px-derive/",
    "crates/px-sdk/",
    "crates/px-testkit/src/test/",
    "crates/px-verify/src/record/",
    "crates/px-store/src/conformance/",
];

/// Items that others hold without writing their names, such as the type of a
/// field or what a function returns. The list may only shrink.
const HELD_UNNAMED: &[&str] = &[
    "px-outbound::Configured",
    "px-outbound::HeaderError",
    "px-outbound::MAX_ANSWER_HEADER_BYTES",
    "px-outbound::ParseRangeError",
    "px-pool::Stalled",
    "px-store::DedupDemand",
    "px-store::LANE_SLOTS",
    "px-store::OwnHook",
    "px-store::Reservations",
    "px-store::TIMER_SLOTS",
    "px-verify::ParseNetworkError",
];

const KEYWORDS: [&str; 8] = ["fn", "struct", "enum", "trait", "type", "static", "mod", "const"];

fn words_of(line: &str) -> impl Iterator<Item = &str> {
    line.split(|letter: char| !(letter.is_alphanumeric() || letter == '_')).filter(|word| !word.is_empty())
}

fn words(code: &str) -> BTreeSet<&str> {
    code.lines().filter(|line| !line.trim_start().starts_with("//")).flat_map(words_of).collect()
}

/// The name of the item that a line makes `pub`.
fn item(line: &str) -> Option<&str> {
    let mut words = words_of(line.trim_start().strip_prefix("pub ")?).peekable();
    while matches!(words.peek(), Some(&"async" | &"unsafe")) {
        words.next();
    }
    let keyword = words.next().filter(|word| KEYWORDS.contains(word))?;
    if keyword == "const" && words.peek() == Some(&"fn") {
        words.next();
    }
    words.next()
}

#[test]
fn every_public_item_is_named_by_somebody_else() {
    let all = everything();
    let words: BTreeMap<&str, BTreeSet<&str>> =
        all.iter().map(|(name, text)| (name.as_str(), words(text))).collect();
    let mut found = BTreeSet::new();
    for name in crates() {
        let own = format!("crates/{name}/src/");
        // The list above names what nobody does.
        let is_own = |file: &str| file.starts_with(&own) || file.starts_with("tests/architecture/");
        let others = words.iter().filter(|(file, _)| !is_own(file));
        let outside: BTreeSet<&str> = others.flat_map(|(_, words)| words.iter().copied()).collect();
        for (file, text) in all.iter().filter(|(file, _)| file.starts_with(&own)) {
            if FOR_OTHERS.iter().any(|place| file.starts_with(place)) || file.contains("/tests") {
                continue;
            }
            let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
            let items = code.lines().filter_map(item).filter(|item| !outside.contains(item));
            found.extend(items.map(|item| format!("{name}::{item}")));
        }
    }
    let known: BTreeSet<String> = HELD_UNNAMED.iter().map(|name| (*name).to_owned()).collect();
    let new: Vec<_> = found.difference(&known).collect();
    assert!(new.is_empty(), "nobody outside names these, so they are pub(crate): {new:#?}");
    let stale: Vec<_> = known.difference(&found).collect();
    assert!(stale.is_empty(), "no exceptions any more, so take them off the list: {stale:#?}");
}

#[test]
fn items_are_known_by_their_keyword() {
    assert_eq!(item("    pub const fn new() -> Self {"), Some("new"));
    assert_eq!(item("pub const MAX: usize = 1;"), Some("MAX"));
    assert_eq!(item("pub async fn start() {"), Some("start"));
    assert_eq!(item("pub struct Hook {"), Some("Hook"));
    assert_eq!(item("    pub name: String,"), None);
    assert_eq!(item("pub use hook::Hook;"), None);
    assert_eq!(item("pub(crate) fn inner() {"), None);
}
