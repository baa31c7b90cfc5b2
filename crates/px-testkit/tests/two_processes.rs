//! Two processes over one store take deliveries in, replay and sweep at the same
//! time, stopped before every read and every commit, and let go one access at a
//! time, in every order that interrupts neither of the two more than three times.
//! No process knows anything of the other but what is in the store. For each precondition that this rests on there is a store without
//! it, in which the same search finds an order that goes wrong.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a test says by panicking that it failed")]

mod broken;

use std::collections::{BTreeSet, VecDeque};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use broken::{Bug, Owed, break_store};
use px_core::Scope;
use px_inbound::Retention;
use px_sdk::{Brain, Cx, Inbound, Next, Received, Registry, Result, brain, verify};
use px_store::{Admission, Batch, InboxState, RunFilter, SetAside, SetAsideWrite};
use px_store_rows::{Embedded, MemoryRows};
use px_testkit::{FaultyStore, Project, World};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
struct Note {
    id: String,
}

/// The ids of notes whose handler fails now.
static FAILING: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

mod notes {
    use super::*;
    px_sdk::webhook! {
        slug = "notes",
        payload = Note,
        response = Note,
        verify = verify::unverified().dedup_pointer("/id"),
        handler = receive,
    }
    async fn receive(note: Note) -> Result<Inbound<Note>> {
        if FAILING.lock().unwrap().contains(&note.id) {
            px_sdk::bail!("the handler fails");
        }
        Ok(Inbound::start(effect, note))
    }
}

/// Notes whose handler fails where the request says so.
mod deploys {
    use super::*;
    px_sdk::webhook! {
        slug = "deploys",
        payload = Note,
        response = Note,
        verify = verify::unverified().dedup_pointer("/id"),
        handler = receive,
    }
    async fn receive(received: &Received, note: Note) -> Result<Vec<Inbound<Note>>> {
        if received.headers.contains_key("x-fails") {
            px_sdk::bail!("the handler fails");
        }
        let events = if note.id == "several" { 2 } else { 1 };
        Ok((0..events).map(|_| Inbound::start(effect, note.clone())).collect())
    }
}

mod votes {
    use super::*;
    px_sdk::webhook! {
        slug = "votes",
        payload = Note,
        response = Note,
        verify = verify::unverified(),
        handler = receive,
        dedup = px_sdk::dedup::body(HOUR),
    }
    async fn receive(note: Note) -> Result<Inbound<Note>> {
        Ok(Inbound::start(effect, note))
    }
}

/// Each delivery that counts starts one of these.
fn effect() -> Brain<Note> {
    brain("effect").step("happen", happen).build()
}
px_sdk::brain!(effect);

async fn happen(_: Cx, note: Note) -> Result<Next<Note>> {
    Ok(Next(note))
}

type Act = Pin<Box<dyn Future<Output = ()>>>;

/// The accesses that wait, by process, and those that may go on.
#[derive(Default)]
struct Turnstile {
    tickets: u64,
    waiting: [VecDeque<u64>; 2],
    let_go: BTreeSet<u64>,
}

struct Ticket {
    turnstile: Arc<Mutex<Turnstile>>,
    number: u64,
}

impl Future for Ticket {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        let may = self.turnstile.lock().unwrap().let_go.remove(&self.number);
        if may { Poll::Ready(()) } else { Poll::Pending }
    }
}

fn gate(store: &FaultyStore, turnstile: &Arc<Mutex<Turnstile>>, process: usize) {
    let turnstile = Arc::clone(turnstile);
    store.gate(move |_| {
        let mut inner = turnstile.lock().unwrap();
        let number = inner.tickets;
        inner.tickets += 1;
        if let Some(queue) = inner.waiting.get_mut(process) {
            queue.push_back(number);
        }
        drop(inner);
        Box::pin(Ticket { turnstile: Arc::clone(&turnstile), number })
    });
}

/// Maximum number of times that an act that could go on gives way to the other.
const MAX_INTERRUPTIONS: usize = 3;

