//! Records that belong to no provider.

use crate::record::{BodyForm, Handshake, Scheme, Signature, Source, Token, Verification};

/// An HMAC in a header, to be shaped by the builder methods. As it stands:
/// SHA-256 over the body, in hexadecimal, the key is the secret's text. With
/// `.prefix("sha256=")` it is the form that GitHub made common.
///
/// `secret` names the environment variable that holds the secret.
#[must_use]
pub fn hmac(header: &str, secret: &str) -> Verification {
    Verification::new("custom", Some(secret), Scheme::Signature(Signature::new(header)))
}

/// A shared text in a header of its own.
#[must_use]
pub fn token_header(header: &str, secret: &str) -> Verification {
    token(Token::Header(header.to_owned()), secret)
}

/// A shared text as `Authorization: Bearer` (RFC 6750).
#[must_use]
pub fn bearer(secret: &str) -> Verification {
    token(Token::Bearer, secret)
}

/// `Authorization: Basic` (RFC 7617); the variable holds `user:password`.
#[must_use]
pub fn basic(secret: &str) -> Verification {
    token(Token::Basic, secret)
}

/// A shared text in the query, where logs can see it. Prefer a header.
#[must_use]
pub fn token_query(parameter: &str, secret: &str) -> Verification {
    token(Token::Query(parameter.to_owned()), secret)
}

/// CloudEvents over HTTP, structured or binary, with a bearer token
/// ("HTTP 1.1 Web Hooks for Event Delivery", section 3). The id is the event's
/// source and id, which only together are unique. Of a batch
/// (`application/cloudevents-batch+json`) each element is an event with an id of
/// its own. In binary mode the payload is the event's data: JSON, a text, or null
/// where there is none.
///
/// The sender's question whether it may send (`OPTIONS` with
/// `WebHook-Request-Origin`) is answered yes, whoever asks; for a list, set
/// [`Handshake::Origin`] by [`handshake`](Verification::handshake).
#[must_use]
pub fn cloudevents(secret: &str) -> Verification {
    bearer(secret)
        .provider("cloudevents")
        .dedup(Source::Joined(vec![Source::header("ce-source"), Source::header("ce-id")]))
        .dedup(Source::pointers(["/source", "/id"]))
        .event_header("ce-type")
        .event_pointer("/type")
        .handshake(Handshake::Origin { origins: Vec::new() })
        .body(BodyForm::CloudEvents)
}

/// No verification. Only loopback peers are answered, and only without
/// `Forwarded` and `X-Forwarded-*` headers, since a tunnel arrives from
/// loopback too.
#[must_use]
pub fn unverified() -> Verification {
    Verification::new("unverified", None, Scheme::Unverified)
}

fn token(token: Token, secret: &str) -> Verification {
    Verification::new("token", Some(secret), Scheme::Token(token))
}
