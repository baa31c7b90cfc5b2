//! Branches, loops without waits, and steps that may wait: what each promises, in
//! virtual time and in all weathers.

#![expect(clippy::unwrap_used, reason = "a test says by panicking that it failed")]

extern crate px_sdk as px;

mod audited;
mod pieces;
mod project;

use std::collections::BTreeSet;

use audited::Audited;
use pieces::{
    Bill, around, bill, desk, limited, override_with, perhaps, rates, reminders, take_asked, take_made, ways,
};
use project::{TIMEOUT, event, registry};
use px_core::event::EventBody;
use px_core::{RunId, RunStatus, wire};
use px_testkit::World;
use px_testkit::test::Weather;
use serde_json::{Value, json};

/// Random mixtures of troubles in each scenario, beside each death alone.
const SEEDS: u64 = 300;

fn weather() -> Weather {
    let is_long = std::env::var_os("PX_LONG").is_some();
    Weather::default().seeds(if is_long { 1_000 } else { SEEDS })
}

async fn notes(world: &World, run: RunId) -> Vec<String> {
    let bill: Bill = serde_json::from_value(world.state(run).await.unwrap()).unwrap();
    bill.notes
}

/// The path and the name of each step that began, in order.
async fn begun(world: &World, run: RunId) -> Vec<String> {
    let log = world.log(run).await.unwrap();
    let name = |event: &px_core::Event| match &event.event {
        EventBody::StepStart { step, path: Some(path), .. } => Some(format!("{path}/{step}")),
        EventBody::StepStart { step, .. } => Some(step.clone()),
        _ => None,
    };
    log.iter().filter_map(name).collect()
}

/// The steps that were passed over, and the arms that were taken.
async fn passed_and_arms(world: &World, run: RunId) -> (Vec<String>, Vec<String>) {
    let (mut passed, mut arms) = (Vec::new(), Vec::new());
    for event in world.log(run).await.unwrap() {
        if let EventBody::StepComplete { step, path, halted, arm, .. } = event.event {
            let path = path.map(|path| format!("{path}/")).unwrap_or_default();
            if halted {
                passed.push(format!("{path}{step}"));
            }
            arms.extend(arm);
        }
    }
    (passed, arms)
}

#[test]
fn three_turns_with_two_effects_each_have_six_keys_whatever_dies() {
    weather().check(|w| {
        take_made();
        let run = w.start(rates, bill("rates", 3));
        w.calm();
        run.expect_complete();
        let made = take_made();
        let all: BTreeSet<_> = made.iter().collect();
        assert_eq!((made.len(), all.len()), (6, 6), "{made:?}");
        for turn in 0..3 {
            for step in ["book", "send"] {
                let key = format!("{}:pay[{turn}]/{step}:0", run.id());
                assert!(made.contains(&key), "{key} of {made:?}");
            }
        }
        let state: Bill = run.state();
        assert_eq!((state.open, state.notes.len()), (0, 1));
    });
}

#[test]
fn branches_loops_and_waits_that_may_be_are_decided_once_whatever_dies() {
    weather().check(|w| {
        take_made();
        let desk = w.start(desk, bill("large@home", 20));
        let way = w.start(ways, bill("card", 2));
        let late = w.start(reminders, bill("late", 2));
        let maybe = w.start(perhaps, bill("maybe", 0));
        w.post("mail", event("1", "large@home", "yes", "resume"));
        w.post("mail", event("2", "late", "one", "resume"));
        w.skip(TIMEOUT * 2);
        w.post("mail", event("3", "late", "two", "resume"));
        w.calm();
        for run in [&desk, &way, &maybe] {
            run.expect_complete();
            let decided = run.log().iter().filter(|event| event["arm"].is_string()).count();
            // Each arm with steps is in the log where it begins, where it ends and where it is joined.
            let branches = [(&desk, 6), (&way, 3), (&maybe, 0)];
            let expected = branches.iter().find(|(one, _)| one.id() == run.id()).unwrap().1;
            assert_eq!(decided, expected, "{:#?}", run.log());
        }
        let made = take_made();
        let all: BTreeSet<_> = made.iter().collect();
        assert_eq!(made.len(), all.len(), "{made:?}");
        let mine = |run: &px_testkit::test::Run| {
            made.iter().filter(|key| key.starts_with(&run.id().to_string())).count()
        };
        // What ends the last wait may have been taken by the one before it.
        assert!((1..=2).contains(&mine(&late)), "{made:?}");
        assert_eq!((mine(&desk), mine(&way)), (1, 1), "{made:?}");
    });
}