/// Runs two acts past each other. At each access `choices` says who goes on: 0
/// is whoever went on before, as it is past the end of `choices`. Returns the
/// choice at each access, and the number of acts it was among.
fn run(worlds: &[Arc<World>; 2], acts: [Act; 2], choices: &[usize]) -> Vec<(usize, usize)> {
    let turnstile = Arc::new(Mutex::new(Turnstile::default()));
    for (process, world) in worlds.iter().enumerate() {
        gate(world.store(), &turnstile, process);
    }
    let mut acts = acts.map(Some);
    let mut taken = Vec::new();
    let (mut last, mut interruptions) = (None, 0);
    loop {
        // More than once, since an act may give way without an access.
        for _ in 0..4 {
            for (act, world) in acts.iter_mut().zip(worlds) {
                world.store().carry_on();
                let mut context = Context::from_waker(Waker::noop());
                if act.as_mut().is_some_and(|act| act.as_mut().poll(&mut context).is_ready()) {
                    *act = None;
                }
            }
        }
        let mut inner = turnstile.lock().unwrap();
        let waits = |process: usize| inner.waiting.get(process).is_some_and(|queue| !queue.is_empty());
        // The act that went on last comes first, so that another choice interrupts it.
        let goes_on = last.filter(|last| waits(*last));
        let others = (0..2).filter(|process| goes_on != Some(*process) && waits(*process));
        let enabled: Vec<usize> = match goes_on {
            Some(last) if interruptions == MAX_INTERRUPTIONS => vec![last],
            _ => goes_on.into_iter().chain(others).collect(),
        };
        let choice = choices.get(taken.len()).copied().unwrap_or(0);
        let Some(process) = enabled.get(choice).copied() else {
            assert!(acts.iter().all(Option::is_none), "an act waits for nothing");
            return taken;
        };
        taken.push((choice, enabled.len()));
        interruptions += usize::from(goes_on.is_some_and(|last| last != process));
        last = Some(process);
        let number = inner.waiting.get_mut(process).and_then(VecDeque::pop_front).unwrap();
        inner.let_go.insert(number);
    }
}

/// Two acts of two processes, in a past, and what must hold however they pass
/// each other.
struct Scene<B, H> {
    before: B,
    acts: [fn(Arc<World>) -> Act; 2],
    holds: H,
}

