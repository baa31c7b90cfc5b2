//! Golden logs of the forms that a pipeline has beside plain steps, and of
//! what is done to a run: guards, nested brains, lists, streams, turns, runs
//! that wait for runs, several responses, retries, sleeps, pause, rerun and
//! fork. See `golden.rs`.
//!
//! `PX_BLESS=1 cargo test -p px-testkit --test golden_forms` writes them anew.

#![expect(clippy::unwrap_used, reason = "a test says by panicking that it failed")]

mod blessed;
mod project;

use std::time::Duration;

use blessed::compare;
use project::{Ask, TIMEOUT, Text, approval, both, event, flaky, mail, question, registry, sleeper, survey};
use px_sdk::{
    Brain, Cx, Guarded, More, Next, Result, RunEnd, Streaming, Timed, Waiting, brain, end_of, items, stream,
    wait_for,
};
use px_testkit::World;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
struct Words {
    key: String,
    words: Vec<String>,
}

impl Words {
    fn and(mut self, word: String) -> Self {
        self.words.push(word);
        self
    }
}

fn words(key: &str, words: &[&str]) -> Words {
    Words { key: key.into(), words: words.iter().map(|word| (*word).to_owned()).collect() }
}

fn inner() -> Brain<Words, Guarded<Words>> {
    brain("inner")
        .step("ask", ask)
        .step("hear", hear)
        .guard("goes on", |_: &Words| false)
        .step("end", end)
        .build()
}
px_sdk::brain!(inner);

async fn ask(_cx: Cx, words: Words) -> Result<Waiting<Words, Text>> {
    let on = mail::on(&words.key);
    Ok(wait_for(words, on))
}

async fn hear(_cx: Cx, words: Words, text: Text) -> Result<Next<Words>> {
    Ok(Next(words.and(text.text)))
}

async fn end(_cx: Cx, words: Words) -> Result<Next<Words>> {
    Ok(Next(words))
}

fn nested() -> Brain<Words> {
    brain("nested")
        .version(2)
        .brain("inside", inner, Clone::clone, |words: Words, inner| match inner {
            Guarded::Complete(words) => words,
            Guarded::Halted(state) => words.and(format!("halted with {state}")),
        })
        .step("end", end)
        .build()
}
px_sdk::brain!(nested);

fn list() -> Brain<Words> {
    brain("list")
        .map(
            "each",
            items(|words: &Words| words.words.clone(), shout).on_error(|word, _| Ok(format!("({word})"))),
            |words, done| Words { words: done, ..words },
        )
        .build()
}
px_sdk::brain!(list);

async fn shout(cx: Cx, word: String) -> Result<String> {
    cx.emit("shouting", json!({ "word": word })).await?;
    let loud = cx.once("shout", || async { Ok(word.to_uppercase()) }).await?;
    if word == "bad" { px_sdk::bail!("a bad word") } else { Ok(loud) }
}

fn hearing() -> Brain<Words> {
    brain("hearing").step("open", open).for_each("take", take).build()
}
px_sdk::brain!(hearing);

async fn open(_cx: Cx, words: Words) -> Result<Streaming<Words, Timed<Text>>> {
    let on = mail::on(&words.key);
    Ok(stream(words, on).timeout(TIMEOUT))
}

async fn take(_cx: Cx, words: Words, text: Timed<Text>) -> Result<More<Words, Words>> {
    Ok(match text {
        Timed::Answered(text) => More::Next(words.and(text.text)),
        Timed::TimedOut => More::Done(words),
    })
}

fn one_by_one() -> Brain<Words, Words> {
    brain("one by one").step("ask", ask).step("hear", hear).at_most(1).build()
}
px_sdk::brain!(one_by_one);

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
struct Count {
    count: u32,
}

/// Counts by hand.
mod counts {
    use super::*;

    px_sdk::webhook! {
        slug = "counts",
        payload = Count,
        response = Count,
        verify = px_sdk::verify::unverified(),
        handler = receive,
    }

    async fn receive(count: Count) -> Result<px_sdk::Inbound<Count>> {
        Ok(px_sdk::Inbound::resume("counts", count))
    }
}

fn early() -> Brain<Words> {
    brain("early")
        .step("ask", ask)
        .step("hear", hear_and_ask)
        .step("again", hear_count)
        .step("end", hear)
        .build()
}
px_sdk::brain!(early);

async fn hear_and_ask(_cx: Cx, words: Words, text: Text) -> Result<Waiting<Words, Count>> {
    let on = counts::on(&words.key);
    Ok(wait_for(words.and(text.text), on))
}

async fn hear_count(_cx: Cx, words: Words, count: Count) -> Result<Waiting<Words, Text>> {
    let on = mail::on(&words.key);
    Ok(wait_for(words.and(count.count.to_string()), on))
}

fn parent() -> Brain<Words> {
    brain("parent").step("start", start_child).step("end", child_ended).build()
}
px_sdk::brain!(parent);

async fn start_child(cx: Cx, words: Words) -> Result<Waiting<Words, RunEnd<Words>>> {
    let child = cx.start("child", one_by_one, words.clone()).await?;
    Ok(wait_for(words, end_of(one_by_one, child)))
}

