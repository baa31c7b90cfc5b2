//! `multipart/form-data` (RFC 7578, RFC 2046 section 5.1), strictly: what does not have
//! the syntax is refused as a whole, and nothing is taken for something else.
//!
//! A body is cut into parts without copying. A part with a file name is a file, whose
//! contents are given apart; what is left of the body is still a form with the same
//! parts, and is what the inbox keeps of it. Texts are decoded here, and files by whoever keeps them. Names and types are texts of the sender's
//! and mean nothing here.

use bytes::{Bytes, BytesMut};
use memchr::memmem::Finder;
use percent_encoding::percent_decode_str;

use super::body_error::BodyError;
use super::encoding::{Decoder, Encoding};
use super::parameters::{is_token, parameters};

/// Maximum number of parts of a form.
const MAX_PARTS: usize = 1_000;

/// Maximum length of the head of a part, bytes.
const MAX_HEAD: usize = 8 * 1024;

/// Maximum length of a boundary (RFC 2046 section 5.1.1).
const MAX_BOUNDARY: usize = 70;

/// Maximum length of a file's name, bytes; a longer one is cut.
const MAX_NAME: usize = 1_024;

/// Maximum length of all texts of a form together that are encoded, bytes: they are decoded before anybody knows
/// who has sent them.
const MAX_ENCODED_TEXT: usize = 1024 * 1024;

/// Maximum length of a content type that is kept, bytes.
const MAX_TYPE: usize = 255;

/// A part of a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Name of its field.
    pub name: String,
    /// The file's name, if the part is one, which may be empty.
    pub file: Option<String>,
    /// The content type that the sender says it has.
    pub content_type: Option<String>,
    /// Its bytes. Those of a file with a name are as they came: [`Part::decoder`] undoes their encoding.
    pub content: Bytes,
    encoding: Encoding,
}

impl Part {
    /// Returns what undoes the encoding of its content, if it has one.
    #[must_use]
    pub fn decoder(&self) -> Option<Decoder> {
        self.encoding.decoder()
    }

    /// Undoes the encoding of a part that is no file with a name, as far as there is room for more
    /// encoded texts.
    fn decode_text(&mut self, room: &mut usize) -> Result<(), Defect> {
        let is_text = self.file.as_ref().is_none_or(String::is_empty);
        let Some(mut decoder) = self.decoder().filter(|_| is_text) else { return Ok(()) };
        *room = room.checked_sub(self.content.len()).ok_or_else(|| {
            Defect::TooMany(format!("The form has more than {MAX_ENCODED_TEXT} bytes of encoded texts"))
        })?;
        decoder.push(&self.content).map_err(|error| syntax(error.to_string()))?;
        self.content = decoder.finish().map_err(|error| syntax(error.to_string()))?;
        self.encoding = Encoding::Plain;
        Ok(())
    }
}

/// A form that was cut into its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Parts {
    /// The parts, in their order.
    pub(super) parts: Vec<Part>,
    /// The body without the contents of its files.
    pub(super) rest: Bytes,
}

/// Defect of a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Defect {
    /// It does not have the syntax.
    Syntax(String),
    /// A part is encoded in a way that is not undone here.
    Encoding(String),
    /// It has more parts than are taken.
    TooMany(String),
}

fn syntax(text: impl Into<String>) -> Defect {
    Defect::Syntax(text.into())
}

/// Returns the boundary that a content type names.
///
/// # Errors
/// It names none, or none that may be one.
pub(super) fn boundary(content_type: &str) -> Result<String, Defect> {
    let parameters = content_type.split_once(';').map_or("", |(_, rest)| rest);
    let mut found = None;
    let parameters = self::parameters(parameters.as_bytes())
        .map_err(|why| syntax(format!("The header Content-Type of the form {why}")))?;
    for (name, value) in parameters {
        let value = String::from_utf8(value).map_err(|_| syntax("The boundary of the form is no ASCII"))?;
        if name.eq_ignore_ascii_case("boundary") && found.replace(value).is_some() {
            return Err(syntax("The header Content-Type of the form has two boundaries"));
        }
    }
    let found = found.unwrap_or_default();
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(&byte);
    if found.is_empty() || found.len() > MAX_BOUNDARY || found.ends_with(' ') || !found.bytes().all(fits) {
        return Err(syntax(format!(
            "The header Content-Type of the form has no boundary of 1 to {MAX_BOUNDARY} characters"
        )));
    }
    Ok(found)
}

/// Reads the parts of a form, of which there are at most `most`.
///
/// # Errors
/// It does not have the syntax, or is more than is taken.
pub fn parts_of(content_type: &str, body: &Bytes, most: usize) -> Result<Vec<Part>, BodyError> {
    Ok(cut(body, &boundary(content_type)?, most)?.parts)
}

