//! Moments: a store, the time, and what has been said outside, to go on from
//! as often as one likes; and what each comes to in fair weather, worked out
//! once for all that behave alike.

use std::collections::{BTreeSet, HashMap};
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use px_core::{RunId, Scope, Timestamp};
use px_store::{RunFilter, Store};
use px_store_rows::{Embedded, MemoryRows};
use px_testkit::{Project, World, WorldError};

use crate::fingerprint::fingerprint;
use crate::ledger::{self, Answers, judge};
use crate::schedule::Life;

/// Fewer ids than this are made between two commits.
const AFTER_THE_PAST: u64 = 1 << 32;

/// Finishes a future that waits for nothing but its store, which answers at once.
pub fn finish<T>(future: impl Future<Output = T>) -> T {
    let mut future = Box::pin(future);
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..10_000 {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
    }
    panic!("the store does not answer");
}

/// A moment of a world, to go on from as often as one likes.
#[derive(Debug, Clone)]
pub struct Moment {
    pub rows: MemoryRows,
    pub now: Timestamp,
    pub runs: Vec<RunId>,
    pub answers: Answers,
}

impl Moment {
    pub fn beginning(project: &Project) -> Self {
        let rows = MemoryRows::new();
        let world = World::of(project, Arc::new(Embedded::new(rows.clone())), 0);
        Self { rows, now: world.now(), runs: Vec::new(), answers: Answers::new() }
    }

    /// A life that goes on from here and leaves this moment as it is.
    pub fn life(&self, project: &Project) -> (MemoryRows, Life) {
        self.life_of(|rows, seed| World::of(project, rows, seed))
    }

    /// The same, of a process that may have others beside it.
    pub fn life_in_cluster(&self, project: &Project) -> (MemoryRows, Life) {
        self.life_of(|rows, seed| World::in_cluster(project, rows, seed))
    }

    fn life_of(&self, world: impl FnOnce(Arc<dyn Store>, u64) -> World) -> (MemoryRows, Life) {
        let rows = self.rows.fork();
        // Every commit so far may have been of a life of its own.
        let seed = AFTER_THE_PAST * (1 + px_store_rows::Backing::stats(&rows).commits);
        let world = world(Arc::new(Embedded::new(rows.clone())), seed);
        world.clock().set(self.now);
        let mut life = Life::new(world);
        life.runs.clone_from(&self.runs);
        life.answers.clone_from(&self.answers);
        (rows, life)
    }

    pub fn after(life: &Life, rows: MemoryRows) -> Self {
        Self { rows, now: life.world.now(), runs: life.runs.clone(), answers: life.answers.clone() }
    }

    /// Tells moments apart that do not behave alike.
    pub fn fingerprint(&self) -> u64 {
        let mut hasher = fingerprint(&self.rows);
        self.now.hash(&mut hasher);
        self.answers.hash(&mut hasher);
        self.runs.len().hash(&mut hasher);
        hasher.finish()
    }
}

/// What a moment comes to in fair weather: what everybody can see, without ids.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Outcome(pub String);

/// Judges moments, each once.
pub struct Judge<'a> {
    project: &'a Project,
    known: HashMap<u64, Result<Outcome, String>>,
    audits_each: u64,
}

impl<'a> Judge<'a> {
    pub fn new(project: &'a Project) -> Self {
        Self { project, known: HashMap::new(), audits_each: 1 }
    }

    /// Audits one moment in so many, and looks at all of them the faster way.
    pub fn audits_each(mut self, each: u64) -> Self {
        self.audits_each = each;
        self
    }

    /// How many moments there were that do not behave alike.
    pub fn moments(&self) -> usize {
        self.known.len()
    }

    /// What the moment comes to, or what is wrong with it then.
    pub fn of(&mut self, moment: &Moment) -> Result<Outcome, String> {
        let name = moment.fingerprint();
        if let Some(known) = self.known.get(&name) {
            return known.clone();
        }
        let (_, mut life) = moment.life(self.project);
        let audits = name.is_multiple_of(self.audits_each);
        let result = finish(async {
            life.calm().await?;
            judge(&life.world, &life.answers, audits).await?;
            if audits {
                // Time heals: an event that its wait has missed is late in the
                // end. So what is durable now must add up as well.
                ledger::audited(&moment.life(self.project).1.world).await?;
            }
            outcome(&life).await.map_err(|error| error.to_string())
        });
        self.known.insert(name, result.clone());
        result
    }
}

async fn outcome(life: &Life) -> Result<Outcome, WorldError> {
    let page = life.world.rows().runs(Scope::default(), &RunFilter::default(), None, 1_000).await?;
    let mut runs: Vec<_> = page
        .items
        .iter()
        .map(|record| format!("{} {} {}", record.run.brain, record.run.status.as_str(), record.run.state()))
        .collect();
    runs.sort();
    let mut events = BTreeSet::new();
    for delivery in life.world.inbox().await? {
        for event in &delivery.events {
            events.insert(format!("{:?} {}", event.provider_id, event.state.as_str()));
        }
    }
    Ok(Outcome(format!("{runs:#?} {events:#?}")))
}
