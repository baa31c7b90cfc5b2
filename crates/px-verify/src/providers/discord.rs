//! Discord. Sources: "Receiving and Responding to Interactions" and "Webhook
//! Events" on docs.discord.com.

use crate::record::{Algorithm, BodyForm, Handshake, KeyForm, Part, Scheme, Signature, Verification, When};

const JSON: &str = "application/json";

/// Discord's interactions: Ed25519 of timestamp and body in
/// `X-Signature-Ed25519`, under the application's public key in hexadecimal.
/// PING is answered `{"type":1}`; others, within Discord's three seconds,
/// `{"type":5}`, which says that an answer will follow.
///
/// Discord demands no window; px checks five minutes.
#[must_use]
pub fn discord(public_key: &str) -> Verification {
    signed("discord", public_key)
        .dedup_pointer("/id")
        .event_pointer("/type")
        .handshake(Handshake::Fixed {
            when: When::new("/type", 1),
            status: 200,
            content_type: JSON.to_owned(),
            body: r#"{"type":1}"#.to_owned(),
        })
        .ack_status(200)
        .ack_body(JSON, r#"{"type":5}"#)
        .repeat_duplicates()
        .never_retries()
}

/// Discord's webhook events: signed like [`discord`], answered 204 without a
/// body, PING too. They carry no id.
#[must_use]
pub fn discord_events(public_key: &str) -> Verification {
    signed("discord-events", public_key)
        .event_pointer("/event/type")
        .handshake(Handshake::Fixed {
            when: When::new("/type", 0),
            status: 204,
            content_type: JSON.to_owned(),
            body: String::new(),
        })
        .ack_status(204)
        .ack_body(JSON, "")
}

fn signed(provider: &str, public_key: &str) -> Verification {
    let signature = Signature { algorithm: Algorithm::Ed25519, ..Signature::new("x-signature-ed25519") };
    Verification::new(provider, Some(public_key), Scheme::Signature(signature))
        .key(KeyForm::Hex)
        .timestamp_header("x-signature-timestamp")
        .signed([Part::Timestamp, Part::Body])
        .body(BodyForm::Json)
}
