//! Counters equal the runs: many at once, in one process and in two that share a store, while processes
//! die before and after their commits, and in all weathers.

#![expect(clippy::unwrap_used, reason = "a test says by panicking that it failed")]

mod house;

use std::sync::Arc;
use std::time::Duration;

use house::{House, pass};
use px_core::{KvId, RunId, RunStatus, Scope};
use px_engine::{Engine, Limits, Parts};
use px_sdk::{Brain, Cx, Inbound, Next, Result, Timed, Waiting, brain, items, sleep, verify, wait_for};
use px_store::audit::audit;
use px_testkit::test::{Weather, Windy};
use px_testkit::{Fault, FaultyStore};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Runs that are under way at once.
const RUNS: usize = 64;

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
struct Job {
    name: String,
}

/// Counts by a function, for a second.
fn counts() -> Brain<Job> {
    brain("counts").step("count", count).build()
}
px_sdk::brain!(counts);

async fn count(cx: Cx, job: Job) -> Result<Next<Job>> {
    cx.kv::<usize>("n").update(|n| n.unwrap_or(0) + 1).await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    Ok(Next(job))
}

/// Counts by reading and writing, and takes the number that it has made.
fn takes_numbers() -> Brain<Job> {
    brain("takes numbers").step("take", take).build()
}
px_sdk::brain!(takes_numbers);

async fn take(cx: Cx, _job: Job) -> Result<Next<Job>> {
    let n = cx.kv::<usize>("n");
    let number = n.get().await?.unwrap_or(0) + 1;
    tokio::time::sleep(Duration::from_millis(50)).await;
    n.set(number).await?;
    Ok(Next(Job { name: number.to_string() }))
}

async fn start_all(parts: &Parts, brain: &str) -> Vec<RunId> {
    let mut runs = Vec::new();
    for number in 0..RUNS {
        runs.push(house::start(parts, brain, &number.to_string()).await);
    }
    runs
}

/// Every run is complete, the counter is their number, and the store adds up.
async fn expect_counted(house: &House, brain: &str, runs: &[RunId]) {
    for run in runs {
        assert_eq!(house.status(*run).await, RunStatus::Complete);
    }
    let id = KvId::shared(brain, "n");
    let found = house.store.kv().value(Scope::default(), &id).await.unwrap().unwrap();
    assert_eq!(found.record.value, json!(runs.len()));
    let report = audit(&*house.store, Scope::default(), &mut |_| {}).await.unwrap();
    assert!(report.is_clean(), "{:?}", report.violations);
}