#[tokio::test]
async fn the_path_of_a_step_names_each_turn_and_each_arm_around_it() {
    let world = Audited::new(registry());
    let run = world.start(limited, bill("k", 2)).await.unwrap();
    world.settle().await.unwrap();
    assert_eq!(world.status(run).await.unwrap(), RunStatus::Complete);
    let begun = begun(&world, run).await;
    assert_eq!(
        begun,
        [
            "pay",
            "pay[0]/is last",
            "pay[0]/book",
            "pay",
            "pay[1]/is last",
            "pay[1]/is last/yes/may be paid",
            "pay[1]/is last/yes/thank",
            "pay[1]/book",
            "close"
        ]
    );
    let record = world.run(run).await.unwrap().unwrap();
    let shown: Vec<Value> =
        world.log(run).await.unwrap().iter().map(|event| wire::event(&record, event)).collect();
    let ids: BTreeSet<_> = shown.iter().filter_map(|event| event["stepId"].as_str()).collect();
    assert!(ids.contains("pay[1]/is last/yes/thank"), "{ids:?}");
}

#[tokio::test]
async fn keys_without_a_loop_are_what_they_always_were() {
    let world = Audited::new(registry());
    take_made();
    let run = world.start(ways, bill("card", 2)).await.unwrap();
    world.settle().await.unwrap();
    assert_eq!(take_made(), [format!("{run}:how/card/charge:0")]);
    let around = world.start(around, bill("k", 1)).await.unwrap();
    world.settle().await.unwrap();
    let made = take_made();
    assert!(made.contains(&format!("{around}:inside/pay[0]/book:0")), "{made:?}");
    assert!(made.contains(&format!("{around}:again[1]/rates/pay[0]/send:0")), "{made:?}");
    assert_eq!(made.len(), 6, "{made:?}");
}

#[tokio::test]
async fn a_decision_that_is_made_is_not_asked_for_again() {
    let mut world = Audited::new(registry());
    take_asked();
    let run = world.start(desk, bill("k", 20)).await.unwrap();
    world.settle().await.unwrap();
    assert_eq!((world.status(run).await.unwrap(), take_asked()), (RunStatus::Waiting, 1));
    // As if a redeploy had turned the predicate around.
    override_with(Some(false));
    world.restart().unwrap();
    world.post("mail", &event("1", "k", "yes", "resume")).await.unwrap();
    world.settle().await.unwrap();
    override_with(None);
    assert_eq!(take_asked(), 0);
    assert_eq!(notes(&world, run).await, ["yes", "printed", "posted", "closed"]);
    let (passed, arms) = passed_and_arms(&world, run).await;
    assert_eq!(passed, ["by mail/yes/send"]);
    assert_eq!(arms, ["yes", "no"]);
}

#[tokio::test]
async fn the_steps_of_an_arm_that_is_not_taken_are_halted() {
    let world = Audited::new(registry());
    let run = world.start(desk, bill("k@home", 1)).await.unwrap();
    world.settle().await.unwrap();
    let (passed, arms) = passed_and_arms(&world, run).await;
    assert_eq!(passed, ["is large/yes/ask", "is large/yes/hear", "by mail/no/print", "by mail/no/send"]);
    assert_eq!(arms, ["no", "yes"]);
    assert_eq!(notes(&world, run).await, ["mailed", "closed"]);
}

#[tokio::test]
async fn each_variant_of_a_choice_goes_its_way_with_its_state() {
    let world = Audited::new(registry());
    for (open, notes_of, arm) in [
        (2, vec!["charged 4242", "closed"], "card"),
        (1, vec!["printed", "closed"], "by_invoice"),
        (0, vec!["closed"], "nothing"),
    ] {
        let run = world.start(ways, bill("k", open)).await.unwrap();
        world.settle().await.unwrap();
        assert_eq!(notes(&world, run).await, notes_of);
        assert_eq!(passed_and_arms(&world, run).await.1, [arm]);
    }
}

