//! The end of a run counts once for a wait that takes several, however often it is looked for: at each turn of a
//! stream, after a pause, and when the run was sent back and ends again.

#![expect(clippy::unwrap_used, reason = "a test says by panicking that it failed")]

mod project;

use project::{Ask, Text, event, mail};
use px_core::{RunId, RunStatus};
use px_sdk::{
    All, Brain, Collecting, Cx, More, Next, On, Picked, Registry, Result, RunEnd, Streaming, Waiting, brain,
    end_of, stream, wait_for, wait_for_count,
};
use px_testkit::World;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

fn boss() -> Brain<Ask, Text> {
    brain("boss").step("ask", ask).step("answer", answer).build()
}
px_sdk::brain!(boss);

async fn ask(_cx: Cx, ask: Ask) -> Result<Waiting<Ask, Text>> {
    let on = mail::on(&ask.key);
    Ok(wait_for(ask, on))
}

async fn answer(_cx: Cx, _ask: Ask, said: Text) -> Result<Next<Text>> {
    Ok(Next(said))
}

/// Hears of the end of each of several runs.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
struct Chief {
    bosses: Vec<RunId>,
    #[serde(default)]
    heard: Vec<String>,
}

impl Chief {
    fn ends(&self) -> Vec<On<RunEnd<Text>>> {
        self.bosses.iter().map(|run| end_of(boss, *run)).collect()
    }
}

fn chief() -> Brain<Chief> {
    brain("chief").step("listen", listen).for_each("note", note).build()
}
px_sdk::brain!(chief);

async fn listen(_cx: Cx, chief: Chief) -> Result<Streaming<Chief, Picked<RunEnd<Text>>>> {
    let ends = chief.ends();
    Ok(stream(chief, ends))
}

async fn note(_cx: Cx, mut chief: Chief, end: Picked<RunEnd<Text>>) -> Result<More<Chief, Chief>> {
    let RunEnd::Complete { result } = end.response else { px_sdk::bail!("one failed") };
    chief.heard.push(format!("{} {}", end.index, result.text));
    Ok(if chief.heard.len() == chief.bosses.len() { More::Done(chief) } else { More::Next(chief) })
}

/// Waits for two different words of several runs.
fn teller() -> Brain<Chief> {
    brain("teller").step("count", count).step("counted", counted).build()
}
px_sdk::brain!(teller);

async fn count(_cx: Cx, chief: Chief) -> Result<Collecting<Chief, All<Vec<RunEnd<Text>>>>> {
    let ends = chief.ends();
    Ok(wait_for_count(chief, 2, ends).distinct_by("/result/text"))
}

async fn counted(_cx: Cx, chief: Chief, All(ends): All<Vec<RunEnd<Text>>>) -> Result<Next<Chief>> {
    let word = |end: RunEnd<Text>| match end {
        RunEnd::Complete { result } => result.text,
        other => format!("{other:?}"),
    };
    Ok(Next(Chief { heard: ends.into_iter().map(word).collect(), ..chief }))
}

/// Three runs that wait for a word each, in a world of their own.
async fn three() -> (World, Vec<RunId>) {
    let world = World::new(Registry::collect().unwrap()).unwrap();
    let mut bosses = Vec::new();
    for key in ["a", "b", "c"] {
        bosses.push(world.start(boss, Ask { key: key.into() }).await.unwrap());
    }
    world.settle().await.unwrap();
    (world, bosses)
}

async fn say(world: &World, id: &str, key: &str, word: &str) {
    world.post("mail", &event(id, key, word, "resume")).await.unwrap();
    world.settle().await.unwrap();
    let report = world.audit().await.unwrap();
    assert!(report.is_clean(), "{:#?}", report.violations);
}

#[tokio::test]
async fn a_stream_of_ends_hears_of_each_run_once_whatever_ended_before() {
    let (world, bosses) = three().await;
    // Two end before anybody listens, the later one first.
    say(&world, "1", "b", "second").await;
    say(&world, "2", "a", "first").await;
    let heard = world.start(chief, Chief { bosses: bosses.clone(), heard: Vec::new() }).await.unwrap();
    world.settle().await.unwrap();
    assert_eq!(world.status(heard).await.unwrap(), RunStatus::Waiting);
    // It looks again when it goes on, and hears nothing that it has heard.
    world.pause(heard).await.unwrap();
    world.resume(heard).await.unwrap();
    world.settle().await.unwrap();
    assert_eq!(world.status(heard).await.unwrap(), RunStatus::Waiting);
    // Nor does it hear of a run that was sent back and ended once more.
    world.rerun(bosses[0], 1).await.unwrap();
    world.settle().await.unwrap();
    say(&world, "3", "a", "again").await;
    say(&world, "4", "c", "third").await;
    assert_eq!(world.status(heard).await.unwrap(), RunStatus::Complete);
    let state = world.state(heard).await.unwrap();
    assert_eq!(state["heard"], serde_json::json!(["0 first", "1 second", "2 third"]));
}

#[tokio::test]
async fn a_count_of_ends_counts_a_run_once_and_like_ends_as_one() {
    let (world, bosses) = three().await;
    let told = world.start(teller, Chief { bosses: bosses.clone(), heard: Vec::new() }).await.unwrap();
    world.settle().await.unwrap();
    say(&world, "1", "a", "same").await;
    say(&world, "2", "b", "same").await;
    // Sent back, it ends with another word, and somebody else waits for that.
    world.rerun(bosses[0], 1).await.unwrap();
    world.start(chief, Chief { bosses: vec![bosses[0]], heard: Vec::new() }).await.unwrap();
    world.settle().await.unwrap();
    say(&world, "3", "a", "other").await;
    assert_eq!(world.status(told).await.unwrap(), RunStatus::Waiting);
    say(&world, "4", "c", "different").await;
    assert_eq!(world.state(told).await.unwrap()["heard"], serde_json::json!(["same", "different"]));
}
