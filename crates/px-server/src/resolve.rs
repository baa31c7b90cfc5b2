//! The one brain that a caller means, or why there is none (docs/api.md).

use std::sync::Arc;

use http::StatusCode;
use px_api::Candidate;
use px_core::Code;
use px_sdk::registry::Registered;
use px_sdk::{BrainDef, Registry};
use px_store::RunFilter;

use crate::app::App;
use crate::error::ApiError;

/// The one brain that a text means. `ambiguous` is the status if there are several.
pub(crate) fn one<'a>(
    registry: &'a Registry,
    text: &str,
    ambiguous: StatusCode,
) -> Result<&'a Registered<Arc<BrainDef>>, ApiError> {
    match registry.find(text).as_slice() {
        [] => Err(ApiError::not_found(format!("Brain '{text}' not found")).code(Code::BrainNotFound)),
        [brain] => Ok(brain),
        several => {
            let candidates = several.iter().map(|brain| Candidate {
                title: brain.def.title.clone(),
                filename: brain.source.stem().to_owned(),
                path: brain.source.file.clone(),
                description: brain.def.shown_description(),
            });
            Err(ApiError::ambiguous(ambiguous, candidates.collect()))
        }
    }
}

/// The title of the brain whose runs a text means: of one that is linked, or of exactly this title if
/// there are runs of it, since a brain that has left the binary leaves its runs in the store.
pub(crate) async fn title_of_runs(app: &App, text: &str, ambiguous: StatusCode) -> Result<String, ApiError> {
    let unknown = match one(app.registry(), text, ambiguous) {
        Ok(brain) => return Ok(brain.def.title.clone()),
        Err(error) if app.registry().find(text).is_empty() => error,
        Err(error) => return Err(error),
    };
    let filter = RunFilter { brain: Some(text.to_owned()), ..RunFilter::default() };
    let stored = app.store().runs(app.parts.scope, &filter, None, 1).await?;
    if stored.items.is_empty() { Err(unknown) } else { Ok(text.to_owned()) }
}
