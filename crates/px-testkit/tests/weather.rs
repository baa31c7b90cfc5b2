//! Webhook weather: random schedules of starts, events (early, late, doubled,
//! reordered), timeouts, cancels, pauses, and a process that dies before or
//! after any commit, all through the production accept, decide and commit.
//! Whatever happens, the ledger adds up afterwards: every 2xx is in the inbox,
//! every event has at most one effect, nothing is stuck, and the audit is clean.
//!
//! A schedule is data: a seed that fails is printed with the few acts that the
//! failure needs, as Rust, to be pasted into a test like the one at the end.
//!
//! `PX_SEEDS=1000000 cargo test -p px-testkit --test weather --release` runs
//! more; `PX_SEED=n` one.

#![expect(clippy::unwrap_used, reason = "a test says by panicking that it failed")]

mod broken;
mod ledger;
mod project;
mod schedule;

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use broken::{Bug, Gate, break_store};
use ledger::judge;
use px_store::conformance::block_on;
use px_store_rows::{Embedded, MemoryRows};
use px_testkit::{Project, World, shrink};
use schedule::Act::{self, *};
use schedule::random::{NODES, schedule_of};
use schedule::{Asks, Brain, Life};

/// Schedules that an ordinary run tries, and those of a run with `PX_LONG=1`.
const SEEDS: u64 = 3_000;
const SEEDS_LONG: u64 = 10_000;
/// Acts of a schedule.
const LENGTH: usize = 24;

/// One store in so many is audited; all are judged the faster way.
const AUDITS_EACH: u64 = 20;

/// Every third schedule is one of a process that has its store alone.
fn nodes_of(seed: u64) -> usize {
    if seed.is_multiple_of(3) { 1 } else { NODES as usize }
}

/// Lives through a schedule at so many nodes, and says what is wrong with it.
async fn live(
    project: &Project,
    acts: &[Act],
    nodes: usize,
    prepare: fn(&World),
    audits: bool,
) -> Result<(), String> {
    let store = Arc::new(Embedded::new(MemoryRows::new()));
    let world = match nodes {
        1 => World::of(project, store, 0),
        _ => World::in_cluster(project, store, 0),
    };
    let mut life = Life::of_nodes(world, nodes, prepare);
    for act in acts {
        life.act(*act).await;
    }
    life.calm().await?;
    judge(&life.world, &life.answers, audits).await
}

fn project() -> Project {
    Project::new(project::registry()).unwrap()
}

/// Where schedules live: on a runtime of their own, without waiting for anything.
fn in_a_runtime<T>(work: impl FnOnce() -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _in_it = runtime.enter();
    work()
}

#[test]
fn whatever_the_weather_the_ledger_adds_up() {
    let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    let seeds = match number("PX_SEED") {
        Some(seed) => seed..seed + 1,
        None => {
            0..number("PX_SEEDS").unwrap_or(if number("PX_LONG") == Some(1) { SEEDS_LONG } else { SEEDS })
        }
    };
    let project = project();
    let next = AtomicU64::new(seeds.start);
    let failed = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                in_a_runtime(|| {
                    loop {
                        let seed = next.fetch_add(1, Ordering::Relaxed);
                        if seed >= seeds.end {
                            return;
                        }
                        let audits = seed.is_multiple_of(AUDITS_EACH);
                        let acts = schedule_of(seed, LENGTH);
                        if let Err(why) = block_on(live(&project, &acts, nodes_of(seed), |_| {}, audits)) {
                            *failed.lock().unwrap() = Some((seed, why));
                            next.store(seeds.end, Ordering::Relaxed);
                        }
                    }
                });
            });
        }
    });
    if let Some((seed, why)) = failed.into_inner().unwrap() {
        let small = in_a_runtime(|| smallest(&project, &schedule_of(seed, LENGTH), nodes_of(seed), |_| {}));
        panic!("seed {seed}, {} nodes: {why}\nvec!{:?} => {}", nodes_of(seed), small.0, small.1);
    }
    let (all, alone) = (seeds.end - seeds.start, seeds.filter(|seed| nodes_of(*seed) == 1).count());
    eprintln!("{all} schedules of {LENGTH} acts: {alone} of one process, the others of {NODES} nodes");
}

/// Leaves out of a schedule that fails what the failure does not need.
fn smallest(project: &Project, acts: &[Act], nodes: usize, prepare: fn(&World)) -> (Vec<Act>, String) {
    let judged = |acts: &[Act]| block_on(live(project, acts, nodes, prepare, true));
    let small = shrink(acts, |acts| judged(acts).is_err());
    let why = judged(&small).err().unwrap_or_default();
    (small, why)
}

/// Answers before it commits, and forgets what it owes when it dies.
fn answers_first(world: &World) {
    let gate: Gate = Arc::new(|_| Box::pin(std::future::ready(())));
    break_store(world.store(), Bug::AnswerBeforeTheCommit, &gate, &broken::Owed::default());
}

/// Writes the provider's id after the commit of what it came with.
fn remembers_later(world: &World) {
    let gate: Gate = Arc::new(|_| Box::pin(std::future::ready(())));
    break_store(world.store(), Bug::DedupOutsideTheBatch, &gate, &broken::Owed::default());
}

#[test]
fn a_process_that_answers_before_it_commits_is_caught() {
    let project = project();
    let (seed, (small, why)) = in_a_runtime(|| {
        let seed = (0..SEEDS_LONG)
            .find(|seed| {
                block_on(live(&project, &schedule_of(*seed, LENGTH), 1, answers_first, false)).is_err()
            })
            .unwrap();
        (seed, smallest(&project, &schedule_of(seed, LENGTH), 1, answers_first))
    });
    eprintln!("seed {seed}: {small:?} => {why}");
    // One delivery: it is answered, and nothing else makes the store commit it.
    assert!(matches!(small.as_slice(), [Mail(..) | Phone(..) | Both(..)]), "{small:?}");
    assert!(why.contains("is lost"), "{why}");
}

#[test]
fn a_schedule_that_was_printed_can_be_pasted() {
    let acts = vec![Start(Brain::Survey, 0), Settle, Later(10800), Mail(3, 0, Asks::Resume, "text"), Ring];
    assert_eq!(in_a_runtime(|| block_on(live(&project(), &acts, 1, remembers_later, true))), Ok(()));
}
