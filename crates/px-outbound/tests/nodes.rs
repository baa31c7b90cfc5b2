//! Two senders over one store, as two processes have it: an endpoint has one of
//! them at a time, and whoever makes a hook at one is told by the other. Each
//! test says of a cluster or a commit that is wrong that it would notice.

#![expect(clippy::unwrap_used, reason = "a test says by panicking that it failed")]

mod rig;

use std::sync::Arc;
use std::time::Duration;

use px_core::event::Cause;
use px_core::run::{Catalog as _, Start};
use px_core::{Clock as _, ManualClock};
use px_outbound::SenderContext;
use px_outbound::transport::{Answer, Failure, Request, Transport};
use px_store::cluster::{Cluster, Member, MemoryCluster, MemoryMember, Slot, SlotRight};
use px_store::outbox::lane_of;
use px_store::{Admission, Batch, BoxFuture, Conflict, Draft, Epoch, Outcome, Read, Store};
use px_store_rows::{Embedded, MemoryRows};
use rig::{AnyBrain, BEGIN, Rig, SCOPE, status};
use tokio::sync::Semaphore;

const LEASE: Duration = Duration::from_secs(3);

/// Endpoints enough for both nodes to have some.
const ENDPOINTS: usize = 24;

/// Deliveries to one endpoint, as many as open its breaker and one more.
const RUNS: usize = 6;

/// A cluster in which every member takes every slot for its own.
struct EverybodyHasAll(MemoryMember);

impl Cluster for EverybodyHasAll {
    fn me(&self) -> u64 {
        self.0.me()
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn beat(&self) -> Read<'_, Vec<u64>> {
        self.0.beat()
    }

    fn members(&self) -> Read<'_, Vec<Member>> {
        self.0.members()
    }

    fn end(&self, member: u64) -> Read<'_, bool> {
        self.0.end(member)
    }

    fn leave(&self) -> Read<'_, ()> {
        self.0.leave()
    }

    fn slot(&self, _: Slot) -> Option<SlotRight> {
        Some(SlotRight::Alone)
    }
}

/// Two senders, and their memberships.
struct Nodes {
    clock: ManualClock,
    members: [MemoryMember; 2],
    rigs: [Rig; 2],
}

impl Nodes {
    async fn new(view: fn(MemoryMember) -> Arc<dyn Cluster>) -> Self {
        let clock = ManualClock::at(BEGIN);
        let rows = MemoryRows::new();
        let stores: [Arc<dyn Store>; 2] =
            [Arc::new(Embedded::new(rows.clone())), Arc::new(Embedded::new(rows.beside()))];
        let cluster =
            MemoryCluster::new(Arc::new(clock.clone()), LEASE).with_slots_in(Arc::clone(&stores[0]));
        let members = [1, 2].map(|id| cluster.join(Member { id, ..Member::default() }));
        // Who joins last gets its share once the other one has let go of it.
        for member in members.iter().chain(&members).chain(&members) {
            member.beat().await.unwrap();
        }
        let [one, other] = stores;
        let rig = |store, member: &MemoryMember| Rig::in_cluster(store, clock.clone(), view(member.clone()));
        let rigs = [rig(one, &members[0]), rig(other, &members[1])];
        Self { clock, members, rigs }
    }

    /// The second one stands still until the first one has ended it.
    async fn second_stalls(&self) {
        for _ in 0..5 {
            self.clock.advance(Duration::from_secs(1));
            for member in self.members[0].beat().await.unwrap() {
                assert!(self.members[0].end(member).await.unwrap());
            }
        }
        self.members[0].beat().await.unwrap();
    }
}

fn as_it_is(member: MemoryMember) -> Arc<dyn Cluster> {
    Arc::new(member)
}

fn everybody_has_all(member: MemoryMember) -> Arc<dyn Cluster> {
    Arc::new(EverybodyHasAll(member))
}

fn url(number: usize) -> String {
    format!("https://receiver-{number}.example/hook")
}

/// Requests that are under way until the test answers all of them, with 500.
#[derive(Clone)]
struct Held(Arc<Semaphore>);

impl Transport for Held {
    fn send(&self, _: Request) -> BoxFuture<'static, Result<Answer, Failure>> {
        let answers = Arc::clone(&self.0);
        Box::pin(async move {
            answers.acquire().await.unwrap().forget();
            status(500)
        })
    }
}

/// A second sender that has sent what was its own to send, stands still, and is
/// ended; the first one sends what is due then; the answers to the second one's
/// requests come at last. How often the first one was asked to send, and how
/// often the second one was, after that.
struct Late {
    nodes: Nodes,
    sent: (usize, usize),
}

