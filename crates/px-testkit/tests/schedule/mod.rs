//! Schedules as data: what can happen to the project of these tests, an act at
//! a time, so that a harness can make schedules up, run them, drop acts from
//! one that fails, and print what is left as Rust. A new thing that can happen
//! is a new [`Act`] and an arm in [`perform`].

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "shared by several tests, none of which uses all of it"
)]

use std::collections::BTreeMap;
use std::time::Duration;

mod owners;
pub mod random;

use px_core::{RunId, RunStatus, Scope};
use px_inbound::Answer;
use px_store::RunFilter;
use px_testkit::{Fault, LEASE, World, WorldError};

pub use owners::Robbed;

use crate::project::counter::counter;
use crate::project::forms::{caller, outside, taker, worker};
use crate::project::reminded::reminded;
use crate::project::{Ask, Pair, approval, both, event, flaky, half, listener, question, sleeper, survey};

/// The brains that a schedule starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Brain {
    Survey,
    Question,
    Approval,
    Both,
    /// Fails: twice, always, or for good, by its number.
    Flaky,
    Sleeper,
    Half,
    Listener,
    /// Waits twice, inside a brain inside it.
    Outside,
    /// Works on a list, then waits.
    Worker,
    /// Waits, one run for each key at once.
    Taker,
    /// Waits for the end of a taker that it starts.
    Caller,
    /// Counts in values that outlive it.
    Counter,
    /// Waits, and is reminded of it.
    Reminded,
}

/// What a mail asks of its handler.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Asks {
    Resume,
    OrStart,
    Start,
    Ignore,
    Fail,
}

impl Asks {
    const fn word(self) -> &'static str {
        match self {
            Self::Resume => "resume",
            Self::OrStart => "or_start",
            Self::Start => "start",
            Self::Ignore => "ignore",
            Self::Fail => "fail",
        }
    }
}

/// Something that happens. Keys and runs are numbers; the run of number `n` is
/// the n-th that anybody outside has heard of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Act {
    /// A run of this brain is started, for this key.
    Start(Brain, u8),
    /// A mail: its id, key, what it asks, its text. The same again is a duplicate.
    Mail(u32, u8, Asks, &'static str),
    /// A text by phone: its id and key.
    Phone(u32, u8),
    /// Two texts in one delivery: its id, and both keys.
    Both(u32, u8, u8),
    /// The clock moves on by so many seconds, and nobody notices yet.
    Later(u64),
    /// What is due rings.
    Ring,
    /// What is ready runs.
    Settle,
    /// A run is cancelled, …
    Cancel(usize),
    /// … paused, …
    Pause(usize),
    /// … resumed, …
    Resume(usize),
    /// … answered by hand, …
    Answer(usize),
    /// … sent back to a step, from 1, …
    Rerun(usize, u32),
    /// … or another one begins where it was before a step.
    Fork(usize, u32),
    /// The process will die before its n-th commit from now, …
    DiesBefore(u64),
    /// … or after it.
    DiesAfter(u64),
    /// The process dies, and another one starts.
    Crash,
    /// The lease of every other member of the cluster runs out; this one ends
    /// them, takes over and goes on with what they had.
    TakeOver,
    /// From here on things happen at this node, if there are several.
    Node(u8),
    /// This node stands still until the others have ended it. It does not know,
    /// and goes on where it was.
    Stalls(u8),
}

/// How many seconds it takes until a member that stands still is ended.
const SECONDS_TO_END: u64 = LEASE.as_secs() + 2;

/// What an act looked like from outside.
#[derive(Debug, Clone)]
pub enum Saw {
    /// A delivery was answered; the names are those of its events.
    Answered(Vec<String>, Answer),
    Started(RunId),
    Refused(String),
    Nothing,
}

fn key(key: u8) -> String {
    format!("k{key}")
}

