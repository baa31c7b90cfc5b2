//! Linear. Source: "Webhooks" on linear.app/developers.

use std::time::Duration;

use crate::record::{BodyForm, Scheme, Signature, TimeSource, TimeUnit, Verification, Window};

/// Linear: hex HMAC-SHA256 of the body in `Linear-Signature`. The time is the
/// body's `webhookTimestamp` in milliseconds, at most 60 s off; the header
/// `Linear-Timestamp` is not signed and not looked at.
///
/// The reply has to be exactly 200. The id is `Linear-Delivery`.
#[must_use]
pub fn linear(secret: &str) -> Verification {
    let window =
        Window { unit: TimeUnit::Millis, ..Window::new(TimeSource::Pointer("/webhookTimestamp".to_owned())) };
    Verification::new("linear", Some(secret), Scheme::Signature(Signature::new("linear-signature")))
        .timestamp(window)
        .tolerance(Duration::from_secs(60))
        .dedup_header("linear-delivery")
        .event_header("linear-event")
        .event_pointer("/type")
        .body(BodyForm::Json)
        .ack_status(200)
        .repeat_duplicates()
}
