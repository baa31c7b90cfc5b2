//! Which brain a caller means (API.md section 3): case does not count; an
//! exact title, then an exact name, else a part of title, name or description.

use std::sync::Arc;

use http::StatusCode;
use px_sdk::registry::Registered;
use px_sdk::{BrainDef, Registry};
use serde_json::{Value, json};

use crate::error::ApiError;

type Brain = Registered<Arc<BrainDef>>;

/// The description of a brain, or what stands for one.
pub(crate) fn description(brain: &BrainDef) -> String {
    brain.description.clone().unwrap_or_else(|| format!("{} brain", brain.title))
}

/// Every brain that a text can mean, best kind of match only.
pub(crate) fn candidates<'a>(registry: &'a Registry, text: &str) -> Vec<&'a Brain> {
    let wanted = text.to_lowercase();
    let exact = |name: &dyn Fn(&Brain) -> String| -> Option<&'a Brain> {
        registry.brains().find(|brain| name(brain).to_lowercase() == wanted)
    };
    if let Some(brain) =
        exact(&|brain| brain.def.title.clone()).or_else(|| exact(&|brain| brain.source.stem().to_owned()))
    {
        return vec![brain];
    }
    registry
        .brains()
        .filter(|brain| {
            [brain.def.title.clone(), brain.source.stem().to_owned(), description(&brain.def)]
                .iter()
                .any(|text| text.to_lowercase().contains(&wanted))
        })
        .collect()
}

/// The one brain that a text means. `ambiguous` is the status if there are several.
pub(crate) fn one<'a>(
    registry: &'a Registry,
    text: &str,
    ambiguous: StatusCode,
) -> Result<&'a Brain, ApiError> {
    match candidates(registry, text).as_slice() {
        [] => Err(ApiError::not_found(format!("Brain '{text}' not found"))),
        [brain] => Ok(brain),
        several => {
            let candidates: Vec<Value> = several
                .iter()
                .map(|brain| {
                    json!({
                        "title": brain.def.title,
                        "filename": brain.source.stem(),
                        "path": brain.source.file,
                        "description": description(&brain.def),
                    })
                })
                .collect();
            let body = json!({
                "error": "Multiple brains match the identifier",
                "matchType": "multiple",
                "candidates": candidates,
            });
            Err(ApiError::with(ambiguous, body))
        }
    }
}
