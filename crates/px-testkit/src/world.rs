//! The world: everything of px but the network and the real clock.

mod by_hand;
mod links;
mod looks;
mod process;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use px_core::{DeliveryId, Ids, ManualClock, RunId, Scope, Timestamp};
use px_engine::{Limits, Parts, StartRequest, Started};
use px_inbound::{Answer, Stage};
use px_sdk::{Brain, Provided, Received, Registry, StandIn};
use px_store::cluster::{Cluster, MemoryCluster};
use px_store::{Claimer, RunFilter, Store, TimerKind};
use px_store_rows::{Embedded, MemoryRows};
use serde::Serialize;
use serde_json::Value;

pub(crate) use self::links::ORIGIN_OF_WORLDS;
use self::process::{process, stage};
use crate::error::WorldError;
use crate::faults::FaultyStore;
use crate::project::Project;

/// Maximum number of due timers that are looked through for the ends of runs.
const MOST_DUE: usize = 1_000;

/// Time at which every world begins: 2026-01-01T00:00:00Z.
const BEGINNING: Timestamp = Timestamp::from_millis(1_767_225_600_000);

/// Time for which a member of a cluster of worlds holds its lease.
pub const LEASE: Duration = Duration::from_secs(3);

/// A store, a clock, the inbound stage and the engine, in one process that can
/// die and start again.
pub struct World {
    project: Project,
    rows: Arc<dyn Store>,
    store: FaultyStore,
    clock: ManualClock,
    ids: Arc<Ids>,
    /// The processes that serve the store with this one; none but this one if absent.
    cluster: Option<MemoryCluster>,
    doubles: Doubles,
    parts: Parts,
    stage: Stage,
}

/// What steps and handlers meet outside of the store, in each process of a world.
#[derive(Clone, Default)]
struct Doubles {
    resources: Provided,
    /// Answers for effects; they are made if absent.
    stand_in: Option<Arc<dyn StandIn>>,
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World").field("now", &self.now()).finish_non_exhaustive()
    }
}

impl World {
    /// A world with these brains and webhooks, a store in memory, and no
    /// secrets: every webhook takes requests from this machine.
    ///
    /// # Errors
    /// A webhook is not usable.
    pub fn new(registry: Registry) -> Result<Self, WorldError> {
        Self::over(registry, Arc::new(Embedded::new(MemoryRows::new())), 0)
    }

    /// A world over this store. Worlds of one seed make the same ids.
    ///
    /// # Errors
    /// A webhook is not usable.
    pub fn over(registry: Registry, rows: Arc<dyn Store>, seed: u64) -> Result<Self, WorldError> {
        Ok(Self::of(&Project::new(registry)?, rows, seed))
    }

    /// A world of a project that is ready, over this store.
    #[must_use]
    pub fn of(project: &Project, rows: Arc<dyn Store>, seed: u64) -> Self {
        let clock = ManualClock::at(BEGINNING);
        Self::process(project.clone(), rows, clock, Arc::new(Ids::counted(seed)), None, Doubles::default())
    }

    /// A world that shares this store with others: the first member of a cluster,
    /// whose leases are on the world's clock and last [`LEASE`].
    /// [`World::beside`] gives the other ones.
    #[must_use]
    pub fn in_cluster(project: &Project, rows: Arc<dyn Store>, seed: u64) -> Self {
        let clock = ManualClock::at(BEGINNING);
        let cluster = MemoryCluster::new(Arc::new(clock.clone()), LEASE);
        let ids = Arc::new(Ids::counted(seed));
        Self::process(project.clone(), rows, clock, ids, Some(cluster), Doubles::default())
    }

    /// Another process over the same store, at the same time: the next member of
    /// the cluster. Where there is none, a process that takes this one for dead.
    #[must_use]
    pub fn beside(&self) -> Self {
        let rows = Arc::clone(&self.rows);
        let (clock, ids) = (self.clock.clone(), Arc::clone(&self.ids));
        Self::process(self.project.clone(), rows, clock, ids, self.cluster.clone(), self.doubles.clone())
    }

    /// Lets somebody answer for the effects of steps, from here on.
    #[must_use]
    pub(crate) fn answered_by(mut self, stand_in: Arc<dyn StandIn>) -> Self {
        self.parts.stand_in = Some(Arc::clone(&stand_in));
        self.doubles.stand_in = Some(stand_in);
        self
    }

    /// The resources that steps and handlers share, in each process.
    pub(crate) fn resources(&self) -> &Provided {
        &self.doubles.resources
    }