#[tokio::test(start_paused = true)]
async fn of_64_runs_at_once_at_two_nodes_each_counts_once() {
    for brain in ["counts", "takes numbers"] {
        let house = House::new();
        let (one, other) = (house.parts(house.member(), 40), house.parts(house.member(), 40));
        let engines =
            [Engine::start(one.clone(), Limits::default()), Engine::start(other, Limits::default())];
        let runs = start_all(&one, brain).await;
        pass(30).await;
        expect_counted(&house, brain, &runs).await;
        if brain == "takes numbers" {
            let mut numbers = Vec::new();
            for run in &runs {
                let run = house.store.run(Scope::default(), *run).await.unwrap().unwrap().run;
                numbers.push(run.state()["name"].as_str().unwrap().parse::<usize>().unwrap());
            }
            numbers.sort_unstable();
            assert_eq!(numbers, (1..=RUNS).collect::<Vec<_>>(), "no number is given twice");
        }
        for engine in engines {
            engine.shutdown(Duration::ZERO).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn while_a_node_dies_in_the_middle_the_other_one_counts_what_it_had_once() {
    let house = House::new();
    let (dies, lives) = (house.parts(house.member(), 40), house.parts(house.member(), 40));
    let engines = [Engine::start(dies.clone(), Limits::default()), Engine::start(lives, Limits::default())];
    pass(4).await;
    let runs = start_all(&dies, "takes numbers").await;
    let [dying, living] = engines;
    tokio::time::sleep(Duration::from_millis(700)).await;
    drop(dying);
    pass(60).await;
    expect_counted(&house, "takes numbers", &runs).await;
    living.shutdown(Duration::ZERO).await;
}

/// A process that dies before or after its n-th commit, and the next one over the same store.
#[tokio::test(start_paused = true)]
async fn whatever_commit_a_process_dies_at_64_runs_count_64() {
    let is_long = std::env::var("PX_LONG").is_ok_and(|long| long == "1");
    let (mut at, mut lives) = (0, 0);
    loop {
        let mut is_over = false;
        for fault in [Fault::DiesBefore, Fault::DiesAfter] {
            let house = House::new();
            let store = FaultyStore::new(Arc::clone(&house.store));
            store.plan(move |number, _| (number == at).then_some(fault));
            let parts = Parts { store: Arc::new(store.clone()), ..house.parts(house.alone(), RUNS) };
            let runs = start_all(&house.parts(house.alone(), 0), "counts").await;
            let engine = Engine::start(parts, Limits::default());
            pass(5).await;
            is_over |= !store.is_dead();
            drop(engine);
            let next = Engine::start(house.parts(house.alone(), RUNS), Limits::default());
            pass(5).await;
            expect_counted(&house, "counts", &runs).await;
            next.shutdown(Duration::ZERO).await;
            lives += 1;
        }
        if is_over {
            break;
        }
        at += if is_long { 1 } else { 17 };
    }
    assert!(lives > 10, "the process dies in the middle of its work: {lives}");
}

/// Starts a run for each delivery, which counts, waits, counts again and works on a list.
mod visits {
    use super::*;

    px_sdk::webhook! {
        slug = "visits",
        payload = Job,
        response = Job,
        verify = verify::unverified().dedup_pointer("/name"),
        handler = receive,
    }

    async fn receive(job: Job) -> Result<Inbound<Job>> {
        Ok(Inbound::resume("door", job.clone()).or_start(visit, job))
    }
}

fn visit() -> Brain<Job> {
    brain("visit")
        .step("come", come)
        .step("stay", stay)
        .map("look", items(|job: &Job| vec![1_usize, 2, 3, job.name.len()], look), |job, _: Vec<usize>| job)
        .build()
}
px_sdk::brain!(visit);

async fn come(cx: Cx, job: Job) -> Result<Waiting<Job, Timed<Job>>> {
    cx.kv::<usize>("came").update(|n| n.unwrap_or(0) + 1).await?;
    Ok(wait_for(job, visits::on("door")).timeout(Duration::from_secs(600)))
}

async fn stay(cx: Cx, job: Job, next: Timed<Job>) -> Result<Next<Job>> {
    let how = if matches!(next, Timed::Answered(_)) { "met" } else { "alone" };
    let stayed = cx.kv::<usize>("stayed").scope(how);
    let before = stayed.get().await?.unwrap_or(0);
    stayed.set(before + 1).await?;
    cx.kv::<String>("last").set(job.name.clone()).await?;
    Ok(Next(job))
}

async fn look(cx: Cx, steps: usize) -> Result<usize> {
    cx.kv::<usize>("steps").update(move |n| n.unwrap_or(0) + steps).await?;
    Ok(steps)
}

/// A run that sleeps between two counts.
fn sleeper() -> Brain<Job> {
    brain("sleeper").step("before", before).step("after", after).build()
}
px_sdk::brain!(sleeper);

async fn before(cx: Cx, job: Job) -> Result<px_sdk::Sleeping<Job>> {
    cx.kv::<usize>("n").update(|n| n.unwrap_or(0) + 1).await?;
    Ok(sleep(job, Duration::from_secs(60)))
}

async fn after(cx: Cx, job: Job) -> Result<Next<Job>> {
    let n = cx.kv::<usize>("n");
    let asleep = n.get().await?.unwrap_or(0);
    n.set(asleep - 1).await?;
    Ok(Next(job))
}

#[test]
fn in_all_weathers_values_are_what_the_runs_come_to() {
    let is_long = std::env::var("PX_LONG").is_ok_and(|long| long == "1");
    let scenario = |w: &Windy| {
        let asleep = w.start(sleeper, Job { name: "s".into() });
        for name in ["a", "bb", "ccc"] {
            w.post("visits", Job { name: name.into() });
        }
        w.skip(Duration::from_secs(700));
        w.post("visits", Job { name: "dddd".into() });
        w.skip(Duration::from_secs(700));
        w.calm();
        asleep.expect_complete();
        assert_eq!(w.kv(sleeper, "n").get::<usize>(), Some(0));
        let runs = w.runs_of(visit);
        let value = |key: &str| w.kv(visit, key).get::<usize>().unwrap_or(0);
        assert_eq!(value("came"), runs.len());
        let complete: Vec<_> = runs.iter().filter(|run| run.status() == "complete").collect();
        let stayed = ["met", "alone"].map(|how| w.kv(visit, "stayed").scope(how).get::<usize>().unwrap_or(0));
        assert_eq!(stayed.iter().sum::<usize>(), complete.len());
        let steps: usize = complete.iter().map(|run| 6 + run.state::<Job>().name.len()).sum();
        assert_eq!(value("steps"), steps);
    };
    Weather::default().seeds(if is_long { 1_000 } else { 60 }).check(scenario);
}
