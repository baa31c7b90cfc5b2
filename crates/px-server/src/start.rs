//! Starting and stopping: the stages put together over one store.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use px_core::Scope;
use px_core::key::{FORM_SLUG, LINK_SLUG};
use px_engine::{Engine, FitsKey, Parts, Places};
use px_inbound::verify::{UrlView, local};
use px_inbound::{Endpoint, Gate, InboundContext, Policy, Schema, Stage};
use px_outbound::Sender;
use px_pool::{Limits as PoolLimits, Pool};
use px_sdk::Provided;
use px_store::Store;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::access::Tokens;
use crate::api::{self, UnsignableHooks};
use crate::app::{App, Shared};
use crate::bulk_worker;
use crate::connections;
use crate::error::StartError;
use crate::error_format;
use crate::layered;
use crate::links;
use crate::members;
use crate::options::Options;
use crate::outbound;
use crate::pace::{self, Pace};
use crate::resources;
use crate::secrets::{self, ServerSecrets};
use crate::spill::Spills;
use crate::streams::{self, Streams};
use crate::sweeper;
#[cfg(feature = "dashboard")]
use crate::ui;
use crate::unverified::warnings;

/// Time that requests may go on after the end was asked for (docs/rules.md#42).
const REQUEST_GRACE: Duration = Duration::from_secs(5);

/// Time that requests to hooks may go on after the end was asked for.
const HOOK_GRACE: Duration = Duration::from_secs(5);

/// A server that runs.
pub struct Running {
    address: SocketAddr,
    base_url: String,
    warnings: Vec<String>,
    engine: Engine,
    sender: Sender,
    store: Arc<dyn Store>,
    closing: watch::Sender<bool>,
    serving: JoinHandle<()>,
    sweeping: JoinHandle<()>,
    shutdown_grace: Duration,
    pool: Pool,
    resources: Provided,
    secrets: ServerSecrets,
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running").field("address", &self.address).finish_non_exhaustive()
    }
}

/// Starts a server: recovers, makes the project's resources, listens, serves.
///
/// # Errors
/// See [`StartError`]; nothing runs then.
pub async fn start(mut options: Options) -> Result<Running, StartError> {
    let secrets = ServerSecrets::open(&mut options).await?;
    let checked = Checked::new(&mut options, &secrets)?;
    if let Some(problem) = options.providers.problems(&options.registry).into_iter().next() {
        return Err(StartError::Needs(problem));
    }
    let tokens = tokens(&options).await?;
    if !options.bind.ip().is_loopback() && tokens.is_empty() && !options.insecure {
        return Err(StartError::Open(options.bind));
    }
    let listener = TcpListener::bind(options.bind)
        .await
        .map_err(|source| StartError::Bind { bind: options.bind, source })?;
    let address = listener.local_addr().unwrap_or(options.bind);
    let closing = watch::Sender::new(false);
    // A step holds a place of the engine's while its thread does not come back.
    let blocked_steps = options.limits.max_concurrent_steps.saturating_add(options.pool.max_stalled);
    let pool = Pool::start(PoolLimits { blocked_steps, ..options.pool }).map_err(StartError::UserThreads)?;
    let (providers, given_up) = (std::mem::take(&mut options.providers), options.given_up.clone());
    let resources = resources::provide(&pool, providers, given_up).await?;
    resources.set_secrets(Arc::new(secrets.clone()));
    let users = (pool.clone(), resources.clone());
    let (app, warnings) =
        checked.assemble(&options, (tokens, secrets.clone()), address, users, closing.subscribe()).await?;
    let base_url = app.base_url.clone();
    let sender = Sender::start(app.operator.parts().clone(), options.hooks.limits);
    let sender = sender.map_err(StartError::Threads)?;
    let engine = Engine::start(app.parts.clone(), options.limits);
    let stop = closing.subscribe();
    members::stop_when_fenced(&engine, &closing);
    members::look_after(&app, &options, closing.subscribe());
    let sweeping = tokio::spawn(sweeper::run(Arc::clone(&app), options.retention, closing.subscribe()));
    tokio::spawn(bulk_worker::run(Arc::clone(&app), closing.subscribe()));
    streams::serve(&app);
    tokio::spawn(pace::measure(Arc::clone(&app), closing.subscribe()));
    tokio::spawn(secrets::look_after(Arc::clone(&app), options.limits.poll, closing.subscribe()));
    let (limits, max_headers) = (options.connections, options.max_headers);
    let serving = tokio::spawn(connections::serve(listener, router(app), limits, max_headers, stop));
    Ok(Running {
        sweeping,
        address,
        base_url,
        warnings,
        engine,
        sender,
        store: options.store,
        closing,
        serving,
        shutdown_grace: options.shutdown_grace,
        pool,
        resources,
        secrets,
    })
}

/// Every route, in the form that users see.
pub(crate) fn router(app: Shared) -> axum::Router {
    let router = api::router(app.clone());
    #[cfg(feature = "dashboard")]
    let router = if app.has_page { router.merge(ui::router(app)) } else { router };
    router.layer(axum::middleware::map_response(error_format::as_json_error))
}

