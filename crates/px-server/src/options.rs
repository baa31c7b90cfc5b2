//! Options of a server, and what they are if nothing is configured.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use px_core::{Clock, Ids};
use px_engine::Limits;
use px_inbound::verify::{Forwarding, Network};
use px_inbound::{GateLimits, Policy, RejectionLimits, Retention, Setup};
use px_metrics::Metric;
use px_pool::Limits as PoolLimits;
use px_sdk::{Providers, Registry};
use px_secrets::Redaction;
use px_store::Store;
use px_store::cluster::{Cluster, OneMember};
use px_store::tokens::Permission;
use tokio::sync::watch;

use crate::connections::ConnectionLimits;
use crate::outbound::HookOptions;
use crate::streams::StreamLimits;

/// Looks up an environment variable.
pub type Environment = Box<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// Returns whether the value of a name of the environment is that of a file.
pub(crate) type OfFile = Box<dyn Fn(&str) -> bool + Send + Sync>;

/// Options of one webhook.
#[derive(Debug, Clone, Default)]
pub struct WebhookOptions {
    /// Its verification and secrets, beside the code's.
    pub setup: Setup,
    /// Its bounds. Whether its provider retries is the verification's to say.
    pub policy: Policy,
    /// Returns whether it takes test events that the server makes itself; if absent it does, unless its senders
    /// are verified and there is a public URL.
    pub allow_test: Option<bool>,
}

/// Options of a server.
pub struct Options {
    /// The brains and webhooks.
    pub registry: Arc<Registry>,
    /// Makes the resources that brains and webhooks need.
    pub providers: Providers,
    /// Turns true if the server is to end before it has started: the start then gives up what it has made.
    pub given_up: watch::Receiver<bool>,
    /// Store of all records.
    pub store: Arc<dyn Store>,
    /// The processes that serve the store with this one.
    pub cluster: Arc<dyn Cluster>,
    /// The address to listen on; port 0 takes any.
    pub bind: SocketAddr,
    /// URL by which the world reaches this server, without a slash at the end.
    pub public_url: Option<String>,
    /// Looks up an environment variable: for secrets.
    pub env: Environment,
    /// Returns whether it has the value from a file that another variable names: to be told, no more.
    pub is_of_file: OfFile,
    /// Source of the time.
    pub clock: Arc<dyn Clock>,
    /// Source of ids.
    pub ids: Arc<Ids>,
    /// The engine's bounds.
    pub limits: Limits,
    /// The bounds of the threads that users' code runs on.
    pub pool: PoolLimits,
    /// Options of single webhooks, by slug.
    pub webhooks: BTreeMap<String, WebhookOptions>,
    /// The peers whose forwarding headers are believed.
    pub proxies: Vec<Network>,
    /// Which of these headers counts where both are there.
    pub forwarded: Option<Forwarding>,
    /// Number of webhook requests that are inside at once, and what they hold.
    pub gate: GateLimits,
    /// Number of connections at once, and how long they may wait.
    pub connections: ConnectionLimits,
    /// Number of streams at once.
    pub streams: StreamLimits,
    /// Times for which the inbox keeps what.
    pub retention: Retention,
    /// Number of rejected webhook requests that leave a record.
    pub rejections: RejectionLimits,
    /// Number of header lines a webhook request may have.
    pub max_headers: usize,
    /// Number of events that one webhook request may bring.
    pub max_batch_events: usize,
    /// The largest body of a webhook, bytes.
    pub max_body: usize,
    /// The largest body of a request to the API, bytes.
    pub max_api_body: usize,
    /// Directory for the bodies of forms with files while they come; `None` holds them
    /// in memory.
    pub spill_dir: Option<PathBuf>,
    /// Time that the body of a request may take to come.
    pub body_timeout: Duration,
    /// Time that running steps may go on after the end was asked for (docs/rules.md#42).
    pub shutdown_grace: Duration,
    /// Outbound hooks.
    pub hooks: HookOptions,
    /// Serves the API to other machines though nothing guards it.
    pub insecure: bool,
    /// Serves the page for people below `/ui`, if this build has it.
    pub page: bool,
    /// The least permission of a token that is shown what runs and senders bring.
    pub payloads: Permission,
    /// The origins whose pages may use the API, such as `https://app.example`.
    pub cors_origins: Vec<String>,
    /// Takes secrets out of what leaves px. Whoever made it may use it too: it knows
    /// the secrets once the server starts.
    pub redaction: Redaction,
    /// Names of secrets that the configuration asks the environment for, beside those
    /// of brains and webhooks.
    pub secret_names: Vec<String>,
    /// Figures of what is below the store, beside those of the stages.
    pub figures: Vec<&'static [Metric]>,
}

impl Options {
    /// Options as they are if nothing is configured.
    pub fn new(registry: Arc<Registry>, store: Arc<dyn Store>) -> Self {
        let ids = Arc::new(Ids::new());
        Self {
            registry,
            providers: Providers::default(),
            given_up: watch::channel(false).1,
            store,
            cluster: Arc::new(OneMember::new(ids.version(px_core::SystemClock.now()))),
            bind: SocketAddr::from(([127, 0, 0, 1], 8787)),
            public_url: None,
            env: Box::new(|_| None),
            is_of_file: Box::new(|_| false),
            clock: Arc::new(px_core::SystemClock),
            ids,
            limits: Limits::default(),
            pool: PoolLimits::default(),
            webhooks: BTreeMap::new(),
            proxies: Vec::new(),
            forwarded: None,
            gate: GateLimits::default(),
            connections: ConnectionLimits::default(),
            streams: StreamLimits::beside(ConnectionLimits::default().connections),
            retention: Retention::default(),
            rejections: RejectionLimits::default(),
            max_headers: 80,
            max_batch_events: px_inbound::USUAL_BATCH_EVENTS,
            max_body: 5 * 1024 * 1024,
            max_api_body: 8 * 1024 * 1024,
            spill_dir: None,
            body_timeout: Duration::from_secs(10),
            shutdown_grace: Duration::from_secs(10),
            hooks: HookOptions::default(),
            insecure: false,
            page: true,
            payloads: Permission::Read,
            cors_origins: Vec::new(),
            redaction: Redaction::default(),
            secret_names: Vec::new(),
            figures: Vec::new(),
        }
    }
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options").field("bind", &self.bind).finish_non_exhaustive()
    }
}
