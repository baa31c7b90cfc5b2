//! The evaluator of who sent a request: the records that say how a provider proves it, the
//! providers, and the evaluator of both.
//!
//! A [`Verification`](record::Verification) says what a provider does; it is
//! data. [`providers`] holds one for each provider that px knows, a file each.
//! [`Prepared`] is made of one once per webhook at the start, with every key
//! hashed and every header name parsed, and is then asked in this order:
//!
//! 1. [`Prepared::greet`] answers handshakes that come as an unsigned GET;
//! 2. [`Prepared::verify`] believes the request or gives a [`Refusal`];
//! 3. [`Prepared::parse`] reads the body: its [`Content`]. A form with files is cut by
//!    [`FormData::read`] first, and [`Prepared::form_content`] makes the content of it;
//! 4. [`Prepared::handshake`] answers signed handshakes; it takes the
//!    [`Verified`] of step 2, so that none is answered unverified;
//! 5. [`Prepared::delivery_id`] and [`Prepared::event_type`] read ids.
//!
//! It knows nothing of statuses, stores or handlers, reads no clock (the time
//! of a request is `Received::at`) and no environment. No input makes it
//! panic. [`sign`] is the other direction, from the same records.
//!
//! Tests: unit tests in the files, and `tests/verify_*.rs` for the providers'
//! published vectors, mutations of them, round trips and arbitrary input.

mod evaluate;
pub mod local;
pub mod providers;
mod received;
pub mod record;

pub use evaluate::{
    BodyError, BodyErrorKind, Content, Decoder, Disagreement, Element, FormData, FormLimits, FormWriter,
    Forwarding, HandshakeReply, IdError, MAX_ID_BYTES, Network, ParseNetworkError, Part, Place, PrepareError,
    Prepared, Refusal, UrlView, Verified, body_type, bounded_id, form_fields, insert_field, is_form_data,
    parse_form, parse_json, parts_of, sign, without_mark,
};
pub use received::Received;
