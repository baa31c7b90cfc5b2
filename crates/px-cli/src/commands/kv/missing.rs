//! Refusals of brains and keys that have no values: a slip is told from a name that is known.

use px_api::{FindBrains, ListStore, StoreKey};
use px_core::KvId;

use super::Way;
use crate::context::Context;
use crate::error::{Error, Kind, Result};
use crate::store::store_error;
use crate::suggest;

/// Number of names that are looked at: of those beyond none is suggested.
const LOOKED_AT: usize = 1_000;

/// Number of scopes that are named.
const NAMED: usize = 3;

impl Way {
    /// The brains that have values, and those that this binary or the server's has.
    async fn brains(&self, context: &Context) -> Result<Vec<String>> {
        let mut known = match self {
            Self::Server(client) => {
                let query = ListStore { limit: Some(LOOKED_AT), cursor: None };
                let mut known = client.store_brains(&query).await?.into_value().brains;
                let served = client.brains(&FindBrains::default()).await?.into_value().brains;
                known.extend(served.into_iter().map(|brain| brain.title));
                known
            }
            Self::Store(opened) => {
                let page = opened.values.brains(None, LOOKED_AT).await;
                page.map_err(|error| store_error(&error))?.brains
            }
        };
        if let Ok(registry) = context.registry() {
            known.extend(registry.brains().map(|brain| brain.def.title.clone()));
        }
        Ok(known)
    }

    /// Values of a brain.
    async fn keys(&self, brain: &str) -> Result<Vec<StoreKey>> {
        match self {
            Self::Server(client) => {
                let query = ListStore { limit: Some(LOOKED_AT), cursor: None };
                Ok(client.store_keys(brain, &query).await?.into_value().keys)
            }
            Self::Store(opened) => {
                let page = opened.values.keys(brain, None, LOOKED_AT).await;
                Ok(page.map_err(|error| store_error(&error))?.map(|page| page.keys).unwrap_or_default())
            }
        }
    }

    /// Refuses a brain that nobody knows: it has no values, and neither this binary nor the server's has it.
    pub(super) async fn known(&self, context: &Context, brain: &str) -> Result<()> {
        let known = self.brains(context).await?;
        if known.iter().any(|title| title == brain) {
            return Ok(());
        }
        let meant = suggest::nearest(brain, known.iter().map(String::as_str));
        let hint = match meant {
            Some(meant) => format!("did you mean '{meant}'? `px kv list` shows the brains that have values"),
            None => {
                "a brain is named by its exact title; `px kv list` shows those that have values".to_owned()
            }
        };
        Err(Error::not_found(format!("no brain '{brain}' has values, and none of that title is known here"))
            .hint(hint))
    }

    /// The refusal of a key that is not there, with what may be meant. Other errors are left as they are.
    pub(super) async fn explained(&self, context: &Context, id: &KvId, error: Error) -> Error {
        if error.kind != Kind::NotFound {
            return error;
        }
        // What is said first counts, and what cannot be looked up is no reason to say less.
        if let Err(unknown) = self.known(context, &id.brain).await {
            return if unknown.kind == Kind::NotFound { unknown } else { error };
        }
        let Ok(keys) = self.keys(&id.brain).await else { return error };
        let scopes: Vec<&str> =
            keys.iter().filter(|one| one.key == id.key).map(|one| one.scope.as_str()).collect();
        if !scopes.is_empty() {
            let more = if scopes.len() > NAMED { ", …" } else { "" };
            let named: Vec<String> = scopes.iter().take(NAMED).map(|scope| format!("'{scope}'")).collect();
            return error.hint(format!(
                "'{}' is there in another scope: {}{more}; name it with --scope",
                id.key,
                named.join(", ")
            ));
        }
        let meant = suggest::nearest(&id.key, keys.iter().map(|one| one.key.as_str()));
        let list = "`px kv list BRAIN` shows the keys of a brain";
        error.hint(match meant {
            Some(meant) => format!("did you mean '{meant}'? {list}"),
            None => list.to_owned(),
        })
    }
}

/// The refusal of a key that is not there, as the server words it.
pub(super) fn no_key(key: &str) -> Error {
    Error::not_found(format!("Key '{key}' not found"))
}
