//! The secrets of a server: those of the environment and of files first, then those
//! of the store. Steps and handlers read them here, verifiers are given them here, and
//! the redactor knows them from here.
//!
//! Once a second it looks whether another process has changed them, and writes who
//! has read what.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use px_core::hook::{Hook, Source};
use px_core::{RunId, Scope};
use px_inbound::{Endpoint, LinkKeys, StoredSecret};
use px_outbound::{Operator, operate};
use px_sdk::verify::Key;
use px_sdk::{Registry, Secret, SecretReader, SecretSource, WebhookDef};
use px_secrets::{Held, KeyParts, Redaction, Redactor, Secrets, key};
use px_store::secrets::SecretReader as StoredReader;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::watch;

use crate::app::{App, Shared};
use crate::error::StartError;
use crate::options::{Environment, Options};

/// Variable of the key that secrets rest under. It is no secret that anybody reads.
const KEY_VARIABLE: &str = "PX_SECRET_KEY";

/// Secrets of a server. Cheap to clone.
#[derive(Clone)]
pub(crate) struct ServerSecrets(Arc<Inner>);

struct Inner {
    env: Environment,
    stored: Secrets,
    links: LinkKeys,
    redaction: Redaction,
    registry: Arc<Registry>,
    /// Names of the configuration, beside those of the registry.
    names: Vec<String>,
    /// Hooks of the configuration whose secret has a name, each with that name.
    hooks: Vec<(String, String)>,
    /// Values of the configuration that have no name of their own.
    unnamed: Vec<(String, SecretString)>,
    /// The generation of the store's secrets that verifiers and redactor know.
    applied: AtomicU64,
    applying: std::sync::Mutex<()>,
}

impl ServerSecrets {
    /// Proves that this process has the store's key, and opens what rests under it.
    pub(crate) async fn open(options: &mut Options) -> Result<Self, StartError> {
        let parts = KeyParts {
            store: Arc::clone(&options.store),
            clock: Arc::clone(&options.clock),
            ids: Arc::clone(&options.ids),
            scope: Scope::default(),
            vault: options.hooks.vault.clone(),
        };
        key::prove_key(&parts, options.hooks.new_secret_key).await.map_err(StartError::SecretKey)?;
        let links = LinkKeys::new(&*key::link_secret(&parts).await.map_err(StartError::SecretKey)?);
        let stored = Secrets::open(parts).await.map_err(StartError::Store)?;
        let configured = options.webhooks.iter().flat_map(|(slug, webhook)| {
            webhook.setup.keys.iter().map(move |key| (format!("of webhook {slug}"), key.secret.clone()))
        });
        let inner = Inner {
            unnamed: configured.collect(),
            env: std::mem::replace(&mut options.env, Box::new(|_| None)),
            redaction: options.redaction.clone(),
            registry: Arc::clone(&options.registry),
            names: std::mem::take(&mut options.secret_names),
            hooks: options.hooks.secret_names.clone(),
            applied: AtomicU64::new(stored.generation()),
            applying: std::sync::Mutex::default(),
            stored,
            links,
        };
        let this = Self(Arc::new(inner));
        for (hook, name) in this.0.hooks.iter().filter(|(_, name)| this.is_stored(name)) {
            this.0.stored.note(name, StoredReader::Hook(hook.clone()), None);
        }
        this.redact();
        Ok(this)
    }

    /// The secrets of the store.
    pub(crate) fn stored(&self) -> &Secrets {
        &self.0.stored
    }

    /// Keys of signed links.
    pub(crate) fn links(&self) -> &LinkKeys {
        &self.0.links
    }

    /// Names of the secrets of the store that nobody gets, since this process' key does
    /// not open them.
    pub(crate) fn unreadable(&self) -> impl Iterator<Item = String> {
        self.0.stored.unreadable().into_iter()
    }

    /// Sentences for the operator.
    pub(crate) fn warnings(&self) -> impl Iterator<Item = String> {
        self.unreadable().map(|name| {
            format!(
                "the secret '{name}' was sealed under another key and nobody gets it; `px secrets set {name}` sets it anew"
            )
        })
    }

    /// The redactor, as it is at each moment.
    pub(crate) fn redaction(&self) -> &Redaction {
        &self.0.redaction
    }

    /// The value of a variable, or of the file that it names.
    pub(crate) fn env(&self, name: &str) -> Option<String> {
        (self.0.env)(name)
    }

    /// The value of a name as it is now.
    fn value(&self, name: &str) -> Option<SecretString> {
        let of_env = self.env(name).filter(|value| !value.trim().is_empty());
        of_env.map(SecretString::from).or_else(|| self.0.stored.held(name)?.current)
    }

    /// The values of a secret of the store for the verification of a webhook.
    pub(crate) fn of_webhook(&self, slug: &str, name: &str) -> Option<StoredSecret> {
        let Held { current, old } = self.0.stored.held(name)?;
        self.0.stored.note(name, StoredReader::Verifier(slug.to_owned()), None);
        let Some(current) = current else { return Some(StoredSecret::Unreadable) };
        let old = old.into_iter().map(|(value, until)| Key { expires: Some(until), ..Key::new(value) });
        Some(StoredSecret::Values(std::iter::once(Key::new(current)).chain(old).collect()))
    }

