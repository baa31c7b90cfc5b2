//! Reminders and the engine's own loops, in virtual time: an answer waits for no reminder, and a place is never
//! in the way of the step that takes it.

#![expect(clippy::unwrap_used, reason = "a test says by panicking that it failed")]

mod house;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use house::{House, pass, start};
use px_core::event::EventBody;
use px_core::{RunId, RunStatus, Scope};
use px_engine::{Engine, Limits, Parts};
use px_sdk::{Brain, Cx, Inbound, Next, Registry, Result, Waiting, brain, verify, wait_for};
use px_testkit::{Project, World};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize, JsonSchema)]
struct Job {
    name: String,
}

/// The reminders and steps that have begun and ended, over all tests.
static SEEN: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn see(what: &str, name: &str) {
    SEEN.lock().unwrap().push(format!("{what} {name}"));
}

fn seen(name: &str) -> Vec<String> {
    let seen = SEEN.lock().unwrap();
    let ends = format!(" {name}");
    seen.iter().filter_map(|what| what.strip_suffix(&ends)).map(str::to_owned).collect()
}

/// Ends waits.
mod jobs {
    use super::*;

    px_sdk::webhook! {
        slug = "jobs",
        payload = Job,
        response = Job,
        verify = verify::unverified(),
        handler = receive,
    }

    async fn receive(job: Job) -> Result<Inbound<Job>> {
        Ok(Inbound::resume(job.name.clone(), job))
    }
}

/// Reminded after a minute, by code that takes an hour.
fn slow() -> Brain<Job> {
    brain("slow")
        .step("ask", ask)
        .remind_every("nudge", Duration::from_secs(60), 2, nudge)
        .step("take", take)
        .build()
}
px_sdk::brain!(slow);

async fn ask(_cx: Cx, job: Job) -> Result<Waiting<Job, Job>> {
    let on = jobs::on(&job.name);
    Ok(wait_for(job, on))
}

async fn nudge(cx: Cx, job: Job) -> Result<()> {
    see("begun", &job.name);
    let time = if job.name == "quick" { 1 } else { 3600 };
    tokio::time::sleep(Duration::from_secs(time)).await;
    cx.once("slept", async || Ok(())).await?;
    see("ended", &job.name);
    Ok(())
}

async fn take(_cx: Cx, job: Job, _answer: Job) -> Result<Next<Job>> {
    see("taken", &job.name);
    Ok(Next(job))
}

/// A world, with an engine over its store that takes up what the world accepts.
fn world(house: &House, steps: usize) -> (World, Parts) {
    let project = Project::new(Registry::collect().unwrap()).unwrap();
    let world = World::of(&project, Arc::clone(&house.store), 7);
    let parts = house.parts(house.alone(), steps);
    let world = world.with_claimer(Arc::clone(&parts.places) as _);
    (world, parts)
}

async fn turns(house: &House, run: RunId) -> Vec<&'static str> {
    let events = house.store.events(Scope::default(), run, 0, 100).await.unwrap();
    let turn = |event: &px_core::Event| match &event.event {
        EventBody::Reminder(turn) => Some(turn.progress.as_str()),
        _ => None,
    };
    events.iter().filter_map(turn).collect()
}

#[tokio::test(start_paused = true)]
async fn an_answer_goes_on_within_a_second_while_a_reminder_runs_however_few_places_there_are() {
    for (steps, name) in [(8, "many places"), (2, "two places"), (1, "one place")] {
        let house = House::new();
        let (world, parts) = world(&house, steps);
        let engine = Engine::start(parts.clone(), Limits::default());
        let run = start(&parts, "slow", name).await;
        pass(70).await;
        assert_eq!((seen(name), house.status(run).await), (vec!["begun".to_owned()], RunStatus::Waiting));
        let answer = world.post("jobs", &Job { name: name.into() }).await.unwrap();
        assert_eq!(answer.action, Some("resumed"));
        pass(1).await;
        assert_eq!(
            (seen(name), house.status(run).await),
            (vec!["begun".into(), "taken".into()], RunStatus::Complete)
        );
        pass(7_200).await;
        assert_eq!(seen(name), ["begun", "taken"], "the reminder was dropped where it slept");
        assert_eq!(turns(&house, run).await, ["running"]);
        engine.shutdown(Duration::ZERO).await;
    }
}

