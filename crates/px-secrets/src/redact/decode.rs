//! Texts as whoever reads them decodes them: what an encoder escapes is its own choice, so escapes are
//! undone instead of guessed. A place in the decoded text is brought back to the escapes that it came from.

use std::ops::Range;

/// A way in which characters are escaped within a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Escaping {
    /// `\n`, `\"`, `\u00e9`, `\u{e9}`, `\x1b`: of JSON, Rust and its relatives.
    Backslash,
    /// `%C3%A9`, as in URLs.
    Percent,
    /// The same, with `+` for a blank, as in forms.
    Form,
    /// `&lt;`, `&#39;`, `&#x2f;`, as in HTML and XML.
    Entity,
}

/// One character of four bytes at most, or a byte.
struct Plain {
    bytes: [u8; 4],
    length: usize,
}

impl Plain {
    fn byte(byte: u8) -> Self {
        Self { bytes: [byte, 0, 0, 0], length: 1 }
    }

    fn of(letter: char) -> Self {
        let mut bytes = [0; 4];
        let length = letter.encode_utf8(&mut bytes).len();
        Self { bytes, length }
    }

    fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

impl Escaping {
    pub(super) const ALL: [Self; 4] = [Self::Backslash, Self::Percent, Self::Form, Self::Entity];

    /// Returns whether the other one undoes the same escapes.
    pub(super) fn is_like(self, other: Self) -> bool {
        let is_percent = |one| matches!(one, Self::Percent | Self::Form);
        self == other || is_percent(self) && is_percent(other)
    }

    /// The bytes that begin an escape.
    const fn marks(self) -> &'static [u8] {
        match self {
            Self::Backslash => b"\\",
            Self::Percent => b"%",
            Self::Form => b"%+",
            Self::Entity => b"&",
        }
    }

    /// The escape at the front of some bytes: the number of bytes that it has, and what it stands for.
    fn escape(self, bytes: &[u8]) -> Option<(usize, Plain)> {
        match self {
            Self::Backslash => backslash(bytes),
            Self::Form if bytes.first() == Some(&b'+') => Some((1, Plain::byte(b' '))),
            Self::Percent | Self::Form => {
                let digits = bytes.get(1..3)?;
                Some((3, Plain::byte(u8::try_from(number(digits, 16)?).ok()?)))
            }
            Self::Entity => entity(bytes),
        }
    }

    /// Goes through a text: calls `unit` with the place of each escape and what it stands for, and with
    /// the place of all that is between them and stands for itself. Returns true if there was an escape.
    fn units<'a>(self, text: &'a [u8], mut unit: impl FnMut(Range<usize>, &[u8], bool)) -> bool {
        let (mut from, mut at, mut has_any) = (0, 0, false);
        let rest = |at: usize| -> &'a [u8] { text.get(at..).unwrap_or_default() };
        while let Some(found) = rest(at).iter().position(|byte| self.marks().contains(byte)) {
            at += found;
            let Some((length, plain)) = self.escape(rest(at)) else {
                at += 1;
                continue;
            };
            unit(from..at, text.get(from..at).unwrap_or_default(), false);
            unit(at..at + length, plain.bytes(), true);
            at += length;
            (from, has_any) = (at, true);
        }
        unit(from..text.len(), rest(from), false);
        has_any
    }

    /// The decoded text; none if nothing in it is escaped.
    pub(super) fn decode(self, text: &[u8]) -> Option<Vec<u8>> {
        if !text.iter().any(|byte| self.marks().contains(byte)) {
            return None;
        }
        let mut decoded = Vec::with_capacity(text.len());
        self.units(text, |_, plain, _| decoded.extend_from_slice(plain)).then_some(decoded)
    }

    /// Brings places of the decoded text back to the text itself. A part of an escape counts as all of it.
    /// No place is empty.
    pub(super) fn origins(self, text: &[u8], places: &mut [Range<usize>]) {
        let mut ends: Vec<(usize, usize, bool)> = places
            .iter()
            .enumerate()
            .flat_map(|(index, place)| [(place.start, index, true), (place.end - 1, index, false)])
            .collect();
        ends.sort_unstable();
        let mut ends = ends.into_iter().peekable();
        let mut before = 0;
        self.units(text, |source, plain, is_escape| {
            let end = before + plain.len();
            while let Some((at, index, is_start)) = ends.next_if(|(at, ..)| *at < end) {
                let first = if is_escape { source.start } else { source.start + (at - before) };
                let behind = if is_escape { source.end } else { first + 1 };
                if let Some(place) = places.get_mut(index) {
                    if is_start { place.start = first } else { place.end = behind }
                }
            }
            before = end;
        });
    }
}

