//! Engines with their own loops over one store in memory, in virtual time.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "shared by several tests, none of which uses all of it"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use px_core::{Clock, Ids, RunId, RunStatus, Scope, Timestamp};
use px_engine::{Parts, Places, StartRequest, Started};
use px_pool::Pool;
use px_sdk::Registry;
use px_store::cluster::{Cluster, Member, MemoryCluster, OneMember, Slot, SlotRight};
use px_store::{Error, Read, Store};
use px_store_rows::{Embedded, MemoryRows};

pub const LEASE: Duration = Duration::from_secs(3);

/// Virtual time as the clock of px.
#[derive(Debug, Clone, Copy)]
pub struct Virtual(pub tokio::time::Instant);

impl Clock for Virtual {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_767_225_600_000).after(self.0.elapsed())
    }
}

/// Store, clock, ids and cluster of several processes.
pub struct House {
    pub store: Arc<dyn Store>,
    pub clock: Virtual,
    pub ids: Arc<Ids>,
    pub cluster: MemoryCluster,
}

impl House {
    pub fn new() -> Self {
        let clock = Virtual(tokio::time::Instant::now());
        Self {
            store: Arc::new(Embedded::new(MemoryRows::new())),
            clock,
            ids: Arc::new(Ids::counted(0)),
            cluster: MemoryCluster::new(Arc::new(clock), LEASE),
        }
    }

    pub fn member(&self) -> Arc<dyn Cluster> {
        let id = self.ids.version(self.clock.now());
        Arc::new(self.cluster.join(Member { id, ..Member::default() }))
    }

    pub fn alone(&self) -> Arc<dyn Cluster> {
        Arc::new(OneMember::new(self.ids.version(self.clock.now())))
    }

    pub fn parts(&self, cluster: Arc<dyn Cluster>, steps: usize) -> Parts {
        let registry = Arc::new(Registry::collect().unwrap());
        Parts {
            store: Arc::clone(&self.store),
            places: Places::new(cluster.me(), Arc::clone(&registry), steps),
            registry,
            clock: Arc::new(self.clock),
            ids: Arc::clone(&self.ids),
            scope: Scope::default(),
            cluster,
            pool: Pool::inline(),
            fits: Arc::new(px_inbound::fits_key(Vec::new())),
            resources: px_sdk::Provided::default(),
            stand_in: None,
        }
    }

    pub async fn status(&self, run: RunId) -> RunStatus {
        self.store.run(Scope::default(), run).await.unwrap().unwrap().run.status
    }

    pub async fn deaths(&self, run: RunId) -> Option<u32> {
        self.store.work_of(Scope::default(), run).await.unwrap().map(|work| work.record.deaths)
    }
}

/// Starts a run of a brain whose input is a name.
pub async fn start(parts: &Parts, brain: &str, name: &str) -> RunId {
    let request = StartRequest {
        brain: brain.into(),
        initial_state: serde_json::json!({ "name": name }),
        options: serde_json::json!({}),
        request_id: None,
        traceparent: None,
        idempotency_key: None,
        callback: None,
        hook: None,
    };
    match parts.start_run(request).await.unwrap() {
        Started::New(run) => run,
        other => panic!("{other:?}"),
    }
}

/// Lets virtual time pass.
pub async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

/// Commits that the store has made.
pub fn commits(house: &House) -> u64 {
    house.store.inspect().unwrap().stats().commits
}

/// A member's view of its cluster that differs from the true one.
pub struct View {
    inner: Arc<dyn Cluster>,
    /// The member cannot renew its lease, and hears nothing.
    is_cut_off: AtomicBool,
    /// It takes every slot for its own.
    has_every_slot: bool,
    /// It sees nobody but itself.
    is_blind: bool,
}

impl View {
    pub fn true_of(inner: Arc<dyn Cluster>) -> Self {
        Self { inner, is_cut_off: AtomicBool::new(false), has_every_slot: false, is_blind: false }
    }

    pub fn of_every_slot(inner: Arc<dyn Cluster>) -> Self {
        Self { has_every_slot: true, ..Self::true_of(inner) }
    }

    pub fn blind(inner: Arc<dyn Cluster>) -> Self {
        Self { is_blind: true, ..Self::true_of(inner) }
    }

    pub fn cut_off(&self, is_cut_off: bool) {
        self.is_cut_off.store(is_cut_off, Ordering::SeqCst);
    }
}

impl Cluster for View {
    fn me(&self) -> u64 {
        self.inner.me()
    }

    fn is_shared(&self) -> bool {
        self.inner.is_shared()
    }

    fn beat(&self) -> Read<'_, Vec<u64>> {
        if self.is_cut_off.load(Ordering::SeqCst) {
            let (context, message) = ("the lease".into(), "nobody answers".into());
            return Box::pin(std::future::ready(Err(Error::Io { context, message })));
        }
        self.inner.beat()
    }

    fn members(&self) -> Read<'_, Vec<Member>> {
        if self.is_blind {
            let me = Member { id: self.me(), ..Member::default() };
            return Box::pin(std::future::ready(Ok(vec![me])));
        }
        self.inner.members()
    }

    fn end(&self, member: u64) -> Read<'_, bool> {
        self.inner.end(member)
    }

    fn leave(&self) -> Read<'_, ()> {
        self.inner.leave()
    }

    fn slot(&self, slot: Slot) -> Option<SlotRight> {
        if self.has_every_slot { Some(SlotRight::Alone) } else { self.inner.slot(slot) }
    }
}
