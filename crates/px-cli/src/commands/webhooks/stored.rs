//! The secrets of the store, for commands that say which webhooks are verified and need
//! no server: of the server that has the store open the names, of the store itself the
//! values. Where neither can be had, the environment is all that is known.

use std::collections::BTreeMap;
use std::sync::Arc;

use px_core::{Ids, Scope, SystemClock};
use px_secrets::{KeyParts, Secrets};
use px_store::Store;
use secrecy::{ExposeSecret as _, SecretString};

use crate::config::key;
use crate::context::{self, Context};
use crate::show::listing;
use crate::way::{self, Place, Way};

/// Lets the listings of webhooks know the secrets of the store, and which webhooks refuse every request of now.
pub(super) async fn learn(context: &Context) {
    match way::find(context, Place::default(), false) {
        Ok(Way::Server(client)) => {
            context::know_names(&client).await;
            if let Ok(listed) = client.webhooks().await {
                let refused = listed.into_value().webhooks.into_iter();
                listing::know_refused(
                    refused.filter_map(|webhook| Some((webhook.slug, webhook.refuses_all?))),
                );
            }
        }
        Ok(Way::Store(Some((store, dir)))) => {
            let values = values(Arc::new(store), &dir).await.unwrap_or_default();
            context::know_secrets(move |name| Some(values.get(name)?.expose_secret().to_owned()));
        }
        // A store that cannot be opened is another command's to explain.
        Ok(Way::Store(None)) | Err(_) => {}
    }
}

/// The current value of each secret that this process' key opens.
async fn values(store: Arc<dyn Store>, dir: &std::path::Path) -> Option<BTreeMap<String, SecretString>> {
    let vault = key::vault_of(dir, &context::env).ok()??;
    let (clock, ids) = (Arc::new(SystemClock), Arc::new(Ids::new()));
    let secrets = Secrets::open(KeyParts { store, clock, ids, scope: Scope::default(), vault }).await.ok()?;
    let value = |name: String| Some((name.clone(), secrets.held(&name)?.current?));
    Some(secrets.list().into_iter().filter_map(|secret| value(secret.name)).collect())
}
