//! The secrets of a server: those of the environment and of files first, then those
//! of the store. Steps and handlers read them here, verifiers are given them here, and
//! the redactor knows them from here.
//!
//! Once a second it looks whether another process has changed them, and whether files
//! have other values, and writes who has read what.

mod hooks;
mod of_env;
mod signing;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use px_api::SecretSource as WebhookSecretSource;
use px_core::{RunId, Scope};
use px_inbound::{Endpoint, LinkKeys, StoredSecret};
use px_outbound::Operator;
use px_sdk::verify::Key;
use px_sdk::{Registry, Secret, SecretReader, SecretSource, WebhookDef};
use px_secrets::{Held, KeyParts, LeftOut, Redaction, Redactor, Secrets, Unsearchable, key};
use px_store::secrets::SecretReader as StoredReader;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::watch;

use crate::app::{App, Shared};
use crate::error::StartError;
use crate::options::{OfFile, Options};
#[cfg(feature = "dashboard")]
use crate::ui::PageKeys;
use hooks::{HookSecrets, RunSecrets};
use of_env::OfEnv;

/// Variables of the key that secrets rest under. It is no secret that anybody reads.
const KEY_VARIABLES: [&str; 2] = ["PX_SECRET_KEY", "PX_SECRET_KEY_NEW"];

/// Secrets of a server. Cheap to clone.
#[derive(Clone)]
pub(crate) struct ServerSecrets(Arc<Inner>);

