//! Context of every command: the global flags, and what is made from them
//! when it is first needed. The environment and the clock are read here.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, OnceLock, PoisonError};

use clap::Args;
use http::HeaderValue;
use px_client::Client;
use px_core::{Clock as _, Ids, SystemClock, Timestamp};
use px_sdk::{Providers, Registry};

use crate::config::{self, Config};
use crate::error::{Error, Kind, MAKE_TOKEN, Result};
use crate::private;
use crate::store;
use crate::suggest;
use crate::ui::Ui;

/// The header by which servers know this program.
const USER_AGENT: &str = concat!("px/", env!("CARGO_PKG_VERSION"));

/// Flags that every command takes.
#[derive(Debug, Clone, Args)]
pub(crate) struct Global {
    /// Print data as JSON on stdout, and errors as JSON on stderr; --json=id,status, with the equals sign, prints these fields only
    #[arg(long, global = true, value_name = "FIELDS", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    pub(crate) json: Option<String>,

    /// The server's URL [default: from px.toml, else http://127.0.0.1:8787]
    #[arg(long, global = true, value_name = "URL", env = "PX_URL", hide_env_values = true)]
    pub(crate) url: Option<String>,

    /// The configuration file [default: px.toml, if there is one]
    #[arg(long, global = true, value_name = "FILE", env = "PX_CONFIG", hide_env_values = true)]
    pub(crate) config: Option<PathBuf>,
}

/// Context of a command.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) ui: Ui,
    global: Global,
    ids: Ids,
    /// Makers of the project's resources, until a server takes them.
    providers: Mutex<Providers>,
}

impl Context {
    pub(crate) fn new(global: Global, providers: Providers) -> Self {
        // Once in a process: the fields are named on its command line.
        let fields = global.json.clone().unwrap_or_default().leak();
        let ui = Ui { json: global.json.is_some(), fields };
        Self { ui, global, ids: Ids::new(), providers: Mutex::new(providers) }
    }

    /// Returns the needs of these brains and webhooks that the program does not meet.
    pub(crate) fn unmet_needs(&self, registry: &Registry) -> Vec<String> {
        self.providers.lock().unwrap_or_else(PoisonError::into_inner).problems(registry)
    }

