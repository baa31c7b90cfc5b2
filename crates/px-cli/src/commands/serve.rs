//! `px serve`: opens the store, starts the server, says where it is, and ends
//! it gracefully (docs/rules.md#42, #43).

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use px_core::{Ids, Scope, SystemClock};
use px_sdk::Registry;
use px_secrets::{KeyParts, Secrets};
use px_server::{Running, StartError};
use px_store::Store;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use tokio::sync::watch;
use tracing::Level;

use super::check;
use crate::config::key::{self, LOST_KEY};
use crate::config::{self, Config};
use crate::context::{self, Context};
use crate::error::{Error, Kind, Result};
use crate::log::{self, Stream};
use crate::private;
use crate::show::listing;
use crate::show::words;
use crate::signals::Signals;
use crate::store::{Opened, open_store, store_error};
use crate::ui::{HEADING, Ui, paint};

/// The exit code of a process that two signals have ended.
const INTERRUPTED: i32 = 130;

/// Serve the webhooks and run the brains
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Flags count more than the environment (PX_BIND, PX_PORT, PX_PUBLIC_URL, PX_DATA_DIR), and that \
                  more than px.toml. The log goes to stderr; PX_LOG or RUST_LOG sets its level.\n\n\
                  SIGTERM, SIGINT and SIGHUP end it gracefully (SIGHUP not under nohup); a second one ends it at once with exit code 130. \
                  Runs go on where they were at the next start.\n\n\
                  Examples:\n  px serve\n  px serve --port 0 --data-dir /var/lib/px\n  PX_LOG=debug px serve --json-logs"
)]
pub(crate) struct Args {
    /// The address to listen on
    #[arg(long, value_name = "ADDRESS")]
    bind: Option<IpAddr>,

    /// The port to listen on; 0 takes a free one
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,

    /// Folder with the files of the embedded store
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,

    /// Format of the log; json is one document a line
    #[arg(long, value_name = "FORMAT", value_parser = ["text", "json"], default_value = "text")]
    log_format: String,

    /// Short for --log-format json
    #[arg(long)]
    json_logs: bool,

    /// Serve the API to other machines too, though no API token guards it
    #[arg(long)]
    insecure: bool,

    /// Go on with another key of secrets than the store's, which is lost: what was sealed under it stays unreadable
    #[arg(long)]
    new_secret_key: bool,
}

impl Args {
    /// As they are written on a command line.
    pub(super) fn words(&self) -> Vec<String> {
        let named = |name: &str, value: Option<String>| value.map(|value| [name.to_owned(), value]);
        let values = [
            named("--bind", self.bind.map(|bind| bind.to_string())),
            named("--port", self.port.map(|port| port.to_string())),
            named("--data-dir", self.data_dir.as_ref().map(|dir| dir.display().to_string())),
        ];
        let flags = [
            ("--json-logs", self.is_log_json()),
            ("--insecure", self.insecure),
            ("--new-secret-key", self.new_secret_key),
        ];
        let set = flags.into_iter().filter(|(_, is_set)| *is_set).map(|(name, _)| name.to_owned());
        values.into_iter().flatten().flatten().chain(set).collect()
    }

    /// Returns whether each line of the log is one document.
    pub(super) fn is_log_json(&self) -> bool {
        self.json_logs || self.log_format == "json"
    }

    /// The keys of the configuration that flags have set, with the flags.
    pub(super) fn keys(&self) -> Vec<(&'static str, &'static str)> {
        let set = [
            self.bind.map(|_| ("server.bind", "--bind")),
            self.port.map(|_| ("server.port", "--port")),
            self.data_dir.as_ref().map(|_| ("store.data_dir", "--data-dir")),
        ];
        set.into_iter().flatten().collect()
    }

