//! The `rdev` format: `event, timestamp, data`, and nothing else at the top.

use px_core::EventId;
use px_core::lifecycle::Envelope;
use serde::Serialize;

use super::{Data, Links, Rest, seq};

#[derive(Serialize)]
struct Body<'a> {
    event: &'static str,
    timestamp: String,
    data: Content<'a>,
}

#[derive(Serialize)]
struct Content<'a> {
    id: EventId,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
    #[serde(rename = "isFinal")]
    is_final: bool,
    #[serde(flatten)]
    rest: Rest<'a>,
}

pub(super) fn render(
    envelope: &Envelope,
    links: &Links,
    data: Data<'_>,
) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(&Body {
        event: envelope.kind.as_str(),
        timestamp: envelope.at.to_string(),
        data: Content {
            id: envelope.id,
            seq: seq(envelope),
            is_final: envelope.is_final,
            rest: Rest::new(envelope, links, data),
        },
    })
}
