//! Interleaving: acts that happen at the same time, each stopped before every
//! read and every commit that it makes, and let go one access at a time, in
//! every order. So one act's commit comes between any two accesses of another
//! one, and the process dies after every commit.
//!
//! Orders that differ only in reads next to each other are the same to
//! everybody and are tried once (sleep sets, Godefroid 1996). A schedule is run
//! from its beginning, over a fork of the store; what a store comes to in fair
//! weather is worked out once for each of its states.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "shared by several tests, none of which uses all of it"
)]

mod gate;
mod moment;
mod serial;
pub mod situations;

use std::collections::{BTreeSet, VecDeque};
use std::fmt::Write as _;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use px_core::RunId;
use px_testkit::{Access, Project, World, WorldError};

use crate::broken::{Bug, Owed, break_cluster, break_store, pay};
use crate::project::take_begun;
use crate::schedule::{Act, Robbed, Saw, perform};
use gate::{Turnstile, gate};
#[allow(unused_imports, reason = "not every test goes on from moments itself")]
pub use moment::{Judge, Moment, finish};
use serial::{Serial, orders};

/// How many accesses one schedule may make, all acts together.
const MAX_STEPS: usize = 80;

/// A past, and acts that happen at once in it, at members of one cluster. The
/// first engine act (`Settle`, `Ring`, `TakeOver`) belongs to the node that takes
/// deliveries in, each other one to a node of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scene {
    pub before: Vec<Act>,
    pub at_once: Vec<Act>,
    /// Whether the second act happens at another node, whatever it is.
    pub is_spread: bool,
}

/// A place of the search: who could go on, and who has been tried.
struct Node {
    enabled: Vec<(usize, Access)>,
    sleeping: Vec<(usize, Access)>,
    tried: Vec<usize>,
    chosen: usize,
}

fn are_independent(one: Access, other: Access) -> bool {
    matches!((one, other), (Access::Read(_), Access::Read(_)))
}

/// What an exploration found.
#[derive(Debug, Default)]
pub struct Found {
    /// Schedules that ran to their end, …
    pub whole: u64,
    /// … and schedules that ended in a death after one of their commits.
    pub deaths: u64,
    /// The first one that fails.
    pub failure: Option<Failure>,
}

/// A schedule that fails, and how.
#[derive(Debug, Clone)]
pub struct Failure {
    pub scene: Scene,
    /// Which act went on, and what it did.
    pub steps: Vec<(usize, Access)>,
    pub dies: bool,
    pub why: String,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Scene { before, at_once, is_spread } = &self.scene;
        let mut text = format!("before: {before:?}\nat once: {at_once:?}\n");
        if *is_spread {
            text.push_str("the second one at another node\n");
        }
        let mut last = None;
        for (act, access) in &self.steps {
            if last != Some(*act) {
                write!(text, "\n  {:?}:", self.scene.at_once[*act])?;
                last = Some(*act);
            }
            match access {
                Access::Read(name) => write!(text, " {name}")?,
                Access::Commit => text.push_str(" COMMIT"),
            }
        }
        if self.dies {
            text.push_str("\n  the process dies");
        }
        f.write_str(&text)?;
        write!(f, "\n=> {}", self.why)
    }
}

/// How a search is narrowed.
#[derive(Debug, Clone, Copy, Default)]
pub struct Narrowed {
    /// What is wrong with the store.
    pub bug: Option<Bug>,
    /// How often an act may be interrupted that could go on; `None` for any number.
    pub interruptions: Option<usize>,
    /// Whether the outcome must be that of the acts one after the other, in some order.
    pub is_serial: bool,
}

impl Scene {
    /// Whether nothing comes from outside. Then it makes no difference either
    /// when the process dies: the next one does what this one had to do.
    pub fn is_inside(&self) -> bool {
        self.at_once.iter().all(|act| is_engine(*act))
    }

    /// Whether a member may be ended while it acts.
    fn has_takeover(&self) -> bool {
        self.at_once.contains(&Act::TakeOver)
    }
}

fn is_engine(act: Act) -> bool {
    matches!(act, Act::Settle | Act::Ring | Act::TakeOver)
}

/// Tries every interleaving of a scene, until one fails.
pub fn explore(project: &Project, judge: &mut Judge<'_>, scene: &Scene, how: Narrowed) -> Found {
    let past = past(project, &scene.before);
    let how = Narrowed { is_serial: how.is_serial || scene.is_inside(), ..how };
    let serial = if how.is_serial { orders(project, judge, &past, &scene.at_once) } else { BTreeSet::new() };
    let serial = Serial { orders: serial, deaths_too: scene.is_inside() };
    let mut found = Found::default();
    let mut nodes: Vec<Node> = Vec::new();
    loop {
        let mut schedule = Schedule::new(project, &past, scene, how.bug);
        run(&mut schedule, &mut nodes, judge, how, &serial, &mut found);
        if let Some(failure) = &mut found.failure {
            failure.scene = scene.clone();
            return found;
        }
        if !backtrack(&mut nodes, how) {
            return found;
        }
    }
}

