//! CloudEvents 1.0.2, structured JSON (cloudevents.io, "JSON Event Format").
//! `sequence` is the extension of that name, a string that sorts by its number.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use px_core::lifecycle::Envelope;
use px_core::{EventId, RunId};
use serde::Serialize;

use super::{Data, Links, Rest, seq};

#[derive(Serialize)]
struct Body<'a> {
    specversion: &'static str,
    id: EventId,
    source: String,
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<RunId>,
    time: String,
    datacontenttype: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sequence: Option<String>,
    data: Content<'a>,
}

#[derive(Serialize)]
struct Content<'a> {
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
        specversion: "1.0",
        id: envelope.id,
        // A URI reference that does not change when the API moves.
        source: match &envelope.run {
            Some(run) => format!("/brains/{}", utf8_percent_encode(&run.brain, NON_ALPHANUMERIC)),
            None => "/hooks".to_owned(),
        },
        kind: envelope.kind.as_str(),
        subject: envelope.run.as_ref().map(|run| run.id),
        time: envelope.at.to_string(),
        datacontenttype: "application/json",
        sequence: seq(envelope).map(|seq| format!("{seq:020}")),
        data: Content {
            seq: seq(envelope),
            is_final: envelope.is_final,
            rest: Rest::new(envelope, links, data),
        },
    })
}
