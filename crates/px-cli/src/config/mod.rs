//! The configuration: `px.toml`, then the environment, then flags; the later
//! one counts. Unknown keys are errors, since a misspelt one would be a
//! default in disguise.
//!
//! | key | variable | default |
//! |---|---|---|
//! | `server.bind` | `PX_BIND` | `127.0.0.1` |
//! | `server.port` | `PX_PORT` | `8787` |
//! | `server.public_url` | `PX_PUBLIC_URL` | none: the bind address |
//! | `server.trusted_proxies` | | none: whose `X-Forwarded-*` headers are believed |
//! | `server.forwarded` | | none: which header the proxies write, `x-forwarded` or `forwarded` |
//! | `server.cors_origins` | | none: the origins whose pages may use the API |
//! | `server.max_body_bytes` | | 5 MiB, of one webhook request |
//! | `server.max_api_body_bytes` | | 8 MiB, of one request to the API |
//! | `server.body_timeout_secs` | | 10, for the body of one request |
//! | `server.shutdown_grace_secs` | | 10, for running steps when the end was asked for |
//! | `access.payloads` | | `read`: the least scope that is shown what runs and senders bring; or `operate` |
//! | `ui.enabled` | | `true`: the page for people below `/ui`, in builds that have it |
//! | `limits.…` | | see `limits.rs` |
//! | `retention.…` | | see `retention.rs` |
//! | `store.data_dir` | `PX_DATA_DIR` | `.px/data` |
//! | `hooks.…` | `PX_HOOKS_ALLOW_PRIVATE`, `PX_SECRET_KEY` | see `hooks.rs` |
//! | `webhooks.<slug>.…`, `providers.<name>.…` | | see `webhooks.rs` |

pub(crate) mod effective;
pub(crate) mod hooks;
pub(crate) mod key;
pub(crate) mod limits;
mod mistakes;
mod retention;
mod webhooks;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use px_inbound::verify::{Forwarding, Network};
use px_store::tokens::Permission;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::error::{Error, Result};
use hooks::Hooks;
use limits::Limits;
pub(crate) use mistakes::reworded;
use retention::Retention;
use webhooks::{Providers, Webhook};
pub(crate) use webhooks::{from_file, network};

/// The file that is read if none is named.
pub(crate) const FILE: &str = "px.toml";

/// The sections whose keys all have a value; of the others the file says which there are.
pub(crate) const FIXED: [&str; 6] = ["server", "access", "ui", "limits", "retention", "store"];

/// The port if none is configured.
const DEFAULT_PORT: u16 = 8787;

/// The whole configuration.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    pub(crate) server: Server,
    pub(crate) access: Access,
    pub(crate) ui: Ui,
    pub(crate) limits: Limits,
    pub(crate) retention: Retention,
    pub(crate) store: Store,
    pub(crate) hooks: Hooks,
    pub(crate) webhooks: BTreeMap<String, Webhook>,
    pub(crate) providers: Providers,
}

/// `[server]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Server {
    /// The address to listen on.
    pub(crate) bind: IpAddr,
    /// The port to listen on; 0 takes a free one.
    pub(crate) port: u16,
    /// The base of all URLs as the outside sees it.
    pub(crate) public_url: Option<String>,
    /// The peers whose forwarding headers are believed, as address ranges.
    pub(crate) trusted_proxies: Vec<String>,
    /// Which header the trusted proxies write; whichever is there if it is not said.
    pub(crate) forwarded: Option<Forwarded>,
    /// The origins whose pages may use the API, such as `https://app.example`.
    pub(crate) cors_origins: Vec<String>,
    /// The largest body of a webhook request.
    pub(crate) max_body_bytes: usize,
    /// The largest body of a request to the API.
    pub(crate) max_api_body_bytes: usize,
    /// Time that the body of a webhook request may take.
    pub(crate) body_timeout_secs: u64,
    /// Time that running steps may go on after the end was asked for.
    pub(crate) shutdown_grace_secs: u64,
}

/// `[access]`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Access {
    /// The least scope of a token that is shown what runs and senders bring.
    pub(crate) payloads: Payloads,
}

/// `[ui]`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Ui {
    /// Serves the page for people.
    pub(crate) enabled: bool,
}