/// Lets an act happen in a world that knows these runs.
///
/// # Errors
/// The process dies, or the store fails. A refusal is none: it is an answer.
pub async fn perform(world: &World, runs: &[RunId], act: Act) -> Result<Saw, WorldError> {
    let run = |number: usize| runs.get(number).copied();
    let done = match act {
        Act::Start(brain, number) => {
            let ask = Ask { key: key(number) };
            let run = match brain {
                Brain::Survey => world.start(survey, ask).await?,
                Brain::Question => world.start(question, ask).await?,
                Brain::Approval => world.start(approval, ask).await?,
                Brain::Both => world.start(both, ask).await?,
                Brain::Flaky => {
                    let how = ["retries", "never", "permanent"][usize::from(number) % 3];
                    world.start(flaky, Ask { key: how.into() }).await?
                }
                Brain::Sleeper => world.start(sleeper, ask).await?,
                Brain::Half => world.start(half, ask).await?,
                Brain::Listener => world.start(listener, ask).await?,
                Brain::Outside => world.start(outside, ask).await?,
                Brain::Worker => world.start(worker, ask).await?,
                Brain::Taker => world.start(taker, ask).await?,
                Brain::Caller => world.start(caller, ask).await?,
                Brain::Counter => world.start(counter, ask).await?,
                Brain::Reminded => world.start(reminded, ask).await?,
            };
            return Ok(Saw::Started(run));
        }
        Act::Mail(id, number, asks, text) => {
            let note = event(&format!("e{id}"), &key(number), text, asks.word());
            let name = format!("mail/e{id}");
            return Ok(Saw::Answered(vec![name], world.post("mail", &note).await?));
        }
        Act::Phone(id, number) => {
            let note = event(&format!("p{id}"), &key(number), "by phone", "resume");
            return Ok(Saw::Answered(vec![format!("phone/p{id}")], world.post("phone", &note).await?));
        }
        Act::Both(id, one, two) => {
            let pair = Pair { id: format!("b{id}"), keys: (key(one), key(two)) };
            let names = (0..2).map(|place| format!("pair/b{id}#{place}")).collect();
            return Ok(Saw::Answered(names, world.post("pair", &pair).await?));
        }
        Act::Later(seconds) => {
            world.clock().advance(Duration::from_secs(seconds));
            Ok(())
        }
        Act::Ring => world.ring().await,
        Act::Settle => world.settle().await,
        Act::DiesBefore(within) | Act::DiesAfter(within) => {
            let at = world.store().commits() + within;
            let fault = match act {
                Act::DiesBefore(_) => Fault::DiesBefore,
                _ => Fault::DiesAfter,
            };
            world.store().plan(move |number, _| (number == at).then_some(fault));
            Ok(())
        }
        Act::Crash => Err(WorldError::Died),
        Act::TakeOver => {
            for _ in 0..SECONDS_TO_END {
                world.clock().advance(Duration::from_secs(1));
                world.beat().await?;
            }
            world.settle().await
        }
        Act::Node(_) | Act::Stalls(_) => Ok(()),
        Act::Cancel(number)
        | Act::Pause(number)
        | Act::Resume(number)
        | Act::Answer(number)
        | Act::Rerun(number, _)
        | Act::Fork(number, _) => {
            let Some(run) = run(number) else { return Ok(Saw::Nothing) };
            match act {
                Act::Cancel(_) => world.cancel(run).await,
                Act::Pause(_) => world.pause(run).await,
                Act::Resume(_) => world.resume(run).await,
                Act::Rerun(_, step) => world.rerun(run, step).await,
                Act::Fork(_, step) => match world.fork(run, step, None).await {
                    Ok(fork) => return Ok(Saw::Started(fork)),
                    Err(error) => Err(error),
                },
                // A text to those who wait for one, and an end to those who wait for that.
                _ => world.answer(run, serde_json::json!({"text": "by hand", "status": "unknown"})).await,
            }
        }
    };
    match done {
        Ok(()) => Ok(Saw::Nothing),
        // A refusal is a fair answer.
        Err(WorldError::Control(error)) => Ok(Saw::Refused(error.to_string())),
        Err(error) => Err(error),
    }
}

/// A world, and what has been seen of it from outside.
#[derive(Debug)]
pub struct Life {
    /// The node that acts.
    pub world: World,
    at: usize,
    /// The other nodes, by their numbers.
    others: BTreeMap<usize, World>,
    pub runs: Vec<RunId>,
    /// The actions of every 2xx answer, by the names of events.
    pub answers: BTreeMap<String, Vec<&'static str>>,
    /// What is wrong with each process's store, on purpose.
    prepare: fn(&World),
    robbed: Robbed,
}

