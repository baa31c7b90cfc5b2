//! Going back in virtual time: to steps of several kinds, over versions, in
//! turn, and through crashes (docs/rules.md#31).

#![expect(clippy::unwrap_used, reason = "a test says by panicking that it failed")]

mod project;

use std::sync::Arc;

use project::{Ask, Text, event, mail, registry};
use px_core::{RunId, RunStatus, Scope};
use px_engine::{ControlError, PositionError};
use px_sdk::registry::Source;
use px_sdk::{Brain, Cx, More, Next, Registry, Result, Streaming, Waiting, brain, items, stream, wait_for};
use px_store::Store;
use px_store_rows::{Embedded, MemoryRows};
use px_testkit::{Fault, World, WorldError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
struct Tale {
    key: String,
    said: Vec<String>,
}

fn inner() -> Brain<Tale, Tale> {
    brain("inner").step("ask inside", ask).step("hear inside", hear).build()
}

fn tale() -> Brain<Tale> {
    brain("tale")
        .step("ask", ask)
        .step("hear", hear)
        .brain("inside", inner, Clone::clone, |_, inner: Tale| inner)
        .map("each", items(|tale: &Tale| tale.said.clone(), shout), |tale, said| Tale { said, ..tale })
        .step("open", open)
        .for_each("take", take)
        .step("end", end)
        .build()
}

async fn ask(_cx: Cx, tale: Tale) -> Result<Waiting<Tale, Text>> {
    let on = mail::on(&tale.key);
    Ok(wait_for(tale, on))
}

async fn hear(_cx: Cx, mut tale: Tale, text: Text) -> Result<Next<Tale>> {
    tale.said.push(text.text);
    Ok(Next(tale))
}

async fn shout(_cx: Cx, word: String) -> Result<String> {
    Ok(word.to_uppercase())
}

async fn open(_cx: Cx, tale: Tale) -> Result<Streaming<Tale, Text>> {
    let on = mail::on(&tale.key);
    Ok(stream(tale, on))
}

async fn take(_cx: Cx, mut tale: Tale, text: Text) -> Result<More<Tale, Tale>> {
    let done = text.text == "bye";
    tale.said.push(text.text);
    Ok(if done { More::Done(tale) } else { More::Next(tale) })
}

async fn end(_cx: Cx, tale: Tale) -> Result<Next<Tale>> {
    Ok(Next(tale))
}

/// The next version of it: what was said is kept under another name.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
struct Told {
    key: String,
    words: Vec<String>,
}

fn told() -> Brain<Tale> {
    brain("tale")
        .version(2)
        .step("ask", ask)
        .step("hear", async |_cx, tale: Tale, text: Text| {
            Ok(Next(Told { key: tale.key, words: vec![text.text] }))
        })
        .migrate(|_, old| {
            let old: Tale = serde_json::from_value(old).map_err(px_sdk::Error::msg)?;
            Ok(Told { key: old.key, words: old.said })
        })
        .step("end", async |_cx, told: Told| Ok(Next(told)))
        .build()
}

fn one_by_one() -> Brain<Ask> {
    brain("one-by-one").step("only", async |_cx, ask: Ask| Ok(Next(ask))).at_most(1).build()
}

fn with(tale: Brain<Tale>) -> Registry {
    let base = registry();
    let source = |line| Source { file: "back.rs".into(), line };
    let ours = [tale.into_def(), inner().into_def(), one_by_one().into_def()];
    let brains = ours.into_iter().zip(1..).map(|(def, line)| (source(line), def));
    let webhooks = base.webhooks().map(|webhook| (webhook.source.clone(), (*webhook.def).clone()));
    Registry::of(brains, webhooks.collect::<Vec<_>>()).unwrap()
}

async fn say(world: &World, id: &str, text: &str) -> Result<(), WorldError> {
    world.post("mail", &event(id, "k", text, "resume")).await?;
    world.settle().await
}

/// A run that went all the way.
async fn told_to_the_end(world: &World) -> RunId {
    let run = world.start(tale, Tale { key: "k".into(), said: Vec::new() }).await.unwrap();
    world.settle().await.unwrap();
    for (id, text) in [("1", "one"), ("2", "two"), ("3", "three"), ("4", "bye")] {
        say(world, id, text).await.unwrap();
    }
    assert_eq!(world.status(run).await.unwrap(), RunStatus::Complete);
    run
}

async fn clean(world: &World) {
    let report = world.audit().await.unwrap();
    assert!(report.is_clean(), "{:#?}", report.violations);
}

fn position_error(result: Result<(), WorldError>) -> PositionError {
    match result {
        Err(WorldError::Control(ControlError::Position(why))) => why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn rule_31_each_kind_of_step_is_given_again_what_it_had() {
    let world = World::new(with(tale())).unwrap();
    let run = told_to_the_end(&world).await;
    let all = json!(["ONE", "TWO", "three", "bye"]);
    assert_eq!(world.state(run).await.unwrap()["said"], all);

    // The plain step at the end, and the list: nothing is waited for before the stream.
    world.rerun(run, 7).await.unwrap();
    world.settle().await.unwrap();
    assert_eq!(world.state(run).await.unwrap()["said"], all);
    world.rerun(run, 4).await.unwrap();
    world.settle().await.unwrap();
    assert_eq!(world.status(run).await.unwrap(), RunStatus::Waiting, "the stream is open anew");
    say(&world, "5", "bye").await.unwrap();
    assert_eq!(world.state(run).await.unwrap()["said"], json!(["ONE", "TWO", "bye"]));

    // The step behind a wait is given the response that it had.
    world.rerun(run, 2).await.unwrap();
    world.settle().await.unwrap();
    assert_eq!(world.state(run).await.unwrap()["said"], json!(["one"]), "and the nested brain waits anew");
    let depth = world.run(run).await.unwrap().unwrap().frames.len();
    assert_eq!(depth, 2);
    // Back from inside a nested brain: its frame is left.
    world.rerun(run, 3).await.unwrap();
    world.settle().await.unwrap();
    say(&world, "6", "again").await.unwrap();
    say(&world, "7", "bye").await.unwrap();
    assert_eq!(world.state(run).await.unwrap()["said"], json!(["ONE", "AGAIN", "bye"]));
    clean(&world).await;
}

#[tokio::test]
async fn what_came_after_the_point_of_return_does_not_count_any_more() {
    let world = World::new(with(tale())).unwrap();
    let run = told_to_the_end(&world).await;
    world.rerun(run, 1).await.unwrap();
    world.settle().await.unwrap();
    world.cancel(run).await.unwrap();
    assert_eq!(
        position_error(world.rerun(run, 4).await),
        PositionError::NotReached { starts_at: 4, step: "each".into() }
    );
    assert_eq!(
        position_error(world.rerun(run, 2).await),
        PositionError::NoResponse { starts_at: 2, step: "hear".into() }
    );
    assert_eq!(
        position_error(world.rerun(run, 6).await),
        PositionError::StreamClosed { starts_at: 6, step: "take".into() }
    );
    assert_eq!(
        position_error(world.rerun(run, 8).await),
        PositionError::BeyondEnd { starts_at: 8, steps: 7 }
    );
    let forked = world.fork(run, 7, Some(json!({"key": "k", "said": ["edited"]}))).await.unwrap();
    world.settle().await.unwrap();
    assert_eq!(world.state(forked).await.unwrap()["said"], json!(["edited"]));
    assert_eq!(world.status(run).await.unwrap(), RunStatus::Cancelled);
    clean(&world).await;
}

#[tokio::test]
async fn a_state_of_an_older_version_is_migrated_when_its_step_comes_again() {
    let rows: Arc<dyn Store> = Arc::new(Embedded::new(MemoryRows::new()));
    let old = World::over(with(tale()), Arc::clone(&rows), 1).unwrap();
    let run = told_to_the_end(&old).await;
    drop(old);
    let new = World::over(with(told()), rows, 2).unwrap();
    assert_eq!(
        position_error(new.rerun(run, 3).await),
        PositionError::StepGone { step: "inside".into(), brain: "tale".into() }
    );
    new.rerun(run, 7).await.unwrap();
    new.settle().await.unwrap();
    assert_eq!(new.state(run).await.unwrap()["words"], json!(["ONE", "TWO", "three", "bye"]));
    // And back over it, to where the state was of the older version.
    new.rerun(run, 2).await.unwrap();
    new.settle().await.unwrap();
    assert_eq!(new.state(run).await.unwrap()["words"], json!(["one"]));
    clean(&new).await;
}

#[tokio::test]
async fn a_rerun_and_a_fork_end_the_same_whatever_dies() {
    for fault in [Fault::DiesBefore, Fault::DiesAfter] {
        for at in 0..20 {
            let mut world = World::new(with(tale())).unwrap();
            let run = told_to_the_end(&world).await;
            let from = world.store().commits();
            world.store().plan(move |number, _| (number == from + at).then_some(fault));
            let act = async |world: &World| {
                world.rerun(run, 4).await?;
                world.settle().await?;
                say(world, "5", "bye").await
            };
            let died = act(&world).await.is_err();
            if died {
                world.restart().unwrap();
                world.settle().await.unwrap();
                // The caller, who had no answer, asks again: it is either not
                // begun, under way or through, and going back is right each time.
                world.rerun(run, 4).await.unwrap();
                world.settle().await.unwrap();
                say(&world, "6", "bye").await.unwrap();
            }
            assert_eq!(world.status(run).await.unwrap(), RunStatus::Complete, "{fault:?} at {at}");
            assert_eq!(
                world.state(run).await.unwrap()["said"],
                json!(["ONE", "TWO", "bye"]),
                "{fault:?} at {at}"
            );
            clean(&world).await;
            if !died {
                break;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn runs_that_start_at_once_and_take_turns_are_all_there() {
    let rows: Arc<dyn Store> = Arc::new(Embedded::new(MemoryRows::new()));
    let world = Arc::new(World::over(with(tale()), Arc::clone(&rows), 1).unwrap());
    let starts = (0..64).map(|number| {
        let world = Arc::clone(&world);
        tokio::spawn(async move { world.start(one_by_one, Ask { key: number.to_string() }).await.unwrap() })
    });
    let mut started = Vec::new();
    for start in starts.collect::<Vec<_>>() {
        started.push(start.await.unwrap());
    }
    world.settle().await.unwrap();
    for run in started {
        assert_eq!(world.status(run).await.unwrap(), RunStatus::Complete);
        // Again, each in its turn.
        world.rerun(run, 1).await.unwrap();
    }
    world.settle().await.unwrap();
    let filter = px_store::RunFilter::default();
    let all = rows.runs(Scope::default(), &filter, None, 100).await.unwrap().items;
    assert!(all.iter().all(|record| record.run.status == RunStatus::Complete), "{all:#?}");
    assert_eq!(all.len(), 64);
    clean(&world).await;
}
