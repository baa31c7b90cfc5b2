//! Reminders of runs that move: to another process of a cluster, and to another version of their brain.

#![expect(clippy::unwrap_used, reason = "a test says by panicking that it failed")]

mod project;
mod reminding;

use std::cell::RefCell;
use std::sync::Arc;

use project::{Ask, Text, event, mail, registry};
use px_core::{Event, RunId, RunStatus};
use px_engine::{Limits, obstacle};
use px_sdk::registry::Source;
use px_sdk::{Brain, BrainDef, Cx, Next, Registry, Result, Waiting, brain, wait_for};
use px_store_rows::{Embedded, MemoryRows};
use px_testkit::test::{weather, world as user_world};
use px_testkit::{Project, World};
use reminding::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Two processes over one store, and a run whose reminder the first one runs and holds up.
async fn two_nodes(hears: bool) -> (World, World, RunId) {
    let project = Project::new(registry()).unwrap();
    let store = Arc::new(Embedded::new(MemoryRows::new()));
    let one = World::in_cluster(&project, store, 0);
    let other = one.beside();
    if !hears {
        px_store::Store::hints(&**one.rows()).mute();
    }
    let run = waiting(&one, held, "k").await;
    one.clock().advance(HOUR);
    one.ring().await.unwrap();
    (one, other, run)
}