impl Life {
    pub fn new(world: World) -> Self {
        Self::prepared(world, |_| {})
    }

    /// A life whose processes are each prepared like this.
    pub fn prepared(world: World, prepare: fn(&World)) -> Self {
        Self::of_nodes(world, 1, prepare)
    }

    /// A life of so many members of a cluster, the first of which acts first.
    pub fn of_nodes(world: World, nodes: usize, prepare: fn(&World)) -> Self {
        let others: BTreeMap<_, _> = (1..nodes).map(|number| (number, world.beside())).collect();
        let (runs, answers, robbed) = (Vec::new(), BTreeMap::new(), Robbed::default());
        for process in others.values().chain([&world]) {
            prepare(process);
            robbed.watch(process);
        }
        Self { world, at: 0, others, runs, answers, prepare, robbed }
    }

    /// Lets an act happen; whoever dies of it is replaced.
    pub async fn act(&mut self, act: Act) -> Option<Saw> {
        match act {
            Act::Node(number) => self.go_to(usize::from(number)),
            Act::Stalls(number) => self.end(Some(usize::from(number))).await,
            _ => {}
        }
        match perform(&self.world, &self.runs, act).await {
            Ok(saw) => {
                self.see(&saw);
                if self.world.store().is_dead() {
                    self.restart();
                }
                Some(saw)
            }
            Err(_) => {
                self.restart();
                None
            }
        }
    }

    fn go_to(&mut self, number: usize) {
        if let Some(next) = self.others.remove(&number) {
            let last = std::mem::replace(&mut self.world, next);
            self.others.insert(self.at, last);
            self.at = number;
        }
    }

    /// Lets time pass in which all renew their leases but this one, which is
    /// ended then, as is every process that has died.
    async fn end(&mut self, stalled: Option<usize>) {
        if self.others.is_empty() {
            return;
        }
        for _ in 0..SECONDS_TO_END {
            self.world.clock().advance(Duration::from_secs(1));
            let all = self.others.iter().map(|(number, world)| (*number, world));
            for (number, world) in all.chain([(self.at, &self.world)]) {
                if Some(number) != stalled {
                    // Who was ended before goes on without a lease.
                    let _ = world.beat().await;
                }
            }
        }
    }

    fn restart(&mut self) {
        self.world.restart().unwrap();
        (self.prepare)(&self.world);
        self.robbed.watch(&self.world);
    }

    pub fn see(&mut self, saw: &Saw) {
        match saw {
            Saw::Answered(names, answer) if answer.status < 300 => {
                for name in names {
                    self.answers.entry(name.clone()).or_default().push(answer.action.unwrap_or("several"));
                }
                self.runs.extend(answer.run.filter(|run| !self.runs.contains(run)));
            }
            Saw::Started(run) => self.runs.push(*run),
            _ => {}
        }
    }

    /// Fair weather at last: whatever is ready runs, whatever is due rings,
    /// and whatever is paused is resumed.
    ///
    /// # Errors
    /// Something is in the way even so.
    pub async fn calm(&mut self) -> Result<(), String> {
        self.restart();
        for number in self.others.keys().copied().collect::<Vec<_>>() {
            self.go_to(number);
            self.restart();
        }
        self.go_to(0);
        self.end(None).await;
        self.settle_all().await.map_err(|error| format!("in fair weather: {error}"))?;
        self.robbed.check()
    }

    async fn settle_all(&mut self) -> Result<(), WorldError> {
        // Two rounds of what a resume sets free, and the longest timeout.
        for hours in [0, 1, 3] {
            self.world.advance(Duration::from_secs(hours * 3600)).await?;
            let filter = RunFilter { statuses: vec![RunStatus::Paused], ..RunFilter::default() };
            let paused = self.world.rows().runs(Scope::default(), &filter, None, 1_000).await?;
            for record in paused.items {
                self.world.resume(record.run.id).await?;
            }
            self.world.settle().await?;
        }
        Ok(())
    }
}