/// The value of digits, all of which are digits.
fn number(digits: &[u8], radix: u32) -> Option<u32> {
    let is_digit = |byte: &u8| char::from(*byte).is_digit(radix);
    if digits.is_empty() || !digits.iter().all(is_digit) {
        return None;
    }
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, radix).ok()
}

/// Digits between two marks, and the number of bytes up to behind the second one.
fn between(bytes: &[u8], from: usize, end: u8, radix: u32) -> Option<(usize, char)> {
    let rest = bytes.get(from..bytes.len().min(from + 8))?;
    let length = rest.iter().position(|byte| *byte == end)?;
    let letter = char::from_u32(number(rest.get(..length)?, radix)?)?;
    Some((from + length + 1, letter))
}

fn backslash(bytes: &[u8]) -> Option<(usize, Plain)> {
    let simple = |byte| Some((2, Plain::byte(byte)));
    match bytes.get(1)? {
        b'n' => simple(b'\n'),
        b'r' => simple(b'\r'),
        b't' => simple(b'\t'),
        b'b' => simple(8),
        b'f' => simple(12),
        b'0' => simple(0),
        letter @ (b'"' | b'\'' | b'\\' | b'/') => simple(*letter),
        b'x' => {
            let letter = char::from_u32(number(bytes.get(2..4)?, 16)?)?;
            Some((4, Plain::of(letter)))
        }
        b'u' if bytes.get(2) == Some(&b'{') => {
            between(bytes, 3, b'}', 16).map(|(length, letter)| (length, Plain::of(letter)))
        }
        b'u' => {
            let first = number(bytes.get(2..6)?, 16)?;
            if let Some(letter) = char::from_u32(first) {
                return Some((6, Plain::of(letter)));
            }
            let second = number(bytes.get(6..12)?.strip_prefix(b"\\u")?, 16)?;
            let units = [u16::try_from(first).ok()?, u16::try_from(second).ok()?];
            let letter = char::decode_utf16(units).next()?.ok()?;
            Some((12, Plain::of(letter)))
        }
        _ => None,
    }
}

/// The names that every encoder of HTML uses.
const ENTITIES: [(&[u8], u8); 5] =
    [(b"&amp;", b'&'), (b"&lt;", b'<'), (b"&gt;", b'>'), (b"&quot;", b'"'), (b"&apos;", b'\'')];

fn entity(bytes: &[u8]) -> Option<(usize, Plain)> {
    if let Some((name, byte)) = ENTITIES.iter().find(|(name, _)| bytes.starts_with(name)) {
        return Some((name.len(), Plain::byte(*byte)));
    }
    let (length, letter) = match bytes.get(1..3)? {
        b"#x" | b"#X" => between(bytes, 3, b';', 16)?,
        [b'#', _] => between(bytes, 2, b';', 10)?,
        _ => return None,
    };
    Some((length, Plain::of(letter)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(escaping: Escaping, text: &str) -> String {
        String::from_utf8(escaping.decode(text.as_bytes()).unwrap_or_default()).unwrap()
    }

    #[test]
    fn each_way_of_escaping_is_undone_and_what_is_no_escape_stays() {
        let backslash = |text: &str| decoded(Escaping::Backslash, text);
        assert_eq!(backslash(r#"a\"b\\c\/d\n\r\t\b\f\0\'"#), "a\"b\\c/d\n\r\t\u{8}\u{c}\0'");
        assert_eq!(backslash(r"\u00e9\u{1f600}\ud83d\ude00\x1b\u{e9}"), "é😀😀\u{1b}é");
        assert_eq!(backslash(r"\n\d\ud83d\u12\x1\u{}\"), "\n\\d\\ud83d\\u12\\x1\\u{}\\");
        assert_eq!(decoded(Escaping::Percent, "a%2fb%2Fc+%zz%4"), "a/b/c+%zz%4");
        assert_eq!(decoded(Escaping::Form, "a+b%20c"), "a b c");
        assert_eq!(decoded(Escaping::Entity, "&lt;&#39;&#x2f;&amp;amp;&nope;&"), "<'/&amp;&nope;&");
        for escaping in Escaping::ALL {
            assert_eq!(escaping.decode(b"nothing here"), None);
        }
    }

    #[test]
    fn a_place_is_brought_back_to_whole_escapes() {
        let text = br#"ab\u00e9cd\"ef"#;
        let decoded = Escaping::Backslash.decode(text).unwrap();
        assert_eq!(decoded, "abécd\"ef".as_bytes());
        // All; the second byte of the letter; what is between; the last two.
        let mut places = vec![0..decoded.len(), 3..4, 4..6, 7..9];
        Escaping::Backslash.origins(text, &mut places);
        assert_eq!(places, [0..text.len(), 2..8, 8..10, 12..14]);
    }
}