fn past(project: &Project, before: &[Act]) -> Moment {
    let (rows, mut life) = Moment::beginning(project).life(project);
    for act in before {
        finish(life.act(*act));
    }
    Moment::after(&life, rows)
}

/// Goes on with the deepest node that has somebody left to try.
fn backtrack(nodes: &mut Vec<Node>, how: Narrowed) -> bool {
    while let Some(node) = nodes.last_mut() {
        node.tried.push(node.chosen);
        let next = node.enabled.iter().find(|(act, _)| {
            !node.tried.contains(act)
                && (how.interruptions.is_some() || !node.sleeping.iter().any(|(sleeper, _)| sleeper == act))
        });
        if let Some((act, _)) = next {
            node.chosen = *act;
            return true;
        }
        nodes.pop();
    }
    false
}

type Performing = Pin<Box<dyn Future<Output = Result<Saw, WorldError>>>>;

/// One schedule while it runs.
struct Schedule {
    moment: Moment,
    acts: Vec<Option<Performing>>,
    worlds: Vec<Arc<World>>,
    turnstile: Arc<Mutex<Turnstile>>,
    owed: Owed,
    steps: Vec<(usize, Access)>,
    robbed: Robbed,
    /// The runs whose first step has begun, as often as it has.
    begun: Vec<RunId>,
    /// Whether a step that was begun may be begun once more, by who takes over.
    may_begin_twice: bool,
}

impl Schedule {
    fn new(project: &Project, past: &Moment, scene: &Scene, bug: Option<Bug>) -> Self {
        let (rows, life) = past.life_in_cluster(project);
        let moment = Moment::after(&life, rows);
        let wrong = |world| match bug {
            Some(bug) => break_cluster(world, bug),
            None => world,
        };
        let beside = || Arc::new(wrong(life.world.beside()));
        let others: Vec<Option<Arc<World>>> = (scene.at_once.iter().enumerate())
            .map(|(at, act)| {
                let is_second = scene.at_once.iter().take(at).any(|act| is_engine(*act));
                let is_elsewhere = (scene.is_spread && at == 1) || (is_engine(*act) && is_second);
                is_elsewhere.then(beside)
            })
            .collect();
        let first = Arc::new(wrong(life.world));
        let count = scene.at_once.len();
        let turnstile = Arc::new(Mutex::new(Turnstile::of(count)));
        let gate = gate(&turnstile);
        let mut worlds = vec![Arc::clone(&first)];
        let mut acts: Vec<Option<Performing>> = Vec::new();
        for (act, other) in scene.at_once.iter().zip(others) {
            worlds.extend(other.clone());
            let world = other.unwrap_or_else(|| Arc::clone(&first));
            let (act, runs) = (*act, past.runs.clone());
            acts.push(Some(Box::pin(async move { perform(&world, &runs, act).await })));
        }
        let robbed = Robbed::default();
        let owed = Owed::default();
        for world in &worlds {
            let gate_of = Arc::clone(&gate);
            world.store().gate(move |access| gate_of(access));
            robbed.watch(world);
            if let Some(bug) = bug {
                break_store(world.store(), bug, &gate, &owed);
            }
        }
        let may_begin_twice = scene.has_takeover();
        let steps = Vec::new();
        let begun = Vec::new();
        let mut schedule =
            Self { moment, acts, worlds, turnstile, owed, steps, robbed, begun, may_begin_twice };
        for act in 0..count {
            schedule.poll(act);
        }
        schedule
    }

    /// Lets an act run to its next access.
    fn poll(&mut self, at: usize) {
        let Some(act) = &mut self.acts[at] else { return };
        self.turnstile.lock().unwrap().polled = at;
        // What was begun meanwhile was begun to judge a moment.
        take_begun();
        let polled = act.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        self.begun.extend(take_begun());
        if let Poll::Ready(done) = polled {
            self.acts[at] = None;
            if let Ok(saw) = done {
                self.see(&saw);
            }
        }
    }

    /// # Errors
    /// A run was taken from a member that lives, or a step was begun twice.
    fn check_owners(&self) -> Result<(), String> {
        self.robbed.check()?;
        let mut begun = self.begun.clone();
        begun.sort_unstable();
        match begun.windows(2).find(|pair| pair.first() == pair.last()) {
            Some([run, _]) if !self.may_begin_twice => {
                Err(format!("the first step of {run} was begun twice"))
            }
            _ => Ok(()),
        }
    }

    fn see(&mut self, saw: &Saw) {
        match saw {
            Saw::Answered(names, answer) if answer.status < 300 => {
                for name in names {
                    let actions = self.moment.answers.entry(name.clone()).or_default();
                    actions.push(answer.action.unwrap_or("several"));
                }
            }
            Saw::Started(run) => self.moment.runs.push(*run),
            _ => {}
        }
    }

