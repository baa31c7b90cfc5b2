//! Outbound hooks (docs/api.md): one endpoint a file.

pub(super) mod create;
pub(crate) mod delete;
pub(crate) mod deliveries;
pub(crate) mod delivery;
pub(super) mod keys;
pub(crate) mod list;
pub(crate) mod recover;
pub(crate) mod redeliver;
pub(crate) mod rotate_secret;
pub(crate) mod show;
mod shown;
pub(crate) mod stats;
pub(crate) mod test;
pub(crate) mod update;

use bytes::Bytes;
use px_core::hook::Source;
use px_core::{CallbackId, Code, HookId};
use serde::de::DeserializeOwned;

use crate::app::Shared;
use crate::error::ApiError;

/// A text that is no id is one that is not found (docs/rules.md#40).
fn hook(id: &str) -> Result<HookId, ApiError> {
    id.parse().map_err(|_| ApiError::not_found(format!("Hook '{id}' not found")).code(Code::HookNotFound))
}

/// Returns what `px.toml` says of a hook is said there: it would be so again at the next start.
async fn not_of_the_file(app: &Shared, id: HookId) -> Result<(), ApiError> {
    let hook = app.operator.hook(id).await?;
    match hook.source {
        Source::Config => Err(ApiError::conflict(format!(
            "The hook '{}' is configured in px.toml: change it there and start px again",
            hook.name
        ))
        .code(Code::HookConflict)),
        Source::Api | Source::Run(_) => Ok(()),
    }
}

fn delivery_id(id: &str) -> Result<CallbackId, ApiError> {
    id.parse()
        .map_err(|_| ApiError::not_found(format!("Delivery '{id}' not found")).code(Code::CallbackNotFound))
}

/// A body of JSON; none at all is the empty object.
fn body<T: DeserializeOwned>(body: &Bytes) -> Result<T, ApiError> {
    let text = if body.is_empty() { b"{}" } else { &body[..] };
    super::read_json(text)
}