impl Default for Ui {
    fn default() -> Self {
        Self { enabled: true }
    }
}

/// A scope from which on payloads are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Payloads {
    /// Every token sees them.
    #[default]
    Read,
    /// Those that may move runs see them.
    Operate,
}

impl From<Payloads> for Permission {
    fn from(payloads: Payloads) -> Self {
        match payloads {
            Payloads::Read => Self::Read,
            Payloads::Operate => Self::Operate,
        }
    }
}

/// A header by which proxies say whom they were called by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Forwarded {
    /// `X-Forwarded-For` and its kin.
    XForwarded,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

impl From<Forwarded> for Forwarding {
    fn from(forwarded: Forwarded) -> Self {
        match forwarded {
            Forwarded::XForwarded => Self::XForwarded,
            Forwarded::Forwarded => Self::Forwarded,
        }
    }
}

/// `[store]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Store {
    /// Directory of the embedded store's files.
    pub(crate) data_dir: PathBuf,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            bind: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: DEFAULT_PORT,
            public_url: None,
            trusted_proxies: Vec::new(),
            forwarded: None,
            cors_origins: Vec::new(),
            max_body_bytes: 5 * 1024 * 1024,
            max_api_body_bytes: 8 * 1024 * 1024,
            body_timeout_secs: 10,
            shutdown_grace_secs: 10,
        }
    }
}

impl Default for Store {
    fn default() -> Self {
        Self { data_dir: PathBuf::from(".px/data") }
    }
}

impl Config {
    /// Reads `file`, or [`FILE`] where it exists, and then the environment.
    pub(crate) fn load(file: Option<&Path>, env: &dyn Fn(&str) -> Option<String>) -> Result<Self> {
        let (config, mistakes) = Self::read(file, env)?;
        mistakes.into_iter().next().map_or(Ok(config), Err)
    }

