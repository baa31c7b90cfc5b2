//! The one brain that a caller means, or why there is none (API.md section 3).

use std::sync::Arc;

use http::StatusCode;
use px_core::Code;
use px_sdk::registry::Registered;
use px_sdk::{BrainDef, Registry};
use serde_json::{Value, json};

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
            let candidates: Vec<Value> = several
                .iter()
                .map(|brain| {
                    json!({
                        "title": brain.def.title,
                        "filename": brain.source.stem(),
                        "path": brain.source.file,
                        "description": brain.def.shown_description(),
                    })
                })
                .collect();
            let body = json!({
                "error": "Multiple brains match the identifier",
                "matchType": "multiple",
                "candidates": candidates,
            });
            Err(ApiError::with(ambiguous, Code::BrainAmbiguous, body))
        }
    }
}
