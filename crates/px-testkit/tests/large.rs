//! Large values: each is written once, wherever it is named, and comes back from
//! there; what is too large is refused before anything of it is kept.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test says by panicking that it failed")]

mod damage;
mod project;

use std::sync::Arc;

use damage::audited;
use project::{Ask, Text, event, question, registry, thread};
use px_core::event::EventBody;
use px_core::{RunId, RunStatus, Scope};
use px_sdk::{Brain, Cx, Next, Result, Waiting, brain, wait_for};
use px_store::audit::TABLES;
use px_store::{InboxState, Store as _};
use px_store_rows::{Embedded, MemoryRows};
use px_testkit::World;
use serde::{Deserialize, Serialize};

const SCOPE: Scope = Scope(0);

/// Bytes of a large text.
const LARGE: usize = 300_000;

/// Bytes beside the large ones that a run and its deliveries may take.
const SMALL: usize = 64_000;

struct Rig {
    rows: MemoryRows,
    world: World,
}

impl Rig {
    fn new() -> Self {
        let rows = MemoryRows::new();
        let world = World::over(registry(), Arc::new(Embedded::new(rows.clone())), 0).unwrap();
        Self { rows, world }
    }

    async fn post(&self, id: &str, key: &str, text: &str, then: &str) -> Option<RunId> {
        let answer = self.world.post("mail", &event(id, key, text, then)).await.unwrap();
        assert!(answer.status < 300, "{answer:?}");
        self.world.settle().await.unwrap();
        answer.run
    }

    /// Bytes of all rows, and how many large values there are.
    fn size(&self) -> (usize, usize) {
        let rows = self.rows.rows();
        let values = rows.iter().filter(|(key, _)| key[2] == b'g').count();
        (rows.iter().map(|(_, value)| value.len()).sum(), values)
    }

    async fn is_clean(&self) {
        let report = audited(&**self.world.rows()).await;
        assert!(report.is_clean(), "{:#?}", report.violations);
    }
}

fn large(letter: char) -> String {
    letter.to_string().repeat(LARGE)
}