    /// Gives verifiers and redactor the secrets of the store as they are now, if they
    /// have changed. Returns whether they have.
    fn apply<'a>(&self, endpoints: impl Iterator<Item = &'a Endpoint>) -> bool {
        let _alone = self.0.applying.lock().unwrap_or_else(PoisonError::into_inner);
        let generation = self.0.stored.generation();
        if self.0.applied.load(Ordering::SeqCst) == generation {
            return false;
        }
        self.redact();
        for endpoint in endpoints.filter(|endpoint| self.may_verify(&endpoint.def)) {
            let slug = endpoint.def.slug.as_str();
            let renewed = endpoint.renew(&|name| self.env(name), &|name| self.of_webhook(slug, name));
            if let Err(error) = renewed {
                tracing::error!(%error, "nobody may send to this webhook: set its secret with `px secrets set`");
            }
        }
        self.0.applied.store(generation, Ordering::SeqCst);
        true
    }

    /// Returns whether a name is the store's to answer, and it can.
    fn is_stored(&self, name: &str) -> bool {
        self.env(name).is_none() && self.0.stored.held(name).is_some()
    }

    /// Gives the hooks of the configuration the secrets of the store as they are now.
    /// The one before signs on for as long as it verifies senders.
    pub(crate) async fn renew_hooks(&self, operator: &Operator) {
        for (hook_name, name) in self.0.hooks.iter().filter(|(_, name)| self.is_stored(name)) {
            let Some(Held { current: Some(current), old }) = self.0.stored.held(name) else { continue };
            let hooks = operator.hooks().unwrap_or_default();
            let is_it = |hook: &&Hook| hook.source == Source::Config && hook.name == *hook_name;
            let Some(hook) = hooks.iter().find(is_it) else { continue };
            let now = operator.parts().clock.now();
            let grace = old.first().map_or(Duration::ZERO, |(_, until)| until.since(now));
            match operate::renew_secret(operator, hook, &current, grace).await {
                Ok(false) => {}
                Ok(true) => self.0.stored.note(name, StoredReader::Hook(hook_name.clone()), None),
                Err(error) => tracing::error!(
                    hook = hook_name, secret = name, %error,
                    "the hook keeps the secret that it had"
                ),
            }
        }
    }

    /// Returns whether the store may have a secret that verifies a webhook's senders.
    fn may_verify(&self, def: &WebhookDef) -> bool {
        def.verification.secret_names().iter().any(|name| self.env(name).is_none())
    }

    /// Makes the redactor anew: of every value of the store, and of every name that
    /// somebody of this binary may ask for.
    fn redact(&self) {
        let mut names: BTreeSet<String> = self.0.names.iter().cloned().collect();
        for brain in self.0.registry.brains() {
            names.extend(brain.def.secret_names());
        }
        for webhook in self.0.registry.webhooks() {
            names.extend(webhook.def.secret_names());
        }
        names.insert(KEY_VARIABLE.to_owned());
        let of_env = names.into_iter().filter_map(|name| {
            let value = self.env(&name)?;
            Some((name, SecretString::from(value)))
        });
        let of_keys = self.0.registry.webhooks().flat_map(|webhook| {
            let name = format!("of webhook {}", webhook.def.slug);
            webhook.def.keys.iter().map(move |key| (name.clone(), key.secret.clone()))
        });
        let all = of_env.chain(of_keys).chain(self.0.unnamed.iter().cloned()).chain(self.0.stored.values());
        self.0.redaction.replace(Redactor::new(all));
    }

    /// Writes who has read what, as far as that is not written yet.
    pub(crate) async fn flush(&self) {
        if let Err(error) = self.0.stored.flush().await {
            tracing::warn!(%error, "who has read which secret could not be written; it is tried again");
        }
    }
}

impl App {
    /// Lets all know the secrets of the store as they are now, if they have changed.
    pub(crate) async fn apply_secrets(&self) {
        if self.secrets.apply(self.stage.endpoints()) {
            self.secrets.renew_hooks(&self.operator).await;
        }
    }
}

impl SecretSource for ServerSecrets {
    fn read(&self, name: &str, reader: SecretReader<'_>) -> Option<Secret> {
        let value = self.value(name)?;
        // A file may have another value than at the start.
        if !self.0.redaction.current().knows(value.expose_secret()) {
            self.redact();
        }
        let (reader, run): (_, Option<RunId>) = match reader {
            SecretReader::Step { brain, step, run } => {
                (StoredReader::Step { brain: brain.to_owned(), step: step.to_owned() }, Some(run))
            }
            SecretReader::Handler(slug) => (StoredReader::Handler(slug.to_owned()), None),
        };
        self.0.stored.note(name, reader, run);
        Some(value.into())
    }
}

/// Looks once in a while whether another process has changed the secrets, and writes
/// who has read what, until the end is asked for.
pub(crate) async fn look_after(app: Shared, pause: Duration, mut closing: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = closing.wait_for(|closing| *closing) => return,
        }
        match app.secrets.stored().refresh().await {
            Ok(()) => app.apply_secrets().await,
            Err(error) => tracing::warn!(%error, "the secrets could not be looked at; it is tried again"),
        }
        app.secrets.flush().await;
    }
}
