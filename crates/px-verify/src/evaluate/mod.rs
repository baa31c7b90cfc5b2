//! The evaluator: does what the records say. [`Prepared`] holds one webhook's
//! record with its keys; [`sign`] is the other direction.
//!
//! A scheme that is more than parts of a signature has a file (`twilio.rs`,
//! `mailgun.rs`, `atlassian.rs`); what schemes share lies beside them.

mod atlassian;
mod body;
mod body_error;
mod custom;
mod delivery;
mod ecdsa;
mod ed25519;
mod encoding;
mod form;
mod form_data;
mod form_writer;
mod forwarded;
mod handshake;
mod header;
mod hops;
mod json;
mod keys;
mod mac;
mod mailgun;
mod multipart;
mod origin;
mod parameters;
mod prepared;
mod raw;
mod refusal;
pub mod sign;
mod signature;
mod surrogates;
mod token;
mod twilio;
mod unverified;
mod url;
mod window;

pub use body::{Content, Element, body_type};
pub use body_error::{BodyError, BodyErrorKind};
pub use delivery::{IdError, MAX_ID_BYTES, bounded as bounded_id};
pub use encoding::Decoder;
pub use form::{fields as form_fields, insert as insert_field, object as parse_form};
pub use form_data::{FormData, FormLimits, is_form_data};
pub use form_writer::FormWriter;
pub use handshake::HandshakeReply;
pub use hops::Disagreement;
pub use json::{strict as parse_json, without_mark};
pub use multipart::{Part, parts_of};
pub use prepared::{Error as PrepareError, Prepared, Verified};
pub use refusal::{Place, Refusal};
pub use url::{Forwarding, Network, ParseNetworkError, UrlView};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Standard base64 with padding.
fn base64_of(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}