#[tokio::test(start_paused = true)]
async fn without_hints_an_answer_goes_on_within_two_polls() {
    let house = House::new();
    house.store.hints().mute();
    let (world, parts) = world(&house, 8);
    let engine = Engine::start(parts.clone(), Limits::default());
    let run = start(&parts, "slow", "unheard").await;
    pass(70).await;
    assert_eq!(seen("unheard"), ["begun"]);
    world.post("jobs", &Job { name: "unheard".into() }).await.unwrap();
    pass(3).await;
    assert_eq!((seen("unheard").len(), house.status(run).await), (2, RunStatus::Complete));
    engine.shutdown(Duration::ZERO).await;
}

#[tokio::test(start_paused = true)]
async fn turns_come_at_their_times_by_the_engines_own_clock() {
    let house = House::new();
    let (_world, parts) = world(&house, 8);
    let engine = Engine::start(parts.clone(), Limits::default());
    let run = start(&parts, "slow", "quick").await;
    for (after, ended) in [(59, 0), (3, 1), (56, 1), (4, 2), (600, 2)] {
        pass(after).await;
        assert_eq!(seen("quick").iter().filter(|what| *what == "ended").count(), ended, "{after}");
    }
    assert_eq!(turns(&house, run).await, ["running", "complete", "running", "complete"]);
    assert_eq!(house.status(run).await, RunStatus::Waiting);
    engine.shutdown(Duration::ZERO).await;
}

#[tokio::test(start_paused = true)]
async fn of_two_engines_one_runs_a_reminder_and_a_stop_gives_it_back_without_a_death() {
    let house = House::new();
    let (one, other) = (house.parts(house.member(), 8), house.parts(house.member(), 8));
    let first = Engine::start(one.clone(), Limits::default());
    let second = Engine::start(other, Limits::default());
    let run = start(&one, "slow", "shared").await;
    pass(70).await;
    assert_eq!((seen("shared"), house.deaths(run).await), (vec!["begun".to_owned()], Some(0)));
    first.shutdown(Duration::ZERO).await;
    second.shutdown(Duration::ZERO).await;
    assert_eq!(house.deaths(run).await, Some(0));
    let third = Engine::start(house.parts(house.member(), 8), Limits::default());
    pass(3_620).await;
    let ends = seen("shared").iter().filter(|what| *what == "ended").count();
    assert_eq!((ends, seen("shared").last().cloned()), (1, Some("ended".into())));
    assert_eq!(turns(&house, run).await, ["running", "complete"]);
    assert_eq!(house.status(run).await, RunStatus::Waiting);
    third.shutdown(Duration::ZERO).await;
}

#[tokio::test(start_paused = true)]
async fn a_pause_and_a_cancel_drop_a_reminder_and_a_resume_brings_it_back() {
    let house = House::new();
    let (_world, parts) = world(&house, 1);
    let engine = Engine::start(parts.clone(), Limits::default());
    let run = start(&parts, "slow", "paused").await;
    pass(70).await;
    parts.pause_run(run, None).await.unwrap();
    pass(4_000).await;
    assert_eq!((seen("paused"), house.status(run).await), (vec!["begun".to_owned()], RunStatus::Paused));
    parts.resume_run(run, None).await.unwrap();
    pass(3_605).await;
    assert_eq!(seen("paused"), ["begun", "begun", "ended"]);
    pass(60).await;
    assert_eq!(seen("paused").len(), 4, "the second turn");
    parts.cancel_run(run, None).await.unwrap();
    pass(4_000).await;
    assert_eq!((seen("paused").len(), house.status(run).await), (4, RunStatus::Cancelled));
    engine.shutdown(Duration::ZERO).await;
}