    /// Puts something between this process and its view of the cluster: a cluster
    /// that is wrong on purpose, to see that a test would notice.
    #[must_use]
    pub fn with_cluster(mut self, wrap: impl FnOnce(Arc<dyn Cluster>) -> Arc<dyn Cluster>) -> Self {
        self.parts.cluster = wrap(Arc::clone(&self.parts.cluster));
        let places = Arc::clone(&self.parts.places);
        self.with_claimer(places)
    }

    /// Gives the runs that this world's deliveries make ready to this claimer: to
    /// an engine that runs beside it, for example.
    #[must_use]
    pub fn with_claimer(mut self, claimer: Arc<dyn Claimer>) -> Self {
        self.stage = stage(&self.project, &self.parts, claimer);
        self
    }

    /// The id of this process among the members of its cluster.
    #[must_use]
    pub fn me(&self) -> u64 {
        self.parts.cluster.me()
    }

    /// The cluster, if there may be other members.
    #[must_use]
    pub const fn cluster(&self) -> Option<&MemoryCluster> {
        self.cluster.as_ref()
    }

    fn process(
        project: Project,
        rows: Arc<dyn Store>,
        clock: ManualClock,
        ids: Arc<Ids>,
        cluster: Option<MemoryCluster>,
        doubles: Doubles,
    ) -> Self {
        let store = FaultyStore::new(Arc::clone(&rows));
        let (parts, stage) = process(&project, &store, &clock, &ids, cluster.as_ref(), &doubles);
        Self { project, rows, store, clock, ids, cluster, doubles, parts, stage }
    }

    /// The store, to plan faults and to count commits.
    #[must_use]
    pub fn store(&self) -> &FaultyStore {
        &self.store
    }