/// Requests for signed links a second from one address: what is behind them is read for each, and a scanner of
/// mails, or an office behind one address, stays below it.
const LINKS_PER_SECOND: u32 = 200;

/// Options that were found to be in order.
pub(crate) struct Checked {
    endpoints: Vec<Endpoint>,
    policies: HashMap<String, Policy>,
    /// Webhooks whose configuration says whether they take test events.
    allow_test: HashMap<String, bool>,
    inputs: BTreeMap<String, Schema>,
    cors_origins: Vec<HeaderValue>,
    warnings: Vec<String>,
}

impl Checked {
    /// Makes every webhook and every input ready.
    pub(crate) fn new(options: &mut Options, secrets: &ServerSecrets) -> Result<Self, StartError> {
        let mut endpoints = Vec::new();
        // Forms on pages and links are counted apart from what nobody serves.
        let of_links = Policy { per_second_per_address: Some(LINKS_PER_SECOND), ..Policy::default() };
        let mut policies =
            HashMap::from([(FORM_SLUG.to_owned(), Policy::default()), (LINK_SLUG.to_owned(), of_links)]);
        let mut allow_test = HashMap::new();
        for webhook in options.registry.webhooks() {
            let mut own = options.webhooks.remove(&webhook.def.slug).unwrap_or_default();
            let setup = std::mem::take(&mut own.setup);
            allow_test.extend(own.allow_test.map(|allow| (webhook.def.slug.clone(), allow)));
            let slug = webhook.def.slug.as_str();
            let stored = |name: &str| secrets.of_webhook(slug, name);
            let env = |name: &str| secrets.env_of_webhook(slug, name);
            let endpoint = Endpoint::configured(Arc::clone(&webhook.def), &env, &stored, setup)?;
            let never_retries = endpoint.def.verification.never_retries;
            policies.insert(webhook.def.slug.clone(), Policy { never_retries, ..own.policy });
            endpoints.push(endpoint);
        }
        if let Some(slug) = options.webhooks.keys().next() {
            return Err(StartError::UnknownWebhook(slug.clone()));
        }
        let mut warnings = warnings(&endpoints, options.bind)?;
        warnings.extend(secrets.warnings());
        let mut inputs = BTreeMap::new();
        for brain in options.registry.brains() {
            let title = brain.def.title.clone();
            let schema = Schema::new(&brain.def.input_schema)
                .map_err(|why| StartError::Schema { brain: title.clone(), why })?;
            inputs.insert(title, schema);
        }
        let cors_origins = options.cors_origins.iter().map(|origin| local::page_origin(origin));
        let cors_origins = cors_origins.collect::<Result<_, _>>().map_err(StartError::Origin)?;
        Ok(Self { endpoints, policies, allow_test, inputs, cors_origins, warnings })
    }

    /// The parts of the engine.
    fn parts(&self, options: &Options, (pool, resources): (&Pool, &Provided)) -> Parts {
        let (me, at_once) = (options.cluster.me(), options.limits.max_concurrent_steps);
        let places = Places::new(me, Arc::clone(&options.registry), at_once);
        Parts {
            store: Arc::clone(&options.store),
            registry: Arc::clone(&options.registry),
            clock: Arc::clone(&options.clock),
            ids: Arc::clone(&options.ids),
            scope: Scope::default(),
            cluster: Arc::clone(&options.cluster),
            places,
            pool: pool.clone(),
            fits: Arc::new(px_inbound::fits_key(self.endpoints.clone())) as FitsKey,
            resources: resources.clone(),
            stand_in: None,
        }
    }

