//! Two senders over one store, as two processes have it: an endpoint has one of
//! them at a time, and whoever makes a hook at one is told by the other. Each
//! test says of a cluster or a commit that is wrong that it would notice.

#![expect(clippy::unwrap_used, reason = "a test says by panicking that it failed")]

mod rig;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use px_core::event::Cause;
use px_core::run::{Catalog as _, Start};
use px_core::{Clock as _, ManualClock};
use px_store::cluster::{Cluster, Member, MemoryCluster, MemoryMember, Slot, SlotRight};
use px_store::outbox::lane_of;
use px_store::{Admission, Batch, Conflict, Draft, Epoch, Outcome, Read, Store};
use px_store_rows::{Embedded, MemoryRows};
use rig::{AnyBrain, BEGIN, Rig, SCOPE, status};

const LEASE: Duration = Duration::from_secs(3);

/// Endpoints enough for both nodes to have some.
const ENDPOINTS: usize = 24;

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
        let members =
            [1, 2].map(|id| cluster.join(Member { id, brains: BTreeSet::new(), slugs: BTreeSet::new() }));
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

/// How often each of many endpoints was asked, by the first node and by the second.
async fn asked(view: fn(MemoryMember) -> Arc<dyn Cluster>) -> [Vec<usize>; 2] {
    let mut nodes = Nodes::new(view).await;
    for number in 0..ENDPOINTS {
        nodes.rigs[0].hook(|spec| spec.url = url(number)).await;
    }
    nodes.rigs[0].start().await;
    // Both look for what is due before one of them has sent it.
    let jobs = [nodes.rigs[0].take().await, nodes.rigs[1].take().await];
    for (rig, jobs) in nodes.rigs.iter_mut().zip(jobs) {
        for job in jobs {
            let report = job.run(&rig.parts).await;
            rig.desk.done(report);
        }
    }
    let mut asked = [Vec::new(), Vec::new()];
    for (asked, rig) in asked.iter_mut().zip(&mut nodes.rigs) {
        let sent = rig.drain().await;
        let times = |number| sent.iter().filter(|request| request.url.as_str() == url(number)).count();
        *asked = (0..ENDPOINTS).map(times).collect();
    }
    asked
}

#[tokio::test]
async fn each_endpoint_is_sent_to_by_one_node() {
    let [one, other] = asked(as_it_is).await;
    assert!(one.iter().zip(&other).all(|(one, other)| one + other == 1), "{one:?} {other:?}");
    assert!(one.contains(&1) && other.contains(&1), "both have their share");
    let [one, other] = asked(everybody_has_all).await;
    assert!(
        one.iter().zip(&other).all(|(one, other)| one + other == 2),
        "a cluster without slots is noticed"
    );
}

/// Whether a breaker is kept that a node opened after it had lost the endpoint.
async fn keeps_a_breaker_of_who_lost_it(view: fn(MemoryMember) -> Arc<dyn Cluster>) -> bool {
    let mut nodes = Nodes::new(view).await;
    let slot = |number| Slot::of_lane(lane_of(&url(number)).0);
    let number = (0..).find(|number| nodes.members[1].slot(slot(*number)).is_some()).unwrap();
    nodes.rigs[0].hook(|spec| spec.url = url(number)).await;
    for _ in 0..10 {
        nodes.rigs[0].start().await;
    }
    nodes.rigs[1].receive(|_| status(500));
    let late = nodes.rigs[1].take().await;
    assert!(late.len() >= 5, "{}", late.len());
    nodes.second_stalls().await;
    assert_eq!(nodes.rigs[0].drain().await.len(), 10, "the first one sends what is due");
    for job in late {
        let report = job.run(&nodes.rigs[1].parts).await;
        nodes.rigs[1].desk.done(report);
    }
    nodes.rigs[1].desk.saved().await;
    let lane = lane_of(&url(number)).0;
    nodes.rigs[0].store.outbox().endpoint(SCOPE, lane).await.unwrap().is_some()
}

#[tokio::test]
async fn who_has_lost_an_endpoint_says_nothing_of_it_any_more() {
    assert!(!keeps_a_breaker_of_who_lost_it(as_it_is).await);
    assert!(keeps_a_breaker_of_who_lost_it(everybody_has_all).await, "a commit without an epoch is noticed");
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
