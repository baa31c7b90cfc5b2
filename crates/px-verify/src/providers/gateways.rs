//! Senders that others put in front of their own events: Convoy, Outpost, and
//! px itself. Sources: "Signatures" and "Idempotency" on getconvoy.io/docs;
//! the webhook destination of github.com/hookdeck/outpost.

use crate::record::{BodyForm, Layout, Part, Scheme, Signature, TimeSource, Verification, Window};

/// Convoy's simple signatures: hex HMAC of the body in `X-Convoy-Signature`.
/// Projects choose hash and encoding; shape the record accordingly.
#[must_use]
pub fn convoy(secret: &str) -> Verification {
    Verification::new("convoy", Some(secret), Scheme::Signature(Signature::new("x-convoy-signature")))
        .dedup_header("x-convoy-idempotency-key")
        .body(BodyForm::Json)
}

/// Convoy's advanced signatures: `t=<seconds>,v1=<hex>`, the hex HMAC of
/// `<t>,<body>`.
#[must_use]
pub fn convoy_advanced(secret: &str) -> Verification {
    convoy(secret)
        .provider("convoy-advanced")
        .layout(Layout::Tagged { separator: ',', delimiter: '=', tag: "v1".to_owned() })
        .timestamp(Window::new(TimeSource::Tag("t".to_owned())))
        .signed([Part::Timestamp, Part::literal(","), Part::Body])
}

/// Outpost's default: `v0=<hex>[,<hex>]` in `X-Outpost-Signature`, the hex
/// HMAC-SHA256 of the body. No time is signed; the id is
/// `X-Outpost-Event-Id`.
#[must_use]
pub fn outpost(secret: &str) -> Verification {
    Verification::new("outpost", Some(secret), Scheme::Signature(Signature::new("x-outpost-signature")))
        .layout(Layout::Plain { prefix: "v0=".to_owned(), separator: Some(',') })
        .dedup_header("x-outpost-event-id")
        .event_header("x-outpost-topic")
        .body(BodyForm::Json)
}

/// `sha256=` and the hex HMAC-SHA256 of `<timestamp>.<body>`, in
/// `<prefix>-Signature` and `<prefix>-Timestamp`: px's own outbound form
/// `timestamped` with the prefix `X-Px`, Forge's with `X-Forge`.
#[must_use]
pub fn timestamped(prefix: &str, secret: &str) -> Verification {
    let signature = Signature::new(format!("{prefix}-Signature"));
    Verification::new("timestamped", Some(secret), Scheme::Signature(signature))
        .prefix("sha256=")
        .timestamp_header(format!("{prefix}-Timestamp"))
        .signed([Part::Timestamp, Part::literal("."), Part::Body])
        .dedup_header(format!("{prefix}-Delivery"))
        .event_header(format!("{prefix}-Event"))
        .body(BodyForm::Json)
}