    /// Puts the stages together for a server that listens at `address`, and
    /// says what an operator should know.
    pub(crate) async fn assemble(
        mut self,
        options: &Options,
        (tokens, secrets): (Tokens, ServerSecrets),
        address: SocketAddr,
        (pool, resources): (Pool, Provided),
        closing: watch::Receiver<bool>,
    ) -> Result<(Shared, Vec<String>), StartError> {
        let base_url = base_url(options, address);
        let parts = self.parts(options, (&pool, &resources));
        let operator = outbound::prepare(options, address, &base_url, &secrets, &mut self.warnings).await?;
        secrets.apply_hooks(&operator).await;
        let urls = urls(options, self.cors_origins);
        let layered = layered::routes(&self.endpoints);
        let (files, spills) = files(&self.endpoints, options)?;
        resources.set_links(Arc::new(links::signer(secrets.links().clone(), options, &base_url)));
        let inbound = InboundContext {
            store: Arc::clone(&options.store),
            catalog: Arc::clone(&options.registry) as _,
            clock: Arc::clone(&options.clock),
            ids: Arc::clone(&options.ids),
            scope: Scope::default(),
            pool,
            urls: urls.clone(),
            claimer: Some(Arc::clone(&parts.places) as _),
            max_response_bytes: options.max_body.max(px_inbound::LEAST_RESPONSE_BYTES),
            max_batch_events: options.max_batch_events,
            cluster: Arc::clone(&options.cluster),
            resources,
            links: secrets.links().clone(),
        };
        let app = App {
            stage: Stage::new(inbound, self.endpoints).with_rejections(options.rejections),
            parts,
            operator,
            inputs: self.inputs,
            base_url,
            tokens,
            secrets,
            insecure: options.insecure,
            payloads: options.payloads,
            redact_paths: options.hooks.redact_paths,
            figures: options.figures.clone(),
            layered,
            gate: Gate::new(options.gate, self.policies),
            allow_test: self.allow_test,
            examples: crate::examples::Examples::default(),
            urls,
            unsignable_hooks: UnsignableHooks::default(),
            port: address.port(),
            has_page: options.page,
            beside: crate::beside::Beside::default(),
            #[cfg(feature = "dashboard")]
            page: ui::Counts::default(),
            streams: Streams::new(options.streams),
            files,
            spills,
            too_large: crate::too_large::TooLarge::default(),
            max_body: options.max_body,
            max_api_body: options.max_api_body,
            max_headers: options.max_headers,
            body_timeout: options.body_timeout,
            bulk_started: tokio::sync::Notify::new(),
            up_since: options.clock.now(),
            pace: Pace::default(),
            closing,
        };
        Ok((Arc::new(app), self.warnings))
    }
}

/// The URLs and proxies by which senders know a server.
fn urls(options: &Options, cors_origins: Vec<HeaderValue>) -> UrlView {
    UrlView {
        public_url: options.public_url.clone(),
        proxies: options.proxies.clone(),
        forwarded: options.forwarded,
        cors_origins,
    }
}

/// What URLs of this server begin with.
fn base_url(options: &Options, address: SocketAddr) -> String {
    let base_url = options.public_url.clone().unwrap_or_else(|| format!("http://{address}"));
    base_url.trim_end_matches('/').to_owned()
}

/// The bounds of the webhooks that take files, by slug, and the place of bodies while they come.
fn files(
    endpoints: &[Endpoint],
    options: &Options,
) -> Result<(HashMap<String, px_sdk::Files>, Spills), StartError> {
    let files = endpoints.iter().filter_map(|own| Some((own.def.slug.clone(), own.def.files?)));
    let files: HashMap<_, _> = files.collect();
    let spills = match options.spill_dir.clone().filter(|_| !files.is_empty()) {
        Some(dir) => Spills::open(dir.clone()).map_err(|source| StartError::Spill { dir, source })?,
        None => Spills::default(),
    };
    Ok((files, spills))
}

/// The API tokens of the store.
pub(crate) async fn tokens(options: &Options) -> Result<Tokens, StartError> {
    let (store, clock, ids) = (&options.store, &options.clock, &options.ids);
    Tokens::open(Arc::clone(store), Arc::clone(clock), Arc::clone(ids)).await.map_err(StartError::Store)
}

impl Running {
    /// The address that is listened on.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Returns what webhook URLs begin with.
    #[must_use]
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// Returns what an operator should know.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Resolves when the store takes no further write ([`px_store::Error::Poisoned`]),
    /// or when other members of the cluster have taken over what this process had
    /// ([`px_store::Error::Fenced`]). The process should end then, without
    /// [`Running::shutdown`].
    pub async fn failed(&self) -> px_store::Error {
        let mut failure = self.store.failure();
        let poisoned = async {
            let reason = failure.wait_for(Option::is_some).await.map(|reason| reason.clone());
            match reason {
                Ok(Some(reason)) => px_store::Error::Poisoned(reason),
                // The store is gone without a failure: it never fails any more.
                _ => std::future::pending().await,
            }
        };
        tokio::select! {
            error = poisoned => error,
            () = self.engine.fenced() => px_store::Error::Fenced,
        }
    }

    /// Ends: no new requests, streams end, running steps may finish for a
    /// while, resources end, the store finishes its writes.
    ///
    /// # Errors
    /// The store could not be brought to rest; what is acknowledged is durable
    /// all the same.
    pub async fn shutdown(self) -> Result<(), px_store::Error> {
        self.closing.send_replace(true);
        let mut serving = self.serving;
        if tokio::time::timeout(REQUEST_GRACE, &mut serving).await.is_err() {
            serving.abort();
        }
        // A sweep ends with its commit, which is small.
        let mut sweeping = self.sweeping;
        if tokio::time::timeout(REQUEST_GRACE, &mut sweeping).await.is_err() {
            sweeping.abort();
        }
        // What the last steps tell is due at the next start if it cannot go out now.
        tokio::join!(self.engine.shutdown(self.shutdown_grace), self.sender.shutdown(HOOK_GRACE));
        resources::end(&self.pool, &self.resources).await;
        // What the last steps have read.
        self.secrets.flush().await;
        let store = self.store;
        tokio::task::spawn_blocking(move || store.close()).await.unwrap_or(Err(px_store::Error::Closed))
    }
}
