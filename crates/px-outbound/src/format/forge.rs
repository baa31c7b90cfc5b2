//! The `forge` format: `event_type, agent_id, request_id, seq, timestamp,
//! is_final, payload`, in snake_case; the agent is the run. The event's id is
//! in the payload too, for receivers that look at nothing but the body.

use px_core::lifecycle::Envelope;
use px_core::{EventId, RunId};
use serde::Serialize;

use super::{Data, Links, Rest, seq};

#[derive(Serialize)]
struct Body<'a> {
    event_type: &'static str,
    agent_id: Option<RunId>,
    request_id: Option<&'a str>,
    seq: u64,
    timestamp: String,
    is_final: bool,
    payload: Payload<'a>,
}

#[derive(Serialize)]
struct Payload<'a> {
    id: EventId,
    #[serde(flatten)]
    rest: Rest<'a>,
}

pub(super) fn render(
    envelope: &Envelope,
    links: &Links,
    data: Data<'_>,
) -> Result<Vec<u8>, serde_json::Error> {
    let run = envelope.run.as_ref();
    serde_json::to_vec(&Body {
        event_type: envelope.kind.as_str(),
        agent_id: run.map(|run| run.id),
        request_id: run.and_then(|run| run.request_id.as_deref()),
        seq: seq(envelope).unwrap_or_default(),
        timestamp: envelope.at.to_string(),
        is_final: envelope.is_final,
        payload: Payload { id: envelope.id, rest: Rest::new(envelope, links, data) },
    })
}
