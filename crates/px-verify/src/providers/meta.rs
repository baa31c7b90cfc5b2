//! Meta: Facebook, Instagram, WhatsApp. Source: "Graph API Webhooks" on
//! developers.facebook.com.

use crate::record::{BodyForm, Handshake, Scheme, Signature, Verification};

/// Meta: `sha256=` and the hex HMAC-SHA256 of the raw body in
/// `X-Hub-Signature-256`, under the app secret. Meta escapes non-ASCII before
/// it signs, so only the exact bytes verify.
///
/// The endpoint is first asked by a GET, which is answered if it carries the
/// verify token; `verify_token` names the variable that holds it. There is no
/// delivery id: message ids are within the entries.
#[must_use]
pub fn meta(secret: &str, verify_token: &str) -> Verification {
    Verification::new("meta", Some(secret), Scheme::Signature(Signature::new("x-hub-signature-256")))
        .prefix("sha256=")
        .event_pointer("/object")
        .handshake(Handshake::Subscribe { verify_token: verify_token.to_owned() })
        .body(BodyForm::Json)
        .ack_status(200)
}
