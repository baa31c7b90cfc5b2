//! GitHub. Source: "Validating webhook deliveries" and "Webhook events and
//! payloads" on docs.github.com.

use std::time::Duration;

use crate::record::{BodyForm, Scheme, Signature, Verification};

/// GitHub: `sha256=` and the hex HMAC-SHA256 of the raw body in
/// `X-Hub-Signature-256`, also where the body is a form with a `payload`
/// field. The legacy SHA-1 header is sent along and not looked at.
///
/// There is no timestamp, so nothing but the id stops a replay; the id is the
/// GUID in `X-GitHub-Delivery`, which a redelivery repeats. It is remembered for
/// thirty days.
#[must_use]
pub fn github(secret: &str) -> Verification {
    Verification::new("github", Some(secret), Scheme::Signature(Signature::new("x-hub-signature-256")))
        .prefix("sha256=")
        .dedup_header("x-github-delivery")
        .remember(Duration::from_hours(30 * 24))
        .event_header("x-github-event")
        .never_retries()
        .body(BodyForm::ByContentType { payload_field: Some("payload".to_owned()) })
}
