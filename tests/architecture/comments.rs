//! The form of comments: they begin with a noun phrase or a verb, and cite no rule
//! that is not there.

use std::collections::BTreeMap;

use crate::source::{crates, everything, page};

/// Openings that make a reader wait for the noun.
const QUESTIONS: [&str; 10] =
    ["What", "Where", "Whether", "How", "Who", "Whose", "Whom", "Which", "When", "Why"];

/// Words that such an opening may stand behind.
const PREPOSITIONS: [&str; 14] =
    ["After", "At", "By", "For", "From", "In", "Of", "On", "Since", "To", "Under", "Until", "Up", "With"];

/// Of a hundred doc comments of a crate, fewer than this many may open with a question.
const MAX_PERCENT: usize = 5;

/// The first lines of the doc comments of a source.
fn openings(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut was_doc = false;
    for line in text.lines() {
        let line = line.trim_start();
        let doc = line.strip_prefix("///").or_else(|| line.strip_prefix("//!")).map(str::trim);
        if let Some(doc) = doc.filter(|doc| !was_doc && !doc.is_empty()) {
            found.push(doc);
        }
        was_doc = doc.is_some();
    }
    found
}

/// Returns true if a comment opens with a question, also behind a preposition: "Since when".
fn is_question(opening: &str) -> bool {
    let mut words = opening.split(|letter: char| !letter.is_alphanumeric());
    let first = words.next().unwrap_or_default();
    let asks = |word: &str| QUESTIONS.iter().any(|question| question.eq_ignore_ascii_case(word));
    QUESTIONS.contains(&first) || PREPOSITIONS.contains(&first) && words.next().is_some_and(asks)
}

/// The crate that a source belongs to, or the folder of the sample project; none for
/// tests, benches and examples.
fn owner(name: &str) -> Option<&str> {
    match name.strip_prefix("crates/") {
        Some(path) => path.split_once("/src/").map(|(owner, _)| owner),
        None => name.split('/').next().filter(|folder| ["brains", "webhooks"].contains(folder)),
    }
}

#[test]
fn doc_comments_open_with_a_noun_or_a_verb() {
    let mut owners = BTreeMap::<String, (usize, Vec<String>)>::new();
    for (name, text) in everything() {
        let Some(owner) = owner(&name) else { continue };
        let (count, questions) = owners.entry(owner.to_owned()).or_default();
        for doc in openings(&text) {
            *count += 1;
            if is_question(doc) {
                questions.push(format!("{name}: {doc}"));
            }
        }
    }
    for known in crates().iter().map(String::as_str).chain(["brains", "webhooks"]) {
        assert!(owners.get(known).is_some_and(|(count, _)| *count > 0), "{known} has doc comments");
    }
    for (owner, (count, questions)) in owners {
        assert!(
            questions.is_empty() || questions.len() * 100 < count * MAX_PERCENT,
            "{} of the {count} doc comments of {owner} open with a question:\n{}",
            questions.len(),
            questions.join("\n")
        );
    }
}

#[test]
fn a_question_is_known_by_its_first_word() {
    let text = "//! How it goes.\n//! What else.\n\n/// Whatever.\nfn a() {}\n    /// What it is.\n";
    let found: Vec<bool> = openings(text).into_iter().map(is_question).collect();
    assert_eq!(found, [true, false, true]);
    assert!(is_question("Since when it is ready."));
    assert!(!is_question("Since it is ready, it runs."));
}

/// A rule is cited by its number on the page of rules; no page is cited that others cannot read.
#[test]
fn comments_cite_rules_that_are_there() {
    let rules = page("docs/rules.md");
    let foreign = [
        concat!("RULES", " "),
        concat!("API", ".md"),
        concat!("HOOKS", " section"),
        concat!("DESIGN", ".md"),
    ];
    let mut wrong = Vec::new();
    for (name, text) in everything() {
        for (at, line) in text.lines().enumerate() {
            let Some((_, comment)) = line.split_once("//") else { continue };
            if foreign.iter().any(|page| comment.contains(page)) {
                wrong.push(format!("{name}:{}: {}", at + 1, line.trim()));
            }
            for cited in comment.split("docs/").skip(1) {
                for number in cited.strip_prefix("rules.md").into_iter().flat_map(numbers) {
                    if !rules.contains(&format!("\n### {number}\n")) {
                        wrong.push(format!("{name}:{}: there is no rule {number}", at + 1));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The numbers at the beginning of a text such as `#42, #43) and so on`.
fn numbers(text: &str) -> Vec<u32> {
    let end = text.find(|letter: char| !(letter.is_ascii_digit() || "#, to".contains(letter)));
    let cited = text.get(..end.unwrap_or(text.len())).unwrap_or_default();
    cited
        .split('#')
        .skip(1)
        .filter_map(|part| part.split(|letter: char| !letter.is_ascii_digit()).next()?.parse().ok())
        .collect()
}

#[test]
fn cited_rules_are_read() {
    assert_eq!(numbers("#42, #43) and #7"), [42, 43]);
    assert_eq!(numbers("#1 to #9: x"), [1, 9]);
    assert!(numbers(" says so").is_empty());
}
