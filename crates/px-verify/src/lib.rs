//! The evaluator of verification records: who sent this request?
//!
//! px-sdk's [`Verification`](px_sdk::verify::Verification) says what a
//! provider does; this module does it. [`Prepared`] is made once per webhook
//! at the start, with every key hashed and every header name parsed, and is
//! then asked in this order:
//!
//! 1. [`Prepared::greet`] answers handshakes that come as an unsigned GET;
//! 2. [`Prepared::verify`] believes the request or gives a [`Refusal`];
//! 3. [`Prepared::parse`] makes a JSON value of the body;
//! 4. [`Prepared::handshake`] answers signed handshakes; it takes the
//!    [`Verified`] of step 2, so that none is answered unverified;
//! 5. [`Prepared::delivery_id`] and [`Prepared::event_type`] read ids.
//!
//! It knows nothing of statuses, stores or handlers, reads no clock (the time
//! that counts is `Received::at`) and no environment. No input makes it
//! panic. [`sign`] is the other direction, from the same records.
//!
//! Tests: unit tests in the files, and `tests/verify_*.rs` for the providers'
//! published vectors, mutations of them, round trips and arbitrary input.

mod atlassian;
mod body;
mod custom;
mod delivery;
mod ecdsa;
mod ed25519;
mod form;
mod forwarded;
mod handshake;
mod header;
mod json;
mod keys;
pub mod local;
mod mac;
mod mailgun;
mod prepared;
mod refusal;
pub mod sign;
mod signature;
mod token;
mod twilio;
mod unverified;
mod url;
mod window;

pub use body::{BodyError, BodyErrorKind};
pub use delivery::MAX_ID_BYTES;
pub use form::{insert as insert_field, object as parse_form};
pub use handshake::HandshakeReply;
pub use json::strict as parse_json;
pub use prepared::{Error as PrepareError, Prepared, Verified};
pub use refusal::{Place, Refusal};
pub use url::{Network, ParseNetworkError, UrlView};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Standard base64 with padding.
fn base64_of(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}