#[tokio::test]
async fn a_guard_in_an_arm_of_a_loop_ends_the_brain() {
    let world = Audited::new(registry());
    let run = world.start(limited, bill("never", 2)).await.unwrap();
    world.settle().await.unwrap();
    assert_eq!(world.status(run).await.unwrap(), RunStatus::Complete);
    let (passed, _) = passed_and_arms(&world, run).await;
    let passed: Vec<_> = passed.iter().filter(|step| !step.starts_with("pay[0]")).collect();
    assert_eq!(passed, ["pay[1]/is last/yes/thank", "pay[1]/book", "close"]);
    let record = world.run(run).await.unwrap().unwrap();
    assert_eq!(record.state()["open"], 1);
    assert_eq!(serde_json::to_value(&record.progress).unwrap(), json!(["complete", "halted"]));
}

#[tokio::test]
async fn a_loop_that_is_run_again_begins_at_its_first_turn() {
    let world = Audited::new(registry());
    let run = world.start(rates, bill("k", 2)).await.unwrap();
    world.settle().await.unwrap();
    let first = take_made();
    world.rerun(run, 1).await.unwrap();
    world.settle().await.unwrap();
    assert_eq!(take_made(), first, "a rerun asks for the same effects by the same keys");
    world.rerun(run, 2).await.unwrap();
    world.settle().await.unwrap();
    assert_eq!((take_made(), notes(&world, run).await.len()), (vec![], 1));
}

#[tokio::test]
async fn a_run_that_waits_inside_a_loop_pauses_there_and_can_go_back_to_the_loop() {
    let world = Audited::new(registry());
    let run = world.start(reminders, bill("k", 2)).await.unwrap();
    world.settle().await.unwrap();
    world.pause(run).await.unwrap();
    world.resume(run).await.unwrap();
    world.post("mail", &event("1", "k", "one", "resume")).await.unwrap();
    world.settle().await.unwrap();
    let record = world.run(run).await.unwrap().unwrap();
    assert_eq!(
        (record.status, record.path().as_deref()),
        (RunStatus::Waiting, Some("remind[0]/is late/yes"))
    );
    world.rerun(run, 1).await.unwrap();
    world.settle().await.unwrap();
    let record = world.run(run).await.unwrap().unwrap();
    assert_eq!((record.status, record.path().as_deref()), (RunStatus::Waiting, Some("remind[0]")));
    assert_eq!(record.waits.len(), 1, "the wait in the arm is closed");
}

#[tokio::test]
async fn a_step_that_may_have_a_response_can_be_begun_without_one() {
    let world = Audited::new(registry());
    let run = world.start(perhaps, bill("k", 0)).await.unwrap();
    world.settle().await.unwrap();
    assert_eq!(notes(&world, run).await, ["not asked", "nothing to pick"]);
    world.rerun(run, 2).await.unwrap();
    world.settle().await.unwrap();
    assert_eq!(notes(&world, run).await, ["not asked", "nothing to pick"]);
    let waits = world.start(perhaps, bill("waits", 1)).await.unwrap();
    world.settle().await.unwrap();
    assert_eq!(world.status(waits).await.unwrap(), RunStatus::Waiting);
    world.rerun(waits, 2).await.unwrap();
    world.settle().await.unwrap();
    assert_eq!(notes(&world, waits).await, ["not asked", "nothing to pick"]);
    let fork = world.fork(run, 4, Some(json!({"key": "k", "open": 9}))).await.unwrap();
    world.settle().await.unwrap();
    assert_eq!(notes(&world, fork).await, ["nothing to pick"]);
}

#[tokio::test]
async fn a_wait_that_may_be_is_answered_timed_out_and_picked() {
    let world = Audited::new(registry());
    let run = world.start(perhaps, bill("k", 2)).await.unwrap();
    let late = world.start(perhaps, bill("late", 1)).await.unwrap();
    world.settle().await.unwrap();
    world.post("mail", &event("1", "k", "yes", "resume")).await.unwrap();
    world.settle().await.unwrap();
    world.post("mail", &event("2", "second k", "this", "resume")).await.unwrap();
    world.settle().await.unwrap();
    world.advance(TIMEOUT).await.unwrap();
    assert_eq!(notes(&world, run).await, ["yes", "1: this"]);
    assert_eq!(notes(&world, late).await, ["no answer", "nothing to pick"]);
}
