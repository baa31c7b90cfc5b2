//! Servers that are members of one cluster over one store: what they do for each
//! other, and the end of one that the others have ended. Leases are on a clock that
//! the tests turn.

#![allow(clippy::unwrap_used, reason = "test code: what is unexpected fails the test")]

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use px_core::{ManualClock, Scope, Timestamp};
use px_outbound::operate::Spec;
use px_outbound::vault::Vault;
use px_sdk::Registry;
use px_server::{Options, Running};
use px_store::cluster::{Cluster, Duty, Member, MemoryCluster, MemoryMember, Slot, SlotRight};
use px_store::{Error, Read, Row, Store, Table};
use px_store_rows::{Embedded, MemoryRows};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

const LEASE: Duration = Duration::from_secs(3);

/// Time after which a test has failed that waits for a server.
const LONG: Duration = Duration::from_secs(30);

/// A server's view of its cluster.
struct View {
    inner: MemoryMember,
    /// It cannot renew its lease, and hears nothing.
    is_cut_off: AtomicBool,
    /// It sees nobody but itself.
    is_blind: bool,
}

impl View {
    fn of(inner: &MemoryMember) -> Arc<Self> {
        Arc::new(Self { inner: inner.clone(), is_cut_off: AtomicBool::new(false), is_blind: false })
    }

    fn blind(inner: &MemoryMember) -> Arc<Self> {
        Arc::new(Self { inner: inner.clone(), is_cut_off: AtomicBool::new(false), is_blind: true })
    }
}

impl Cluster for View {
    fn me(&self) -> u64 {
        self.inner.me()
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn beat(&self) -> Read<'_, Vec<u64>> {
        if self.is_cut_off.load(Ordering::SeqCst) {
            let (context, message) = ("the lease".into(), "nobody answers".into());
            return Box::pin(std::future::ready(Err(Error::Io { context, message })));
        }
        self.inner.beat()
    }

    fn members(&self) -> Read<'_, Vec<Member>> {
        match self.is_blind {
            true => Box::pin(std::future::ready(Ok(Vec::new()))),
            false => self.inner.members(),
        }
    }

    fn end(&self, member: u64) -> Read<'_, bool> {
        self.inner.end(member)
    }

    fn leave(&self) -> Read<'_, ()> {
        self.inner.leave()
    }

    fn slot(&self, slot: Slot) -> Option<SlotRight> {
        self.inner.slot(slot)
    }
}

/// Rows, clock and cluster of all members.
struct House {
    rows: MemoryRows,
    clock: ManualClock,
    cluster: MemoryCluster,
}

impl House {
    fn new() -> Self {
        let (rows, clock) = (MemoryRows::new(), ManualClock::at(Timestamp::from_millis(1_000_000)));
        let store = Arc::new(Embedded::new(rows.beside()));
        let cluster = MemoryCluster::new(Arc::new(clock.clone()), LEASE).with_slots_in(store);
        Self { rows, clock, cluster }
    }

    /// A member of this configuration.
    fn join(&self, id: u64, hooks: &[Spec]) -> MemoryMember {
        self.cluster.join(px_server::member(id, &Registry::default(), hooks))
    }

    async fn serve(&self, view: Arc<View>, hooks: Vec<Spec>) -> Running {
        let store = Arc::new(Embedded::new(self.rows.beside()));
        let mut options = Options::new(Arc::new(Registry::default()), store);
        options.bind = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        options.limits.poll = Duration::from_millis(10);
        options.cluster = view;
        options.hooks.hooks = hooks;
        options.hooks.vault = Vault::new(&[1; 32]);
        px_server::start(options).await.unwrap()
    }

    /// The names of the hooks that are there.
    async fn hooks(&self) -> Vec<String> {
        let store = Embedded::new(self.rows.beside());
        let rows = store.scan(Scope::default(), Table::Hook, None, 99).await.unwrap().rows;
        let mut names = Vec::new();
        for row in rows {
            if let Row::Hook(hook) = row
                && hook.record.deleted_at.is_none()
            {
                names.push(hook.record.name);
            }
        }
        names.sort();
        names
    }
}

fn named(names: &[&str]) -> Vec<Spec> {
    let named =
        |name: &&str| Spec { name: (*name).to_owned(), ..Spec::to(format!("https://{name}.example/px")) };
    names.iter().map(named).collect()
}