#[tokio::test(start_paused = true)]
async fn an_answer_at_another_node_goes_on_there_and_the_reminder_is_dropped_with_a_hint_or_without() {
    for hears in [true, false] {
        let (one, other, run) = two_nodes(hears).await;
        let answer = async {
            made(1).await;
            other.post("mail", &event("1", "k", "paid", "resume")).await.unwrap();
            other.settle().await.unwrap();
            assert_eq!(other.status(run).await.unwrap(), RunStatus::Complete, "it waits for nobody");
        };
        soon(async { tokio::join!(one.settle(), answer).0 }).await.unwrap();
        let refused = last_context().once("late", async || Ok(1)).await.unwrap_err();
        assert!(refused.message().contains("nothing more is recorded"), "{refused:?}");
        assert_eq!(take_made(), ["ask/nudge:0/before"]);
        assert_eq!(turns(&one, run).await, ["nudge 1.1 running"]);
        is_sound(&one).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_reminder_of_a_node_that_stands_still_is_taken_over_and_ends_once() {
    let (one, other, run) = two_nodes(true).await;
    let takes_over = async {
        made(1).await;
        for _ in 0..5 {
            other.clock().advance(std::time::Duration::from_secs(1));
            other.beat().await.unwrap();
        }
        // The first one goes on too, and what it does from here on is refused.
        open_gate(2);
        other.settle().await.unwrap();
    };
    let held_up = async { tokio::join!(takes_over, one.settle()).1 };
    soon(held_up).await.unwrap();
    let seen = turns(&one, run).await;
    assert_eq!(seen.iter().filter(|turn| turn.ends_with("complete")).count(), 1, "{seen:?}");
    assert_eq!(one.status(run).await.unwrap(), RunStatus::Waiting);
    is_sound(&one).await;
}

/// The row of ready work is the reminder's, and the run that is read behind it is that of the answer.
#[tokio::test]
async fn a_step_is_not_begun_under_the_claim_of_the_reminder_that_its_answer_cut_short() {
    for is_born_claimed in [true, false] {
        let mut world = world();
        let run = waiting(&world, receipt, "k").await;
        world.clock().advance(HOUR);
        world.ring().await.unwrap();
        if !is_born_claimed {
            world.restart().unwrap();
        }
        let other = world.beside();
        world.store().between(async move {
            other.post("mail", &event("1", "k", "paid", "resume")).await.unwrap();
        });
        world.settle().await.unwrap();
        assert_eq!(world.status(run).await.unwrap(), RunStatus::Complete);
        assert_eq!(take_made(), ["take:0/thank"], "begun once, and the reminder never");
        is_sound(&world).await;
    }
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
struct Name {
    key: String,
    name: String,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
struct Names {
    key: String,
    names: Vec<String>,
}

thread_local! {
    static GREETED: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

async fn ask_name(_cx: Cx, name: Name) -> Result<Waiting<Name, Text>> {
    let on = mail::on(&name.key);
    Ok(wait_for(name, on))
}

async fn ask_names(_cx: Cx, names: Names) -> Result<Waiting<Names, Text>> {
    let on = mail::on(&names.key);
    Ok(wait_for(names, on))
}

async fn greet_old(_cx: Cx, name: Name) -> Result<()> {
    GREETED.with_borrow_mut(|greeted| greeted.push(name.name));
    Ok(())
}

async fn greet(_cx: Cx, names: Names) -> Result<()> {
    GREETED.with_borrow_mut(|greeted| greeted.push(names.names.join("+")));
    Ok(())
}

async fn end_old(_cx: Cx, name: Name, _text: Text) -> Result<Next<Name>> {
    Ok(Next(name))
}

async fn end(_cx: Cx, names: Names, _text: Text) -> Result<Next<Names>> {
    Ok(Next(names))
}

fn first() -> Brain<Name> {
    brain("greeting")
        .step("ask", ask_name)
        .remind_every("greet", HOUR, 9, greet_old)
        .step("end", end_old)
        .build()
}

/// The state has another shape, and step and reminder other names.
fn second() -> Brain<Names> {
    brain("greeting")
        .version(2)
        .migrate_state::<Name, Names>(2, |old| {
            if old.name == "nobody" {
                px_sdk::bail!("nobody has no names");
            }
            Ok(Names { key: old.key, names: old.name.split(' ').map(str::to_owned).collect() })
        })
        .step("ask for names", ask_names)
        .formerly("ask")
        .remind_every("say hello", HOUR, 9, greet)
        .formerly("greet")
        .step("end", end)
        .build()
}

fn without_reminder() -> Brain<Names> {
    brain("greeting")
        .version(2)
        .migrate_state::<Name, Names>(2, |old| Ok(Names { key: old.key, names: vec![old.name] }))
        .step("ask", ask_names)
        .step("end", end)
        .build()
}

fn deployed(def: BrainDef) -> Registry {
    let base = registry();
    let webhooks: Vec<_> = base.webhooks().map(|one| (one.source.clone(), (*one.def).clone())).collect();
    Registry::of([(Source { file: "reminders_moving.rs".into(), line: 1 }, def)], webhooks).unwrap()
}

/// A run of the first version that waits, in a world of another one.
async fn redeployed(name: &str, def: BrainDef) -> (World, RunId) {
    let old = World::new(deployed(first().into_def())).unwrap();
    let run = old.start(first, Name { key: "k".into(), name: name.into() }).await.unwrap();
    old.settle().await.unwrap();
    let new = World::over(deployed(def), Arc::clone(old.rows()), 1 << 32).unwrap();
    (new, run)
}

fn errors(log: &[Event]) -> Vec<String> {
    let error = |event: &Event| match &event.event {
        px_core::event::EventBody::Reminder(turn) => turn.error.as_ref().map(|error| error.message.clone()),
        _ => None,
    };
    log.iter().filter_map(error).collect()
}

#[tokio::test]
async fn a_state_that_a_lower_version_left_is_migrated_before_the_reminder_sees_it() {
    let (world, run) = redeployed("Ada Lovelace", second().into_def()).await;
    world.advance(HOUR).await.unwrap();
    assert_eq!(GREETED.take(), ["Ada+Lovelace"]);
    let names: Vec<_> = world.log(run).await.unwrap().iter().map(|event| event.event.name()).collect();
    assert_eq!(names[names.len() - 3..], ["step:reminder", "brain:migrated", "step:reminder"]);
    world.advance(HOUR).await.unwrap();
    assert_eq!(GREETED.take(), ["Ada+Lovelace"]);
    is_sound(&world).await;
    let stored = world.run(run).await.unwrap().unwrap();
    assert_eq!(obstacle(&deployed(second().into_def()), &Limits::default(), &stored), None);
    post(&world, "1", "k", "done").await;
    assert_eq!(world.status(run).await.unwrap(), RunStatus::Complete);
    is_sound(&world).await;
}

#[tokio::test]
async fn a_migration_that_fails_leaves_the_run_waiting_and_says_so() {
    let (world, run) = redeployed("nobody", second().into_def()).await;
    world.advance(HOUR).await.unwrap();
    assert!(GREETED.take().is_empty());
    let log = world.log(run).await.unwrap();
    assert!(errors(&log)[0].contains("nobody has no names"), "{:?}", errors(&log));
    assert_eq!(
        turns(&world, run).await,
        ["greet 1.1 running", "greet 1.1 postponed"],
        "a deploy may mend it"
    );
    assert_eq!(world.status(run).await.unwrap(), RunStatus::Waiting, "only its next step would pause it");
    is_sound(&world).await;
}

#[tokio::test]
async fn a_reminder_that_a_redeploy_removed_is_given_up_with_words() {
    let (world, run) = redeployed("Ada", without_reminder().into_def()).await;
    world.advance(HOUR).await.unwrap();
    let log = world.log(run).await.unwrap();
    assert_eq!(errors(&log), ["reminder 'greet' of step 'ask' is not in brain 'greeting' any more"]);
    world.advance(HOUR * 9).await.unwrap();
    assert_eq!(world.log(run).await.unwrap().len(), log.len(), "no further turn comes");
    post(&world, "1", "k", "done").await;
    assert_eq!(world.status(run).await.unwrap(), RunStatus::Complete);
    is_sound(&world).await;
}

fn older() -> Brain<Name> {
    brain("greeting").step("ask", ask_name).step("end", end_old).build()
}

/// Its reminder takes a state that no step has left, and no migration brings over.
fn unfit() -> Brain<Names> {
    brain("greeting").step("ask", ask_names).remind_every("greet", HOUR, 9, greet).step("end", end).build()
}

#[tokio::test]
async fn a_build_that_cannot_run_a_reminder_leaves_it_to_one_that_can() {
    let mut another = older().into_def();
    another.title = "another".into();
    for (build, why) in [
        (older().into_def(), "this build has no reminder 'greet' of step 'ask' in brain 'greeting'"),
        (unfit().into_def(), "the stored state does not fit reminder 'greet[1]' of step 'ask'"),
        (another, "brain 'greeting' is not in this binary"),
    ] {
        let (world, run) = redeployed("Ada", build).await;
        world.advance(HOUR).await.unwrap();
        let said = errors(&world.log(run).await.unwrap());
        assert!(said.len() == 1 && said[0].contains(why), "{said:?}");
        let later = ["greet 1.1 running", "greet 1.1 postponed"];
        assert_eq!(turns(&world, run).await, later);
        assert_eq!(world.status(run).await.unwrap(), RunStatus::Waiting);
        is_sound(&world).await;
        let newer = World::over(deployed(first().into_def()), Arc::clone(world.rows()), 2 << 32).unwrap();
        newer.advance(HOUR + MINUTE).await.unwrap();
        assert_eq!(GREETED.take(), ["Ada"], "{why}");
        assert_eq!(turns(&newer, run).await[2..], ["greet 1.1 running", "greet 1.1 complete"]);
        is_sound(&newer).await;
    }
}

#[test]
fn what_nobody_could_remind_by_is_refused_at_start() {
    let step = || brain("refused").step("ask", ask_name);
    let source = || Source { file: "reminders_moving.rs".into(), line: 1 };
    for (brain, says) in [
        (
            step().remind("greet", HOUR, greet_old).step("ask/greet", end_old),
            "Step 'ask/greet' is called like",
        ),
        (step().remind("", HOUR, greet_old).step("end", end_old), "step 'ask' has an empty name"),
        (
            step().remind("greet[2]", HOUR, greet_old).step("end", end_old),
            "'greet[2]' of step 'ask' has a '['",
        ),
        (step().remind("a/b", HOUR, greet_old).step("end", end_old), "'a/b' of step 'ask' has a '/'"),
        (
            step().remind_every("greet", std::time::Duration::ZERO, 2, greet_old).step("end", end_old),
            "comes every 0ns",
        ),
        (step().remind_every("greet", HOUR, 10_001, greet_old).step("end", end_old), "up to 10001 turns"),
    ] {
        let def = brain.build::<px_sdk::Untold>().into_def();
        let error = Registry::of([(source(), def)], []).unwrap_err().to_string();
        assert!(error.contains(says), "{says}: {error}");
    }
}

#[tokio::test]
async fn a_reminder_that_comes_no_time_at_most_never_comes() {
    let never: fn() -> Brain<Name> = || {
        brain("greeting")
            .step("ask", ask_name)
            .remind_every("greet", HOUR, 0, greet_old)
            .step("end", end_old)
            .build()
    };
    let world = World::new(deployed(never().into_def())).unwrap();
    let run = world.start(never, Name { key: "k".into(), name: "Ada".into() }).await.unwrap();
    world.settle().await.unwrap();
    world.advance(HOUR * 3).await.unwrap();
    assert_eq!((turns(&world, run).await, GREETED.take()), (Vec::new(), Vec::new()));
}

/// As a user tests a brain.
#[test]
fn a_test_lets_time_pass_and_sees_what_reminders_did() {
    let world = user_world();
    world.stub(hourly, "mail", ());
    let run = world.start(hourly, asked("k"));
    world.skip(HOUR * 2);
    let calls = world.calls(hourly, "mail");
    assert_eq!(calls.len(), 2, "each at its time\n{}", run.story());
    assert!(calls[1].key.ends_with(":ask/nudge[2]:0/mail"), "{}", calls[1].key);
    assert_eq!((&*calls[1].step, &calls[1].input["key"]), ("nudge", &"k".into()));
    run.expect_status("waiting");
    assert!(run.story().contains("reminder 'nudge[3]' at "), "{}", run.story());
    world.post("mail", event("1", "k", "paid", "resume"));
    run.expect_complete();
    // One without a stub fails, and the run goes on waiting.
    let run = world.start(payment, asked("other"));
    world.skip(HOUR * 2);
    run.expect_status("waiting");
    let failed = run.log().into_iter().rfind(|entry| entry["type"] == "step:reminder").unwrap();
    assert_eq!((&failed["progress"], &failed["stepId"]), (&"error".into(), &"ask".into()));
    assert!(failed["error"]["message"].as_str().unwrap().contains("has no stub"), "{failed}");
}

#[test]
fn in_all_weathers_a_reminder_is_sent_under_one_key_a_turn() {
    weather(|w| {
        w.stub(hourly, "mail", ());
        let run = w.start(hourly, Ask { key: "k".into() });
        w.skip(HOUR);
        w.skip(HOUR);
        w.post("mail", event("1", "k", "paid", "resume"));
        w.calm();
        run.expect_complete();
        let calls = w.calls(hourly, "mail");
        let turn = |key: &str| ["[1]", "[2]", "[3]"].iter().position(|turn| key.contains(turn));
        assert!(calls.iter().all(|call| turn(&call.key).is_some()), "{calls:?}");
        assert!(calls.is_sorted_by_key(|call| turn(&call.key)), "{calls:?}");
    });
}

#[test]
fn two_reminders_of_a_step_with_one_name_are_refused_at_start() {
    let twice = || {
        brain("twice")
            .step("ask", ask_name)
            .remind("greet", HOUR, greet_old)
            .remind_every("greet", HOUR, 2, greet_old)
            .step("end", end_old)
            .build::<px_sdk::Untold>()
            .into_def()
    };
    let source = Source { file: "reminders_moving.rs".into(), line: 1 };
    let error = Registry::of([(source, twice())], []).unwrap_err().to_string();
    assert!(error.contains("Step 'ask' has two reminders called 'greet'"), "{error}");
}
