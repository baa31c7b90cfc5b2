//! JSON as it was written: the bytes of one value in a text that has been read
//! before, found by a pointer. A number's digits and half a surrogate pair are
//! there, which a parsed value has lost, and both may tell two ids apart.
//!
//! The text is known to be well formed, so nothing here says what is wrong with
//! one that is not; it is `None`.

use serde_json::Value;

use super::surrogates;

/// The bytes of one JSON value, without white space around them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Raw<'a>(&'a [u8]);

impl<'a> Raw<'a> {
    /// Returns the only value of a text; `None` for one without any. Nothing of it is
    /// walked through: it is all of the text but the white space around it.
    pub(super) fn of(text: &'a [u8]) -> Option<Self> {
        let before = text.get(blank(text, 0)..)?;
        let after = before.iter().rev().take_while(|byte| is_blank(**byte)).count();
        let value = before.get(..before.len() - after)?;
        (!value.is_empty()).then_some(Self(value))
    }

    /// Returns the bytes.
    pub(super) const fn bytes(self) -> &'a [u8] {
        self.0
    }

    /// Returns the value at a JSON pointer (RFC 6901), as [`Value::pointer`] does.
    pub(super) fn pointer(self, pointer: &str) -> Option<Self> {
        if pointer.is_empty() {
            return Some(self);
        }
        let tokens = pointer.strip_prefix('/')?.split('/');
        tokens.map(|token| token.replace("~1", "/").replace("~0", "~")).try_fold(self, |raw, token| match raw
            .0
            .first()
        {
            Some(b'{') => raw.fields().find(|(name, _)| *name == token).map(|(_, value)| value),
            Some(b'[') => raw.elements().nth(place(&token)?),
            _ => None,
        })
    }

    /// Returns the elements of an array; nothing of another value.
    pub(super) fn elements(self) -> impl Iterator<Item = Self> {
        let text = if self.0.first() == Some(&b'[') { self.0 } else { b"" };
        let mut at = 0;
        std::iter::from_fn(move || {
            // Past `[` or `,`.
            at = blank(text, at + 1);
            if matches!(text.get(at), None | Some(b']')) {
                return None;
            }
            let value = text.get(at..end_of(text, at)?)?;
            at = blank(text, at + value.len());
            Some(Self(value))
        })
    }

    /// Returns the fields of an object; nothing of another value.
    fn fields(self) -> impl Iterator<Item = (String, Self)> {
        let text = if self.0.first() == Some(&b'{') { self.0 } else { b"" };
        let mut at = 0;
        std::iter::from_fn(move || {
            at = blank(text, at + 1);
            let name = text.get(at..end_of(text, at)?)?;
            // Past the colon.
            at = blank(text, blank(text, at + name.len()) + 1);
            let value = text.get(at..end_of(text, at)?)?;
            at = blank(text, at + value.len());
            let name = serde_json::from_slice(&surrogates::replaced(name)).ok()?;
            Some((name, Self(value)))
        })
    }

    /// Returns a string with its escapes resolved, except that half a surrogate
    /// pair stays the six characters of its escape, in lower case; `None` for
    /// another value.
    pub(super) fn text(self) -> Option<String> {
        let inner = self.0.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
        let mut resolved = String::new();
        let mut rest = inner;
        while let Some(at) = next_half(rest) {
            let (before, from) = rest.split_at(at);
            resolved.push_str(&unescaped(before)?);
            let (half, after) = from.split_at_checked(6)?;
            resolved.push_str(&std::str::from_utf8(half).ok()?.to_ascii_lowercase());
            rest = after;
        }
        resolved.push_str(&unescaped(rest)?);
        Some(resolved)
    }
}

/// Returns the text of a string's inside, which has no half surrogate pair.
fn unescaped(inside: &[u8]) -> Option<String> {
    let mut quoted = Vec::with_capacity(inside.len() + 2);
    quoted.push(b'"');
    quoted.extend_from_slice(inside);
    quoted.push(b'"');
    match serde_json::from_slice(&quoted) {
        Ok(Value::String(text)) => Some(text),
        _ => None,
    }
}

/// Returns the place of the first half surrogate pair in a string's inside.
fn next_half(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += text.get(at..)?.iter().position(|byte| *byte == b'\\')?;
        at += match surrogates::unit(text, at) {
            None => 2,
            Some(high)
                if surrogates::is_high(high)
                    && surrogates::unit(text, at + 6).is_some_and(surrogates::is_low) =>
            {
                12
            }
            Some(half) if surrogates::is_high(half) || surrogates::is_low(half) => return Some(at),
            Some(_) => 6,
        };
    }
}

