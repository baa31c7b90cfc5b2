//! The one brain or webhook that is meant, or what to do if there is none.

use std::sync::Arc;

use px_api::Candidate;
use px_sdk::registry::{Registered, Registry};
use px_sdk::{BrainDef, WebhookDef};
use serde_json::{Value, json};

use crate::error::{Error, Kind, Result};
use crate::suggest;

/// The brain that `id` means.
pub(crate) fn brain<'a>(registry: &'a Registry, id: &str) -> Result<&'a Registered<Arc<BrainDef>>> {
    match registry.find(id).as_slice() {
        [one] => Ok(one),
        [] => {
            let names = registry.brains().map(|brain| brain.def.title.as_str());
            let hint = suggest::nearest(id, names).map_or_else(
                || "`px brains list` shows those there are".to_owned(),
                |name| format!("did you mean '{name}'? `px brains list` shows those there are"),
            );
            Err(Error::not_found(format!("Brain '{id}' not found")).hint(hint))
        }
        several => {
            let titles: Vec<&str> = several.iter().map(|brain| brain.def.title.as_str()).collect();
            let mut error = Error::new(Kind::Conflict, "Multiple brains match the identifier")
                .hint(format!("say which one: {}", titles.join(", ")));
            error.details.insert("matchType".into(), "multiple".into());
            let candidates = several.iter().map(|brain| candidate(brain)).collect();
            error.details.insert("candidates".into(), Value::Array(candidates));
            Err(error)
        }
    }
}

fn candidate(brain: &Registered<Arc<BrainDef>>) -> Value {
    json!(Candidate {
        title: brain.def.title.clone(),
        filename: brain.source.stem().to_owned(),
        path: brain.source.file.clone(),
        description: brain.def.shown_description(),
    })
}

/// The webhook of this slug.
pub(crate) fn webhook<'a>(registry: &'a Registry, slug: &str) -> Result<&'a Registered<Arc<WebhookDef>>> {
    registry.webhooks().find(|webhook| webhook.def.slug == slug).ok_or_else(|| {
        let slugs: Vec<&str> = registry.webhooks().map(|webhook| webhook.def.slug.as_str()).collect();
        let hint = match suggest::nearest(slug, slugs.iter().copied()) {
            Some(meant) => format!("did you mean '{meant}'? `px webhooks list` shows those there are"),
            None => "`px webhooks list` shows those there are".to_owned(),
        };
        Error::not_found(format!("Webhook '{slug}' not found")).hint(hint)
    })
}
