//! Records of how a webhook proves who sent it; no code.
//!
//! A [`Verification`] says where a provider puts its signature, what the
//! signature covers, and how the provider behaves around it (delivery ids,
//! handshakes, body form, the reply it insists on). One evaluator
//! ([`Prepared`](crate::Prepared)) reads these records; nothing here computes a
//! signature, parses a request or reads the environment.
//!
//! The records are tested through the evaluator, in
//! `tests/verify_*.rs`; their serialised form is tested in `verification.rs`.

mod behaviour;
mod builder;
mod custom;
mod keyring;
mod signature;
mod verification;

pub use behaviour::{Ack, AckBody, BodyForm, Duplicates, Handshake, Source, When};
pub use custom::{Custom, Refused, custom, equal, within};
pub use keyring::{Key, Keyring};
pub use signature::{Algorithm, Encoding, KeyForm, Layout, Part, Signature, TimeSource, TimeUnit, Window};
pub use verification::{Alternative, Scheme, Token, Verification};