    /// The flags as variables, for a command that has no such flags.
    pub(super) fn variables(&self) -> Vec<(&'static str, String)> {
        let bind = self.bind.map(|bind| ("PX_BIND", bind.to_string()));
        let port = self.port.map(|port| ("PX_PORT", port.to_string()));
        let dir = self.data_dir.as_ref().map(|dir| ("PX_DATA_DIR", dir.display().to_string()));
        bind.into_iter().chain(port).chain(dir).collect()
    }
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<()> {
    // First, so that whatever is said has the log's form.
    let log = Log { json: args.is_log_json(), ui: context.ui };
    log::trace(log::start(log.json)?, context::env("PX_LOG").or_else(|| context::env("RUST_LOG")));
    let config = overlaid(context.config()?, &args);
    let registry = Arc::new(context.configured()?);
    let problems = context::secret_problems(&config, &registry).into_iter().chain(check::problems(&registry));
    if let Some(problem) = problems.chain(context.unmet_needs(&registry)).next() {
        return Err(Error::failed(problem).hint("`px check` lists everything that is wrong"));
    }
    // Before the store is opened, so that no signal meets a half-started server unprepared.
    let mut signals = Signals::new()?;
    let wide = private::data_dir(&config.store.data_dir).ok().flatten();
    let store = open(config.store.clone()).await?;
    let notes = narrowed(&config.store.data_dir, wide);
    let contract: Arc<dyn Store> = Arc::new(store.clone());
    let hooks = hooks(&config, &contract, args.new_secret_key).await?;
    // Before anybody is answered.
    if contract.tokens(Scope::default(), 1).await.map_err(|error| store_error(&error))?.is_empty()
        && let Some(warning) = check::unguarded(&config, args.insecure)
    {
        log.warn(&warning);
    }
    if let Some(warning) = key::late_variable(&contract, &context::env).await? {
        log.warn(&warning);
    }
    let (limits, few_files) = config.limits.clone().fitted()?;
    let config = Config { limits, ..config };
    let mut options = options(&config, &registry, contract, hooks, args.insecure)?;
    options.providers = context.take_providers();
    let Some(running) = start(options, &mut signals).await? else { return Ok(()) };
    store
        .backing()
        .announce(&format!("http://{}", running.local_addr()))
        .map_err(|error| store_error(&error))?;
    greet(context, &registry, &running, &config)?;
    running.warnings().iter().filter(|_| log.json || !context.ui.json).for_each(|warning| log.warn(warning));
    for warning in few_files.into_iter().chain(notes).chain(context::wide_secret_files(&config, &registry)) {
        log.warn(&warning);
    }
    tokio::select! {
        error = running.failed() => stop_at_once(context, &error),
        () = signals.next() => {}
    }
    log.note("Shutting down; runs go on at the next start. A second signal ends it at once.");
    tokio::select! {
        closed = running.shutdown() => closed.map_err(|error| store_error(&error))?,
        () = signals.next() => log::exit(INTERRUPTED),
    }
    log.note("Stopped.");
    Ok(())
}

/// Starts the server. `None` if a signal came first, and what was made of the project's resources has ended.
async fn start(mut options: px_server::Options, signals: &mut Signals) -> Result<Option<Running>> {
    let (give_up, given_up) = watch::channel(false);
    options.given_up = given_up;
    let mut starting = Box::pin(px_server::start(options));
    tokio::select! {
        started = &mut starting => return started.map(Some).map_err(refused),
        () = signals.next() => {}
    }
    let _ = give_up.send(true);
    tokio::select! {
        started = starting => match started {
            // The signal came as it was ready.
            Ok(running) => running.shutdown().await.map_err(|error| store_error(&error))?,
            Err(_) => return Ok(None),
        },
        () = signals.next() => log::exit(INTERRUPTED),
    }
    Ok(None)
}

/// The options of the server.
fn options(
    config: &Config,
    registry: &Arc<Registry>,
    store: Arc<dyn Store>,
    hooks: px_server::HookOptions,
    is_insecure: bool,
) -> Result<px_server::Options> {
    Ok(px_server::Options {
        bind: config.socket(),
        public_url: config.server.public_url.clone(),
        env: Box::new(context::env),
        is_of_file: Box::new(context::is_of_file),
        insecure: is_insecure,
        payloads: config.access.payloads.into(),
        page: config.ui.enabled,
        cors_origins: config.server.cors_origins.clone(),
        figures: vec![px_store_sled::METRICS, log::METRICS],
        webhooks: policies(config)?,
        proxies: config.proxies()?,
        forwarded: config.server.forwarded.map(Into::into),
        max_body: config.server.max_body_bytes,
        max_api_body: config.server.max_api_body_bytes,
        spill_dir: Some(config.store.data_dir.join("incoming")),
        body_timeout: std::time::Duration::from_secs(config.server.body_timeout_secs),
        shutdown_grace: std::time::Duration::from_secs(config.server.shutdown_grace_secs),
        connections: config.limits.connections(),
        streams: config.limits.streams(),
        secret_names: config.hooks.secret_variables().chain(config.secret_variables()).collect(),
        redaction: log::redaction(),
        hooks,
        gate: config.limits.gate(),
        pool: config.limits.pool(),
        limits: config.limits.steps(),
        rejections: config.limits.rejections(),
        retention: config.retention.sweeps(),
        max_headers: config.limits.max_headers,
        max_batch_events: config.limits.max_batch_events,
        ..px_server::Options::new(Arc::clone(registry), store)
    })
}

/// The options of hooks, with the store's key. Their secrets may be those of the store.
async fn hooks(config: &Config, store: &Arc<dyn Store>, new_key: bool) -> Result<px_server::HookOptions> {
    let vault = key::of_store(&config.store.data_dir, store, &context::env, new_key).await?;
    let stored = Secrets::open(KeyParts {
        store: Arc::clone(store),
        clock: Arc::new(SystemClock),
        ids: Arc::new(Ids::new()),
        scope: Scope::default(),
        vault: vault.clone(),
    });
    let stored = stored.await.map_err(|error| store_error(&error))?;
    context::know_secrets(move |name| Some(stored.held(name)?.current?.expose_secret().to_owned()));
    let mut options = config.hooks.options(vault, &context::secret)?;
    options.new_secret_key = new_key;
    options.limits.retention = config.retention.callbacks();
    Ok(options)
}

/// Takes the data directory from others, and returns what to say about it: it
/// was theirs before, or still is. The key's file is refused where others could
/// read it, and not narrowed in silence.
fn narrowed(dir: &Path, wide: Option<u32>) -> Option<String> {
    match (private::narrow(dir, &[key::KEY_FILE, key::NEXT_FILE]), wide) {
        (Ok(()), None) => None,
        (Ok(()), Some(mode)) => Some(format!(
            "{} was open to others on this machine (mode {mode:03o}); it is its owner's now (700)",
            dir.display()
        )),
        (Err(error), _) => Some(format!(
            "{} cannot be taken from others on this machine: {error}; they may read what the store holds",
            dir.display()
        )),
    }
}

/// Notes of the server about itself on stderr: as text for people, and among a
/// log in JSON as entries of it, so that every line there is a document.
#[derive(Clone, Copy)]
struct Log {
    json: bool,
    ui: Ui,
}

impl Log {
    fn warn(self, text: &str) {
        self.ui.warn(text);
    }