impl<B: AsyncFn(&World), H: AsyncFn(&World) -> std::result::Result<(), String>> Scene<B, H> {
    /// Tries every order. Returns their number, or the first that goes wrong.
    fn explore(&self, bug: Option<Bug>) -> std::result::Result<u64, String> {
        let project = Project::new(Registry::collect().unwrap()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let mut choices = Vec::new();
        let mut count = 0;
        loop {
            let rows = Arc::new(Embedded::new(MemoryRows::new()));
            let first = World::of(&project, rows, count);
            runtime.block_on((self.before)(&first));
            let worlds = [Arc::new(first.beside()), Arc::new(first.beside())];
            if let Some(bug) = bug {
                worlds.iter().for_each(|world| break_it(world, bug));
            }
            let [one, other] = self.acts;
            let acts = [one(Arc::clone(&worlds[0])), other(Arc::clone(&worlds[1]))];
            let in_it = runtime.enter();
            let mut taken = run(&worlds, acts, &choices);
            drop(in_it);
            count += 1;
            let judged = runtime.block_on(async {
                (self.holds)(&first.beside()).await?;
                let report = first.audit().await.unwrap();
                if report.is_clean() { Ok(()) } else { Err(format!("{:#?}", report.violations)) }
            });
            judged.map_err(|why| {
                format!("order {:?}: {why}", taken.iter().map(|(choice, _)| *choice).collect::<Vec<_>>())
            })?;
            // The next order: the last choice that has another one.
            loop {
                match taken.pop() {
                    Some((choice, of)) if choice + 1 < of => {
                        choices = taken.iter().map(|(choice, _)| *choice).chain([choice + 1]).collect();
                        break;
                    }
                    Some(_) => {}
                    None => return Ok(count),
                }
            }
        }
    }

    /// Finds nothing in px, and finds each of these stores.
    fn holds_but_for(&self, bugs: &[Bug]) {
        let orders = self.explore(None).unwrap_or_else(|why| panic!("{why}"));
        assert!(orders > 5, "{orders} orders are none to speak of");
        eprintln!("{orders} orders");
        for bug in bugs {
            match self.explore(Some(*bug)) {
                Ok(orders) => panic!("{bug:?} is not caught in {orders} orders"),
                Err(why) => eprintln!("{bug:?}: {why}"),
            }
        }
    }
}

fn break_it(world: &World, bug: Bug) {
    let open: broken::Gate = Arc::new(|_| Box::pin(std::future::ready(())));
    break_store(world.store(), bug, &open, &Owed::default());
}

fn vote(world: Arc<World>) -> Act {
    Box::pin(async move {
        world.post("votes", &Note { id: "yes".into() }).await.unwrap();
    })
}

async fn effects(world: &World) -> usize {
    let runs = world.rows().runs(Scope::default(), &RunFilter::default(), None, 100).await.unwrap();
    runs.items.len()
}

async fn count(world: &World, state: InboxState) -> usize {
    let inbox = world.inbox().await.unwrap();
    inbox.iter().flat_map(|delivery| &delivery.events).filter(|event| event.state == state).count()
}

fn equal(what: &str, found: usize, expected: usize) -> std::result::Result<(), String> {
    if found == expected { Ok(()) } else { Err(format!("{what}: {found} instead of {expected}")) }
}

#[test]
fn rule_19_equal_bodies_at_two_processes_have_one_effect() {
    let holds = async |world: &World| {
        equal("effects", effects(world).await, 1)?;
        equal("duplicates", count(world, InboxState::Duplicate).await, 1)
    };
    Scene { before: async |_: &World| {}, acts: [vote, vote], holds }.holds_but_for(&[Bug::DedupForced]);
}

#[test]
fn rule_19_equal_bodies_after_their_window_have_one_more_effect() {
    let before = async |world: &World| {
        world.post("votes", &Note { id: "yes".into() }).await.unwrap();
        world.clock().advance(2 * HOUR);
    };
    let holds = async |world: &World| {
        equal("effects", effects(world).await, 2)?;
        equal("duplicates", count(world, InboxState::Duplicate).await, 1)
    };
    Scene { before, acts: [vote, vote], holds }.holds_but_for(&[Bug::DedupForced]);
}

/// Posts a note whose handler fails, or does not.
async fn note(world: &World, id: &str, fails: bool) {
    if fails {
        FAILING.lock().unwrap().insert(id.to_owned());
    } else {
        FAILING.lock().unwrap().remove(id);
    }
    let answer = world.post("notes", &Note { id: id.into() }).await.unwrap();
    assert_eq!(answer.status >= 500, fails, "{}", answer.body);
}

#[test]
fn rule_17_a_retry_at_another_process_takes_the_place_of_what_was_set_aside() {
    let before = async |world: &World| {
        note(world, "retried", true).await;
        FAILING.lock().unwrap().remove("retried");
    };
    let retry: fn(Arc<World>) -> Act = |world| Box::pin(async move { note(&world, "retried", false).await });
    let holds = async |world: &World| {
        equal("effects", effects(world).await, 1)?;
        equal("in quarantine", count(world, InboxState::Quarantined).await, 0)
    };
    Scene { before, acts: [retry, retry], holds }.holds_but_for(&[Bug::NothingSetAside]);
}

#[tokio::test]
async fn rule_17_a_retry_takes_the_place_of_what_a_px_without_the_index_set_aside() {
    let project = Project::new(Registry::collect().unwrap()).unwrap();
    let older = World::of(&project, Arc::new(Embedded::new(MemoryRows::new())), 0);
    break_it(&older, Bug::NothingSetAside);
    for id in ["older-1", "older-2"] {
        note(&older, id, true).await;
    }
    let newer = older.beside();
    note(&newer, "older-1", false).await;
    assert_eq!((effects(&newer).await, count(&newer, InboxState::Quarantined).await), (1, 1));
    note(&older.beside(), "older-2", false).await;
    assert_eq!((effects(&newer).await, count(&newer, InboxState::Quarantined).await), (2, 0));
    assert!(newer.audit().await.unwrap().is_clean());
}

#[test]
fn rule_17_of_failures_at_two_processes_one_stays_in_quarantine() {
    let fail: fn(Arc<World>) -> Act = |world| Box::pin(async move { note(&world, "fails", true).await });
    let holds = async |world: &World| {
        equal("in quarantine", count(world, InboxState::Quarantined).await, 1)?;
        note(world, "fails", false).await;
        equal("effects", effects(world).await, 1)?;
        equal("in quarantine after the retry", count(world, InboxState::Quarantined).await, 0)
    };
    Scene { before: async |_: &World| {}, acts: [fail, fail], holds }.holds_but_for(&[Bug::NothingSetAside]);
}

#[test]
fn rule_20_a_replay_and_a_retry_at_another_process_have_one_effect() {
    let before = async |world: &World| {
        note(world, "replayed", true).await;
        FAILING.lock().unwrap().remove("replayed");
    };
    let replay: fn(Arc<World>) -> Act = |world| {
        Box::pin(async move {
            let inbox = world.inbox().await.unwrap();
            let first = inbox.first().unwrap().id;
            // It is refused where the retry has taken its place by then.
            let _ = world.replay(first).await;
        })
    };
    let retry: fn(Arc<World>) -> Act = |world| Box::pin(async move { note(&world, "replayed", false).await });
    let holds = async |world: &World| {
        equal("effects", effects(world).await, 1)?;
        equal("in quarantine", count(world, InboxState::Quarantined).await, 0)
    };
    Scene { before, acts: [replay, retry], holds }.holds_but_for(&[Bug::NothingSetAside]);
}

/// Posts to a process whose deploy is broken, or to one whose is not.
fn deployed(id: &'static str, fails: bool) -> impl Fn(Arc<World>) -> Act {
    move |world| {
        Box::pin(async move {
            let headers: &[(&str, &str)] = if fails { &[("x-fails", "1")] } else { &[] };
            let answer = world.post_with("deploys", headers, &Note { id: id.into() }).await.unwrap();
            assert!(fails || answer.status < 300, "{}", answer.body);
        })
    }
}

/// Nothing is left that a replay could do once more.
async fn is_done_once(world: &World, events: usize) -> std::result::Result<(), String> {
    equal("effects", effects(world).await, events)?;
    equal("in quarantine", count(world, InboxState::Quarantined).await, 0)?;
    for delivery in world.inbox().await.unwrap() {
        let is_done = delivery.events.iter().all(|event| event.state == InboxState::Started);
        if !is_done && world.replay(delivery.id).await.is_ok() {
            return Err(format!("{} was replayed", delivery.id));
        }
    }
    Ok(())
}

#[test]
fn a_failure_and_its_retry_at_another_process_leave_nothing_to_do_once_more() {
    let holds = async |world: &World| is_done_once(world, 1).await;
    let acts: [fn(Arc<World>) -> Act; 2] =
        [|world| deployed("once", true)(world), |world| deployed("once", false)(world)];
    let bugs = [Bug::NothingSetAside, Bug::FailsUnawareOfTheDone, Bug::DoneUnawareOfTheFailed];
    Scene { before: async |_: &World| {}, acts, holds }.holds_but_for(&bugs);
}

#[test]
fn a_failure_and_its_retry_of_several_events_leave_nothing_to_do_once_more() {
    let holds = async |world: &World| is_done_once(world, 2).await;
    let acts: [fn(Arc<World>) -> Act; 2] =
        [|world| deployed("several", true)(world), |world| deployed("several", false)(world)];
    let bugs = [Bug::FailsUnawareOfTheDone, Bug::DoneUnawareOfTheFailed];
    Scene { before: async |_: &World| {}, acts, holds }.holds_but_for(&bugs);
}

#[tokio::test]
async fn a_retry_takes_the_place_of_what_an_older_px_left_under_a_stale_entry() {
    let project = Project::new(Registry::collect().unwrap()).unwrap();
    let older = World::of(&project, Arc::new(Embedded::new(MemoryRows::new())), 0);
    break_it(&older, Bug::NothingSetAside);
    note(&older, "gone", false).await;
    note(&older, "stale", true).await;
    // An older px leaves the entry of a delivery that it takes in.
    let gone = older.inbox().await.unwrap().swap_remove(0);
    let entry = SetAside { delivery: gone.id, event: gone.events[0].id };
    let write = SetAsideWrite {
        slug: "notes".into(),
        provider_id: "stale".into(),
        expected: None,
        record: Some(entry),
    };
    let batch = Batch { set_asides: vec![write], ..Batch::default() };
    older.rows().commit(batch, Admission::Wait).await.unwrap();
    let newer = older.beside();
    note(&newer, "stale", false).await;
    assert_eq!((effects(&newer).await, count(&newer, InboxState::Quarantined).await), (2, 0));
    assert_eq!(count(&newer, InboxState::Started).await, 2, "what the entry named stays what it is");
    assert!(newer.audit().await.unwrap().is_clean());
}

fn sweep(world: Arc<World>) -> Act {
    Box::pin(async move {
        world.sweep(&Retention { deliveries: DAY, ..Retention::default() }).await.unwrap();
    })
}

async fn forgotten(world: &World) -> usize {
    let forgotten = world.rows().forgotten(Scope::default()).await.unwrap();
    usize::try_from(forgotten.map_or(0, |forgotten| forgotten.count)).unwrap()
}

#[test]
fn a_sweep_leaves_an_id_that_another_process_writes_anew() {
    let before = async |world: &World| {
        world.post("votes", &Note { id: "yes".into() }).await.unwrap();
        world.clock().advance(8 * DAY);
    };
    let holds = async |world: &World| {
        // One that met a change has left it to a later one.
        world.sweep(&Retention { deliveries: DAY, ..Retention::default() }).await.unwrap();
        equal("forgotten", forgotten(world).await, 1)?;
        world.post("votes", &Note { id: "yes".into() }).await.unwrap();
        equal("effects", effects(world).await, 2)?;
        equal("duplicates", count(world, InboxState::Duplicate).await, 1)
    };
    Scene { before, acts: [sweep, vote], holds }.holds_but_for(&[Bug::SweepForgetsAnyId]);
}

#[test]
fn a_sweep_leaves_the_id_of_a_replay_at_another_process() {
    let before = async |world: &World| {
        note(world, "kept", false).await;
        world.clock().advance(8 * DAY);
    };
    let replay: fn(Arc<World>) -> Act = |world| {
        Box::pin(async move {
            let Some(first) = world.inbox().await.unwrap().first().map(|delivery| delivery.id) else {
                return;
            };
            // It may be forgotten by then.
            let _ = world.replay(first).await;
        })
    };
    let holds = async |world: &World| {
        let replayed = !world.inbox().await.unwrap().is_empty();
        let before = effects(world).await;
        note(world, "kept", false).await;
        equal("effects", effects(world).await, if replayed { before } else { before + 1 })
    };
    Scene { before, acts: [sweep, replay], holds }.holds_but_for(&[Bug::SweepForgetsAnyId]);
}

#[test]
fn sweeps_of_two_processes_lose_no_count() {
    let before = async |world: &World| {
        world.post("votes", &Note { id: "yes".into() }).await.unwrap();
        world.clock().advance(8 * DAY);
        let mut headers = http::HeaderMap::new();
        headers.insert("x-forwarded-for", http::HeaderValue::from_static("1.2.3.4"));
        let rejected = world.send("votes", headers, bytes::Bytes::from_static(b"{}")).await.unwrap();
        assert_eq!(rejected.status, 401);
        world.clock().advance(2 * HOUR);
    };
    let sweep_rejected: fn(Arc<World>) -> Act = |world| {
        Box::pin(async move {
            world.sweep(&Retention { rejected: HOUR, ..Retention::default() }).await.unwrap();
        })
    };
    let sweep_old: fn(Arc<World>) -> Act = |world| {
        Box::pin(async move {
            let retention = Retention { deliveries: DAY, rejected: DAY, ..Retention::default() };
            world.sweep(&retention).await.unwrap();
        })
    };
    let holds = async |world: &World| {
        // One that met a change has left it to a later one.
        let retention = Retention { deliveries: DAY, rejected: HOUR, ..Retention::default() };
        world.sweep(&retention).await.unwrap();
        equal("left", world.inbox().await.unwrap().len(), 0)?;
        equal("forgotten", forgotten(world).await, 2)
    };
    Scene { before, acts: [sweep_rejected, sweep_old], holds }.holds_but_for(&[Bug::SweepCountsUnchecked]);
}
