//! Sample webhook requests of the command line: where they go, and the fields of forms that it
//! names. What they are is px-sample's.
//!
//! Tests: unit tests in the files, and `tests/cli/` sends what they make to a server.

mod address;
mod form;

use px_core::Timestamp;
use px_sample::OwnHandler;
use px_sdk::WebhookDef;

pub(crate) use address::Address;
pub(crate) use form::{Field, form_draft};
pub(crate) use px_sample::{Draft, Request, Wish, follow, needs_a_server, samples, validator};

use crate::error::Result;

/// Makes what the wish asks for, asking the handler in this binary where the identifier belongs.
pub(crate) async fn draft(def: &WebhookDef, wish: Wish<'_>, now: Timestamp) -> Result<Draft> {
    Ok(px_sample::draft(def, &OwnHandler(def), wish, now).await?)
}
