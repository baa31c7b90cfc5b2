//! Zoom. Source: "Using webhooks" on developers.zoom.us.

use crate::record::{BodyForm, Handshake, Part, Scheme, Signature, Source, Verification, When};

/// Zoom: `v0=` and the hex HMAC-SHA256 of `v0:<timestamp>:<body>` in
/// `x-zm-signature`. The signed `endpoint.url_validation` is answered with the
/// token's HMAC, at the start and every 72 hours.
///
/// Zoom sends no id. What is told apart are event, time and object, and the
/// participant where there is one.
#[must_use]
pub fn zoom(secret: &str) -> Verification {
    const PARTICIPANT: &str = "/payload/object/participant/participant_uuid";
    const USER: &str = "/payload/object/participant/user_id";
    const OBJECT: &str = "/payload/object/id";
    Verification::new("zoom", Some(secret), Scheme::Signature(Signature::new("x-zm-signature")))
        .prefix("v0=")
        .timestamp_header("x-zm-request-timestamp")
        .signed([Part::literal("v0:"), Part::Timestamp, Part::literal(":"), Part::Body])
        .dedup(Source::pointers(["/event", "/event_ts", OBJECT, PARTICIPANT]))
        .dedup(Source::pointers(["/event", "/event_ts", OBJECT, USER]))
        .dedup(Source::pointers(["/event", "/event_ts", OBJECT]))
        .event_pointer("/event")
        .handshake(Handshake::Hmac {
            when: When::new("/event", "endpoint.url_validation"),
            pointer: "/payload/plainToken".to_owned(),
        })
        .body(BodyForm::Json)
        .ack_status(200)
}
