//! Text of outsiders on its way to a terminal: what could move its cursor,
//! colour it, begin a line, or turn the direction of the text is shown as an
//! escape sequence of Rust's (CWE-150).

use std::fmt::{self, Write};

/// Writes text with its control characters escaped.
#[derive(Debug)]
pub(crate) struct Escaped<'a, W>(pub(crate) &'a mut W);

impl<W: Write> Write for Escaped<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut plain = 0;
        for (at, found) in text.char_indices().filter(|(_, found)| is_control(*found)) {
            self.0.write_str(text.get(plain..at).unwrap_or_default())?;
            match found {
                '\n' => self.0.write_str("\\n")?,
                '\r' => self.0.write_str("\\r")?,
                '\t' => self.0.write_str("\\t")?,
                _ if found.is_ascii() => write!(self.0, "\\x{:02x}", u32::from(found))?,
                _ => write!(self.0, "\\u{{{:x}}}", u32::from(found))?,
            }
            plain = at + found.len_utf8();
        }
        self.0.write_str(text.get(plain..).unwrap_or_default())
    }
}

/// Returns whether a character is one of C0, C1, DEL, or the controls of the
/// bidirectional algorithm (Unicode Standard Annex 9, section 2).
pub(crate) fn is_control(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of a line that is escaped nobody could tell which backslashes were there before.
    #[test]
    fn a_secret_is_found_as_it_is_escaped_here() {
        let all: String = (0..0x2_100).filter_map(char::from_u32).collect();
        for value in ["two\nlines \"x\" of\\n it", "\u{1b}[1m\u{9b}\u{7f}\u{202e}\u{2066}\\\"", &all] {
            let redactor = px_secrets::Redactor::new([("KEY".to_owned(), value.into())]).unwrap();
            let mut line = String::new();
            Escaped(&mut line).write_str(&format!("before {value} behind")).unwrap();
            assert_eq!(redactor.text(&line), "before [secret KEY] behind");
        }
    }

    #[test]
    fn controls_are_escaped_and_nothing_else() {
        let shown = |text: &str| {
            let mut out = String::new();
            Escaped(&mut out).write_str(text).unwrap();
            out
        };
        assert_eq!(shown("A\x1b]0;owned\x07"), "A\\x1b]0;owned\\x07");
        assert_eq!(shown("a\nb\r\tc\x7f\u{0}"), "a\\nb\\r\\tc\\x7f\\x00");
        assert_eq!(shown("\u{9b}31m"), "\\u{9b}31m");
        assert_eq!(shown("x\u{202e}y\u{2066}z\u{200f}\u{61c}"), "x\\u{202e}y\\u{2066}z\\u{200f}\\u{61c}");
        assert_eq!(shown("Grüße, 世界 👋\u{200d}"), "Grüße, 世界 👋\u{200d}");
    }
}