    /// The time in this world.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        px_core::Clock::now(&self.clock)
    }

    /// The clock, to set it back.
    #[must_use]
    pub fn clock(&self) -> &ManualClock {
        &self.clock
    }

    /// The process dies here, if it has not yet, and another one starts over
    /// the same store. No faults are planned for it. In a cluster it is a new
    /// member, and what the dead one had is free once its lease is over.
    ///
    /// # Errors
    /// A webhook is not usable.
    pub fn restart(&mut self) -> Result<(), WorldError> {
        self.store = FaultyStore::new(Arc::clone(&self.rows));
        (self.parts, self.stage) =
            process(&self.project, &self.store, &self.clock, &self.ids, self.cluster.as_ref(), &self.doubles);
        Ok(())
    }

    /// Does something in the process, unless it dies meanwhile.
    async fn alive<T>(&self, action: impl Future<Output = T>) -> Result<T, WorldError> {
        tokio::select! {
            biased;
            done = action => Ok(done),
            () = self.store.death() => Err(WorldError::Died),
        }
    }

    /// Starts a run, as `POST /brains/runs` does. It does not run yet:
    /// [`World::settle`] runs it.
    ///
    /// # Errors
    /// The brain is not registered, the input is no object, or the process dies.
    pub async fn start<I: Serialize, O>(
        &self,
        brain: impl FnOnce() -> Brain<I, O>,
        input: I,
    ) -> Result<RunId, WorldError> {
        self.start_request(StartRequest {
            brain: brain().title().to_owned(),
            initial_state: serde_json::to_value(input)?,
            options: Value::Object(serde_json::Map::new()),
            request_id: None,
            traceparent: None,
            idempotency_key: None,
            callback: None,
            hook: None,
        })
        .await
    }

    pub(crate) async fn start_request(&self, request: StartRequest) -> Result<RunId, WorldError> {
        match self.alive(Box::pin(self.parts.start_run(request))).await?? {
            Started::New(run)
            | Started::Known(run)
            | Started::OtherInput(run)
            | Started::OtherCallback(run) => Ok(run),
        }
    }

    /// The runs of a brain, oldest first; of the newest thousand.
    pub(crate) async fn runs_of(&self, brain: &str) -> Result<Vec<RunId>, WorldError> {
        let filter = RunFilter { brain: Some(brain.to_owned()), ..RunFilter::default() };
        let page = self.rows.runs(Scope::default(), &filter, None, 1_000).await?;
        Ok(page.items.iter().rev().map(|record| record.run.id).collect())
    }

    /// Sends a JSON payload to a webhook, from this machine.
    ///
    /// # Errors
    /// The process dies.
    pub async fn post<P: Serialize>(&self, slug: &str, payload: &P) -> Result<Answer, WorldError> {
        self.post_with(slug, &[], payload).await
    }

    /// Sends a JSON payload with these headers.
    ///
    /// # Errors
    /// The process dies.
    pub async fn post_with<P: Serialize>(
        &self,
        slug: &str,
        headers: &[(&str, &str)],
        payload: &P,
    ) -> Result<Answer, WorldError> {
        let mut map = HeaderMap::new();
        map.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        for (name, value) in headers {
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(*name), HeaderValue::try_from(*value)) {
                map.insert(name, value);
            }
        }
        let body = Bytes::from(serde_json::to_vec(payload)?);
        self.send(slug, map, body).await
    }

    /// Sends a urlencoded form.
    ///
    /// # Errors
    /// The process dies.
    pub async fn post_form(&self, slug: &str, form: &str) -> Result<Answer, WorldError> {
        let mut map = HeaderMap::new();
        let form_type = HeaderValue::from_static("application/x-www-form-urlencoded");
        map.insert(http::header::CONTENT_TYPE, form_type);
        self.send(slug, map, Bytes::copy_from_slice(form.as_bytes())).await
    }

    /// Sends a request with these headers and this body.
    ///
    /// # Errors
    /// The process dies.
    pub async fn send(&self, slug: &str, headers: HeaderMap, body: Bytes) -> Result<Answer, WorldError> {
        let received = Received {
            method: Method::POST,
            path: format!("/webhooks/{slug}"),
            query: None,
            base: None,
            headers,
            body,
            remote: SocketAddr::from((Ipv4Addr::LOCALHOST, 40_000)),
            at: self.now(),
        };
        self.alive(Box::pin(self.stage.receive(slug, received))).await
    }

    /// Has a delivery handled again, as an operator does.
    ///
    /// # Errors
    /// The delivery cannot be replayed, or the process dies.
    pub async fn replay(&self, delivery: DeliveryId) -> Result<Answer, WorldError> {
        Ok(self.alive(Box::pin(self.stage.replay(delivery))).await??)
    }

    /// Gives a kept event to a run by hand, as an operator does.
    ///
    /// # Errors
    /// The event or the run is not in a state for it, or the process dies.
    pub async fn bind(&self, delivery: DeliveryId, run: RunId) -> Result<(), WorldError> {
        self.alive(Box::pin(self.stage.bind(delivery, run))).await?.map(drop)?;
        Ok(())
    }

    /// Forgets deliveries, until there is nothing left to forget: how many are
    /// gone, and of how many the payload is.
    ///
    /// # Errors
    /// The store could not be read or written.
    pub async fn sweep(&self, retention: &px_inbound::Retention) -> Result<(u64, u64), WorldError> {
        let mut done = (0, 0);
        loop {
            let swept = self.alive(Box::pin(self.stage.sweep(retention))).await??;
            done = (done.0 + swept.forgotten, done.1 + swept.emptied);
            if !swept.more {
                return Ok(done);
            }
        }
    }

    /// Runs everything that is ready, until nothing is.
    ///
    /// # Errors
    /// The store fails, or the process dies.
    pub async fn settle(&self) -> Result<(), WorldError> {
        let mut left = Vec::new();
        loop {
            // Boxed: the engine's future is large, and tests call this everywhere.
            self.alive(Box::pin(px_engine::drain(&self.parts, &Limits::default()))).await??;
            // Some who wait for the end of a run may still be to be told, as far as the store lets them.
            let due = self.rows.due(Scope::default(), self.now(), None, MOST_DUE).await?;
            let due: Vec<_> =
                due.into_iter().filter(|timer| matches!(timer.kind, TimerKind::End { .. })).collect();
            if due == left {
                return Ok(());
            }
            left = due;
            self.alive(Box::pin(px_engine::ring_ends(&self.parts))).await??;
        }
    }

    /// Renews this member's lease, and ends the members whose leases are over:
    /// what they had is then free.
    ///
    /// # Errors
    /// The cluster has ended this member, or the process dies.
    pub async fn beat(&self) -> Result<(), WorldError> {
        self.alive(Box::pin(px_engine::beat(&self.parts))).await??;
        Ok(())
    }

    /// Moves the clock, rings what is due, and runs what is then ready.
    ///
    /// # Errors
    /// The store fails, or the process dies.
    pub async fn advance(&self, by: Duration) -> Result<(), WorldError> {
        self.clock.advance(by);
        self.ring().await?;
        self.settle().await
    }

    /// Rings what is due.
    ///
    /// # Errors
    /// The store fails, or the process dies.
    pub async fn ring(&self) -> Result<(), WorldError> {
        self.alive(Box::pin(px_engine::ring_due(&self.parts))).await??;
        Ok(())
    }
}
