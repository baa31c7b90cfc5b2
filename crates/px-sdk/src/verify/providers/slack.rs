//! Slack. Source: "Verifying requests from Slack" and "The Events API" on
//! api.slack.com.

use crate::verify::{BodyForm, Handshake, Part, Scheme, Signature, Source, Verification, When};

/// Slack's Events API: `v0=` and the hex HMAC-SHA256 of `v0:<timestamp>:<body>`
/// in `X-Slack-Signature`, at most five minutes old.
///
/// The id is `event_id`, which repeats over Slack's three retries. The signed
/// `url_verification` request is answered with its challenge.
#[must_use]
pub fn slack(secret: &str) -> Verification {
    signed(secret)
        .dedup(Source::pointer("/event_id"))
        .dedup(Source::pointer("/trigger_id"))
        .event_pointer("/event/type")
        .event_pointer("/type")
        .handshake(Handshake::Echo {
            when: When::new("/type", "url_verification"),
            pointer: "/challenge".to_owned(),
        })
}

/// What all of Slack's requests have in common.
fn signed(secret: &str) -> Verification {
    Verification::new("slack", Some(secret), Scheme::Signature(Signature::new("x-slack-signature")))
        .prefix("v0=")
        .timestamp_header("x-slack-request-timestamp")
        .signed([Part::literal("v0:"), Part::Timestamp, Part::literal(":"), Part::Body])
        .body(BodyForm::ByContentType { payload_field: Some("payload".to_owned()) })
}
