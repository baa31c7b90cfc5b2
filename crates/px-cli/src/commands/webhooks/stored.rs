//! The secrets of the store, for commands that say which webhooks are verified and need
//! no server: of the server that has the store open the names, of the store itself the
//! values. Where neither can be had, the environment is all that is known.

use std::collections::BTreeMap;
use std::sync::Arc;

use px_api::Webhook;
use px_core::{Ids, Scope, SystemClock};
use px_secrets::{KeyParts, Secrets};
use px_store::Store;
use secrecy::{ExposeSecret as _, SecretString};

use crate::config::key;
use crate::context::{self, Context};
use crate::show::listing;
use crate::way::{self, Found, Place, Way};

/// Lets the listings of webhooks know the secrets of the store, and which webhooks refuse every request of now.
/// Returns the webhooks as the server that has the store open sees them, if it answers.
pub(super) async fn learn(context: &Context) -> Option<Vec<Webhook>> {
    match way::find(context, Place::default(), false) {
        Ok(Way::Server(client)) => {
            context::know_names(&client).await;
            let listed = client.webhooks().await.ok()?.into_value().webhooks;
            listing::know_refused(&listed);
            return Some(listed);
        }
        Ok(Way::Store(Found { store, dir, .. })) => {
            let values = values(Arc::new(store), &dir).await.unwrap_or_default();
            context::know_secrets(move |name| Some(values.get(name)?.expose_secret().to_owned()));
        }
        // A store that cannot be opened is another command's to explain.
        Ok(Way::Nowhere(_)) | Err(_) => {}
    }
    None
}

/// The current value of each secret that this process' key opens.
async fn values(store: Arc<dyn Store>, dir: &std::path::Path) -> Option<BTreeMap<String, SecretString>> {
    let vault = key::vault_of(dir, &context::env).ok()??;
    let (clock, ids) = (Arc::new(SystemClock), Arc::new(Ids::new()));
    let secrets = Secrets::open(KeyParts { store, clock, ids, scope: Scope::default(), vault }).await.ok()?;
    let value = |name: String| Some((name.clone(), secrets.held(&name)?.current?));
    Some(secrets.list().into_iter().filter_map(|secret| value(secret.name)).collect())
}
