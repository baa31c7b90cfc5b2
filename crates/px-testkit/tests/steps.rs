//! Step options and control, in virtual time: retries, timeouts, sleeps, pause
//! and resume.

#![expect(clippy::unwrap_used, reason = "a test says by panicking that it failed")]

mod audited;
mod project;

use std::time::Duration;

use audited::Audited;
use project::{Ask, TIMEOUT, event, flaky, registry, sleeper, survey};
use px_core::{Clock as _, RunId, RunStatus};
use px_testkit::{Access, World};
use serde_json::json;

async fn started(world: &World, brain: fn() -> px_sdk::Brain<Ask>, key: &str) -> RunId {
    let run = world.start(brain, Ask { key: key.into() }).await.unwrap();
    world.settle().await.unwrap();
    run
}

async fn types(world: &World, run: RunId) -> Vec<&'static str> {
    world.log(run).await.unwrap().iter().map(|event| event.event.name()).collect()
}

#[tokio::test]
async fn a_step_is_retried_when_its_time_comes_and_keeps_its_side_effects() {
    let world = Audited::new(registry());
    let run = started(&world, flaky, "retries").await;
    assert_eq!(world.status(run).await.unwrap(), RunStatus::Running);
    world.advance(Duration::from_secs(7)).await.unwrap();
    assert_eq!(
        types(&world, run).await.iter().filter(|name| **name == "step:retry").count(),
        1,
        "not yet due"
    );
    world.advance(Duration::from_secs(6)).await.unwrap();
    assert_eq!(types(&world, run).await.iter().filter(|name| **name == "step:retry").count(), 2);
    world.advance(Duration::from_secs(19)).await.unwrap();
    assert_eq!(world.status(run).await.unwrap(), RunStatus::Complete);
    let log = types(&world, run).await;
    assert_eq!(
        log.iter().filter(|name| **name == "step:once").count(),
        1,
        "made once over three attempts: {log:?}"
    );
}

#[tokio::test]
async fn retries_survive_a_restart() {
    let mut world = Audited::new(registry());
    let run = started(&world, flaky, "retries").await;
    world.restart().unwrap();
    world.advance(Duration::from_secs(13)).await.unwrap();
    world.restart().unwrap();
    world.advance(Duration::from_secs(19)).await.unwrap();
    assert_eq!(world.status(run).await.unwrap(), RunStatus::Complete);
}

#[tokio::test]
async fn a_permanent_error_and_spent_retries_end_the_run() {
    let world = Audited::new(registry());
    let permanent = started(&world, flaky, "permanent").await;
    assert_eq!(world.status(permanent).await.unwrap(), RunStatus::Error);
    let never = started(&world, flaky, "never").await;
    for _ in 0..3 {
        world.advance(Duration::from_secs(20)).await.unwrap();
    }
    let record = world.run(never).await.unwrap().unwrap();
    assert_eq!(record.status, RunStatus::Error);
    assert_eq!(record.error.unwrap().message, "always");
    assert_eq!(types(&world, never).await.iter().filter(|name| **name == "step:start").count(), 3);
}

#[tokio::test]
async fn a_step_that_takes_too_long_is_dropped_and_retried() {
    let world = Audited::new(registry());
    let run = started(&world, flaky, "slow").await;
    for _ in 0..3 {
        world.advance(Duration::from_secs(20)).await.unwrap();
    }
    let record = world.run(run).await.unwrap().unwrap();
    assert_eq!(record.status, RunStatus::Error);
    assert_eq!(record.error.unwrap().name, "Timeout");
}

#[tokio::test]
async fn a_sleep_ends_by_itself() {
    let world = Audited::new(registry());
    let run = started(&world, sleeper, "x").await;
    assert_eq!(world.status(run).await.unwrap(), RunStatus::Waiting);
    world.advance(Duration::from_secs(3599)).await.unwrap();
    assert_eq!(world.status(run).await.unwrap(), RunStatus::Waiting);
    world.advance(Duration::from_secs(1)).await.unwrap();
    assert_eq!(world.status(run).await.unwrap(), RunStatus::Complete);
}

#[tokio::test]
async fn rule_9_a_paused_run_takes_at_resume_what_came_meanwhile_before_its_timeout() {
    let world = Audited::new(registry());
    let run = started(&world, survey, "k").await;
    world.pause(run).await.unwrap();
    let answer = world.post("mail", &event("1", "k", "kept", "resume")).await.unwrap();
    assert_eq!((answer.action, answer.run), (Some("queued"), Some(run)));
    world.advance(TIMEOUT * 2).await.unwrap();
    assert_eq!(world.status(run).await.unwrap(), RunStatus::Paused);
    world.resume(run).await.unwrap();
    world.settle().await.unwrap();
    assert_eq!(world.state(run).await.unwrap(), json!({"answer": "kept", "from": "mail"}));
}