/// Cuts a body into its parts.
///
/// # Errors
/// It does not have the syntax, or is more than is taken.
pub(super) fn parts(body: &Bytes, boundary: &str) -> Result<Parts, Defect> {
    cut(body, boundary, MAX_PARTS)
}

fn cut(body: &Bytes, boundary: &str, most: usize) -> Result<Parts, Defect> {
    let delimiter = format!("\r\n--{boundary}");
    let delimiter = delimiter.as_bytes();
    let finder = Finder::new(delimiter);
    let (mut parts, mut rest) = (Vec::new(), BytesMut::new());
    // The first delimiter may be the first line, and an empty line may come before it.
    let opening = delimiter.get(2..).unwrap_or_default();
    let start = [&b""[..], b"\r\n"]
        .into_iter()
        .find(|before| body.strip_prefix(*before).is_some_and(|body| body.starts_with(opening)));
    let start = start.ok_or_else(|| syntax("The form does not begin with its boundary"))?;
    let mut at = start.len() + opening.len();
    let (mut kept, mut room) = (0, MAX_ENCODED_TEXT);
    loop {
        let tail = body.get(at..).unwrap_or_default();
        match end_of_delimiter(tail)
            .ok_or_else(|| syntax("A boundary of the form is not a line of its own"))?
        {
            Ended::Last(length) => {
                if tail.get(length..).is_some_and(|junk| !junk.is_empty()) {
                    return Err(syntax("Something comes behind the last boundary of the form"));
                }
                rest.extend_from_slice(body.get(kept..).unwrap_or_default());
                return Ok(Parts { parts, rest: rest.freeze() });
            }
            Ended::Line(length) => at += length,
        }
        if parts.len() == most {
            return Err(Defect::TooMany(format!("The form has more than {most} parts")));
        }
        let (head, head_bytes) = Head::read(body.get(at..).unwrap_or_default())?;
        let from = at + head_bytes;
        // The line end before the first byte belongs to a delimiter that follows at once.
        let found = next_delimiter(body, from - 2, &finder)
            .ok_or_else(|| syntax("The form ends before its last boundary"))?;
        let to = found.max(from);
        at = found + delimiter.len();
        let Head { name, file, content_type, encoding } = head;
        let mut part = Part { name, file, content_type, content: body.slice(from..to), encoding };
        part.decode_text(&mut room)?;
        if part.file.is_some() {
            rest.extend_from_slice(body.get(kept..from).unwrap_or_default());
            kept = to;
        }
        parts.push(part);
    }
}

/// The end of a line that begins with a delimiter.
enum Ended {
    /// A part follows after so many bytes.
    Line(usize),
    /// The form ends after so many bytes.
    Last(usize),
}

/// Returns how the line of a delimiter ends; none if it is no delimiter's line.
fn end_of_delimiter(tail: &[u8]) -> Option<Ended> {
    let (is_last, dashes) = if tail.starts_with(b"--") { (true, 2) } else { (false, 0) };
    let padding = tail.get(dashes..)?.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    let at = dashes + padding;
    match (is_last, tail.get(at..)?) {
        (true, []) => Some(Ended::Last(at)),
        (true, [b'\r', b'\n', ..]) => Some(Ended::Last(at + 2)),
        (false, [b'\r', b'\n', ..]) => Some(Ended::Line(at + 2)),
        _ => None,
    }
}

/// The place of the next delimiter that is a line of its own, at or behind a place.
/// What only begins like one is content.
fn next_delimiter(body: &[u8], from: usize, finder: &Finder<'_>) -> Option<usize> {
    let mut at = from;
    loop {
        let place = at + finder.find(body.get(at..)?)?;
        if end_of_delimiter(body.get(place + finder.needle().len()..)?).is_some() {
            return Some(place);
        }
        at = place + 1;
    }
}

/// The head of a part.
struct Head {
    name: String,
    file: Option<String>,
    content_type: Option<String>,
    encoding: Encoding,
}

