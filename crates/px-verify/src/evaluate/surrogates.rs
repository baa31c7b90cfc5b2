//! Half surrogate pairs in JSON texts. RFC 8259 section 8.2 lets `"\ud83e"`
//! pass the grammar, and senders that cut texts by UTF-16 units write it; no
//! Rust string can hold it, and serde_json refuses it.

use std::borrow::Cow;

/// Escape of U+FFFD after its `\u`, as long as the one whose place it takes.
const REPLACEMENT: &[u8; 4] = b"fffd";

/// Returns the text with U+FFFD for each half surrogate pair. Places of errors
/// stay where they were, since both are written with six bytes.
pub(super) fn replaced(text: &[u8]) -> Cow<'_, [u8]> {
    let mut text = Cow::Borrowed(text);
    let mut at = 0;
    // A backslash outside a string is an error wherever it stands, so strings
    // need not be told from what is between them.
    while let Some(found) = text.get(at..).and_then(|rest| memchr::memchr(b'\\', rest)) {
        at += found;
        match unit(&text, at) {
            None => at += 2,
            Some(high) if is_high(high) && unit(&text, at + 6).is_some_and(is_low) => at += 12,
            Some(half) => {
                if (is_high(half) || is_low(half))
                    && let Some(digits) = text.to_mut().get_mut(at + 2..at + 6)
                {
                    digits.copy_from_slice(REPLACEMENT);
                }
                at += 6;
            }
        }
    }
    text
}

/// Returns the UTF-16 unit of the escape that begins at `at`, if one does.
pub(super) fn unit(text: &[u8], at: usize) -> Option<u16> {
    let digits = text.get(at..at + 6)?.strip_prefix(b"\\u")?;
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

pub(super) const fn is_high(unit: u16) -> bool {
    matches!(unit, 0xd800..=0xdbff)
}

pub(super) const fn is_low(unit: u16) -> bool {
    matches!(unit, 0xdc00..=0xdfff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_become_the_replacement_character_and_pairs_stay() {
        for (text, expected) in [
            (r#""plain""#, r#""plain""#),
            (r#""cut \ud83e""#, r#""cut \ufffd""#),
            (r#""\uD83E\uDD16""#, r#""\uD83E\uDD16""#),
            (r#""\uDD16 first""#, r#""\ufffd first""#),
            (r#""\ud83e\ud83e\udd16""#, r#""\ufffd\ud83e\udd16""#),
            (r#""\ud83e\n""#, r#""\ufffd\n""#),
            (r#""\\ud83e""#, r#""\\ud83e""#),
            (r#""\\\ud83e""#, r#""\\\ufffd""#),
            (r#""\ud83""#, r#""\ud83""#),
            (r#""\u00e9\ud83e\u00e9""#, r#""\u00e9\ufffd\u00e9""#),
            (r"\", r"\"),
            (r"\ud83", r"\ud83"),
        ] {
            assert_eq!(replaced(text.as_bytes()), expected.as_bytes(), "{text}");
        }
        assert!(matches!(replaced(br#"{"a":"\u00e9 \\ \n"}"#), Cow::Borrowed(_)));
    }
}
