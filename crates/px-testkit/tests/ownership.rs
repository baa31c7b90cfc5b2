//! Who has a run: nobody takes one from a member of the cluster that lives, a
//! run is born claimed where its event was accepted, and a takeover loses nothing.
//! The engine's own loops, in virtual time.

#![expect(clippy::unwrap_used, reason = "a test says by panicking that it failed")]

mod house;

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use house::{House, commits, pass};
use px_core::{Clock, RunId, RunStatus, Scope};
use px_engine::{Engine, Limits, Parts};
use px_sdk::{Brain, Cx, Next, Registry, Result, brain};
use px_store::{Error, Work};
use px_testkit::{Access, FaultyStore, Project, World};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, JsonSchema)]
struct Job {
    name: String,
}

/// The names of the steps that have begun, in order, over all tests.
static BEGUN: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn begun(name: &str) -> usize {
    BEGUN.lock().unwrap().iter().filter(|begun| *begun == name).count()
}

/// Works for eight seconds.
fn works() -> Brain<Job> {
    brain("works").step("work", work).build()
}
px_sdk::brain!(works);

async fn work(_cx: Cx, job: Job) -> Result<Next<Job>> {
    BEGUN.lock().unwrap().push(job.name.clone());
    tokio::time::sleep(Duration::from_secs(8)).await;
    Ok(Next(job))
}

async fn start(parts: &Parts, name: &str) -> RunId {
    house::start(parts, "works", name).await
}