/// Returns the place in an array that a pointer's token names.
fn place(token: &str) -> Option<usize> {
    let is_canonical = token == "0" || !token.starts_with(['0', '+']);
    if is_canonical { token.parse().ok() } else { None }
}

/// Returns the first place from `at` on that is no white space.
fn blank(text: &[u8], at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    at + rest.iter().take_while(|byte| is_blank(**byte)).count()
}

/// Returns true for white space of JSON.
const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// Returns the end of the value that begins at `at`. No stack grows with the
/// depth of the text.
fn end_of(text: &[u8], at: usize) -> Option<usize> {
    match text.get(at)? {
        b'"' => end_of_string(text, at),
        b'{' | b'[' => {
            let (mut depth, mut at) = (0_usize, at);
            loop {
                match text.get(at)? {
                    b'"' => {
                        at = end_of_string(text, at)?;
                        continue;
                    }
                    b'{' | b'[' => depth += 1,
                    b'}' | b']' => depth -= 1,
                    _ => {}
                }
                at += 1;
                if depth == 0 {
                    return Some(at);
                }
            }
        }
        b'}' | b']' | b',' | b':' => None,
        _ => {
            let rest = text.get(at..)?;
            let is_end = |byte: &u8| matches!(byte, b',' | b'}' | b']' | b' ' | b'\t' | b'\n' | b'\r');
            Some(at + rest.iter().position(is_end).unwrap_or(rest.len()))
        }
    }
}

/// Returns the end of the string whose quotation mark is at `at`.
fn end_of_string(text: &[u8], at: usize) -> Option<usize> {
    let mut at = at + 1;
    loop {
        match text.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at<'a>(text: &'a str, pointer: &str) -> Option<&'a str> {
        Some(std::str::from_utf8(Raw::of(text.as_bytes())?.pointer(pointer)?.bytes()).unwrap())
    }

    #[test]
    fn values_are_found_as_they_were_written() {
        let text = r#" { "id" : 123456789012345678901 , "a/b":{"~":[ 1.50 , -0, {"x":"}\"]"} ]},"": null } "#;
        for (pointer, expected) in [
            ("/id", Some("123456789012345678901")),
            ("/a~1b/~0/0", Some("1.50")),
            ("/a~1b/~0/1", Some("-0")),
            ("/a~1b/~0/2/x", Some(r#""}\"]""#)),
            ("/a~1b/~0/3", None),
            ("/a~1b/~0/01", None),
            ("/a~1b/~0/+1", None),
            ("/", Some("null")),
            ("/id/0", None),
            ("/nothing", None),
            ("id", None),
        ] {
            assert_eq!(at(text, pointer), expected, "{pointer}");
        }
        assert_eq!(at("7", ""), Some("7"));
        assert_eq!(at(r#"{"\u0069d":1}"#, "/id"), Some("1"));
        assert_eq!(at("[]", "/0"), None);
        assert_eq!(Raw::of(b"[ 1,[2,3] , {} ]").unwrap().elements().count(), 3);
        assert_eq!(Raw::of(b"{}").unwrap().elements().count(), 0);
    }

    #[test]
    fn texts_keep_half_surrogates_apart() {
        let text = |text: &str| Raw::of(text.as_bytes()).unwrap().text();
        for (written, expected) in [
            (r#""plain""#, "plain"),
            (r#""\u00e9\n\"\\""#, "é\n\"\\"),
            (r#""\uD83E""#, r"\ud83e"),
            (r#""a\uD83Eb\udd16""#, r"a\ud83eb\udd16"),
            (r#""\ud83e\udd16""#, "🤖"),
            (r#""\\ud83e""#, r"\ud83e"),
        ] {
            assert_eq!(text(written).as_deref(), Some(expected), "{written}");
        }
        assert_eq!(text("1"), None);
    }

    #[test]
    fn whatever_comes_is_no_panic() {
        for text in
            ["", "[", "{", "\"", "{\"a", "{\"a\"", "{\"a\":", "[1", "\\", "]", "{,}", "\"\\", "[\"\\u"]
        {
            let Some(raw) = Raw::of(text.as_bytes()) else { continue };
            let _ = (raw.pointer("/a/0"), raw.elements().count(), raw.text());
        }
    }
}
