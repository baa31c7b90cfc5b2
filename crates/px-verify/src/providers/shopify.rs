//! Shopify. Source: "Deliver webhooks through HTTPS" on shopify.dev.

use crate::record::{BodyForm, Scheme, Signature, Verification};

/// Shopify: base64 HMAC-SHA256 of the body in `X-Shopify-Hmac-SHA256`, under
/// the app's client secret. A changed secret can take an hour to be used, so
/// keep the old one as `NAME_PREVIOUS` meanwhile.
#[must_use]
pub fn shopify(secret: &str) -> Verification {
    Verification::new("shopify", Some(secret), Scheme::Signature(Signature::new("x-shopify-hmac-sha256")))
        .base64()
        .dedup_header("x-shopify-webhook-id")
        .dedup_header("x-shopify-event-id")
        .event_header("x-shopify-topic")
        .body(BodyForm::Json)
}
