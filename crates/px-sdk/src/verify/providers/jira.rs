//! Jira Cloud. Source: "Webhooks" on developer.atlassian.com/cloud/jira.

use crate::verify::{BodyForm, Scheme, Signature, Verification};

/// Jira Cloud's administrator webhooks: `sha256=` and the hex HMAC-SHA256 of
/// the body in `X-Hub-Signature` (whose name promises SHA-1, whose value does
/// not). The id is `X-Atlassian-Webhook-Identifier`, the same over retries.
#[must_use]
pub fn jira(secret: &str) -> Verification {
    Verification::new("jira", Some(secret), Scheme::Signature(Signature::new("x-hub-signature")))
        .prefix("sha256=")
        .dedup_header("x-atlassian-webhook-identifier")
        .event_pointer("/webhookEvent")
        .body(BodyForm::Json)
}
