//! The id and the kind of an event, by the record's list of places.
//!
//! Two different events must never have one id, or the second is lost as a
//! repetition. So an id is the text that the sender wrote (docs/rules.md#54): a
//! number's digits, which a parsed number may have rounded, and half a surrogate
//! pair, which a Rust string cannot hold.

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::Received;
use crate::record::Source;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::body::Element;
use super::raw::Raw;

/// Longest id that is kept as it is, bytes.
pub const MAX_ID_BYTES: usize = 256;

/// Cause for which an id is none: it is there, and tells nothing apart. The
/// texts are for the sender.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct IdError {
    /// The place in the event, as a JSON pointer; empty for a header.
    pub path: String,
    /// What is there instead, in words.
    pub why: String,
}

/// Returns the id at the first source that has one. An id in headers is that of
/// the delivery: of an array of events each one gets an id of its own from it.
pub(super) fn id(
    sources: &[Source],
    received: &Received,
    event: Element<'_>,
) -> Result<Option<String>, IdError> {
    for source in ordered(sources, event) {
        if let Some(found) = find(source, received, event)? {
            return Ok(Some(bounded(&match event.split {
                Some(split) if is_of_headers(source) => of_element(&found, split.place),
                _ => found.into_owned(),
            })));
        }
    }
    Ok(None)
}

/// Returns the kind at the first source that has one; what is none is passed over.
pub(super) fn kind(sources: &[Source], received: &Received, event: Element<'_>) -> Option<String> {
    let found = |source| find(source, received, event).ok().flatten();
    ordered(sources, event).find_map(found).map(|kind| bounded(&kind))
}

/// Returns the sources in the order in which they count: that of the record,
/// except that an event of a batch type is known by what it says of itself
/// before the headers are asked.
fn ordered<'a>(sources: &'a [Source], event: Element<'_>) -> impl Iterator<Item = &'a Source> {
    let headers_last = event.split.is_some_and(|split| split.is_by_type);
    let of_headers = move |source: &&Source| headers_last && is_of_headers(source);
    sources.iter().filter(move |source| !of_headers(source)).chain(sources.iter().filter(of_headers))
}

/// Returns true for a source that no part of the event itself has a say in, so
/// that it gives all events of a delivery the same.
fn is_of_headers(source: &Source) -> bool {
    match source {
        Source::Header(_) | Source::Headers(_) => true,
        Source::Pointer(_) => false,
        Source::Joined(sources) => sources.iter().all(is_of_headers),
    }
}

/// Returns the id of one event of an array from the delivery's own: `x` for the
/// first, `x[1]` for the second. A delivery that comes again has the same ids.
///
/// The first one keeps the plain id, under which older stores know it, and by
/// which the delivery as a whole is found again. It is not `x#1`, since that is
/// the second of the events that a handler makes of the first.
fn of_element(id: &str, place: usize) -> String {
    if place == 0 { id.to_owned() } else { format!("{id}[{place}]") }
}

/// `None` where there is nothing, or null.
fn find<'a>(
    source: &Source,
    received: &'a Received,
    event: Element<'a>,
) -> Result<Option<Cow<'a, str>>, IdError> {
    let found = match source {
        Source::Header(name) => in_headers(&[name], received)?,
        Source::Headers(names) => in_headers(&names.iter().collect::<Vec<_>>(), received)?,
        Source::Pointer(pointer) => at(pointer, event)?,
        Source::Joined(sources) => {
            let mut joined = String::new();
            for source in sources {
                if !joined.is_empty() {
                    joined.push(':');
                }
                // escaped, so that ("a:b", "c") is not ("a", "b:c")
                let Some(part) = find(source, received, event)? else { return Ok(None) };
                for character in part.chars() {
                    if matches!(character, ':' | '\\') {
                        joined.push('\\');
                    }
                    joined.push(character);
                }
            }
            Some(Cow::Owned(joined))
        }
    };
    Ok(found)
}

/// Returns the id in headers of any of these names; all that are there have to
/// agree, since only one of them may be signed.
fn in_headers<'a>(names: &[&String], received: &'a Received) -> Result<Option<Cow<'a, str>>, IdError> {
    let error = |why: String| IdError { path: String::new(), why };
    let mut values = names.iter().flat_map(|name| received.headers.get_all(name.as_str()).iter());
    let Some(first) = values.next() else { return Ok(None) };
    let several = || names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" and ");
    if values.any(|other| other != first) {
        return Err(error(format!("the id in the header {} came with different values", several())));
    }
    if first.is_empty() {
        return Err(error(format!("the id in the header {} is empty", several())));
    }
    Ok(Some(visible(first.as_bytes())))
}

/// Returns bytes of a header or of a form as text: those that are no UTF-8 as `\xNN`.
fn visible(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            // Writing to a text does not fail.
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    Cow::Owned(text)
}

/// Returns the id at a pointer into the event.
fn at<'a>(pointer: &str, event: Element<'a>) -> Result<Option<Cow<'a, str>>, IdError> {
    let error = |what: &str| {
        Err(IdError {
            path: pointer.to_owned(),
            why: format!("the event's id is {what}, and has to be a text or a number"),
        })
    };
    let Some(value) = event.at(pointer) else { return Ok(None) };
    Ok(Some(match value {
        Value::Null => return Ok(None),
        Value::String(text) if text.is_empty() => return error("empty"),
        Value::String(text) => {
            // Only where half a pair or bytes of a form were replaced do the two differ.
            if !text.contains('\u{fffd}') {
                Cow::Borrowed(text.as_str())
            } else if let Some(bytes) = event.bytes_of_field(pointer) {
                visible(bytes)
            } else {
                let written = event.raw(pointer).and_then(Raw::text);
                written.map_or(Cow::Borrowed(text.as_str()), Cow::Owned)
            }
        }
        Value::Number(number) => {
            let written = event.raw(pointer).and_then(|raw| std::str::from_utf8(raw.bytes()).ok());
            written.map_or_else(|| Cow::Owned(number.to_string()), Cow::Borrowed)
        }
        Value::Bool(_) => return error("a boolean"),
        Value::Array(_) => return error("a list"),
        Value::Object(_) => return error("an object"),
    }))
}

/// Returns an id of any length as one of at most [`MAX_ID_BYTES`]: dropping a
/// long one would let its repetitions through, and cutting it would join strangers.
#[must_use]
pub fn bounded(id: &str) -> String {
    if id.len() <= MAX_ID_BYTES {
        id.to_owned()
    } else {
        format!("sha256:{}", hex::encode(Sha256::digest(id.as_bytes())))
    }
}
