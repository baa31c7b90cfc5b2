//! Secrets: values that steps, handlers, verifiers and hooks hold in their
//! hands, and nobody else sees.
//!
//! Read in this order: [`vault`], what seals them; [`key`], how a process proves
//! that its key is the store's, and [`rekey`], how that key is changed;
//! [`Secrets`], the secrets of a store by name, and who has read them;
//! [`Redactor`], which takes them out of what leaves px.
//!
//! It knows no HTTP, no environment and no files but the key's.

pub mod key;
mod metrics;
mod reads;
mod redact;
mod rekey;
mod rules;
mod secrets;
pub mod vault;

pub use key::KeyParts;
pub use metrics::METRICS;
pub use redact::{LeftOut, Redaction, Redactor, Unsearchable};
pub use rekey::{Resealed, rekey};
pub use rules::{MAX_VALUE_BYTES, Unfit, check_name, check_value};
pub use secrets::{Change, Error, Held, NewSecret, Secrets};