/// The texts that the log of a run has as responses.
async fn responses(world: &World, run: RunId) -> Vec<String> {
    let log = world.log(run).await.unwrap();
    let given = log.into_iter().filter_map(|entry| match entry.event {
        EventBody::WaitAnswered { given, .. } => given.response,
        _ => None,
    });
    given.map(|response| response["text"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_large_response_is_written_once_and_comes_back_wherever_it_is_named() {
    let mut rig = Rig::new();
    let run = rig.post("1", "k", "hello", "or_start").await.unwrap();
    rig.post("2", "k", &large('a'), "or_start").await;
    // The body as it came, and the text that run, log and delivery have.
    let (bytes, values) = rig.size();
    assert!(values == 1 && bytes < 2 * LARGE + SMALL, "{values} values, {bytes} bytes");
    for (id, text) in [("3", "small"), ("4", "smaller")] {
        rig.post(id, "k", text, "or_start").await;
    }
    assert_eq!(rig.size().1, 1);
    rig.is_clean().await;
    // Another process goes on with it.
    rig.world.restart().unwrap();
    let texts = ["hello", &large('a'), "small", "smaller"];
    assert_eq!(rig.world.state(run).await.unwrap()["texts"], serde_json::json!(texts));
    assert_eq!(responses(&rig.world, run).await, texts[1..]);
    let inbox = rig.world.inbox().await.unwrap();
    let kept = inbox.iter().find(|delivery| delivery.body.len() > LARGE).unwrap();
    assert_eq!(kept.events[0].response.as_ref().unwrap()["text"], large('a'));
    rig.post("5", "k", "bye", "or_start").await;
    assert_eq!(rig.world.status(run).await.unwrap(), RunStatus::Complete);
    rig.is_clean().await;
    // A fork has a copy of its own, since it has a log of its own.
    let fork = rig.world.fork(run, 2, None).await.unwrap();
    rig.world.settle().await.unwrap();
    assert!(rig.world.log(fork).await.is_ok());
    rig.is_clean().await;
}

#[tokio::test]
async fn a_large_event_that_was_queued_is_taken_whole() {
    let rig = Rig::new();
    rig.post("1", "early", &large('b'), "resume").await;
    rig.is_clean().await;
    let run = rig.world.start(question, Ask { key: "early".into() }).await.unwrap();
    rig.world.settle().await.unwrap();
    assert_eq!(rig.world.status(run).await.unwrap(), RunStatus::Complete);
    assert_eq!(rig.world.state(run).await.unwrap()["answer"], large('b'));
    let inbox = rig.world.inbox().await.unwrap();
    assert_eq!(inbox[0].events[0].state, InboxState::Resumed);
    assert_eq!(inbox[0].events[0].response.as_ref().unwrap()["text"], large('b'));
    rig.is_clean().await;
}

#[tokio::test]
async fn a_large_input_of_a_run_is_written_once() {
    let rig = Rig::new();
    let run = rig.post("1", "first", &large('c'), "or_start").await.unwrap();
    let (bytes, values) = rig.size();
    assert!(values == 1 && bytes < 2 * LARGE + SMALL, "{values} values, {bytes} bytes");
    assert_eq!(rig.world.state(run).await.unwrap()["texts"][0], large('c'));
    let inbox = rig.world.inbox().await.unwrap();
    assert_eq!(inbox[0].events[0].start.as_ref().unwrap().input["text"], large('c'));
    assert_eq!(rig.world.run(run).await.unwrap().unwrap().brain, thread().title());
    rig.is_clean().await;
}

#[tokio::test]
async fn large_values_are_carried_to_another_store() {
    let rig = Rig::new();
    let run = rig.post("1", "k", "hello", "or_start").await.unwrap();
    rig.post("2", "k", &large('d'), "or_start").await;
    let (from, to) = (Embedded::new(rig.rows.clone()), Embedded::new(MemoryRows::new()));
    for table in TABLES {
        let rows = from.raw_rows(SCOPE, table, None, 10_000).unwrap();
        to.take_in(SCOPE, table, rows).await.unwrap();
    }
    let report = audited(&to).await;
    assert!(report.is_clean(), "{:#?}", report.violations);
    let carried = to.run(SCOPE, run).await.unwrap().unwrap().run;
    assert_eq!(carried.state()["texts"][1], large('d'));
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Grown {
    key: String,
    text: String,
}

/// Returns as much as its key says, after a mail that says so.
fn glutton() -> Brain<Ask> {
    brain("glutton").step("ask", ask).step("grow", grow).build()
}
px_sdk::brain!(glutton);

async fn ask(_cx: Cx, ask: Ask) -> Result<Waiting<Ask, Text>> {
    let on = project::mail::on(&ask.key);
    Ok(wait_for(ask, on))
}

async fn grow(cx: Cx, ask: Ask, text: Text) -> Result<Next<Grown>> {
    let grown = "x".repeat(text.text.parse().unwrap());
    if ask.key == "once" {
        cx.once("grown", async || Ok(grown.clone())).await?;
        return Ok(Next(Grown { key: ask.key, text: String::new() }));
    }
    Ok(Next(Grown { key: ask.key, text: grown }))
}

#[tokio::test]
async fn a_step_that_returns_too_much_fails_at_once_and_leaves_nothing_behind() {
    let rig = Rig::new();
    for (key, bytes) in [("state", "100000000"), ("once", "5000000")] {
        let run = rig.world.start(glutton, Ask { key: key.into() }).await.unwrap();
        rig.world.settle().await.unwrap();
        rig.post(key, key, bytes, "resume").await;
        let ended = rig.world.run(run).await.unwrap().unwrap();
        assert_eq!(ended.status, RunStatus::Error);
        let error = ended.error.unwrap();
        assert!(error.message.contains("limits.max_state_bytes"), "{error:?}");
        let (bytes, values) = rig.size();
        assert!(values == 0 && bytes < SMALL, "{values} values, {bytes} bytes");
    }
    let run = rig.world.start(glutton, Ask { key: "fits".into() }).await.unwrap();
    rig.world.settle().await.unwrap();
    rig.post("fits", "fits", "4000000", "resume").await;
    assert_eq!(rig.world.status(run).await.unwrap(), RunStatus::Complete);
    rig.is_clean().await;
}

#[tokio::test]
async fn a_response_that_is_too_large_is_refused_before_the_run_hears_of_it() {
    let rig = Rig::new();
    let run = rig.world.start(question, Ask { key: "k".into() }).await.unwrap();
    rig.world.settle().await.unwrap();
    let text = "y".repeat(px_inbound::LEAST_RESPONSE_BYTES);
    let answer = rig.world.post("mail", &event("1", "k", &text, "resume")).await.unwrap();
    assert_eq!(answer.status, 422, "{answer:?}");
    assert_eq!(rig.world.status(run).await.unwrap(), RunStatus::Waiting);
    assert_eq!(rig.world.inbox().await.unwrap()[0].events[0].state, InboxState::Quarantined);
    rig.post("2", "k", "short", "resume").await;
    assert_eq!(rig.world.status(run).await.unwrap(), RunStatus::Complete);
    rig.is_clean().await;
}