#[tokio::test(start_paused = true)]
async fn two_engines_over_one_store_begin_a_healthy_step_of_eight_seconds_once() {
    let house = House::new();
    let (one, other) = (house.parts(house.member(), 8), house.parts(house.member(), 8));
    let engines = [Engine::start(one.clone(), Limits::default()), Engine::start(other, Limits::default())];
    let run = start(&one, "healthy").await;
    pass(7).await;
    assert_eq!((house.status(run).await, house.deaths(run).await), (RunStatus::Running, Some(0)));
    pass(2).await;
    assert_eq!((house.status(run).await, begun("healthy")), (RunStatus::Complete, 1));
    for engine in engines {
        engine.shutdown(Duration::ZERO).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_dead_member_had_goes_on_elsewhere_within_its_lease_and_a_second() {
    let house = House::new();
    let dies = house.parts(house.member(), 8);
    let engine = Engine::start(dies.clone(), Limits::default());
    // Whoever judges has been there for the length of a lease.
    pass(4).await;
    let run = start(&dies, "taken over").await;
    pass(1).await;
    let lives = Engine::start(house.parts(house.member(), 8), Limits::default());
    pass(4).await;
    assert_eq!(begun("taken over"), 1);
    drop(engine);
    pass(3).await;
    assert_eq!(begun("taken over"), 1, "its lease is not over");
    pass(2).await;
    assert_eq!((begun("taken over"), house.deaths(run).await), (2, Some(1)));
    pass(8).await;
    assert_eq!((house.status(run).await, begun("taken over")), (RunStatus::Complete, 2));
    lives.shutdown(Duration::ZERO).await;
}

#[tokio::test(start_paused = true)]
async fn what_a_member_gives_back_at_its_end_counts_no_death_and_waits_for_no_lease() {
    let house = House::new();
    let first = house.parts(house.member(), 8);
    let ends = Engine::start(first.clone(), Limits::default());
    let run = start(&first, "given back").await;
    pass(1).await;
    let stays = Engine::start(house.parts(house.member(), 8), Limits::default());
    pass(1).await;
    ends.shutdown(Duration::ZERO).await;
    pass(1).await;
    assert_eq!((begun("given back"), house.deaths(run).await), (2, Some(0)));
    stays.shutdown(Duration::ZERO).await;
}

/// Starts a run of `works`, by a delivery.
mod jobs {
    use super::*;
    use px_sdk::{Inbound, verify};

    px_sdk::webhook! {
        slug = "jobs",
        payload = Job,
        response = Job,
        verify = verify::unverified().dedup_pointer("/name"),
        handler = receive,
    }

    async fn receive(job: Job) -> Result<Inbound<Job>> {
        Ok(Inbound::start(works, job))
    }
}

/// A world, with an engine over its store that takes up what the world accepts.
fn world(house: &House, steps: usize) -> (World, Parts) {
    let project = Project::new(Registry::collect().unwrap()).unwrap();
    let world = World::of(&project, Arc::clone(&house.store), 7);
    let parts = Parts { clock: Arc::new(house.clock), ..house.parts(house.alone(), steps) };
    let world = world.with_claimer(Arc::clone(&parts.places) as _);
    (world, parts)
}

async fn post(world: &World, name: &str) -> RunId {
    let answer = world.post("jobs", &Job { name: name.into() }).await.unwrap();
    assert_eq!(answer.status, 201);
    answer.run.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_run_that_an_event_starts_is_born_claimed_and_costs_no_commit_for_its_claim() {
    let house = House::new();
    let (world, parts) = world(&house, 8);
    let engine = Engine::start(parts, Limits::default());
    pass(1).await;
    let before = commits(&house);
    let run = post(&world, "born claimed").await;
    pass(9).await;
    assert_eq!((house.status(run).await, begun("born claimed")), (RunStatus::Complete, 1));
    // The delivery, the step's start once it has run for 100 ms, and its end.
    assert_eq!(commits(&house) - before, 3);
    engine.shutdown(Duration::ZERO).await;
}

#[tokio::test(start_paused = true)]
async fn without_hints_a_run_that_was_born_claimed_is_taken_up_within_a_second() {
    let house = House::new();
    house.store.hints().mute();
    let (world, parts) = world(&house, 8);
    let engine = Engine::start(parts, Limits::default());
    pass(1).await;
    let run = post(&world, "unheard").await;
    tokio::time::sleep(Duration::from_millis(1_001)).await;
    assert_eq!((begun("unheard"), house.deaths(run).await), (1, Some(0)));
    engine.shutdown(Duration::ZERO).await;
}

#[tokio::test(start_paused = true)]
async fn a_sender_that_goes_away_before_the_commit_loses_nothing() {
    let house = House::new();
    let (world, parts) = world(&house, 1);
    let engine = Engine::start(parts, Limits::default());
    pass(1).await;
    let opened = Arc::new(tokio::sync::Semaphore::new(0));
    let gate = Arc::clone(&opened);
    world.store().gate(move |access| {
        let gate = Arc::clone(&gate);
        Box::pin(async move {
            if access == Access::Commit {
                let _ = gate.acquire().await;
            }
        })
    });
    {
        let job = Job { name: "gone away".into() };
        let answer = world.post("jobs", &job);
        assert!(tokio::time::timeout(Duration::from_secs(1), answer).await.is_err());
    }
    assert_eq!(begun("gone away"), 0);
    opened.add_permits(1);
    world.store().carry_on();
    pass(10).await;
    assert_eq!(begun("gone away"), 1, "nobody held the only place for it");
    engine.shutdown(Duration::ZERO).await;
}

/// The only place belongs to a run whose commit is under way, and another run is
/// found ready before that commit is durable: it has to wait, and not in the way.
#[tokio::test(start_paused = true)]
async fn a_run_that_waits_for_a_place_is_not_in_the_way_of_the_one_that_has_it() {
    let house = House::new();
    let (world, parts) = world(&house, 1);
    let engine = Engine::start(parts.clone(), Limits::default());
    pass(1).await;
    let opened = Arc::new(tokio::sync::Semaphore::new(0));
    let gate = Arc::clone(&opened);
    world.store().gate(move |access| {
        let gate = Arc::clone(&gate);
        Box::pin(async move {
            if access == Access::Commit {
                let _ = gate.acquire().await;
            }
        })
    });
    let world = Arc::new(world);
    let sender = tokio::spawn({
        let world = Arc::clone(&world);
        async move { post(&world, "has the place").await }
    });
    pass(1).await;
    let waits = start(&parts, "waits for it").await;
    pass(1).await;
    opened.add_permits(1);
    world.store().carry_on();
    let has = sender.await.unwrap();
    pass(20).await;
    assert_eq!(
        (house.status(has).await, house.status(waits).await),
        (RunStatus::Complete, RunStatus::Complete)
    );
    engine.shutdown(Duration::ZERO).await;
}

#[tokio::test(start_paused = true)]
async fn an_engine_without_a_free_place_runs_what_comes_in_its_order() {
    let house = House::new();
    let (world, parts) = world(&house, 1);
    let engine = Engine::start(parts, Limits::default());
    pass(1).await;
    let names: Vec<String> = (0..4).map(|number| format!("in order {number}")).collect();
    for name in &names {
        post(&world, name).await;
        pass(3).await;
    }
    pass(30).await;
    let begun: Vec<_> =
        BEGUN.lock().unwrap().iter().filter(|name| name.starts_with("in order")).cloned().collect();
    assert_eq!(begun, names);
    engine.shutdown(Duration::ZERO).await;
}

/// A queue that was accepted and had places is, after a death, as good as one
/// that had none: nothing is lost, and one death is counted for what may have run.
#[tokio::test(start_paused = true)]
async fn what_was_born_claimed_by_a_process_that_died_runs_at_the_next_start() {
    let house = House::new();
    let (first, _never_started) = world(&house, 2);
    let mut runs = Vec::new();
    for number in 0..4 {
        runs.push(post(&first, &format!("before a death {number}")).await);
    }
    let owned = house.store.work(Scope::default(), None, 10).await.unwrap();
    assert_eq!(owned.iter().filter(|(_, work)| work.record.owner.is_some()).count(), 2);
    let engine = Engine::start(house.parts(house.alone(), 8), Limits::default());
    pass(1).await;
    let mut deaths = Vec::new();
    for run in &runs {
        deaths.push(house.deaths(*run).await.unwrap());
    }
    assert_eq!(deaths, [1, 1, 0, 0], "as a claim of a process that died counts");
    pass(8).await;
    for run in &runs {
        assert_eq!(house.status(*run).await, RunStatus::Complete);
    }
    engine.shutdown(Duration::ZERO).await;
}

/// Leaves a run as two processes left it that died while its step ran, the second of
/// them just now.
async fn dies_twice_with(house: &House, parts: &Parts, run: RunId) {
    let now = house.clock.now();
    let mut draft = px_store::Draft::new(&*house.store, &*parts.registry, &house.ids, Scope::default(), now);
    draft.put_work(run, house.ids.version(now), Work { since: now, owner: Some(7), deaths: 1 });
    house.store.commit(draft.into_batch(), px_store::Admission::Wait).await.unwrap();
}

/// Up to a whole engine's runs were there when it was killed: those that have
/// died with two processes run four at a time, and begin one after the other.
#[tokio::test(start_paused = true)]
async fn rule_36_runs_that_two_processes_died_with_are_tried_four_at_once_a_second_apart() {
    let house = House::new();
    let first = house.parts(house.alone(), 8);
    let mut runs = Vec::new();
    for number in 0..6 {
        runs.push(start(&first, &format!("suspect {number}")).await);
    }
    for run in &runs {
        dies_twice_with(&house, &first, *run).await;
    }
    let innocent = start(&first, "innocent").await;
    let engine = Engine::start(house.parts(house.alone(), 5), Limits::default());
    let count = || BEGUN.lock().unwrap().iter().filter(|name| name.starts_with("suspect")).count();
    let mut seen = Vec::new();
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_millis(950)).await;
        seen.push(count());
    }
    assert_eq!(seen, [1, 2, 3, 4, 4, 4, 4, 4, 5, 6], "each works for eight seconds");
    assert_eq!(begun("innocent"), 1, "those that wait for their turn hold no place");
    pass(20).await;
    for run in runs.iter().chain([&innocent]) {
        assert_eq!(house.status(*run).await, RunStatus::Complete);
    }
    engine.shutdown(Duration::ZERO).await;
}

/// A deploy is no death: what has begun has its time to finish, and what did not
/// finish is given back as it was.
#[tokio::test(start_paused = true)]
async fn a_run_that_two_processes_died_with_is_not_paused_by_a_stop_of_the_third() {
    let house = House::new();
    let first = house.parts(house.alone(), 8);
    let run = start(&first, "stopped").await;
    dies_twice_with(&house, &first, run).await;
    let engine = Engine::start(house.parts(house.alone(), 8), Limits::default());
    pass(1).await;
    engine.shutdown(Duration::from_secs(1)).await;
    let work = house.store.work_of(Scope::default(), run).await.unwrap().unwrap().record;
    assert_eq!((begun("stopped"), work.deaths, work.owner), (1, 2, None));
    let engine = Engine::start(house.parts(house.alone(), 8), Limits::default());
    pass(1).await;
    engine.shutdown(Duration::from_secs(8)).await;
    assert_eq!((begun("stopped"), house.status(run).await), (2, RunStatus::Complete));
}

/// A caller that went away left a claim that nobody has taken up: it is the process's
/// all the same.
#[tokio::test(start_paused = true)]
async fn what_a_process_owns_without_running_it_is_given_back_at_its_end() {
    let house = House::new();
    let parts = house.parts(house.alone(), 8);
    let run = start(&parts, "owned").await;
    let now = house.clock.now();
    let mut draft = px_store::Draft::new(&*house.store, &*parts.registry, &house.ids, Scope::default(), now);
    let mine = Work { since: now, owner: Some(parts.cluster.me()), deaths: 0 };
    let engine = Engine::start(parts.clone(), Limits::default());
    draft.put_work(run, house.ids.version(now), mine);
    house.store.commit(draft.into_batch(), px_store::Admission::Wait).await.unwrap();
    engine.shutdown(Duration::ZERO).await;
    let work = house.store.work_of(Scope::default(), run).await.unwrap().unwrap().record;
    assert_eq!((work.deaths, work.owner), (0, None));
}

/// What a step does while nothing can be written is done again later: so it is not
/// begun again before its claim is written.
#[tokio::test(start_paused = true)]
async fn while_no_commit_succeeds_a_step_is_not_run_over_and_over() {
    let full = Arc::new(AtomicBool::new(false));
    let (house, is_full) = (House::new(), Arc::clone(&full));
    let store = FaultyStore::new(Arc::clone(&house.store));
    store.detour(move |store, batch, admission| match is_full.load(Ordering::SeqCst) {
        true => Box::pin(std::future::ready(Err(Error::Full("no space left".into())))),
        false => store.commit(batch, admission),
    });
    let house = House { store: Arc::new(store), ..house };
    let parts = house.parts(house.alone(), 2);
    let engine = Engine::start(parts.clone(), Limits::default());
    let mut runs = Vec::new();
    for number in 0..4 {
        runs.push(start(&parts, &format!("full {number}")).await);
    }
    pass(4).await;
    full.store(true, Ordering::SeqCst);
    pass(600).await;
    let begun_of = || (0..4).map(|number| begun(&format!("full {number}"))).sum::<usize>();
    assert_eq!(begun_of(), 2, "those that had a place, once each");
    full.store(false, Ordering::SeqCst);
    pass(40).await;
    assert_eq!(begun_of(), 6, "those two again, and the others");
    for run in runs {
        assert_eq!(house.status(run).await, RunStatus::Complete);
    }
    engine.shutdown(Duration::ZERO).await;
}
