//! Encodings of parts of a form, as a `Content-Transfer-Encoding` names them (RFC 2045 section 6), undone strictly:
//! what is not in the encoding is refused, and nothing is passed over but line ends and blanks.
//!
//! RFC 7578 section 4.7 asks senders of forms for none. Libraries for mail, which some senders make their forms
//! with, use them all the same; a file that was kept as the text of its encoding would be read as another
//! file. What is decoded is never longer than what came.
//!
//! This file refuses to know what a part is for. Tested here and in `px-testkit/tests/hostile_forms.rs`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::body_error::BodyError;

/// Letters of base64 that are decoded together: groups of four.
const BLOCK: usize = 4 * 1024;

/// Encoding of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    /// None: its bytes are its content.
    Plain,
    Base64,
    QuotedPrintable,
}

impl Encoding {
    /// Returns the encoding that a header names; none if it is unknown.
    pub(super) fn named(value: &[u8]) -> Option<Self> {
        let is = |name: &str| value.eq_ignore_ascii_case(name.as_bytes());
        if is("base64") {
            return Some(Self::Base64);
        }
        if is("quoted-printable") {
            return Some(Self::QuotedPrintable);
        }
        ["7bit", "8bit", "binary"].into_iter().any(is).then_some(Self::Plain)
    }

    /// Returns what undoes it, if it changes anything.
    pub(super) fn decoder(self) -> Option<Decoder> {
        let way = match self {
            Self::Plain => return None,
            Self::Base64 => Way::Base64 { letters: Vec::with_capacity(BLOCK), has_ended: false },
            Self::QuotedPrintable => Way::Quoted { place: Place::Text, blanks: Vec::new() },
        };
        Some(Decoder { way, out: Vec::new() })
    }
}

/// Undoes the encoding of a part, of which it is given one piece after the other.
#[derive(Debug)]
pub struct Decoder {
    way: Way,
    out: Vec<u8>,
}

#[derive(Debug)]
enum Way {
    Base64 {
        /// Letters that are not decoded yet.
        letters: Vec<u8>,
        /// True behind a padding, which ends the text.
        has_ended: bool,
    },
    Quoted {
        place: Place,
        /// Blanks that are content unless their line ends with them.
        blanks: Vec<u8>,
    },
}

/// Place in a quoted-printable text.
#[derive(Debug, Clone, Copy)]
enum Place {
    Text,
    /// Behind a CR, which its LF has to follow.
    Return,
    /// Behind an equals sign.
    Equals,
    /// Behind the first digit of a byte.
    Digit(u8),
    /// Behind the blanks of a soft line break.
    Soft,
    /// Behind the CR of a soft line break.
    SoftReturn,
}

impl Decoder {
    /// Takes the next piece.
    ///
    /// # Errors
    /// It is not in the encoding.
    pub fn push(&mut self, piece: &[u8]) -> Result<(), BodyError> {
        let taken = match &mut self.way {
            Way::Base64 { letters, has_ended } => base64(piece, letters, has_ended, &mut self.out),
            Way::Quoted { place, blanks } => quoted(piece, place, blanks, &mut self.out),
        };
        taken.ok_or_else(|| self.defect())
    }

    /// Returns the content, once all pieces were taken.
    ///
    /// # Errors
    /// The text does not end where its encoding may.
    pub fn finish(mut self) -> Result<Bytes, BodyError> {
        let ended = match &mut self.way {
            Way::Base64 { letters, has_ended } => decode(letters, has_ended, &mut self.out),
            // The line end behind a last equals sign is the boundary's.
            Way::Quoted { place: Place::Text | Place::Equals | Place::Soft, .. } => Some(()),
            Way::Quoted { .. } => None,
        };
        match ended {
            Some(()) => Ok(self.out.into()),
            None => Err(self.defect()),
        }
    }

    fn defect(&self) -> BodyError {
        let name = match self.way {
            Way::Base64 { .. } => "base64",
            Way::Quoted { .. } => "quoted-printable",
        };
        BodyError::syntax(format!(
            "A part of the form has the Content-Transfer-Encoding {name}, and is not encoded so"
        ))
    }
}

fn base64(piece: &[u8], letters: &mut Vec<u8>, has_ended: &mut bool, out: &mut Vec<u8>) -> Option<()> {
    for byte in piece.iter().filter(|byte| !matches!(byte, b'\r' | b'\n' | b' ' | b'\t')) {
        letters.push(*byte);
        if letters.len() == BLOCK {
            decode(letters, has_ended, out)?;
        }
    }
    Some(())
}

/// Decodes the letters that there are. Padding and unused bits have to be as RFC 4648 says, so
/// that no two texts are the same content.
fn decode(letters: &mut Vec<u8>, has_ended: &mut bool, out: &mut Vec<u8>) -> Option<()> {
    if letters.is_empty() {
        return Some(());
    }
    if *has_ended {
        return None;
    }
    STANDARD.decode_vec(&*letters, out).ok()?;
    *has_ended = letters.ends_with(b"=");
    letters.clear();
    Some(())
}

