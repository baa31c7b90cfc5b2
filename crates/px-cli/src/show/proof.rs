//! A verification record in words: what a sender of one's own has to do.

use std::time::Duration;

use px_sdk::verify::{Layout, Part, Scheme, Signature, Source, TimeSource, Verification};
use serde::Serialize;

use crate::show::words;

/// The lines about a record, by name.
pub(crate) fn lines(verification: &Verification) -> Vec<(&'static str, String)> {
    let mut lines = match &verification.scheme {
        Scheme::Signature(signature) => of_signature(signature),
        _ => Vec::new(),
    };
    if !verification.dedup.is_empty() {
        let places: Vec<String> = verification.dedup.iter().map(place).collect();
        let kept = words::duration(Duration::from_secs(verification.remember_secs));
        lines.push(("Dedup", format!("by {}, remembered for {kept}", places.join(", else "))));
    } else if !matches!(verification.scheme, Scheme::Unverified) {
        lines.push(("Dedup", "none: a delivery that comes twice is taken twice".to_owned()));
    }
    lines
}

fn of_signature(signature: &Signature) -> Vec<(&'static str, String)> {
    let (encoding, header) = (name(&signature.encoding), &signature.header);
    let value = match &signature.layout {
        Layout::Plain { prefix, separator: None } => format!("{header}: {prefix}<{encoding}>"),
        Layout::Plain { prefix, separator: Some(separator) } => {
            format!("{header}: {prefix}<{encoding}>, or several with '{separator}' between")
        }
        Layout::Tagged { separator, delimiter, tag } => {
            format!("{header}: {tag}{delimiter}<{encoding}>, tokens with '{separator}' between")
        }
        _ => header.clone(),
    };
    let signed: Vec<String> = signature.signed.iter().map(|part| piece(part, signature)).collect();
    let window = match &signature.window {
        Some(window) => {
            let tolerance = words::duration(Duration::from_secs(window.tolerance_secs));
            let at = match &window.source {
                TimeSource::Header(header) => format!("the header {header}"),
                TimeSource::Tag(tag) => format!("the tag {tag} of the signature"),
                TimeSource::Pointer(pointer) => format!("the field {pointer} of the body"),
                other => name(other),
            };
            format!("{tolerance} around the time in {at}")
        }
        None => "none: an old request with its signature counts for ever".to_owned(),
    };
    vec![
        ("Header", value),
        ("Signed", signed.join(" + ")),
        ("Algorithm", format!("{}, the secret as {}", name(&signature.algorithm), name(&signature.key))),
        ("Window", window),
    ]
}

fn piece(part: &Part, signature: &Signature) -> String {
    match part {
        Part::Literal(text) => format!("'{text}'"),
        Part::Timestamp => "the timestamp as it is sent".to_owned(),
        Part::Id => format!("the header {}", signature.id_header.as_deref().unwrap_or("of the id")),
        Part::Header(header) => format!("the header {header}"),
        Part::Body => "the body's bytes".to_owned(),
        _ => name(part),
    }
}

/// Where something is in a request, as its record writes it.
fn place(source: &Source) -> String {
    match source {
        Source::Header(header) => format!("the header {header}"),
        Source::Pointer(pointer) => format!("the field {pointer} of the body"),
        other => name(other),
    }
}

/// A word of a record, as px.toml writes it.
fn name(of: &impl Serialize) -> String {
    match serde_json::to_value(of).unwrap_or_default() {
        serde_json::Value::String(text) => text,
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_own_hmac_record_says_what_a_sender_has_to_do() {
        let record = px_sdk::verify::hmac("X-Signature", "MY_SECRET")
            .prefix("v1=")
            .timestamp_header("X-Time")
            .signed([Part::Timestamp, Part::literal("."), Part::Body])
            .dedup_header("X-Request-Id")
            .dedup_pointer("/id");
        let said: Vec<String> = lines(&record).iter().map(|(name, text)| format!("{name}: {text}")).collect();
        assert_eq!(
            said,
            [
                "Header: X-Signature: v1=<hex>",
                "Signed: the timestamp as it is sent + '.' + the body's bytes",
                "Algorithm: hmac-sha256, the secret as text",
                "Window: 5 minutes around the time in the header X-Time",
                "Dedup: by the header X-Request-Id, else the field /id of the body, remembered for 7 days",
            ]
        );
        let plain = lines(&px_sdk::verify::hmac("X-Signature", "MY_SECRET"));
        assert!(plain.iter().any(|(name, text)| *name == "Window" && text.starts_with("none")), "{plain:?}");
        assert!(plain.iter().any(|(name, text)| *name == "Dedup" && text.starts_with("none")), "{plain:?}");
    }
}