#[tokio::test]
async fn a_paused_run_whose_deadline_passed_times_out_at_resume() {
    let world = Audited::new(registry());
    let run = started(&world, survey, "k").await;
    world.pause(run).await.unwrap();
    world.advance(TIMEOUT * 2).await.unwrap();
    world.resume(run).await.unwrap();
    world.advance(Duration::ZERO).await.unwrap();
    assert_eq!(world.state(run).await.unwrap()["from"], "nobody");
}

#[tokio::test]
async fn rule_35_a_run_that_is_ready_pauses_before_its_next_step() {
    let world = Audited::new(registry());
    let run = world.start(survey, Ask { key: "k".into() }).await.unwrap();
    world.pause(run).await.unwrap();
    assert!(world.pause(run).await.is_err(), "once is enough");
    world.settle().await.unwrap();
    assert_eq!(world.status(run).await.unwrap(), RunStatus::Paused);
    world.resume(run).await.unwrap();
    world.settle().await.unwrap();
    assert_eq!(world.status(run).await.unwrap(), RunStatus::Waiting);
}

#[tokio::test]
async fn an_answer_by_hand_before_the_wait_is_taken_by_it() {
    let world = Audited::new(registry());
    let run = world.start(survey, Ask { key: "k".into() }).await.unwrap();
    world.answer(run, json!({"text": "early hand"})).await.unwrap();
    world.settle().await.unwrap();
    assert_eq!(world.state(run).await.unwrap(), json!({"answer": "early hand", "from": "mail"}));
}

#[tokio::test]
async fn a_sleep_takes_no_answer() {
    let world = Audited::new(registry());
    let run = started(&world, sleeper, "x").await;
    assert!(world.answer(run, json!({"text": "wake up"})).await.is_err());
    assert_eq!(world.status(run).await.unwrap(), RunStatus::Waiting);
}

#[tokio::test]
async fn rule_9_what_is_queued_for_a_paused_run_is_the_next_waits_once_that_run_is_out_of_the_way() {
    for cancels in [true, false] {
        let world = World::new(registry()).unwrap();
        let first = started(&world, project::question, "k").await;
        let second = started(&world, project::question, "k").await;
        world.pause(first).await.unwrap();
        for (id, text) in [("1", "one"), ("2", "two")] {
            let answer = world.post("mail", &event(id, "k", text, "resume")).await.unwrap();
            assert_eq!((answer.action, answer.run), (Some("queued"), Some(first)));
        }
        if cancels {
            world.cancel(first).await.unwrap()
        } else {
            world.resume(first).await.unwrap()
        }
        world.settle().await.unwrap();
        let expected = if cancels { "one" } else { "two" };
        assert_eq!(world.state(second).await.unwrap()["answer"], expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_side_effect_that_is_committed_when_the_step_becomes_visible_blocks_nothing() {
    let world = World::new(registry()).unwrap();
    let run = world.start(survey, Ask { key: "k".into() }).await.unwrap();
    // Every commit takes longer than a step may run unseen.
    world.store().plan(|_, _| Some(px_testkit::Fault::Slow(Duration::from_millis(250))));
    tokio::time::timeout(Duration::from_secs(60), world.settle()).await.expect("it goes on").unwrap();
    assert_eq!(world.status(run).await.unwrap(), RunStatus::Waiting);
    assert_eq!(types(&world, run).await.iter().filter(|name| **name == "step:start").count(), 1);
}

#[tokio::test]
async fn a_clock_that_is_set_back_while_a_timer_rings_loses_no_timeout() {
    let mut world = Audited::new(registry());
    let run = started(&world, survey, "k").await;
    let (clock, before) = (world.clock().clone(), world.now());
    clock.advance(TIMEOUT);
    world.store().gate(move |access| {
        let clock = clock.clone();
        Box::pin(async move {
            if access == Access::Read("due") && clock.now() >= before.after(TIMEOUT) {
                clock.set(before);
            }
        })
    });
    let carry_on = async {
        loop {
            world.store().carry_on();
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        rung = world.ring() => rung.unwrap(),
        () = carry_on => {}
    }
    assert_eq!(world.status(run).await.unwrap(), RunStatus::Waiting);
    world.restart().unwrap();
    world.advance(TIMEOUT).await.unwrap();
    assert_eq!(world.state(run).await.unwrap()["from"], "nobody");
}