    /// Reads it as [`load`](Self::load) does, and returns everything that is wrong with
    /// its values. What is wrong in the environment leaves the value of the file.
    ///
    /// # Errors
    /// The file cannot be read, or is no configuration.
    pub(crate) fn read(
        file: Option<&Path>,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<(Self, Vec<Error>)> {
        let path = file.unwrap_or(Path::new(FILE));
        let mut config = match std::fs::read_to_string(path) {
            Ok(text) => Self::parse(&text, path)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && file.is_none() => Self::default(),
            Err(error) => {
                return Err(Error::usage(format!("cannot read {}: {error}", path.display())));
            }
        };
        let mut mistakes = config.overlay(env);
        mistakes.extend(config.finish(&path.display().to_string()));
        Ok((config, mistakes))
    }

    pub(crate) fn parse(text: &str, path: &Path) -> Result<Self> {
        toml::from_str(text).map_err(|error| mistakes::of_file(path, text, &error))
    }

    fn overlay(&mut self, env: &dyn Fn(&str) -> Option<String>) -> Vec<Error> {
        let set = |name: &str| env(name).filter(|value| !value.is_empty());
        let mut mistakes = Vec::new();
        match set("PX_BIND").map(|text| address("PX_BIND", &text)) {
            Some(Ok(bind)) => self.server.bind = bind,
            wrong => mistakes.extend(wrong.and_then(Result::err)),
        }
        if let Some(text) = set("PX_PORT") {
            match text.parse() {
                Ok(port) => self.server.port = port,
                Err(_) => {
                    mistakes.push(Error::usage(format!("PX_PORT is '{text}', which is no port (0 to 65535)")))
                }
            }
        }
        if let Some(url) = set("PX_PUBLIC_URL") {
            self.server.public_url = Some(url);
        }
        if let Some(dir) = set("PX_DATA_DIR") {
            self.store.data_dir = PathBuf::from(dir);
        }
        mistakes.extend(self.hooks.overlay(env).err());
        mistakes
    }

    fn finish(&mut self, file: &str) -> Vec<Error> {
        let mut mistakes = Vec::new();
        if let Some(url) = self.server.public_url.take().filter(|url| !url.is_empty()) {
            match base_url(&format!("public_url (in {file} or PX_PUBLIC_URL)"), &url) {
                Ok(base) => self.server.public_url = Some(base),
                Err(error) => mistakes.push(error),
            }
        }
        mistakes.extend(self.limits.mistakes());
        mistakes.extend(self.retention.mistakes());
        mistakes
    }

    /// The values of the sections in [`FIXED`].
    pub(crate) fn fixed(&self) -> Value {
        json!({
            "server": self.server,
            "access": self.access,
            "ui": self.ui,
            "limits": self.limits,
            "retention": self.retention,
            "store": self.store,
        })
    }

    /// Returns what the configuration says of single webhooks.
    pub(crate) fn webhook_options(
        &self,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<BTreeMap<String, px_server::WebhookOptions>> {
        self.each_webhook(env).map(|(slug, options)| Ok((slug, options?))).collect()
    }

    /// The files that secrets of webhooks are in.
    pub(crate) fn secret_files(&self) -> impl Iterator<Item = PathBuf> {
        self.webhooks.values().flat_map(Webhook::secret_files)
    }

    /// The variables that `[webhooks]` names for secrets.
    pub(crate) fn secret_variables(&self) -> impl Iterator<Item = String> {
        self.webhooks.values().flat_map(Webhook::secret_variables)
    }

    /// Returns which secrets of webhooks are there and blank.
    pub(crate) fn blank_secrets(&self, env: &dyn Fn(&str) -> Option<String>) -> Vec<String> {
        let of = |(slug, webhook): (&String, &Webhook)| {
            webhook
                .blank_secrets(env)
                .into_iter()
                .map(|why| format!("[webhooks.{slug}]: {why}"))
                .collect::<Vec<_>>()
        };
        self.webhooks.iter().flat_map(of).collect()
    }

    /// Returns what the configuration says of each webhook, or what is wrong there.
    pub(crate) fn each_webhook(
        &self,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> impl Iterator<Item = (String, Result<px_server::WebhookOptions>)> {
        self.webhooks
            .iter()
            .map(move |(slug, webhook)| (slug.clone(), webhook.options(slug, &self.providers, env)))
    }

    /// Returns whether something stands before px that lets others in.
    pub(crate) fn is_fronted(&self) -> bool {
        self.server.public_url.is_some() || !self.server.trusted_proxies.is_empty()
    }

    /// The peers whose forwarding headers are believed.
    pub(crate) fn proxies(&self) -> Result<Vec<Network>> {
        self.server.trusted_proxies.iter().map(|text| network(text)).collect()
    }

    /// Returns where the server listens.
    pub(crate) fn socket(&self) -> SocketAddr {
        SocketAddr::new(self.server.bind, self.server.port)
    }

    /// The URL at which a client on this machine reaches the server.
    pub(crate) fn local_url(&self) -> String {
        local_url(self.server.bind, self.server.port)
    }

    /// The base of the webhooks' URLs.
    pub(crate) fn webhook_base(&self) -> String {
        self.server.public_url.clone().unwrap_or_else(|| self.local_url())
    }
}

/// The URL at which a client on this machine reaches who listens there.
pub(crate) fn local_url(bind: IpAddr, port: u16) -> String {
    let host = match bind {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    format!("http://{}", SocketAddr::new(host, port))
}

/// An IP address of this name.
pub(crate) fn address(what: &str, text: &str) -> Result<IpAddr> {
    text.parse().map_err(|_| {
        Error::usage(format!("{what} is '{text}', which is no IP address"))
            .hint("use 127.0.0.1 for this machine only, 0.0.0.0 for every interface")
    })
}

/// An absolute http or https URL without query and fragment, and without the
/// slash at its end.
pub(crate) fn base_url(what: &str, url: &str) -> Result<String> {
    let bad = |why: &str| {
        Err(Error::usage(format!("{what} is '{url}', {why}")).hint("write it like https://my-app.example"))
    };
    match url::Url::parse(url) {
        Ok(parsed) if !matches!(parsed.scheme(), "http" | "https") || parsed.host().is_none() => {
            bad("which does not begin with http:// or https://")
        }
        Ok(parsed) if parsed.query().is_some() || parsed.fragment().is_some() => {
            bad("which has a query or a fragment")
        }
        Ok(_) => Ok(url.trim_end_matches('/').to_owned()),
        Err(_) => bad("which is no URL"),
    }
}

#[cfg(test)]
mod tests;
