//! Texts of others, and ids. A text of an outsider cannot leave its place: it is isolated from the
//! direction of what stands beside it, and characters that are not seen are shown as signs.

use std::borrow::Cow;

use maud::{Markup, html};
use serde_json::Value;

/// Digits at the end of an id that people call it by.
const TAIL: usize = 6;

/// A text of an outsider. The direction of a `bdi` is `auto` without being said.
pub(crate) fn outsider(text: &str) -> Markup {
    html! { bdi { (visible(text)) } }
}

/// A text of an outsider, of which a list shows the beginning. The whole is in its title.
pub(crate) fn outsider_cut(text: &str, most: usize) -> Markup {
    match text.char_indices().nth(most) {
        Some((end, _)) => html! {
            bdi title=(visible(text)) { (visible(text.get(..end).unwrap_or(text))) "…" }
        },
        None => outsider(text),
    }
}

/// An identifier, of which a list shows both ends: those of one sender often begin alike.
pub(crate) fn identifier_cut(text: &str, most: usize) -> Markup {
    let count = text.chars().count();
    if count <= most {
        return outsider(text);
    }
    let tail = most / 3;
    let at = |nth: usize| text.char_indices().nth(nth).map_or(text.len(), |(at, _)| at);
    let (head, tail) = (text.get(..at(most - tail)), text.get(at(count - tail)..));
    html! {
        bdi title=(visible(text)) { (visible(head.unwrap_or(text))) "…" (visible(tail.unwrap_or_default())) }
    }
}

/// A text with signs in the place of characters that are not seen, or that turn the direction of others.
pub(crate) fn visible(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for letter in text.chars() {
        match letter {
            _ if !is_hidden(letter) => out.push(letter),
            '\u{0}'..='\u{1f}' => out.extend(char::from_u32(0x2400 + u32::from(letter))),
            '\u{7f}' => out.push('␡'),
            _ => out.push_str(&format!("⟨U+{:04X}⟩", u32::from(letter))),
        }
    }
    Cow::Owned(out)
}

/// Returns true for controls other than a line's end and a tab, and for marks that embed, override or isolate.
fn is_hidden(letter: char) -> bool {
    match letter {
        '\n' | '\t' => false,
        '\u{200b}'
        | '\u{200e}'
        | '\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}'
        | '\u{feff}' => true,
        _ => letter.is_control(),
    }
}

/// JSON that somebody is about to edit: what is not seen, or turns the direction of other
/// text, stands as the escape that it is in JSON too.
#[must_use]
pub fn editable(value: &Value) -> String {
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    let is_seen = |letter: char| {
        letter == '\n'
            || !(letter.is_control()
                || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}'))
    };
    text.chars().fold(String::with_capacity(text.len()), |mut out, letter| {
        if is_seen(letter) {
            out.push(letter);
        } else {
            // All of them are of the first plane, and so one escape each.
            out.push_str(&format!("\\u{:04x}", u32::from(letter)));
        }
        out
    })
}

/// An id of which only the tail is shown. It stands in the link to its thing, which has the whole.
pub(crate) fn short_id(id: impl ToString) -> Markup {
    let id = id.to_string();
    let (_, tail) = parts(&id);
    html! { code.id { span.m { "…" } (tail) } }
}

/// A whole id, its tail dark and the rest muted.
pub(crate) fn whole_id(id: impl ToString) -> Markup {
    let id = id.to_string();
    let (head, tail) = parts(&id);
    html! { code.id { span.m { (head) } (tail) } }
}

/// The last digits of an id, for a title.
pub(crate) fn tail_of(id: impl ToString) -> String {
    format!("…{}", parts(&id.to_string()).1)
}

fn parts(id: &str) -> (String, String) {
    let all = id.chars().count();
    let head = id.chars().take(all.saturating_sub(TAIL)).collect();
    (head, id.chars().skip(all.saturating_sub(TAIL)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_that_are_not_seen_are_shown() {
        assert_eq!(visible("a\tb\n"), "a\tb\n");
        assert_eq!(visible("\u{1b}[31m\u{0}"), "␛[31m␀");
        assert_eq!(visible("\u{202e}txt"), "⟨U+202E⟩txt");
    }

    #[test]
    fn what_is_edited_is_the_same_json_with_nothing_hidden_in_it() {
        let value = serde_json::json!({ "a\u{202e}": "x\u{1b}\u{200b}\u{feff}\n", "b": [1, null, "ä"] });
        let text = editable(&value);
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
        assert!(text.contains("a\\u202e") && text.contains("ä"), "{text}");
        assert!(text.chars().all(|letter| letter == '\n' || !letter.is_control()));
    }

    #[test]
    fn an_id_is_called_by_its_last_digits() {
        assert_eq!(tail_of("run_01a228742b5b7253b7c72ba2ba5e67c0"), "…5e67c0");
        assert_eq!(tail_of("é"), "…é");
    }
}
