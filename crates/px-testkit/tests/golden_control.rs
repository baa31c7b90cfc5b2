//! Golden logs of what is rarer: a redeploy that migrates a parked state, an
//! answer by hand before the wait, a pause of a running step, a stream that its
//! step closes, a fork with an edited state, a run with a trace and options.
//! See `golden.rs`.
//!
//! `PX_BLESS=1 cargo test -p px-testkit --test golden_control` writes them anew.

#![expect(clippy::unwrap_used, reason = "a test says by panicking that it failed")]

mod blessed;
mod project;

use std::sync::Arc;

use blessed::compare;
use project::{Ask, Text, event, listener, mail, question, registry, survey};
use px_core::RunStatus;
use px_sdk::registry::Source;
use px_sdk::{Brain, Cx, Next, Registry, Result, Waiting, brain, wait_for};
use px_store::Store;
use px_store_rows::{Embedded, MemoryRows};
use px_testkit::World;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

fn ask(key: &str) -> Ask {
    Ask { key: key.into() }
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
struct Old {
    key: String,
    asked: u32,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct New {
    key: String,
    asked_in: Vec<String>,
    from: u32,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Tone {
    #[serde(default = "friendly")]
    tone: String,
}

fn friendly() -> String {
    "friendly".into()
}

async fn ask_once(_cx: Cx, ask: Ask) -> Result<Waiting<Old, Text>> {
    let on = mail::on(&ask.key);
    Ok(wait_for(Old { key: ask.key, asked: 1 }, on))
}

async fn hear_old(_cx: Cx, old: Old, _text: Text) -> Result<Next<Old>> {
    Ok(Next(old))
}

/// As it was when the run began.
fn first_version() -> Brain<Ask> {
    brain("inquiry").options::<Tone>().step("ask", ask_once).step("hear", hear_old).build()
}

async fn ask_anew(_cx: Cx, ask: Ask) -> Result<Waiting<New, Text>> {
    let on = mail::on(&ask.key);
    Ok(wait_for(New { key: ask.key, asked_in: Vec::new(), from: 3 }, on))
}

async fn hear_new(cx: Cx, mut new: New, text: Text) -> Result<Next<New>> {
    new.asked_in.push(format!("{} {}", cx.options::<Tone>()?.tone, text.text));
    Ok(Next(new))
}

/// As it is when the run goes on: the state has another shape.
fn third_version() -> Brain<Ask> {
    brain("inquiry")
        .version(3)
        .options::<Tone>()
        .step("ask", ask_anew)
        .migrate(|from, old| {
            let old: Old = serde_json::from_value(old).map_err(px_sdk::Error::msg)?;
            Ok(New { key: old.key, asked_in: vec![format!("{} before", old.asked)], from })
        })
        .step("hear", hear_new)
        .build()
}

fn deployed(inquiry: Brain<Ask>) -> Registry {
    let base = registry();
    let source = Source { file: "golden_control.rs".into(), line: 1 };
    let webhooks: Vec<_> = base.webhooks().map(|one| (one.source.clone(), (*one.def).clone())).collect();
    Registry::of([(source, inquiry.into_def())], webhooks).unwrap()
}

#[tokio::test]
async fn a_migration_writes_what_it_always_wrote() {
    let rows: Arc<dyn Store> = Arc::new(Embedded::new(MemoryRows::new()));
    let old = World::over(deployed(first_version()), Arc::clone(&rows), 0).unwrap();
    let run = old.start(first_version, ask("k")).await.unwrap();
    old.settle().await.unwrap();
    assert_eq!(old.status(run).await.unwrap(), RunStatus::Waiting);
    drop(old);
    let new = World::over(deployed(third_version()), rows, 1 << 32).unwrap();
    new.post("mail", &event("1", "k", "after", "resume")).await.unwrap();
    new.settle().await.unwrap();
    let told = json!({"key": "k", "asked_in": ["1 before", "friendly after"], "from": 1});
    assert_eq!(new.state(run).await.unwrap(), told);
    compare(&new, run, "migrated.jsonl").await;
}

#[tokio::test]
async fn what_callers_do_to_a_run_is_written_as_it_always_was() {
    let world = World::new(registry()).unwrap();
    // Answered before it asks.
    let kept = world.start(question, ask("kept")).await.unwrap();
    world.answer(kept, json!({"text": "by hand"})).await.unwrap();
    // Paused before its step is through.
    let paused = world.start(survey, ask("running")).await.unwrap();
    world.pause(paused).await.unwrap();
    let listening = world.start(listener, ask("stream")).await.unwrap();
    world.settle().await.unwrap();
    world.resume(paused).await.unwrap();
    world.post("phone", &event("1", "running", "fine", "")).await.unwrap();
    for (id, text) in [("2", "one"), ("3", "bye")] {
        world.post("mail", &event(id, "stream", text, "resume")).await.unwrap();
    }
    world.settle().await.unwrap();
    let edited = world.fork(paused, 2, Some(json!({"key": "edited", "posted": 7}))).await.unwrap();
    // Started by a webhook, in somebody's trace.
    let trace = [("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")];
    let note = event("4", "traced", "bye", "or_start");
    let traced = world.post_with("mail", &trace, &note).await.unwrap().run.unwrap();
    world.settle().await.unwrap();
    for (run, name) in [
        (kept, "answered-early.jsonl"),
        (paused, "paused-running.jsonl"),
        (listening, "stream-closed.jsonl"),
        (edited, "fork-edited.jsonl"),
        (traced, "traced.jsonl"),
    ] {
        compare(&world, run, name).await;
    }
}