fn quoted(piece: &[u8], place: &mut Place, blanks: &mut Vec<u8>, out: &mut Vec<u8>) -> Option<()> {
    for byte in piece.iter().copied() {
        *place = match (*place, byte) {
            (Place::Text, b' ' | b'\t') => {
                blanks.push(byte);
                Place::Text
            }
            (Place::Text, b'\r') => {
                // Blanks before a line's end were added on the way.
                blanks.clear();
                Place::Return
            }
            (Place::Text, b'!'..=b'~') => {
                out.append(blanks);
                if byte == b'=' {
                    Place::Equals
                } else {
                    out.push(byte);
                    Place::Text
                }
            }
            (Place::Return, b'\n') => {
                out.extend_from_slice(b"\r\n");
                Place::Text
            }
            (Place::Equals | Place::Soft, b' ' | b'\t') => Place::Soft,
            (Place::Equals | Place::Soft, b'\r') => Place::SoftReturn,
            (Place::SoftReturn, b'\n') => Place::Text,
            (Place::Equals, digit) => Place::Digit(value(digit)?),
            (Place::Digit(high), digit) => {
                out.push(high << 4 | value(digit)?);
                Place::Text
            }
            _ => return None,
        };
    }
    Some(())
}

/// Value of a hexadecimal digit, in letters of either case.
fn value(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Decodes a text that comes in pieces of this length.
    fn decoded(name: &str, text: &[u8], piece: usize) -> Option<Vec<u8>> {
        let mut decoder = Encoding::named(name.as_bytes()).and_then(Encoding::decoder).unwrap();
        for piece in text.chunks(piece) {
            decoder.push(piece).ok()?;
        }
        decoder.finish().ok().map(Vec::from)
    }

    fn is(name: &str, text: &[u8], expected: Option<&[u8]>) {
        for piece in [1, 2, 3, 5, 7, 1_000_000] {
            let found = decoded(name, text, piece);
            assert_eq!(found.as_deref(), expected, "{} in pieces of {piece}", text.escape_ascii());
        }
    }

    #[test]
    fn base64_is_read_in_lines_and_in_nothing_else() {
        for (text, expected) in [
            ("", Some("")),
            ("QWRh", Some("Ada")),
            ("QW\r\nRh\r\n", Some("Ada")),
            (" Q W\tE=\n", Some("Aa")),
            ("QQ==", Some("A")),
            ("\r\n \t", Some("")),
            // A padding in the middle, too much, too little, bits that nobody reads, other letters.
            ("QQ==QQ==", None),
            ("QQ===", None),
            ("QQ=", None),
            ("QQ", None),
            ("Q", None),
            ("=", None),
            ("====", None),
            ("QR==", None),
            ("QWR_", None),
            ("QW-h", None),
            ("QWRh.", None),
            ("QW\0Rh", None),
        ] {
            is("BASE64", text.as_bytes(), expected.map(str::as_bytes));
        }
        let bytes: Vec<u8> = (0..=255).cycle().take(3 * BLOCK + 1).collect();
        let text = STANDARD.encode(&bytes);
        let lines: Vec<&[u8]> = text.as_bytes().chunks(76).collect();
        is("base64", &lines.join(&b"\r\n"[..]), Some(&bytes));
        // A padding at the end of a block ends the text as well.
        let padded = [&text.as_bytes()[..BLOCK - 4], b"QQ==", b"QWRh"].concat();
        is("base64", &padded, None);
    }

    #[test]
    fn quoted_printable_is_read_in_lines_and_in_nothing_else() {
        for (text, expected) in [
            ("", Some("")),
            ("a=3Db", Some("a=b")),
            ("caf=C3=A9 =e2=82=ac", Some("caf\u{e9} \u{20ac}")),
            ("a line that goes =\r\non", Some("a line that goes on")),
            ("one=  \t\r\nline", Some("oneline")),
            ("blanks \t \r\n at a line's end  ", Some("blanks\r\n at a line's end")),
            ("kept=20\r\n", Some("kept \r\n")),
            ("the last=", Some("the last")),
            ("the last= ", Some("the last")),
            ("=3D=\r\n=3D", Some("==")),
            // No byte, half a byte, line ends of one letter, letters that are to be encoded.
            ("=G0", None),
            ("=0G", None),
            ("=4", None),
            ("==", None),
            ("= x", None),
            ("=\n", None),
            ("=\r", None),
            ("=\rx", None),
            ("a\nb", None),
            ("a\rb", None),
            ("a\r", None),
            ("a\0", None),
            ("a\u{7f}", None),
            ("caf\u{e9}", None),
        ] {
            is("Quoted-Printable", text.as_bytes(), expected.map(str::as_bytes));
        }
    }

    #[test]
    fn other_encodings_are_none() {
        for name in ["7bit", "8BIT", "Binary"] {
            assert_eq!(Encoding::named(name.as_bytes()), Some(Encoding::Plain), "{name}");
        }
        for name in ["", "x-uuencode", "gzip", "base64, base64", "base 64", "identity"] {
            assert_eq!(Encoding::named(name.as_bytes()), None, "{name}");
        }
    }
}
