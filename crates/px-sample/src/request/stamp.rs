//! Parts of a request that each sending has of its own: the provider's id, and a signature that is
//! spoilt on purpose.

use http::{HeaderMap, HeaderName};
use px_sdk::WebhookDef;
use px_sdk::verify::Source;

use super::{Content, header_name, header_value, put, validator};
use crate::error::Result;

/// Puts the provider's id of the delivery where the server looks for it first.
pub(super) fn stamp(
    def: &WebhookDef,
    source: &Source,
    id: &str,
    headers: &mut HeaderMap,
    content: &mut Content,
) -> Result<()> {
    match source {
        Source::Header(name) => {
            headers.insert(header_name(name)?, header_value("the delivery's id", id)?);
        }
        // The sender uses one of the names; a record's own comes first.
        Source::Headers(names) => {
            if let Some(name) = names.first() {
                headers.insert(header_name(name)?, header_value("the delivery's id", id)?);
            }
        }
        Source::Pointer(pointer) => {
            if let Content::Made(payload) = content {
                let mut stamped = payload.clone();
                put(&mut stamped, pointer, id.into());
                if validator(def)?.is_valid(&stamped) {
                    *payload = stamped;
                }
            }
        }
        Source::Joined(sources) => {
            for source in sources {
                stamp(def, source, id, headers, content)?;
            }
        }
        _ => {}
    }
    Ok(())
}

/// Changes one character of a signature.
pub(super) fn flip(headers: &mut HeaderMap, name: &HeaderName) {
    let Some(text) = headers.get(name).and_then(|value| value.to_str().ok()) else { return };
    let at = text.len().saturating_sub(5);
    let flipped: String = text
        .char_indices()
        .map(|(index, c)| match (index == at, c) {
            (true, 'a' | 'A') => 'b',
            (true, _) => 'a',
            (false, c) => c,
        })
        .collect();
    if let Ok(value) = flipped.parse() {
        headers.insert(name.clone(), value);
    }
}
