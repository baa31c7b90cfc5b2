//! SendGrid. Source: "Getting Started with the Event Webhook Security
//! Features" on twilio.com/docs/sendgrid.

use std::time::Duration;

use crate::record::{Algorithm, BodyForm, KeyForm, Part, Scheme, Signature, Verification};

/// SendGrid's event webhook: base64 ECDSA P-256 of timestamp and body (its
/// trailing CR LF included) in `X-Twilio-Email-Event-Webhook-Signature`, under
/// the public key that SendGrid shows.
///
/// One request carries many events; the id is each one's `sg_event_id`.
/// SendGrid retries for a day, so the window is one, and the ids are what
/// stops replays.
#[must_use]
pub fn sendgrid(public_key: &str) -> Verification {
    let signature = Signature {
        algorithm: Algorithm::EcdsaP256,
        ..Signature::new("x-twilio-email-event-webhook-signature")
    };
    Verification::new("sendgrid", Some(public_key), Scheme::Signature(signature))
        .base64()
        .key(KeyForm::Base64 { strip: Vec::new() })
        .timestamp_header("x-twilio-email-event-webhook-timestamp")
        .tolerance(Duration::from_secs(24 * 60 * 60))
        .signed([Part::Timestamp, Part::Body])
        .batch("")
        .dedup_pointer("/sg_event_id")
        .event_pointer("/event")
        .body(BodyForm::Json)
}
