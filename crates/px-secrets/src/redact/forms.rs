//! The encodings of a value that no decoding undoes at any place of a text: a value within a longer text
//! that was encoded begins anywhere.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use serde_json::Value;

use crate::rules::MIN_VALUE_BYTES;

/// Bytes of a form that the automaton knows. The others are compared where these are found, so that its
/// size does not grow with the length of values.
pub(super) const HEAD_BYTES: usize = 16;

/// Maximum number of texts within one value that is JSON. Of more the longest count.
pub(super) const MAX_PARTS: usize = 64;

/// A form in which a value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Form {
    /// As it is.
    Plain,
    /// Hexadecimal digits.
    Hex {
        /// Of upper case.
        is_upper: bool,
    },
    /// The digits of base64 that are the value's alone.
    Base64 {
        /// Of the alphabet for URLs.
        is_url: bool,
        /// Bytes that are encoded before it, modulo 3.
        before: usize,
    },
}

impl Form {
    pub(super) const ALL: [Self; 9] = [
        Self::Plain,
        Self::Hex { is_upper: false },
        Self::Hex { is_upper: true },
        Self::Base64 { is_url: false, before: 0 },
        Self::Base64 { is_url: false, before: 1 },
        Self::Base64 { is_url: false, before: 2 },
        Self::Base64 { is_url: true, before: 0 },
        Self::Base64 { is_url: true, before: 1 },
        Self::Base64 { is_url: true, before: 2 },
    ];

    /// A value in this form.
    pub(super) fn of(self, value: &[u8]) -> Cow<'_, [u8]> {
        match self {
            Self::Plain => Cow::Borrowed(value),
            Self::Hex { is_upper: false } => Cow::Owned(hex::encode(value).into_bytes()),
            Self::Hex { is_upper: true } => Cow::Owned(hex::encode_upper(value).into_bytes()),
            Self::Base64 { is_url, before } => {
                let bytes = [&vec![0; before], value].concat();
                let text = if is_url { URL_SAFE.encode(&bytes) } else { STANDARD.encode(&bytes) };
                // Digits of six bits: those beside share bits with what is encoded around the value.
                let own = (8 * before).div_ceil(6)..8 * bytes.len() / 6;
                Cow::Owned(text.get(own).unwrap_or_default().as_bytes().to_vec())
            }
        }
    }

    /// The beginning of a value in this form: at most so many bytes as the automaton knows.
    pub(super) fn head(self, value: &[u8]) -> Vec<u8> {
        let enough = value.get(..HEAD_BYTES).unwrap_or(value);
        let mut head = self.of(enough).into_owned();
        head.truncate(HEAD_BYTES);
        head
    }

    /// The place of a value whose own digits are at a place: with the digits beside them that have some of
    /// its bits, and the padding.
    pub(super) fn whole(self, text: &[u8], place: Range<usize>, value: &[u8]) -> Range<usize> {
        let Self::Base64 { before, .. } = self else { return place };
        let is_digit = |at: usize| {
            let digit = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/-_".contains(byte);
            text.get(at).is_some_and(digit)
        };
        let Range { mut start, mut end } = place;
        if before > 0 && start > 0 && is_digit(start - 1) {
            start -= 1;
        }
        if !(8 * (before + value.len())).is_multiple_of(6) && is_digit(end) {
            end += 1;
        }
        for _ in 0..2 {
            end += usize::from(text.get(end) == Some(&b'='));
        }
        start..end
    }
}

/// A value as px shows it on terminals and in the lines of its log: with its control characters escaped, and
/// its backslashes not, so that it cannot be decoded. None if it has no such characters.
fn on_terminal(value: &str) -> Option<String> {
    let is_shown = |letter: char| {
        let is_bidi = matches!(letter, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        !letter.is_control() && !is_bidi
    };
    let mut text = String::new();
    for letter in value.chars() {
        match letter {
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            letter if is_shown(letter) => text.push(letter),
            letter if letter.is_ascii() => text += &format!("\\x{:02x}", u32::from(letter)),
            letter => text += &format!("\\u{{{:x}}}", u32::from(letter)),
        }
    }
    (text != value).then_some(text)
}

/// A value as it stands within a text of JSON: what was encoded with its escapes cannot be decoded and found
/// without them. None if it has nothing to escape.
fn in_json(value: &str) -> Option<String> {
    let quoted = Value::from(value).to_string();
    let text = quoted.get(1..quoted.len() - 1)?;
    (text != value).then(|| text.to_owned())
}

/// A text, and the ways in which it is spelled where nothing undoes that.
fn spelled(text: &str) -> impl Iterator<Item = String> {
    [on_terminal(text), in_json(text)].into_iter().flatten()
}

/// The texts that give a value away.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Parts {
    pub(super) texts: BTreeSet<String>,
    /// Number of the texts of a value that is JSON which are too many to be looked for.
    pub(super) left_out: usize,
}

