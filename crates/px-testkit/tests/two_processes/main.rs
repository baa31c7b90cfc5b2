//! Two processes over one store take deliveries in, replay and sweep at the same
//! time, stopped before every read and every commit, and let go one access at a
//! time, in every order that interrupts neither of the two more than three times.
//! No process knows anything of the other but what is in the store. For each precondition that this rests on there is a store without
//! it, in which the same search finds an order that goes wrong.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a test says by panicking that it failed")]

#[path = "../broken/mod.rs"]
mod broken;
mod quarantine;
mod repeats;
mod sweeps;

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