async fn late(view: fn(MemoryMember) -> Arc<dyn Cluster>, endpoints: &[String], runs: usize) -> Late {
    let mut nodes = Nodes::new(view).await;
    for url in endpoints {
        nodes.rigs[0].hook(|spec| spec.url.clone_from(url)).await;
    }
    for _ in 0..runs {
        nodes.rigs[0].start().await;
    }
    let held = Held(Arc::new(Semaphore::new(0)));
    let parts = SenderContext { transport: Arc::new(held.clone()), ..nodes.rigs[1].parts.clone() };
    let jobs = nodes.rigs[1].next_jobs().await;
    let under_way: Vec<_> = jobs
        .into_iter()
        .map(|job| {
            let parts = parts.clone();
            tokio::spawn(async move { job.run(&parts).await })
        })
        .collect();
    // Each of them gets as far as its answer.
    tokio::task::yield_now().await;
    let second = under_way.len();
    nodes.second_stalls().await;
    let first = nodes.rigs[0].drain().await.len();
    held.0.add_permits(second);
    for job in under_way {
        let report = job.await.unwrap();
        nodes.rigs[1].scheduler.done(report);
        let _ = nodes.rigs[1].next_jobs().await;
    }
    nodes.rigs[1].scheduler.saved().await;
    Late { nodes, sent: (first, second) }
}

#[tokio::test]
async fn each_endpoint_is_sent_to_by_one_node() {
    let endpoints: Vec<String> = (0..ENDPOINTS).map(url).collect();
    for (view, most) in [(as_it_is as fn(_) -> _, 1), (everybody_has_all, 2)] {
        let mut nodes = Nodes::new(view).await;
        for url in &endpoints {
            nodes.rigs[0].hook(|spec| spec.url.clone_from(url)).await;
        }
        nodes.rigs[0].start().await;
        // Both look for what is due before one of them has sent it.
        let jobs = (nodes.rigs[0].next_jobs().await.len(), nodes.rigs[1].next_jobs().await.len());
        assert_eq!(jobs.0 + jobs.1, most * ENDPOINTS, "a cluster without slots is noticed");
        assert!(jobs.0 > 0 && jobs.1 > 0, "both have their share");
    }
}

/// How many attempts are recorded of deliveries that one node was sending when it
/// lost their endpoint, and whether the breaker that it opened is kept.
async fn said_by_who_lost_it(view: fn(MemoryMember) -> Arc<dyn Cluster>) -> (u32, bool) {
    let probe = Nodes::new(as_it_is).await;
    let is_second = |number: &usize| {
        let slot = Slot::of_lane(lane_of(&url(*number)).0);
        probe.members[1].slot(slot).is_some()
    };
    let url = url((0..).find(is_second).unwrap());
    let late = late(view, std::slice::from_ref(&url), RUNS).await;
    assert_eq!(late.sent, (RUNS, RUNS), "what was under way is sent by both, as after a death");
    let first = &late.nodes.rigs[0];
    let attempts = first.all().await.iter().map(|callback| callback.attempts).sum();
    let endpoint = first.store.outbox().endpoint(SCOPE, lane_of(&url).0).await.unwrap();
    (attempts, endpoint.is_some())
}

#[tokio::test]
async fn who_has_lost_an_endpoint_says_nothing_of_it_any_more() {
    let runs = u32::try_from(RUNS).unwrap();
    assert_eq!(said_by_who_lost_it(as_it_is).await, (runs, false));
    assert_eq!(said_by_who_lost_it(everybody_has_all).await, (2 * runs, true), "a commit without an epoch");
}

#[tokio::test]
async fn a_hook_that_is_made_at_one_node_is_told_by_the_other_from_then_on() {
    let nodes = Nodes::new(as_it_is).await;
    nodes.rigs[1].start().await;
    let hook = nodes.rigs[0].hook(|_| {}).await;
    assert!(nodes.rigs[1].of(hook.id).await.is_empty(), "the other one has looked, and found none");
    nodes.rigs[1].start().await;
    assert_eq!(nodes.rigs[1].of(hook.id).await.len(), 1);
}

/// What becomes of a commit that was drafted before a hook was made elsewhere.
async fn commit_behind_a_hook(change: fn(Batch) -> Batch) -> (Outcome, usize) {
    let nodes = Nodes::new(as_it_is).await;
    let [one, other] = &nodes.rigs;
    let mut draft = Draft::new(&*other.store, &AnyBrain, &other.parts.ids, SCOPE, other.clock.now());
    let start = Start::of(AnyBrain.brain("brain").unwrap(), serde_json::json!({}), Cause::Api);
    draft.start(start).await.unwrap();
    let hook = one.hook(|_| {}).await;
    let outcome = other.store.commit(change(draft.into_batch()), Admission::Wait).await.unwrap();
    (outcome, one.of(hook.id).await.len())
}

#[tokio::test]
async fn what_was_drafted_before_a_hook_was_made_elsewhere_is_drafted_anew() {
    let (outcome, _) = commit_behind_a_hook(|batch| batch).await;
    assert_eq!(outcome, Outcome::Conflict(Conflict::Epoch(Epoch::Hooks)));
    let (outcome, told) = commit_behind_a_hook(|batch| Batch { epochs: Vec::new(), ..batch }).await;
    assert!(matches!(outcome, Outcome::Committed { .. }) && told == 0, "a commit without it tells nobody");
}
