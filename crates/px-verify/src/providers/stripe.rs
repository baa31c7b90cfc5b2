//! Stripe. Source: "Verify webhook signatures manually" on docs.stripe.com.

use crate::record::{BodyForm, Layout, Part, Scheme, Signature, TimeSource, Verification, Window};

/// Stripe: `t=<seconds>,v1=<hex>` in `Stripe-Signature`, the hex HMAC-SHA256
/// of `<t>.<body>`. Any `v1` may match; `v0` is skipped.
///
/// The key is the secret's whole text, `whsec_` included, unlike that of
/// Standard Webhooks. Stripe's own libraries accept timestamps from the
/// future; px does not. The id is the event's `id`.
#[must_use]
pub fn stripe(secret: &str) -> Verification {
    Verification::new("stripe", Some(secret), Scheme::Signature(Signature::new("stripe-signature")))
        .layout(Layout::Tagged { separator: ',', delimiter: '=', tag: "v1".to_owned() })
        .timestamp(Window::new(TimeSource::Tag("t".to_owned())))
        .signed([Part::Timestamp, Part::literal("."), Part::Body])
        .dedup_pointer("/id")
        .event_pointer("/type")
        .body(BodyForm::Json)
}
