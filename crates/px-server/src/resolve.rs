//! The one brain that a caller means, or why there is none (docs/api.md).

use std::sync::Arc;

use http::StatusCode;
use px_api::Candidate;
use px_core::Code;
use px_sdk::registry::Registered;
use px_sdk::{BrainDef, Registry};

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
