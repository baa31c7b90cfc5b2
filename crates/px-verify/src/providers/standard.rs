//! Standard Webhooks and Svix, from which it grew. Source: the specification
//! at github.com/standard-webhooks/standard-webhooks.

use crate::record::{Algorithm, BodyForm, KeyForm, Layout, Part, Scheme, Signature, Source, Verification};

/// Names of the headers: those of the specification, and those of Svix, which
/// both send. Either is read; a record writes the first of its own.
const STANDARD: &str = "webhook";
const SVIX: &str = "svix";

/// Standard Webhooks `v1`: base64 HMAC-SHA256 of `<id>.<timestamp>.<body>` in
/// `webhook-signature`, several separated by spaces; the key is the base64
/// after `whsec_`. The id is `webhook-id`. The same under the names of [`svix`]
/// counts too.
#[must_use]
pub fn standard_webhooks(secret: &str) -> Verification {
    symmetric("standard-webhooks", [STANDARD, SVIX], secret)
}

/// Standard Webhooks `v1a`: the same with Ed25519, under the public key after
/// `whpk_`. For a sender that signs both ways, say
/// `standard_webhooks("SECRET").also(standard_webhooks_asymmetric("PUBLIC_KEY"))`.
#[must_use]
pub fn standard_webhooks_asymmetric(public_key: &str) -> Verification {
    let proof = |prefix: &str| {
        let signature =
            Signature { algorithm: Algorithm::Ed25519, ..Signature::new(format!("{prefix}-signature")) };
        family("standard-webhooks-asymmetric", prefix, public_key, signature)
            .layout(Layout::Tagged { separator: ' ', delimiter: ',', tag: "v1a".to_owned() })
            .key(KeyForm::Base64 { strip: vec!["whpk_".to_owned(), "whsk_".to_owned()] })
    };
    either([STANDARD, SVIX], proof)
}

/// Svix: [`standard_webhooks`] under `svix-*` headers, or under `webhook-*`.
#[must_use]
pub fn svix(secret: &str) -> Verification {
    symmetric("svix", [SVIX, STANDARD], secret)
}

fn symmetric(provider: &str, prefixes: [&str; 2], secret: &str) -> Verification {
    let proof = |prefix: &str| {
        family(provider, prefix, secret, Signature::new(format!("{prefix}-signature")))
            .layout(Layout::Tagged { separator: ' ', delimiter: ',', tag: "v1".to_owned() })
            .key(KeyForm::Base64 { strip: vec!["whsec_".to_owned()] })
    };
    either(prefixes, proof)
}

/// The proof under either names. The id is the one under both: were one name
/// enough, whoever repeats a request could add the other name with another id.
fn either([own, other]: [&str; 2], proof: impl Fn(&str) -> Verification) -> Verification {
    let ids = [own, other].map(|prefix| format!("{prefix}-id"));
    proof(own).also(proof(other)).dedup(Source::Headers(ids.into()))
}

fn family(provider: &str, prefix: &str, secret: &str, signature: Signature) -> Verification {
    Verification::new(provider, Some(secret), Scheme::Signature(signature))
        .base64()
        .timestamp_header(format!("{prefix}-timestamp"))
        .signed([Part::Id, Part::literal("."), Part::Timestamp, Part::literal("."), Part::Body])
        .id_header(format!("{prefix}-id"))
        .event_pointer("/type")
        .body(BodyForm::Json)
}
