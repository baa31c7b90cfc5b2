//! SendGrid. Source: "Getting Started with the Event Webhook Security
//! Features" and "Securing your Inbound Parse webhooks" on
//! twilio.com/docs/sendgrid.

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
    signed("sendgrid", public_key)
        .batch("")
        .dedup_pointer("/sg_event_id")
        .event_pointer("/event")
        .body(BodyForm::Json)
}

/// SendGrid's inbound parse, which posts mail as `multipart/form-data`: the signature
/// of [`sendgrid`], over the whole form with its files. It is there if the parse
/// setting has a security policy with a signature; without one SendGrid signs nothing,
/// and the URL is all that a sender has to know: verify by [`basic`](super::basic)
/// then, with user and password in the URL.
///
/// SendGrid gives no id; `dedup = px::dedup::body(..)` knows a form that comes again
/// by its fields and files, under whatever boundary.
#[must_use]
pub fn sendgrid_inbound(public_key: &str) -> Verification {
    signed("sendgrid-inbound", public_key).body(BodyForm::ByContentType { payload_field: None })
}

fn signed(provider: &str, public_key: &str) -> Verification {
    let signature = Signature {
        algorithm: Algorithm::EcdsaP256,
        ..Signature::new("x-twilio-email-event-webhook-signature")
    };
    Verification::new(provider, Some(public_key), Scheme::Signature(signature))
        .base64()
        .key(KeyForm::Base64 { strip: Vec::new() })
        .timestamp_header("x-twilio-email-event-webhook-timestamp")
        .tolerance(Duration::from_secs(24 * 60 * 60))
        .signed([Part::Timestamp, Part::Body])
}
