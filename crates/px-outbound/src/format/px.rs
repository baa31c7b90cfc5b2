//! px's own format: everything, in camelCase.

use px_core::EventId;
use px_core::lifecycle::Envelope;
use serde::Serialize;

use super::{Data, Links, Rest, seq};

#[derive(Serialize)]
struct Body<'a> {
    id: EventId,
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
    timestamp: String,
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
        id: envelope.id,
        kind: envelope.kind.as_str(),
        seq: seq(envelope),
        timestamp: envelope.at.to_string(),
        is_final: envelope.is_final,
        rest: Rest::new(envelope, links, data),
    })
}
