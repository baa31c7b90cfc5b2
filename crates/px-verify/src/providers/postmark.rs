//! Postmark. Source: "Inbound webhook" and "Webhooks overview" on
//! postmarkapp.com/developer.

use crate::record::{BodyForm, Verification};

use super::basic;

/// Postmark's inbound webhook, which posts mail as JSON. Postmark signs nothing: user and
/// password are in the URL that it is given, `https://user:password@px.example/webhooks/…`,
/// and the variable holds `user:password`.
///
/// Attachments are in the JSON, in base64, and stay there: a mail counts as a whole
/// against `server.max_body_bytes`.
#[must_use]
pub fn postmark_inbound(secret: &str) -> Verification {
    basic(secret).provider("postmark-inbound").dedup_pointer("/MessageID").body(BodyForm::Json)
}
