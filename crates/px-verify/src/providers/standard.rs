//! Standard Webhooks and Svix, from which it grew. Source: the specification
//! at github.com/standard-webhooks/standard-webhooks.

use crate::record::{Algorithm, BodyForm, KeyForm, Layout, Part, Scheme, Signature, Verification};

/// Standard Webhooks `v1`: base64 HMAC-SHA256 of `<id>.<timestamp>.<body>` in
/// `webhook-signature`, several separated by spaces; the key is the base64
/// after `whsec_`. The id is `webhook-id`.
#[must_use]
pub fn standard_webhooks(secret: &str) -> Verification {
    symmetric("standard-webhooks", "webhook", secret)
}

/// Standard Webhooks `v1a`: the same with Ed25519, under the public key after
/// `whpk_`.
#[must_use]
pub fn standard_webhooks_asymmetric(public_key: &str) -> Verification {
    let signature = Signature { algorithm: Algorithm::Ed25519, ..Signature::new("webhook-signature") };
    family("standard-webhooks-asymmetric", "webhook", public_key, signature)
        .layout(Layout::Tagged { separator: ' ', delimiter: ',', tag: "v1a".to_owned() })
        .key(KeyForm::Base64 { strip: vec!["whpk_".to_owned(), "whsk_".to_owned()] })
}

/// Svix: [`standard_webhooks`] under `svix-*` headers.
#[must_use]
pub fn svix(secret: &str) -> Verification {
    symmetric("svix", "svix", secret)
}

fn symmetric(provider: &str, prefix: &str, secret: &str) -> Verification {
    family(provider, prefix, secret, Signature::new(format!("{prefix}-signature")))
        .layout(Layout::Tagged { separator: ' ', delimiter: ',', tag: "v1".to_owned() })
        .key(KeyForm::Base64 { strip: vec!["whsec_".to_owned()] })
}

fn family(provider: &str, prefix: &str, secret: &str, signature: Signature) -> Verification {
    let id = format!("{prefix}-id");
    Verification::new(provider, Some(secret), Scheme::Signature(signature))
        .base64()
        .timestamp_header(format!("{prefix}-timestamp"))
        .signed([Part::Id, Part::literal("."), Part::Timestamp, Part::literal("."), Part::Body])
        .dedup_header(&id)
        .id_header(id)
        .event_pointer("/type")
        .body(BodyForm::Json)
}
