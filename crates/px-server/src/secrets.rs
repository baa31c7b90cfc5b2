//! The secrets of a server: those of the environment and of files first, then those
//! of the store. Steps and handlers read them here, verifiers are given them here, and
//! the redactor knows them from here.
//!
//! Once a second it looks whether another process has changed them, and writes who
//! has read what.

mod hooks;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use px_core::hook::{Hook, Source};
use px_core::{RunId, Scope, Timestamp};
use px_inbound::{Endpoint, LinkKeys, StoredSecret};
use px_outbound::{Operator, operate};
use px_sdk::verify::Key;
use px_sdk::{Registry, Secret, SecretReader, SecretSource, WebhookDef};
use px_secrets::{Held, KeyParts, NewSecret, Redaction, Redactor, Secrets, Unsearchable, key};
use px_store::secrets::SecretReader as StoredReader;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::watch;

use crate::app::{App, Shared};
use crate::error::StartError;
use crate::options::{Environment, Options};
use hooks::HookSecrets;

/// Variables of the key that secrets rest under. It is no secret that anybody reads.
const KEY_VARIABLES: [&str; 2] = ["PX_SECRET_KEY", "PX_SECRET_KEY_NEW"];

/// Maximum number of values that a variable or a file has had which are remembered.
const MAX_SEEN: usize = 20;

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
    /// Values that names of the environment have had in the life of this process, the newest
    /// first: what a step once read may be in a state.
    seen: std::sync::Mutex<BTreeMap<String, Vec<SecretString>>>,
    /// The secrets and credentials of the hooks of the store.
    of_hooks: std::sync::Mutex<HookSecrets>,
    /// The generation of the store's secrets that verifiers and redactor know.
    applied: AtomicU64,
    applying: std::sync::Mutex<()>,
    /// The generation that the redactor knows. Held from before the values are read until
    /// the redactor of them is the process's: an older one takes no newer one's place.
    redacting: std::sync::Mutex<u64>,
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
            redacting: std::sync::Mutex::default(),
            seen: std::sync::Mutex::default(),
            of_hooks: std::sync::Mutex::default(),
            stored,
            links,
        };
        let this = Self(Arc::new(inner));
        for (hook, name) in this.0.hooks.iter().filter(|(_, name)| this.value(name).is_some()) {
            this.0.stored.note(name, StoredReader::Hook(hook.clone()), None);
        }
        this.redact().map_err(StartError::Secrets)?;
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

    /// The value of a variable for the verification of a webhook.
    pub(crate) fn env_of_webhook(&self, slug: &str, name: &str) -> Option<String> {
        self.env(name).inspect(|_| self.0.stored.note(name, StoredReader::Verifier(slug.to_owned()), None))
    }

    /// The value of a name as it is now. One that is there and blank, or in a file that cannot
    /// be read, is not the store's to answer.
    fn value(&self, name: &str) -> Option<SecretString> {
        match self.env(name) {
            Some(value) => Some(value).filter(|value| !value.trim().is_empty()).map(SecretString::from),
            None => self.0.stored.held(name)?.current,
        }
    }

    /// The values of a secret of the store for the verification of a webhook.
    pub(crate) fn of_webhook(&self, slug: &str, name: &str) -> Option<StoredSecret> {
        let Held { current, old } = self.0.stored.held(name)?;
        self.0.stored.note(name, StoredReader::Verifier(slug.to_owned()), None);
        let Some(current) = current else { return Some(StoredSecret::Unreadable) };
        let old = old.into_iter().map(|(value, until)| Key { expires: Some(until), ..Key::new(value) });
        Some(StoredSecret::Values(std::iter::once(Key::new(current)).chain(old).collect()))
    }

    fn has_changed(&self, generation: u64) -> bool {
        self.0.applied.load(Ordering::SeqCst) != generation
    }

    /// Gives verifiers the secrets of the store as they are now, if they have changed, once
    /// the redactor knows them. Returns whether they have.
    fn apply<'a>(&self, endpoints: impl Iterator<Item = &'a Endpoint>) -> bool {
        let _alone = self.0.applying.lock().unwrap_or_else(PoisonError::into_inner);
        let generation = self.0.stored.generation();
        if !self.has_changed(generation) {
            return false;
        }
        if *self.0.redacting.lock().unwrap_or_else(PoisonError::into_inner) != generation {
            // They have changed once more meanwhile.
            self.redact_or_log();
        }
        for endpoint in endpoints.filter(|endpoint| self.may_verify(&endpoint.def)) {
            let slug = endpoint.def.slug.as_str();
            let (env, stored) =
                (|name: &str| self.env_of_webhook(slug, name), |name: &str| self.of_webhook(slug, name));
            let renewed = endpoint.renew(&env, &stored);
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

    /// The values that the secret of a hook of the configuration had before, where the
    /// store has it.
    pub(crate) fn old_of_hook(&self, hook: &str) -> Vec<(SecretString, Timestamp)> {
        let name = self.0.hooks.iter().find(|(of, name)| of == hook && self.is_stored(name));
        name.and_then(|(_, name)| self.0.stored.held(name)).map(|held| held.old).unwrap_or_default()
    }

    /// Checks that the hooks of the configuration could sign with secrets that are about to be
    /// set, where the store is the one to answer for these.
    pub(crate) fn can_sign(&self, operator: &Operator, all: &[NewSecret]) -> Result<(), operate::Error> {
        for (hook_name, name) in self.0.hooks.iter().filter(|(_, name)| self.env(name).is_none()) {
            let new = all.iter().rfind(|new| new.name == *name);
            let hook = configured(operator, hook_name);
            if let (Some(new), Some(hook)) = (new, hook) {
                operate::can_sign(operator, &hook, &new.value)?;
            }
        }
        Ok(())
    }

    /// Gives the hooks of the configuration the secrets of the store as they are now.
    /// The one before signs on for as long as it verifies senders.
    pub(crate) async fn renew_hooks(&self, operator: &Operator) {
        for (hook_name, name) in self.0.hooks.iter().filter(|(_, name)| self.is_stored(name)) {
            let Some(Held { current: Some(current), old }) = self.0.stored.held(name) else { continue };
            let Some(hook) = configured(operator, hook_name) else { continue };
            match operate::renew_secret(operator, &hook, &current, &old).await {
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
    /// somebody of this binary may ask for. This takes a while if there are many.
    ///
    /// # Errors
    /// There are too many; the process keeps the redactor that it has.
    fn redact(&self) -> Result<(), Unsearchable> {
        let mut redacted = self.0.redacting.lock().unwrap_or_else(PoisonError::into_inner);
        // Before the values, which may be newer then.
        let generation = self.0.stored.generation();
        let mut names: BTreeSet<String> = self.0.names.iter().cloned().collect();
        for brain in self.0.registry.brains() {
            names.extend(brain.def.secret_names());
        }
        for webhook in self.0.registry.webhooks() {
            names.extend(webhook.def.secret_names());
        }
        names.extend(KEY_VARIABLES.map(str::to_owned));
        let of_env = self.all_of_env(names).into_iter();
        let of_hooks = self.0.of_hooks.lock().unwrap_or_else(PoisonError::into_inner).opened.clone();
        let of_keys = self.0.registry.webhooks().flat_map(|webhook| {
            let name = format!("of webhook {}", webhook.def.slug);
            webhook.def.keys.iter().map(move |key| (name.clone(), key.secret.clone()))
        });
        let of_config = of_keys.chain(self.0.unnamed.iter().cloned()).chain(of_hooks);
        // Where there are too many, those that count come first.
        let counting: Vec<_> = of_env.chain(self.0.stored.values()).chain(of_config).collect();
        let redactor = match Redactor::new(counting.iter().cloned().chain(self.0.stored.past_values())) {
            Err(error @ Unsearchable::TooMany(_)) => {
                tracing::error!(%error, "values of secrets that count no more are not taken out of what leaves px");
                Redactor::new(counting)?
            }
            redactor => redactor?,
        };
        self.0.redaction.replace(redactor);
        *redacted = generation;
        Ok(())
    }

    /// The values of these names in the environment and its files, those before them too.
    fn all_of_env(&self, names: BTreeSet<String>) -> Vec<(String, SecretString)> {
        let mut seen = self.0.seen.lock().unwrap_or_else(PoisonError::into_inner);
        for name in names {
            let Some(value) = self.env(&name) else { continue };
            let values = seen.entry(name).or_default();
            values.retain(|seen| seen.expose_secret() != value);
            values.insert(0, value.into());
            values.truncate(MAX_SEEN);
        }
        let of = |(name, values): (&String, &Vec<SecretString>)| {
            values.iter().map(|value| (name.clone(), value.clone())).collect::<Vec<_>>()
        };
        seen.iter().flat_map(of).collect()
    }

    /// Lets the redactor know the secrets of the hooks of the store, if they have changed.
    pub(crate) async fn apply_hooks(&self, operator: &Operator) {
        let is_changed = match operator.hooks() {
            Ok(hooks) => {
                let mut of_hooks = self.0.of_hooks.lock().unwrap_or_else(PoisonError::into_inner);
                of_hooks.learn(&hooks, &operator.parts().vault)
            }
            Err(_) => false,
        };
        if is_changed {
            self.redact_apart().await;
        }
    }

    /// Makes the redactor anew, where no request waits for it.
    async fn redact_apart(&self) {
        let secrets = self.clone();
        let _ = tokio::task::spawn_blocking(move || secrets.redact_or_log()).await;
    }

    /// The same; what goes wrong is logged.
    fn redact_or_log(&self) {
        if let Err(error) = self.redact() {
            tracing::error!(%error, "the newest secrets are not taken out of what leaves px");
        }
    }

    /// Writes who has read what, as far as that is not written yet.
    pub(crate) async fn flush(&self) {
        if let Err(error) = self.0.stored.flush().await {
            tracing::warn!(%error, "who has read which secret could not be written; it is tried again");
        }
    }
}

/// A hook of the configuration, by its name.
fn configured(operator: &Operator, name: &str) -> Option<Hook> {
    let hooks = operator.hooks().unwrap_or_default();
    hooks.into_iter().find(|hook| hook.source == Source::Config && hook.name == name)
}

impl App {
    /// Lets all know the secrets of the store as they are now, if they have changed.
    pub(crate) async fn apply_secrets(&self) {
        if !self.secrets.has_changed(self.secrets.stored().generation()) {
            return;
        }
        self.secrets.redact_apart().await;
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
            self.redact_or_log();
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
        app.secrets.apply_hooks(&app.operator).await;
        app.secrets.flush().await;
    }
}