impl Head {
    /// Reads a head with the empty line behind it. Returns its length, too.
    fn read(from: &[u8]) -> Result<(Self, usize), Defect> {
        let text = from.get(..MAX_HEAD.min(from.len())).unwrap_or_default();
        // A part without any header line has an empty line only.
        let end = if text.starts_with(b"\r\n") {
            0
        } else {
            let found = text.windows(4).position(|bytes| bytes == b"\r\n\r\n");
            found.map(|place| place + 2).ok_or_else(|| {
                syntax(format!("The head of a part of the form has no end within {MAX_HEAD} bytes"))
            })?
        };
        let mut disposition: Option<&[u8]> = None;
        let mut content_type: Option<&[u8]> = None;
        let mut encoding: Option<&[u8]> = None;
        let mut lines = text.get(..end).unwrap_or_default();
        while let Some((name, value)) = next_line(&mut lines)? {
            let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
            if is("content-disposition") && disposition.replace(value).is_some() {
                return Err(syntax("A part of the form has the header Content-Disposition twice"));
            }
            if is("content-type") && content_type.replace(value).is_some() {
                return Err(syntax("A part of the form has the header Content-Type twice"));
            }
            if is("content-transfer-encoding") && encoding.replace(value).is_some() {
                return Err(syntax("A part of the form has the header Content-Transfer-Encoding twice"));
            }
        }
        let disposition =
            disposition.ok_or_else(|| syntax("A part of the form has no header Content-Disposition"))?;
        let encoding = encoding.map_or(Ok(Encoding::Plain), self::encoding)?;
        let content_type = content_type.and_then(claimed);
        Ok((Self { content_type, encoding, ..Self::of(disposition)? }, end + 2))
    }

    /// Reads the header that names the field.
    fn of(disposition: &[u8]) -> Result<Self, Defect> {
        let mut halves = disposition.splitn(2, |byte| *byte == b';');
        let kind = halves.next().unwrap_or_default().trim_ascii();
        if !kind.eq_ignore_ascii_case(b"form-data") {
            return Err(syntax("A part of the form is not `form-data`"));
        }
        let (mut name, mut file, mut extended) = (None, None, None);
        let parameters = parameters(halves.next().unwrap_or_default())
            .map_err(|why| syntax(format!("The header Content-Disposition of a part of the form {why}")))?;
        for (parameter, value) in parameters {
            let slot = match parameter.to_ascii_lowercase().as_str() {
                "name" => &mut name,
                "filename" => &mut file,
                "filename*" => &mut extended,
                _ => continue,
            };
            if slot.replace(value).is_some() {
                return Err(syntax(format!("A part of the form has two parameters `{parameter}`")));
            }
        }
        let name = name.ok_or_else(|| syntax("A part of the form has no name"))?;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        // RFC 6266 section 4.3: the one with a charset counts, if it can be read.
        let file = extended.and_then(|value| decoded(&value)).or(file.map(text));
        let file = file.map(|mut file| {
            file.truncate(file.floor_char_boundary(MAX_NAME));
            file
        });
        Ok(Self { name: text(name), file, content_type: None, encoding: Encoding::Plain })
    }
}

/// A line of a head: its name and its value.
type Line<'a> = (&'a [u8], &'a [u8]);

/// Takes the next line of a head: its name and its value. Lines end in CR LF and in
/// nothing else, and none is folded: of what other readers take for one line or for two
/// nothing is guessed here.
fn next_line<'a>(lines: &mut &'a [u8]) -> Result<Option<Line<'a>>, Defect> {
    if lines.is_empty() {
        return Ok(None);
    }
    let end = lines.windows(2).position(|bytes| bytes == b"\r\n").unwrap_or(lines.len());
    let (line, rest) = lines.split_at_checked(end).unwrap_or((lines, b""));
    *lines = rest.get(2..).unwrap_or_default();
    if line.iter().any(|byte| matches!(byte, b'\r' | b'\n')) {
        return Err(syntax("A line in the head of a part of the form does not end in CR LF"));
    }
    let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
    let (name, value) = line.split_at_checked(colon).unwrap_or((line, b""));
    let Some(value) = value.strip_prefix(b":") else {
        return Err(syntax("A line in the head of a part of the form has no colon"));
    };
    if !is_token(name) {
        return Err(syntax(
            "A line in the head of a part of the form does not begin with the name of a header",
        ));
    }
    Ok(Some((name, value.trim_ascii())))
}

/// Reads the name of an encoding.
fn encoding(value: &[u8]) -> Result<Encoding, Defect> {
    Encoding::named(value).ok_or_else(|| {
        Defect::Encoding(format!(
            "A part of the form is encoded as '{}': send it as it is, without Content-Transfer-Encoding",
            value.get(..64).unwrap_or(value).escape_ascii()
        ))
    })
}

/// A content type as it is kept; none that is no plain text.
fn claimed(value: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(value).ok()?;
    let is_plain = !text.is_empty() && text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    (is_plain && text.len() <= MAX_TYPE).then(|| text.to_owned())
}

/// The text of a parameter with a charset (RFC 8187); none in another one than UTF-8.
fn decoded(value: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(value).ok()?;
    let mut parts = text.splitn(3, '\'');
    let (charset, _language, encoded) = (parts.next()?, parts.next()?, parts.next()?);
    let decoded = percent_decode_str(encoded).decode_utf8().ok()?;
    charset.eq_ignore_ascii_case("utf-8").then(|| decoded.into_owned())
}
