//! The id and the kind of an event, by the record's list of places.

use std::borrow::Cow;

use crate::Received;
use crate::record::Source;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// Longest id that is kept as it is.
pub const MAX_ID_BYTES: usize = 256;

/// Returns what the first source yields that yields something.
pub(super) fn first(sources: &[Source], received: &Received, event: &Value) -> Option<String> {
    sources.iter().find_map(|source| find(source, received, event)).map(bounded)
}

fn find<'a>(source: &Source, received: &'a Received, event: &'a Value) -> Option<Cow<'a, str>> {
    let found = match source {
        Source::Header(name) => Cow::Borrowed(received.header(name)?),
        Source::Pointer(pointer) => match event.pointer(pointer)? {
            Value::String(text) => Cow::Borrowed(text.as_str()),
            Value::Number(number) => Cow::Owned(number.to_string()),
            _ => return None,
        },
        Source::Joined(sources) => {
            let mut joined = String::new();
            for source in sources {
                if !joined.is_empty() {
                    joined.push(':');
                }
                // escaped, so that ("a:b", "c") is not ("a", "b:c")
                let part = find(source, received, event)?;
                for character in part.chars() {
                    if matches!(character, ':' | '\\') {
                        joined.push('\\');
                    }
                    joined.push(character);
                }
            }
            Cow::Owned(joined)
        }
    };
    (!found.is_empty()).then_some(found)
}

/// An id of any length as one of at most [`MAX_ID_BYTES`]: dropping a long one
/// would let its repetitions through, and cutting it would join strangers.
fn bounded(id: Cow<'_, str>) -> String {
    if id.len() <= MAX_ID_BYTES {
        id.into_owned()
    } else {
        format!("sha256:{}", hex::encode(Sha256::digest(id.as_bytes())))
    }
}