    /// Who can go on, and with what.
    fn enabled(&self) -> Vec<(usize, Access)> {
        let turnstile = self.turnstile.lock().unwrap();
        let front =
            |(act, queue): (usize, &VecDeque<(u64, Access)>)| queue.front().map(|(_, access)| (act, *access));
        turnstile.waiting.iter().enumerate().filter_map(front).collect()
    }

    /// Lets an act make the access that it waits for.
    fn step(&mut self, at: usize) -> Access {
        let mut turnstile = self.turnstile.lock().unwrap();
        let (number, access) = turnstile.waiting[at].pop_front().unwrap();
        turnstile.let_go.insert(number);
        drop(turnstile);
        self.steps.push((at, access));
        self.turnstile.lock().unwrap().polled = at;
        self.worlds.iter().for_each(|world| world.store().carry_on());
        self.poll(at);
        // Whoever waits for somebody else, and not at the gate, may go on now.
        for other in 0..self.acts.len() {
            let is_blocked =
                self.acts[other].is_some() && self.turnstile.lock().unwrap().waiting[other].is_empty();
            if is_blocked {
                self.poll(other);
            }
        }
        access
    }
}

/// Runs one schedule: along the nodes, then on into what is new.
fn run(
    schedule: &mut Schedule,
    nodes: &mut Vec<Node>,
    judge: &mut Judge<'_>,
    how: Narrowed,
    serial: &Serial,
    found: &mut Found,
) {
    let mut depth = 0;
    let mut interruptions = 0;
    let mut last = None;
    loop {
        let enabled = schedule.enabled();
        if enabled.is_empty() {
            break;
        }
        if depth == MAX_STEPS {
            fail(schedule, found, false, format!("no end after {MAX_STEPS} accesses"));
            return;
        }
        let is_new = depth == nodes.len();
        if is_new {
            let sleeping = nodes.last().map_or_else(Vec::new, asleep);
            let awake = |act: usize| {
                how.interruptions.is_some() || !sleeping.iter().any(|(sleeper, _)| *sleeper == act)
            };
            // Whoever went on last goes on first: so few are interrupted.
            let goes_on = last.filter(|last| enabled.iter().any(|(act, _)| act == last) && awake(*last));
            let Some(chosen) =
                goes_on.or_else(|| enabled.iter().map(|(act, _)| *act).find(|act| awake(*act)))
            else {
                // Everything from here on has been tried in another order.
                return;
            };
            // An act that could go on and may not be interrupted any more is the only choice.
            let kept = how.interruptions.is_some_and(|most| interruptions >= most);
            let enabled = match goes_on.filter(|_| kept) {
                Some(last) => enabled.into_iter().filter(|(act, _)| *act == last).collect(),
                None => enabled,
            };
            nodes.push(Node { enabled, sleeping, tried: Vec::new(), chosen });
        }
        let chosen = nodes[depth].chosen;
        if last.is_some_and(|last| last != chosen && schedule.enabled().iter().any(|(act, _)| *act == last)) {
            interruptions += 1;
        }
        last = Some(chosen);
        let access = schedule.step(chosen);
        depth += 1;
        if depth == nodes.len() && access == Access::Commit {
            // The process dies here: what is durable is all there is.
            found.deaths += 1;
            let judged = judge.of(&schedule.moment).and_then(|outcome| {
                if serial.deaths_too { serial.check(&schedule.moment, &outcome) } else { Ok(()) }
            });
            if let Err(why) = judged {
                fail(schedule, found, true, why);
                return;
            }
        }
    }
    if let Some(stuck) = schedule.acts.iter().position(Option::is_some) {
        fail(schedule, found, false, format!("act {stuck} waits for ever"));
        return;
    }
    found.whole += 1;
    if let Err(why) = schedule.check_owners() {
        fail(schedule, found, false, why);
        return;
    }
    let rows = Arc::clone(schedule.worlds[0].rows());
    let _ = finish(pay(&rows, &schedule.owed));
    let judged = judge
        .of(&schedule.moment)
        .and_then(|outcome| if how.is_serial { serial.check(&schedule.moment, &outcome) } else { Ok(()) });
    if let Err(why) = judged {
        fail(schedule, found, false, why);
    }
}

fn asleep(node: &Node) -> Vec<(usize, Access)> {
    let of = |act: usize| node.enabled.iter().find(|(other, _)| *other == act).copied();
    let Some((chosen, access)) = of(node.chosen) else { return Vec::new() };
    let tried = node.tried.iter().filter_map(|act| of(*act));
    node.sleeping
        .iter()
        .copied()
        .chain(tried)
        .filter(|(act, other)| *act != chosen && are_independent(*other, access))
        .collect()
}

fn fail(schedule: &Schedule, found: &mut Found, dies: bool, why: String) {
    let scene = Scene { before: Vec::new(), at_once: Vec::new(), is_spread: false };
    found.failure = Some(Failure { scene, steps: schedule.steps.clone(), dies, why });
}