    /// The makers of the project's resources, for the one server of this process.
    pub(crate) fn take_providers(&self) -> Providers {
        std::mem::take(&mut *self.providers.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The configuration, without the flags of a command.
    pub(crate) fn config(&self) -> Result<Config> {
        Config::load(self.global.config.as_deref(), &env)
    }

    /// The configuration, and all that is wrong with its values.
    pub(crate) fn read_config(&self) -> Result<(Config, Vec<Error>)> {
        Config::read(self.global.config.as_deref(), &env)
    }

    /// The store that a command works on: in `data_dir` where a flag names it,
    /// and then the configuration is not read.
    pub(crate) fn store_config(&self, data_dir: Option<PathBuf>) -> Result<config::Store> {
        match data_dir {
            Some(data_dir) => Ok(config::Store { data_dir }),
            None => Ok(self.config()?.store),
        }
    }

    /// The file that the configuration comes from, whether it is there or not.
    pub(crate) fn config_file(&self) -> PathBuf {
        self.global.config.clone().unwrap_or_else(|| PathBuf::from(config::FILE))
    }

    /// Returns whether this folder, a flag or a variable says where the store is: without either it is
    /// where it is by default, which may be anywhere.
    pub(crate) fn names_store(&self) -> bool {
        self.config_file().exists() || env("PX_DATA_DIR").is_some_and(|dir| !dir.is_empty())
    }

    /// The global flags as another px of this project is given them. Paths are
    /// made absolute: it may run elsewhere.
    pub(crate) fn global_words(&self) -> Vec<String> {
        let json = self.global.json.as_ref().map(|_| vec!["--json".to_owned()]);
        let config = self.global.config.as_ref().map(|file| {
            let file = std::path::absolute(file).unwrap_or_else(|_| file.clone());
            vec!["--config".to_owned(), file.display().to_string()]
        });
        json.into_iter().chain(config).flatten().collect()
    }

    /// Returns what the binary links.
    pub(crate) fn registry(&self) -> Result<Registry> {
        Ok(Registry::collect()?)
    }

    /// Returns what the binary links, its webhooks as the configuration has them: with
    /// its providers and its secrets.
    pub(crate) fn configured(&self) -> Result<Registry> {
        let mut registry = self.registry()?;
        match self.configure(&self.config()?, &mut registry).into_iter().next() {
            Some(error) => Err(error),
            None => Ok(registry),
        }
    }

    /// Configures each webhook that can be, and returns why the others cannot.
    pub(crate) fn configure(&self, config: &Config, registry: &mut Registry) -> Vec<Error> {
        let mut errors = Vec::new();
        for (slug, options) in config.each_webhook(&env) {
            let setup = match options {
                Ok(options) => options.setup,
                Err(error) => {
                    errors.push(error);
                    continue;
                }
            };
            if !registry.configure(&slug, setup.verification, setup.keys) {
                let slugs = registry.webhooks().map(|webhook| webhook.def.slug.as_str());
                let meant = suggest::nearest(&slug, slugs).map(|name| format!("did you mean '{name}'?"));
                let what = format!(
                    "{}: [webhooks.{slug}]: this binary has no webhook '{slug}'",
                    self.config_file().display()
                );
                errors.push(Error::usage(what).maybe_hint(meant));
            }
        }
        errors
    }

    /// The server's URL, without a slash at its end.
    pub(crate) fn server_url(&self) -> Result<String> {
        match self.explicit_url() {
            Some(url) => config::base_url("the server's URL (--url or PX_URL)", url),
            None => Ok(self.config()?.local_url()),
        }
    }

    /// The URL that was given by flag or variable.
    pub(crate) fn explicit_url(&self) -> Option<&str> {
        self.global.url.as_deref().filter(|url| !url.is_empty())
    }

    /// The error of a command that goes to the data directory itself where no server runs: one that named a
    /// server by flag or variable does not.
    pub(crate) fn or_without_url(&self, error: Error) -> Error {
        if error.kind != Kind::Unreachable || self.explicit_url().is_none() {
            return error;
        }
        let hint = "start it; without --url and PX_URL this command goes to the data directory itself if no px serves \
                    from it";
        Error { hint: Some(hint.to_owned()), ..error }
    }

    /// A client of the server.
    pub(crate) fn client(&self) -> Result<Client> {
        Self::client_at(self.server_url()?)
    }

    /// A client of the server that has this store open, which another process has
    /// locked: that one, and not whichever listens where the configuration says, unless
    /// a flag or variable names the server. None where nobody serves it.
    pub(crate) fn client_of(&self, store: &config::Store) -> Result<Option<Client>> {
        match self.explicit_url() {
            Some(_) => self.client().map(Some),
            None => store::served_at(store).map(Self::client_at).transpose(),
        }
    }

    fn client_at(url: String) -> Result<Client> {
        let mut builder = Client::builder(url).user_agent(USER_AGENT).redacted();
        if let Some(token) = token() {
            HeaderValue::from_str(token.trim())
                .map_err(|_| Error::usage("PX_TOKEN is no API token").hint(MAKE_TOKEN))?;
            builder = builder.token(token);
        }
        builder.build().map_err(|error| Error::failed(error.to_string()))
    }

    /// A text that was never used before: the provider's id of a delivery.
    pub(crate) fn fresh_id(&self) -> String {
        let id = self.ids.delivery(self.now()).to_string();
        id.rsplit('_').next().unwrap_or(&id).to_owned()
    }

    /// The current time.
    pub(crate) fn now(&self) -> Timestamp {
        SystemClock.now()
    }
}

/// A variable of the environment; `None` if it is absent or no UTF-8. For
/// `NAME`, `NAME_FILE` may name a file with the value instead; one that cannot be
/// read is a value that is blank, and none that is elsewhere.
pub(crate) fn env(name: &str) -> Option<String> {
    if let Ok(value) = std::env::var(name) {
        return Some(value);
    }
    let file = std::env::var(format!("{name}_FILE")).ok().filter(|file| !file.is_empty())?;
    let value = config::from_file(std::path::Path::new(&file));
    let why = value.as_ref().err();
    if is_news(name, why.map(String::as_str))
        && let Some(why) = why
    {
        tracing::error!(why, "the file of {name} cannot be read, and nobody gets its value");
    }
    Some(value.unwrap_or_default())
}

/// Variables whose file cannot be read, each with the reason that was logged.
static UNREAD: Mutex<BTreeMap<String, String>> = Mutex::new(BTreeMap::new());

/// Returns whether the reason for which the file of a variable cannot be read is another one
/// than before: a server looks at its files once a second.
fn is_news(name: &str, why: Option<&str>) -> bool {
    let mut unread = UNREAD.lock().unwrap_or_else(PoisonError::into_inner);
    match why {
        Some(why) => unread.insert(name.to_owned(), why.to_owned()).as_deref() != Some(why),
        None => unread.remove(name).is_some(),
    }
}

/// Sentence about a secret of the store that a process with this environment does not ask
/// the store for.
pub(crate) fn shadowed(name: &str) -> Option<String> {
    if std::env::var_os(name).is_some() {
        return Some(format!(
            "the variable {name} is set here, and a px that is started so takes that value"
        ));
    }
    std::env::var_os(format!("{name}_FILE"))
        .filter(|file| !file.is_empty())
        .map(|_| format!("{name}_FILE is set here, and a px that is started so takes the value of that file"))
}

/// The token that requests are sent with.
fn token() -> Option<String> {
    env("PX_TOKEN").filter(|token| !token.is_empty())
}

/// Returns whether requests are sent with a token: a server that has answered one has tokens then, and has
/// none, or asks for none, where there is no token.
pub(crate) fn has_token() -> bool {
    token().is_some()
}

/// Returns whether the value of a name is that of the file that `NAME_FILE` names.
pub(crate) fn is_of_file(name: &str) -> bool {
    std::env::var(name).is_err()
        && std::env::var_os(format!("{name}_FILE")).is_some_and(|file| !file.is_empty())
}

/// Gives the value of a secret of the store.
type OfStore = Box<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// The secrets of the store, once this process has looked at it.
static OF_STORE: OnceLock<OfStore> = OnceLock::new();

/// Lets [`secret`] know the secrets of the store, the first time.
pub(crate) fn know_secrets(of_store: impl Fn(&str) -> Option<String> + Send + Sync + 'static) {
    let _ = OF_STORE.set(Box::new(of_store));
}

/// What stands for the value of a secret that is there and is not told: a secret as
/// hooks have them by default.
const UNTOLD: &str = "whsec_c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0";

/// Lets [`secret`] know which secrets the store of a server has. Whoever has no admin's
/// token knows of none.
pub(crate) async fn know_names(client: &Client) {
    if let Ok(secrets) = client.secrets().await {
        let names: Vec<String> = secrets.into_value().secrets.into_iter().map(|secret| secret.name).collect();
        know_secrets(move |name| names.iter().any(|known| known == name).then(|| UNTOLD.to_owned()));
    }
}

/// The value of a name: of the environment, of a file, else of the store.
pub(crate) fn secret(name: &str) -> Option<String> {
    env(name).or_else(|| OF_STORE.get()?(name))
}

/// Returns what is wrong with the variables and files that hold secrets: one that
/// is there and holds none must not leave its webhook unverified
/// (docs/rules.md#62).
pub(crate) fn secret_problems(config: &Config, registry: &Registry) -> Vec<String> {
    let names = secret_names(registry);
    let of_names = names.iter().flat_map(|name| [blank(name), blank_file(name)]).flatten();
    let configured = config.secret_variables().filter(|name| !names.contains(name));
    let of_files = configured.filter_map(|name| blank_file(&name));
    let of_configured = config.blank_secrets(&|name| std::env::var(name).ok());
    let all: std::collections::BTreeSet<_> = of_names.chain(of_files).chain(of_configured).collect();
    all.into_iter().collect()
}

/// The variables that hold secrets, or name files that do with `_FILE` behind.
fn secret_names(registry: &Registry) -> Vec<String> {
    let mut names = vec!["PX_SECRET_KEY".to_owned()];
    names.extend(registry.brains().flat_map(|brain| brain.def.secret_names()));
    names.extend(registry.webhooks().flat_map(|webhook| webhook.def.secret_names()));
    names.sort_unstable();
    names.dedup();
    names
}

fn blank(name: &str) -> Option<String> {
    match std::env::var(name) {
        Ok(text) if text.trim().is_empty() => {
            Some(format!("{name} is set and empty: give it its secret, or do not set it"))
        }
        Err(std::env::VarError::NotUnicode(_)) => {
            Some(format!("{name} is set and is no UTF-8: give it its secret as text"))
        }
        Ok(_) | Err(std::env::VarError::NotPresent) => None,
    }
}

fn blank_file(name: &str) -> Option<String> {
    let variable = format!("{name}_FILE");
    let file = match std::env::var(&variable) {
        Ok(file) => file,
        Err(std::env::VarError::NotPresent) => return None,
        Err(std::env::VarError::NotUnicode(_)) => return Some(format!("{variable} is set and is no UTF-8")),
    };
    if file.trim().is_empty() {
        return Some(format!("{variable} is set and names no file"));
    }
    match config::from_file(std::path::Path::new(&file)) {
        Ok(text) if text.trim().is_empty() => Some(format!("{variable}: {file} is empty")),
        Ok(_) => None,
        Err(why) => Some(format!("{variable}: {why}")),
    }
}

/// Returns which files of secrets that the operator has named can be read by
/// everybody on this machine, once each.
pub(crate) fn wide_secret_files(config: &Config, registry: &Registry) -> Vec<String> {
    let configured = config.hooks.secret_variables().chain(config.secret_variables());
    let variables = secret_names(registry).into_iter().chain(configured);
    let by_variable = variables.filter_map(|name| std::env::var(format!("{name}_FILE")).ok());
    let files = by_variable.map(PathBuf::from).chain(config.secret_files());
    let wide = files.filter_map(|file| {
        let mode = private::mode(&file)?;
        let text =
            format!("{} holds a secret and can be read by everybody here (mode {mode:03o})", file.display());
        (mode & 0o007 != 0).then_some(text)
    });
    wide.collect::<std::collections::BTreeSet<_>>().into_iter().collect()
}
