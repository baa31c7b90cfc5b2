//! Records that belong to no provider.

use crate::verify::{Scheme, Signature, Verification};

/// An HMAC in a header, to be shaped by the builder methods. As it stands:
/// SHA-256 over the body, in hexadecimal, the key is the secret's text.
///
/// `secret` names the environment variable that holds the secret.
#[must_use]
pub fn hmac(header: &str, secret: &str) -> Verification {
    Verification::new("custom", Some(secret), Scheme::Signature(Signature::new(header)))
}

/// No verification. Only loopback peers are answered, and only without
/// `Forwarded` and `X-Forwarded-*` headers, since a tunnel arrives from
/// loopback too.
#[must_use]
pub fn unverified() -> Verification {
    Verification::new("unverified", None, Scheme::Unverified)
}
