//! Slack. Sources: "Verifying requests from Slack", "The Events API",
//! "Handling user interaction" and "Slash commands" on docs.slack.dev.

use crate::record::{BodyForm, Handshake, Part, Scheme, Signature, Source, Verification, When};

/// Slack's Events API: `v0=` and the hex HMAC-SHA256 of `v0:<timestamp>:<body>`
/// in `X-Slack-Signature`, at most five minutes old.
///
/// The id is `event_id`, which repeats over Slack's three retries. The signed
/// `url_verification` request is answered with its challenge.
#[must_use]
pub fn slack(secret: &str) -> Verification {
    signed("slack", secret)
        .dedup(Source::pointer("/event_id"))
        .dedup(Source::pointer("/trigger_id"))
        .event_pointer("/event/type")
        .event_pointer("/type")
        .handshake(Handshake::Echo {
            when: When::new("/type", "url_verification"),
            pointer: "/challenge".to_owned(),
        })
}

/// Slack's buttons, menus and modals: signed like [`slack`], a form whose
/// field `payload` holds the JSON. Slack shows a reply's body to the user, so
/// it is pinned to be empty.
#[must_use]
pub fn slack_interactivity(secret: &str) -> Verification {
    signed("slack-interactivity", secret)
        .dedup_pointer("/trigger_id")
        .event_pointer("/type")
        .ack_status(200)
        .ack_body("", "")
        .repeat_duplicates()
        .never_retries()
        .posts_forms()
}

/// Slack's slash commands: signed like [`slack`], a form. The occasional GET
/// with `ssl_check=1` is answered. Slack shows a reply's body to the user, so
/// it is pinned to be empty.
#[must_use]
pub fn slack_command(secret: &str) -> Verification {
    signed("slack-command", secret)
        .body(BodyForm::Form)
        .dedup_pointer("/trigger_id")
        .event_pointer("/command")
        .handshake(Handshake::Probe { query: "ssl_check".to_owned() })
        .ack_status(200)
        .ack_body("", "")
        .repeat_duplicates()
        .never_retries()
}

/// Returns what all of Slack's requests have in common.
fn signed(provider: &str, secret: &str) -> Verification {
    Verification::new(provider, Some(secret), Scheme::Signature(Signature::new("x-slack-signature")))
        .prefix("v0=")
        .timestamp_header("x-slack-request-timestamp")
        .signed([Part::literal("v0:"), Part::Timestamp, Part::literal(":"), Part::Body])
        .body(BodyForm::ByContentType { payload_field: Some("payload".to_owned()) })
}
