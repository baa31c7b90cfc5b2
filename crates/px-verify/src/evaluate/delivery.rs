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

/// Returns the id at the first source that has one.
pub(super) fn id(
    sources: &[Source],
    received: &Received,
    event: Element<'_>,
) -> Result<Option<String>, IdError> {
    for source in sources {
        if let Some(found) = find(source, received, event)? {
            return Ok(Some(bounded(&found)));
        }
    }
    Ok(None)
}

/// Returns the kind at the first source that has one; what is none is passed over.
pub(super) fn kind(sources: &[Source], received: &Received, event: Element<'_>) -> Option<String> {
    let found = |source| find(source, received, event).ok().flatten();
    sources.iter().find_map(found).map(|kind| bounded(&kind))
}

/// `None` where there is nothing, or null.
fn find<'a>(
    source: &Source,
    received: &'a Received,
    event: Element<'a>,
) -> Result<Option<Cow<'a, str>>, IdError> {
    let found = match source {
        // The headers are those of the whole batch, and would make one event of it.
        Source::Header(_) | Source::Headers(_) if event.is_of_batch => None,
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

/// Returns a header's bytes as text: those that are no UTF-8 as `\xNN`.
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
    let Some((value, raw)) = event.pointer(pointer) else { return Ok(None) };
    Ok(Some(match value {
        Value::Null => return Ok(None),
        Value::String(text) if text.is_empty() => return error("empty"),
        Value::String(text) => {
            // Only where half a pair was replaced do the two differ.
            let written = raw.filter(|_| text.contains('\u{fffd}')).and_then(|raw| raw.text());
            written.map_or(Cow::Borrowed(text.as_str()), Cow::Owned)
        }
        Value::Number(number) => {
            let written = raw.and_then(|raw| std::str::from_utf8(raw.bytes()).ok());
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