/// The texts that give a value away: itself without the blanks around it, as it is on a terminal and within a
/// text of JSON, and where it is JSON, as px writes it, and each text within it. Whoever has read a key of a
/// JSON file has these in hand.
pub(super) fn parts(value: &str) -> Parts {
    let is_long = |text: &&str| text.len() >= MIN_VALUE_BYTES;
    let whole = Some(value.trim()).filter(is_long).unwrap_or(value);
    let mut parts = BTreeSet::from([whole.to_owned()]);
    parts.extend(spelled(whole));
    let Ok(json) = serde_json::from_str::<Value>(value) else { return Parts { texts: parts, left_out: 0 } };
    if matches!(json, Value::Array(_) | Value::Object(_)) {
        parts.insert(json.to_string());
    }
    let mut texts = BTreeSet::new();
    let mut rest = vec![json];
    while let Some(next) = rest.pop() {
        match next {
            Value::String(text) => drop(texts.insert(text.trim().to_owned())),
            Value::Array(items) => rest.extend(items),
            Value::Object(fields) => rest.extend(fields.into_iter().map(|(_, field)| field)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    let mut texts: Vec<String> = texts.into_iter().filter(|text| is_long(&text.as_str())).collect();
    texts.sort_by_key(|text| std::cmp::Reverse(text.len()));
    let left_out = texts.len().saturating_sub(MAX_PARTS);
    texts.truncate(MAX_PARTS);
    parts.extend(texts.iter().flat_map(|text| spelled(text)));
    parts.extend(texts);
    Parts { texts: parts, left_out }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_is_json_is_known_by_the_texts_within_it() {
        let key = "{ \"type\": \"service_account\", \"id\": 7, \"key\": \"-----BEGIN\\nabc\\n\", \"no\": \"short\" }\n";
        let wanted = [
            "-----BEGIN\nabc",
            "-----BEGIN\\nabc",
            "service_account",
            key.trim(),
            "{ \\\"type\\\": \\\"service_account\\\", \\\"id\\\": 7, \\\"key\\\": \\\"-----BEGIN\\\\nabc\\\\n\\\", \\\"no\\\": \\\"short\\\" }",
            "{\"id\":7,\"key\":\"-----BEGIN\\nabc\\n\",\"no\":\"short\",\"type\":\"service_account\"}",
        ];
        let texts = |value: &str| parts(value).texts;
        assert_eq!(texts(key), wanted.map(str::to_owned).into());
        assert_eq!(texts(" sk_live_01\n"), ["sk_live_01".to_owned()].into());
        assert_eq!(texts("1234567890"), ["1234567890".to_owned()].into());
        assert!(
            texts("\"quoted-text\"").contains("quoted-text"),
            "a text in quotes is one without them, too"
        );
        assert_eq!(texts(" a b c   "), [" a b c   ".to_owned()].into(), "too short without its blanks");
        let many: Vec<String> = (0..1_000).map(|n| format!("text number {n}")).collect();
        let many = parts(&Value::from(many).to_string());
        // Beside them the whole, and the whole within a text of JSON.
        assert_eq!((many.texts.len(), many.left_out), (MAX_PARTS + 2, 1_000 - MAX_PARTS));
    }

    #[test]
    fn a_head_is_the_beginning_of_its_form() {
        let value = "sk_live_0123456789abcdef\u{e9}".as_bytes();
        for form in Form::ALL {
            for value in [value, &value[..8]] {
                let (head, whole) = (form.head(value), form.of(value));
                assert!(whole.starts_with(&head) && head.len() == HEAD_BYTES.min(whole.len()), "{form:?}");
                assert!(head.len() >= MIN_VALUE_BYTES);
            }
        }
    }
}