    fn note(self, text: &str) {
        self.ui.note(text);
    }
}

/// The bounds of single webhooks, and what is answered to what does not fit;
/// the registry has their verification.
fn policies(config: &Config) -> Result<BTreeMap<String, px_server::WebhookOptions>> {
    let mut options = config.webhook_options(&context::env)?;
    for webhook in options.values_mut() {
        let accepts_invalid = webhook.setup.accepts_invalid;
        webhook.setup = px_inbound::Setup { accepts_invalid, ..px_inbound::Setup::default() };
    }
    Ok(options)
}

pub(super) fn overlaid(mut config: Config, args: &Args) -> Config {
    if let Some(bind) = args.bind {
        config.server.bind = bind;
    }
    if let Some(port) = args.port {
        config.server.port = port;
    }
    if let Some(dir) = &args.data_dir {
        config.store.data_dir.clone_from(dir);
    }
    config
}

async fn open(config: config::Store) -> Result<Opened> {
    match tokio::task::spawn_blocking(move || open_store(&config, None)).await {
        Ok(opened) => opened.map_err(|error| store_error(&error)),
        Err(error) => Err(Error::failed(format!("opening the store failed: {error}"))),
    }
}

fn refused(error: StartError) -> Error {
    match &error {
        StartError::Bind { source, bind } if source.kind() == std::io::ErrorKind::AddrInUse => {
            let hint = "another process listens there: stop it, or take another port with --port or PX_PORT";
            Error::new(Kind::Conflict, format!("cannot listen on {bind}: the address is in use")).hint(hint)
        }
        StartError::Open(_) => Error::usage(error.to_string()).hint(
            "`px tokens create me --scope admin` makes a token; or put a proxy in front of px that lets only \
             /webhooks/ through, and bind to 127.0.0.1",
        ),
        StartError::Origin(_) => {
            Error::usage(error.to_string()).hint("look at server.cors_origins in px.toml")
        }
        StartError::SecretKey(px_secrets::key::Error::Store(error)) => store_error(error),
        StartError::SecretKey(_) => Error::failed(error.to_string()).hint(LOST_KEY),
        _ => Error::failed(error.to_string()),
    }
}

/// Says where the server is. With `--json`, one document on one line.
fn greet(context: &Context, registry: &Registry, running: &Running, config: &Config) -> Result<()> {
    let ui = context.ui;
    let url = Config {
        server: config::Server { port: running.local_addr().port(), ..config.server.clone() },
        ..config.clone()
    }
    .local_url();
    let page = (px_server::HAS_PAGE && config.ui.enabled).then(|| format!("{url}/ui/"));
    let document = || {
        let webhooks: Vec<Value> =
            registry.webhooks().map(|webhook| listing::json(running.base_url(), webhook)).collect();
        json!({ "url": url, "dashboard": page, "dataDir": shown_dir(&config.store.data_dir), "brains": registry.brains().len(), "webhooks": webhooks, "warnings": running.warnings() })
    };
    if ui.json {
        ui.json_line(&document())?;
    } else if let Some(log) = log::running().filter(|log| log.is_json()) {
        let mut fields = document().as_object().cloned().unwrap_or_default();
        // They come as entries of their own.
        fields.remove("warnings");
        log.say(Stream::Out, Level::INFO, format!("px serves {url}"), fields);
    } else {
        ui.line(format_args!("px serves {}", paint(HEADING, &url)))?;
        if let Some(page) = &page {
            ui.line(format_args!("Dashboard {page}"))?;
        }
        let counted = |number: usize, noun| words::count(u64::try_from(number).unwrap_or(u64::MAX), noun);
        ui.line(format_args!(
            "{} and {}; runs and deliveries are kept in {}",
            counted(registry.brains().len(), "brain"),
            counted(registry.webhooks().len(), "webhook"),
            shown_dir(&config.store.data_dir),
        ))?;
        listing::table(ui, running.base_url(), registry)?;
    }
    Ok(())
}

/// A directory as an absolute path, as far as that can be known.
fn shown_dir(dir: &Path) -> String {
    std::fs::canonicalize(dir).unwrap_or_else(|_| dir.to_owned()).display().to_string()
}

/// A store that cannot write must not be asked to come to rest, and one that others
/// have taken over is not this process' to bring to rest: the process ends, and the
/// next one recovers.
fn stop_at_once(context: &Context, error: &px_store::Error) {
    let error = store_error(error);
    context.ui.error(&error);
    log::exit(i32::from(error.kind.exit_code()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_without_room_is_told_to_make_room_and_not_that_its_key_is_lost() {
        let full = px_store::Error::Full("5 MiB are free, and 64 MiB are kept in reserve".into());
        let said = refused(StartError::SecretKey(px_secrets::key::Error::Store(full)));
        assert!(said.message.contains("5 MiB are free"), "{said:?}");
        assert!(said.hint.is_some_and(|hint| hint.contains("make room on the disk")));
        let other = px_secrets::key::Error::OtherKey { names: Vec::new() };
        assert_eq!(refused(StartError::SecretKey(other)).hint.as_deref(), Some(LOST_KEY));
    }
}