async fn child_ended(_cx: Cx, words: Words, end: RunEnd<Words>) -> Result<Next<Words>> {
    let RunEnd::Complete { result } = end else { px_sdk::bail!("it did not complete") };
    Ok(Next(result.words.into_iter().fold(words, Words::and)))
}

async fn post(world: &World, id: &str, key: &str, text: &str) {
    world.post("mail", &event(id, key, text, "resume")).await.unwrap();
    world.settle().await.unwrap();
}

#[tokio::test]
async fn forms_write_what_they_always_wrote() {
    let world = World::new(registry()).unwrap();
    let nested = world.start(nested, words("nested", &[])).await.unwrap();
    let list = world.start(list, words("list", &["a", "bad", "c"])).await.unwrap();
    let hearing = world.start(hearing, words("hearing", &[])).await.unwrap();
    world.settle().await.unwrap();
    post(&world, "1", "nested", "in the depth").await;
    for (id, text) in [("2", "one"), ("3", "two")] {
        world.post("mail", &event(id, "hearing", text, "resume")).await.unwrap();
    }
    world.settle().await.unwrap();
    let first = world.start(parent, words("first", &[])).await.unwrap();
    let second = world.start(parent, words("second", &[])).await.unwrap();
    world.settle().await.unwrap();
    post(&world, "4", "first", "done").await;
    post(&world, "5", "second", "done too").await;
    let filter = px_store::RunFilter { brain: Some("one by one".into()), ..px_store::RunFilter::default() };
    let turns = world.rows().runs(px_core::Scope::default(), &filter, None, 2).await.unwrap();
    world.advance(TIMEOUT).await.unwrap();
    for (run, name) in [
        (nested, "nested.jsonl"),
        (list, "list.jsonl"),
        (hearing, "stream.jsonl"),
        (first, "parent.jsonl"),
        (second, "parent-second.jsonl"),
        (turns.items[0].run.id, "turns.jsonl"),
    ] {
        compare(&world, run, name).await;
    }
}

#[tokio::test]
async fn waits_and_control_write_what_they_always_wrote() {
    let world = World::new(registry()).unwrap();
    let ask = |key: &str| Ask { key: key.into() };
    let count = world.start(approval, ask("count")).await.unwrap();
    let partly = world.start(approval, ask("partly")).await.unwrap();
    let all = world.start(both, ask("all")).await.unwrap();
    let retried = world.start(flaky, ask("retries")).await.unwrap();
    let slept = world.start(sleeper, ask("x")).await.unwrap();
    let paused = world.start(survey, ask("paused")).await.unwrap();
    let rerun = world.start(question, ask("rerun")).await.unwrap();
    world.settle().await.unwrap();
    for (id, key, text) in [
        ("1", "count", "yes"),
        ("2", "count", "yes"),
        ("3", "count", "no"),
        ("4", "partly", "yes"),
        ("5", "all", "a"),
    ] {
        post(&world, id, key, text).await;
    }
    world.post("phone", &event("6", "all", "b", "")).await.unwrap();
    world.pause(paused).await.unwrap();
    post(&world, "7", "paused", "meanwhile").await;
    world.resume(paused).await.unwrap();
    post(&world, "8", "rerun", "once").await;
    world.rerun(rerun, 2).await.unwrap();
    world.settle().await.unwrap();
    let fork = world.fork(rerun, 2, None).await.unwrap();
    world.settle().await.unwrap();
    for _ in 0..2 {
        world.advance(Duration::from_secs(20)).await.unwrap();
    }
    world.advance(TIMEOUT).await.unwrap();
    for (run, name) in [
        (count, "count.jsonl"),
        (partly, "count-partly.jsonl"),
        (all, "all.jsonl"),
        (retried, "retried.jsonl"),
        (slept, "slept.jsonl"),
        (paused, "paused.jsonl"),
        (rerun, "rerun.jsonl"),
        (fork, "fork.jsonl"),
    ] {
        compare(&world, run, name).await;
    }
}

#[tokio::test]
async fn answers_by_hand_write_which_of_those_kept_they_are() {
    let world = World::new(registry()).unwrap();
    let run = world.start(early, words("early", &[])).await.unwrap();
    // All before the first wait: a count that waits for its turn, and a text behind it that
    // is taken at once. Then a text for the open wait, which leaves what is kept where it is.
    for answer in [json!({"count": 1}), json!({"text": "behind it"})] {
        world.answer(run, answer).await.unwrap();
    }
    world.settle().await.unwrap();
    world.answer(run, json!({"text": "last"})).await.unwrap();
    world.settle().await.unwrap();
    let direct = world.start(early, words("direct", &[])).await.unwrap();
    world.answer(direct, json!({"count": 2})).await.unwrap();
    world.settle().await.unwrap();
    world.answer(direct, json!({"text": "now"})).await.unwrap();
    world.settle().await.unwrap();
    world.answer(direct, json!({"text": "last"})).await.unwrap();
    world.settle().await.unwrap();
    compare(&world, run, "early.jsonl").await;
    compare(&world, direct, "early-direct.jsonl").await;
}
