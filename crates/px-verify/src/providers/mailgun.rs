//! Mailgun. Source: "Securing Webhooks" and "Routes" on documentation.mailgun.com.

use crate::record::{BodyForm, Scheme, Verification};

/// Mailgun: hex HMAC-SHA256 of timestamp and token, both in the body beside
/// the signature. **It does not cover the event's data**, so the body is only
/// as trustworthy as the connection it came over.
///
/// The token is single-use and is the id, which is what stops replays.
/// Mailgun retries for eight hours and does not say that it signs anew each
/// time, so the default window is a day.
#[must_use]
pub fn mailgun(secret: &str) -> Verification {
    Verification::new("mailgun", Some(secret), Scheme::Mailgun { tolerance_secs: 24 * 60 * 60 })
        .dedup_pointer("/signature/token")
        .event_pointer("/event-data/event")
        .body(BodyForm::Json)
        .ack_status(200)
}

/// Mailgun's routes, which forward mail as a form: the same signature as
/// [`mailgun`]'s, in the form's fields `timestamp`, `token` and `signature`. **It does
/// not cover the mail**, so the form is only as trustworthy as the connection.
///
/// The token is single-use and is the id. Mail with attachments comes as
/// `multipart/form-data`: let the webhook take files.
#[must_use]
pub fn mailgun_routes(secret: &str) -> Verification {
    Verification::new("mailgun-routes", Some(secret), Scheme::Mailgun { tolerance_secs: 24 * 60 * 60 })
        .dedup_pointer("/token")
        .body(BodyForm::ByContentType { payload_field: None })
        .ack_status(200)
}