/// The head and the body of an answer.
async fn ask(server: &Running, request: &str) -> String {
    let mut stream = TcpStream::connect(server.local_addr()).await.unwrap();
    let head =
        format!("{request} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// Lets a member renew its lease for so many seconds.
async fn beats(house: &House, member: &MemoryMember, seconds: u64) {
    for _ in 0..seconds {
        house.clock.advance(Duration::from_secs(1));
        member.beat().await.unwrap();
    }
}

#[tokio::test]
async fn a_server_whose_member_was_ended_says_so_and_takes_nothing_more() {
    let house = House::new();
    let (ends, judges) = (house.join(1, &[]), house.join(2, &[]));
    let view = View::of(&ends);
    let server = house.serve(Arc::clone(&view), Vec::new()).await;
    assert!(ask(&server, "GET /health/live").await.starts_with("HTTP/1.1 200"));
    view.is_cut_off.store(true, Ordering::SeqCst);
    beats(&house, &judges, 8).await;
    assert!(judges.end(1).await.unwrap());
    view.is_cut_off.store(false, Ordering::SeqCst);
    let error = timeout(LONG, server.failed()).await.unwrap();
    assert!(matches!(error, Error::Fenced), "{error}");
    let refuses = async { while TcpStream::connect(server.local_addr()).await.is_ok() {} };
    timeout(LONG, refuses).await.unwrap();
}

#[tokio::test]
async fn figures_of_rows_are_told_by_the_member_that_has_the_duty_alone() {
    let house = House::new();
    let members = [house.join(1, &[]), house.join(2, &[])];
    let mut servers = Vec::new();
    for member in &members {
        servers.push((member, house.serve(View::of(member), Vec::new()).await));
    }
    for _ in 0..2 {
        for member in &members {
            member.beat().await.unwrap();
        }
    }
    let duty = Slot::Duty(Duty::Figures);
    assert_eq!(members.iter().filter(|member| member.slot(duty).is_some()).count(), 1);
    for (member, server) in &servers {
        let text = ask(server, "GET /metrics").await;
        assert!(text.contains("px_step_seconds"), "its own figures are its own to tell");
        for figure in ["px_ready_runs", "px_outbox_depth", "px_outbox_age_seconds"] {
            assert_eq!(text.contains(figure), member.slot(duty).is_some(), "{figure}");
        }
    }
    let (gone, stays): (Vec<_>, Vec<_>) = servers.iter().partition(|(member, _)| member.slot(duty).is_some());
    for (member, _) in gone {
        member.leave().await.unwrap();
    }
    for (member, server) in stays {
        member.beat().await.unwrap();
        assert!(ask(server, "GET /metrics").await.contains("px_ready_runs"), "the duty is its own now");
    }
}

/// The hooks that are there after the second step of a deploy, in which one server
/// is new and one still old, and those that are there once the old one is gone.
async fn half_a_deploy(view: fn(&MemoryMember) -> Arc<View>) -> (Vec<String>, Vec<String>) {
    let house = House::new();
    let (before, after) = (named(&["audit", "billing"]), named(&["audit", "crm"]));
    let old = house.join(1, &before);
    let _old = house.serve(View::of(&old), before).await;
    let new = house.join(2, &after);
    let _new = house.serve(view(&new), after).await;
    let meanwhile = house.hooks().await;
    old.leave().await.unwrap();
    let settled = async {
        while house.hooks().await.len() > 2 {
            tokio::task::yield_now().await;
        }
    };
    timeout(LONG, settled).await.unwrap();
    (meanwhile, house.hooks().await)
}

#[tokio::test]
async fn w10_a_server_deletes_no_hook_that_another_one_is_configured_with_and_it_does_once_that_is_gone() {
    let (meanwhile, then) = half_a_deploy(View::of).await;
    assert_eq!((meanwhile, then), (names(&["audit", "billing", "crm"]), names(&["audit", "crm"])));
}

#[tokio::test]
async fn w10_a_server_that_sees_nobody_else_is_caught() {
    assert_eq!(half_a_deploy(View::blind).await.0, names(&["audit", "crm"]));
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// Returns the answer of a server of an old build to a webhook that only a new one serves.
async fn answer_of_an_old_build(view: fn(&MemoryMember) -> Arc<View>) -> String {
    let house = House::new();
    let old = house.join(1, &[]);
    let slugs = ["new".to_owned()].into();
    let _new = house.cluster.join(Member { id: 2, slugs, ..Member::default() });
    let server = house.serve(view(&old), Vec::new()).await;
    ask(&server, "POST /webhooks/new").await.to_lowercase()
}

#[tokio::test]
async fn w11_a_webhook_that_only_a_new_build_serves_is_answered_503_with_retry_after() {
    let answer = answer_of_an_old_build(View::of).await;
    assert!(answer.starts_with("http/1.1 503") && answer.contains("\r\nretry-after: 1\r\n"), "{answer}");
}

#[tokio::test]
async fn w11_a_server_that_sees_no_other_build_is_caught() {
    let answer = answer_of_an_old_build(View::blind).await;
    assert!(answer.starts_with("http/1.1 404"), "{answer}");
}
