//! What a store, or the server that has it open, knows beside runs: its hooks,
//! its tokens and what it has sealed.

use std::sync::Arc;

use px_client::Client;
use px_core::hook::Source;
use px_core::{Ids, Scope, SystemClock};
use px_outbound::operate::{self, Sealing};
use px_secrets::vault::Vault;
use px_secrets::{KeyParts, Secrets};
use px_store::Store;
use secrecy::ExposeSecret as _;

use super::looker::Looker;
use super::parked::{self, Parked};
use crate::config;
use crate::context::{self, Context};
use crate::error::{Error, Kind, Result};
use crate::show::listing;
use crate::store::{self, Opened};

/// A hook of the store.
#[derive(Debug, Clone)]
pub(super) struct StoredHook {
    /// For people.
    pub(super) name: String,
    pub(super) url: String,
    pub(super) brains: Vec<String>,
    pub(super) allow_private: bool,
    pub(super) is_configured: bool,
}

/// Findings.
#[derive(Debug, Default)]
pub(super) struct Stored {
    pub(super) parked: Parked,
    pub(super) hooks: Vec<StoredHook>,
    /// Whether there is an API token; absent if nobody could be asked.
    pub(super) has_token: Option<bool>,
    /// Webhooks that refuse every request of a server that runs, by slug.
    pub(super) refuses: Vec<String>,
    /// Of a store that nobody serves.
    pub(super) sealing: Sealing,
}

/// Looks at the store or, if a server has that open, asks the server.
pub(super) async fn look(
    context: &Context,
    looker: Looker,
    config: &config::Store,
    vault: Option<&Vault>,
) -> Result<Stored> {
    match store::open_at_rest(config) {
        Ok(None) => {
            if let Some(refused) = store::refusal(config) {
                return Err(refused);
            }
            let parked = Parked { looked_at: Some(0), ..Parked::default() };
            Ok(Stored { parked, has_token: Some(false), ..Stored::default() })
        }
        Ok(Some(store)) => of_store(context, looker, store, vault).await,
        // A server has it open.
        Err(error) if error.kind == Kind::Conflict => match context.client_of(config)? {
            None => Ok(Stored::default()),
            Some(client) => match ask(context, &client, looker).await {
                Err(error) if error.kind == Kind::Unreachable => Ok(Stored::default()),
                answer => answer,
            },
        },
        Err(error) => Err(error),
    }
}

async fn of_store(context: &Context, looker: Looker, store: Opened, vault: Option<&Vault>) -> Result<Stored> {
    let parked = parked::of_store(context, looker, &store).await?;
    let failed = |error: px_store::Error| store::store_error(&error);
    let store: Arc<dyn Store> = Arc::new(store);
    if let Some(why) = store.unwritten() {
        return Err(Error::failed(why).hint("make room on the disk: without it px takes no work"));
    }
    let scope = Scope::default();
    let tokens = store.tokens(scope, 1).await.map_err(failed)?;
    let sealing = operate::sealing(&store, scope, vault).await.map_err(failed)?;
    if let Some(vault) = vault {
        let parts = KeyParts {
            store: Arc::clone(&store),
            clock: Arc::new(SystemClock),
            ids: Arc::new(Ids::new()),
            scope,
            vault: vault.clone(),
        };
        let secrets = Secrets::open(parts).await.map_err(failed)?;
        context::know_secrets(move |name| Some(secrets.held(name)?.current?.expose_secret().to_owned()));
    }
    let hook_set = store.outbox().hook_set(scope).map_err(failed)?;
    let live = hook_set.hooks().iter().map(|hook| &hook.record).filter(|hook| hook.deleted_at.is_none());
    let hooks = live.map(|hook| StoredHook {
        name: operate::name_of(hook),
        url: hook.url.clone(),
        brains: hook.brains.clone(),
        allow_private: hook.allow_private,
        is_configured: hook.source == Source::Config,
    });
    let has_token = Some(!tokens.is_empty());
    Ok(Stored { parked, hooks: hooks.collect(), has_token, sealing, refuses: Vec::new() })
}

async fn ask(context: &Context, client: &Client, looker: Looker) -> Result<Stored> {
    context::know_names(client).await;
    // One whose secret was deleted refuses everybody as long as this server lives, and is open to this machine
    // in the next.
    let webhooks = client.webhooks().await?.into_value().webhooks;
    listing::know_refused(&webhooks);
    let refuses = webhooks.into_iter().filter(|webhook| webhook.refuses_all.is_some());
    let refuses = refuses.map(|webhook| webhook.slug).collect();
    let parked = parked::ask(context, client, looker).await?;
    let hooks = client.hooks().await?.into_value().hooks.into_iter().map(|hook| StoredHook {
        name: if hook.name.is_empty() { hook.id.to_string() } else { format!("'{}'", hook.name) },
        url: hook.url,
        brains: hook.brains,
        allow_private: hook.allow_private,
        is_configured: hook.source == "config",
    });
    // The server has started: it has what it needs.
    Ok(Stored { parked, refuses, hooks: hooks.collect(), has_token: None, sealing: Sealing::default() })
}