struct Inner {
    env: OfEnv,
    /// Returns whether a name's value is that of a file.
    is_of_file: OfFile,
    stored: Secrets,
    links: LinkKeys,
    #[cfg(feature = "dashboard")]
    page_keys: PageKeys,
    redaction: Redaction,
    registry: Arc<Registry>,
    /// Names of the configuration, beside those of the registry.
    names: Vec<String>,
    /// Hooks of the configuration whose secret has a name, each with that name.
    hooks: Vec<(String, String)>,
    /// Values of the configuration that have no name of their own.
    unnamed: Vec<(String, SecretString)>,
    /// The secrets and credentials of the hooks of the store.
    of_hooks: std::sync::Mutex<HookSecrets>,
    of_runs: std::sync::Mutex<RunSecrets>,
    /// The generation of the secrets that verifiers and redactor know.
    applied: AtomicU64,
    applying: std::sync::Mutex<()>,
    /// The generation that the redactor knows. Held from before the values are read until
    /// the redactor of them is the process's: an older one takes no newer one's place.
    redacting: std::sync::Mutex<u64>,
    /// What is not taken out of what leaves px, as far as that was logged.
    left_out: std::sync::Mutex<Option<LeftOut>>,
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
        let secret = key::link_secret(&parts).await.map_err(StartError::SecretKey)?;
        let stored = Secrets::open(parts).await.map_err(StartError::Store)?;
        let configured = options.webhooks.iter().flat_map(|(slug, webhook)| {
            webhook.setup.keys.iter().map(move |key| (format!("of webhook {slug}"), key.secret.clone()))
        });
        let verifications =
            options.webhooks.values().filter_map(|webhook| webhook.setup.verification.as_ref());
        let mut names: Vec<String> =
            verifications.flat_map(px_sdk::verify::Verification::secret_names).collect();
        names.append(&mut options.secret_names);
        let inner = Inner {
            names,
            unnamed: configured.collect(),
            env: OfEnv::new(std::mem::replace(&mut options.env, Box::new(|_| None))),
            is_of_file: std::mem::replace(&mut options.is_of_file, Box::new(|_| false)),
            redaction: options.redaction.clone(),
            registry: Arc::clone(&options.registry),
            hooks: options.hooks.secret_names.clone(),
            applied: AtomicU64::new(stored.generation()),
            applying: std::sync::Mutex::default(),
            redacting: std::sync::Mutex::default(),
            left_out: std::sync::Mutex::default(),
            of_hooks: std::sync::Mutex::default(),
            of_runs: std::sync::Mutex::default(),
            stored,
            links: LinkKeys::new(&secret),
            #[cfg(feature = "dashboard")]
            page_keys: PageKeys::new(&secret),
        };
        let this = Self(Arc::new(inner));
        this.0.env.begin(this.names());
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
        self.0.env.value(name)
    }

    /// The value of a variable for the verification of a webhook.
    pub(crate) fn env_of_webhook(&self, slug: &str, name: &str) -> Option<String> {
        self.0
            .env
            .believed(name)
            .inspect(|_| self.0.stored.note(name, StoredReader::Verifier(slug.to_owned()), None))
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

    /// A number that is another one when values of the store or of files have changed.
    fn generation(&self) -> u64 {
        // Both only grow.
        self.0.stored.generation() + self.0.env.changes()
    }

    /// Returns whether the environment, or a file that it names, is the one to answer for a name.
    pub(crate) fn is_shadowed(&self, name: &str) -> bool {
        self.env(name).is_some()
    }

    /// The place that the secret of a webhook comes from.
    pub(crate) fn source_of(&self, def: &WebhookDef) -> Option<WebhookSecretSource> {
        use WebhookSecretSource as Source;
        let name = def.verification.secret.as_deref();
        let of_env = |name: &str| if (self.0.is_of_file)(name) { Source::File } else { Source::Environment };
        let named = name.and_then(|name| match self.env(name) {
            Some(_) => Some(of_env(name)),
            None => self.0.stored.held(name).map(|_| Source::Store),
        });
        named.or_else(|| (!def.keys.is_empty()).then_some(Source::Configuration))
    }

    /// Looks whether files have other values than those that verifiers know.
    async fn look_at_files(&self) {
        let secrets = self.clone();
        // A file may lie on a disk that does not answer.
        let _ = tokio::task::spawn_blocking(move || secrets.0.env.look(secrets.names())).await;
    }

    fn has_changed(&self, generation: u64) -> bool {
        self.0.applied.load(Ordering::SeqCst) != generation
    }

    /// Gives verifiers the secrets as they are now, if they have changed, once
    /// the redactor knows them. Returns whether they have.
    fn apply<'a>(&self, endpoints: impl Iterator<Item = &'a Endpoint>) -> bool {
        let _alone = self.0.applying.lock().unwrap_or_else(PoisonError::into_inner);
        let generation = self.generation();
        if !self.has_changed(generation) {
            return false;
        }
        if *self.0.redacting.lock().unwrap_or_else(PoisonError::into_inner) != generation {
            // They have changed once more meanwhile.
            self.redact_or_log();
        }
        for endpoint in endpoints.filter(|endpoint| has_secret(&endpoint.def)) {
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

    /// Makes the redactor anew: of every value of the store, and of every name that
    /// somebody of this binary may ask for. This takes a while if there are many.
    ///
    /// # Errors
    /// There are too many; the process keeps the redactor that it has.
    fn redact(&self) -> Result<(), Unsearchable> {
        let mut redacted = self.0.redacting.lock().unwrap_or_else(PoisonError::into_inner);
        // Before the values, which may be newer then.
        let generation = self.generation();
        let of_env = self.0.env.all(self.names()).into_iter();
        let of_hooks = self.0.of_hooks.lock().unwrap_or_else(PoisonError::into_inner).opened.clone();
        let of_keys = self.0.registry.webhooks().flat_map(|webhook| {
            let name = format!("of webhook {}", webhook.def.slug);
            webhook.def.keys.iter().map(move |key| (name.clone(), key.secret.clone()))
        });
        let of_runs = self.of_runs().all();
        let of_config = of_keys.chain(self.0.unnamed.iter().cloned()).chain(of_hooks);
        // Where there are too many, those that count come first.
        let counting = of_env.chain(self.0.stored.values()).chain(of_config).collect();
        let past = self.0.stored.past_values();
        let redactor = Redactor::with_past(counting, of_runs.into_iter().chain(past).collect())?;
        self.log_left_out(redactor.left_out());
        self.0.redaction.replace(redactor);
        *redacted = generation;
        Ok(())
    }

    /// Logs what is not taken out of what leaves px, once.
    fn log_left_out(&self, left_out: Option<&LeftOut>) {
        let mut logged = self.0.left_out.lock().unwrap_or_else(PoisonError::into_inner);
        if logged.as_ref() != left_out {
            *logged = left_out.cloned();
            if let Some(left_out) = left_out {
                tracing::warn!("{left_out}");
            }
        }
    }

    /// Names that somebody of this binary or its configuration may ask for.
    fn names(&self) -> BTreeSet<String> {
        let mut names: BTreeSet<String> = self.0.names.iter().cloned().collect();
        for brain in self.0.registry.brains() {
            names.extend(brain.def.secret_names());
        }
        for webhook in self.0.registry.webhooks() {
            names.extend(webhook.def.secret_names());
        }
        names.extend(KEY_VARIABLES.map(str::to_owned));
        names
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

    fn of_runs(&self) -> std::sync::MutexGuard<'_, RunSecrets> {
        self.0.of_runs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers a secret that the callbacks of a run sign with. The redactor knows it within a second: a caller
    /// who has another one for each run would have it made anew for each.
    pub(crate) fn learn_of_run(&self, value: &SecretString) {
        self.of_runs().learn(value);
    }

    /// Lets the redactor know the secrets of runs, if there are new ones.
    async fn apply_runs(&self) {
        // The lock is not held while the redactor is made.
        let has_new = self.of_runs().take_new();
        if has_new {
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

/// Returns whether a webhook's senders may be verified by a secret that has a name.
fn has_secret(def: &WebhookDef) -> bool {
    !def.verification.secret_names().is_empty()
}

impl App {
    /// Lets all know the secrets as they are now, if they have changed.
    pub(crate) async fn apply_secrets(&self) {
        if !self.secrets.has_changed(self.secrets.generation()) {
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
        app.secrets.look_at_files().await;
        match app.secrets.stored().refresh().await {
            Ok(()) => {}
            Err(error) => tracing::warn!(%error, "the secrets could not be looked at; it is tried again"),
        }
        app.apply_secrets().await;
        app.secrets.apply_hooks(&app.operator).await;
        app.secrets.apply_runs().await;
        app.secrets.flush().await;
    }
}
