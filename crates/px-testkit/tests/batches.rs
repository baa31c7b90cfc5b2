//! Large batches: queued events in rows of their own, through whatever becomes of an
//! event. Each store is audited at the end.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test says by panicking that it failed")]

use std::sync::Arc;
use std::time::Duration;

use px_core::{RunId, RunStatus, Scope};
use px_inbound::Retention;
use px_sdk::{Again, Brain, Cx, Inbound, Registry, Result, Waiting, brain, verify};
use px_store::audit::{TABLES, audit};
use px_store::{APART_FROM, Delivery, InboxState, Store as _};
use px_store_rows::{Embedded, MemoryRows};
use px_testkit::{Fault, World};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

const DAY: Duration = Duration::from_hours(24);
const KEYS: usize = 3;

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
struct Note {
    id: String,
    key: String,
    text: String,
    /// True if it starts a run where there is none.
    #[serde(default)]
    starts: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
struct Text {
    text: String,
}

mod notes {
    use super::*;
    px_sdk::webhook! {
        slug = "notes",
        payload = Note,
        response = Text,
        verify = verify::unverified().batch("").dedup_pointer("/id"),
        handler = receive,
    }
    async fn receive(note: Note) -> Result<Inbound<Text>> {
        let text = Text { text: note.text.clone() };
        let inbound = Inbound::resume(note.key.clone(), text);
        Ok(if note.starts { inbound.or_start(follow, note) } else { inbound })
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Heard {
    key: String,
    texts: Vec<String>,
}

/// Hears whatever comes for its key, until the end is said.
fn follow() -> Brain<Note> {
    brain("follow").step("begin", begin).each("hear", hear).build()
}
px_sdk::brain!(follow);

async fn begin(_: Cx, first: Note) -> Result<Waiting<Heard, Text>> {
    let heard = Heard { key: first.key, texts: Vec::new() };
    Ok(Waiting::given(heard, Text { text: first.text }))
}

async fn hear(_: Cx, mut heard: Heard, text: Text) -> Result<Again<Heard, Text, Heard>> {
    let is_end = text.text == "end";
    heard.texts.push(text.text);
    if is_end {
        return Ok(Again::done(heard));
    }
    let next = notes::on(&heard.key);
    Ok(Again::wait(heard, next))
}

fn world(seed: u64) -> (World, MemoryRows) {
    let rows = MemoryRows::new();
    let store = Arc::new(Embedded::new(rows.clone()));
    (World::over(Registry::collect().unwrap(), store, seed).unwrap(), rows)
}

/// So many notes over a few keys, in turn.
fn notes(count: usize, starts: bool) -> Vec<Note> {
    let note =
        |n: usize| Note { id: format!("n{n}"), key: format!("k{}", n % KEYS), text: format!("t{n}"), starts };
    (0..count).map(note).collect()
}

async fn only_delivery(world: &World) -> Delivery {
    let mut inbox = world.inbox().await.unwrap();
    assert_eq!(inbox.len(), 1);
    inbox.remove(0)
}

fn states(delivery: &Delivery) -> Vec<InboxState> {
    delivery.events.iter().map(|event| event.state).collect()
}

async fn assert_clean(world: &World) {
    let report = world.audit().await.unwrap();
    assert!(report.is_clean(), "{:#?}", report.violations);
}

/// Number of rows of events that lie apart.
fn rows_apart(rows: &MemoryRows) -> usize {
    rows.rows().iter().filter(|(key, _)| key[2] == b'm').count()
}

#[tokio::test]
async fn queued_events_of_a_large_delivery_lie_apart_and_those_of_a_small_one_do_not() {
    for (count, apart) in [(APART_FROM - 1, 0), (APART_FROM, APART_FROM - KEYS)] {
        let (world, rows) = world(1);
        assert_eq!(world.post("notes", &notes(count, true)).await.unwrap().status, 201);
        assert_eq!(rows_apart(&rows), apart, "of {count}, {KEYS} start runs");
        let delivery = only_delivery(&world).await;
        let first = [vec![InboxState::Started; KEYS], vec![InboxState::Queued; count - KEYS]].concat();
        assert_eq!(states(&delivery), first);
        world.settle().await.unwrap();
        let taken = only_delivery(&world).await;
        let last = [vec![InboxState::Started; KEYS], vec![InboxState::Resumed; count - KEYS]].concat();
        assert_eq!(states(&taken), last);
        assert_eq!(taken.revision == delivery.revision, apart > 0, "runs write the events alone");
        assert_clean(&world).await;
    }
}

#[tokio::test]
async fn a_large_delivery_is_carried_to_another_store_with_its_events() {
    let (world, rows) = world(4);
    world.post("notes", &notes(12, true)).await.unwrap();
    world.settle().await.unwrap();
    let (from, to) = (Embedded::new(rows.clone()), Embedded::new(MemoryRows::new()));
    for table in TABLES {
        let rows = from.raw_rows(Scope::default(), table, None, 10_000).unwrap();
        to.take_in(Scope::default(), table, rows).await.unwrap();
    }
    assert_eq!(rows_apart(to.backing()), 12 - KEYS);
    let report = audit(&to, Scope::default(), &mut |_| {}).await.unwrap();
    assert!(report.is_clean(), "{:#?}", report.violations);
    let delivery = only_delivery(&world).await;
    assert_eq!(to.delivery(Scope::default(), delivery.id).await.unwrap(), Some(delivery));
}

/// Each event was heard once, by the run of its key, in order, and says so.
async fn assert_heard(world: &World, delivery: &Delivery, count: usize, context: &str) {
    let runs: Vec<RunId> = delivery.events.iter().map(|event| event.run.unwrap()).collect();
    assert_eq!(runs.len(), count, "{context}");
    for key in 0..KEYS {
        let texts: Vec<String> = (key..count).step_by(KEYS).map(|n| format!("t{n}")).collect();
        assert_eq!(world.state(runs[key]).await.unwrap()["texts"], json!(texts), "{context}");
        assert!(runs.iter().skip(key).step_by(KEYS).all(|run| *run == runs[key]), "{context}");
    }
    let done = |state: &InboxState| matches!(state, InboxState::Started | InboxState::Resumed);
    assert!(states(delivery).iter().all(done), "{context}: {:?}", states(delivery));
}

#[tokio::test]
async fn a_process_that_dies_around_any_commit_loses_and_repeats_no_event_of_a_batch() {
    const COUNT: usize = 15;
    let mut commits = 0;
    for fault in [Fault::DiesBefore, Fault::DiesAfter] {
        for at in 0..200 {
            let (mut world, _) = world(at);
            let context = format!("{fault:?} at {at}");
            world.store().plan(move |number, _| (number == at).then_some(fault));
            let answered = world.post("notes", &notes(COUNT, true)).await;
            let died = answered.is_err() || world.settle().await.is_err();
            world.store().plan(|_, _| None);
            if died {
                world.restart().unwrap();
            }
            // The provider sends again what it heard nothing of.
            let again = world.post("notes", &notes(COUNT, true)).await.unwrap();
            assert_eq!(again.status / 100, 2, "{context}: {}", again.body);
            world.settle().await.unwrap();
            let inbox = world.inbox().await.unwrap();
            assert_heard(&world, &inbox[0], COUNT, &context).await;
            let repeated = inbox.iter().skip(1).flat_map(states);
            assert!(repeated.into_iter().all(|state| state == InboxState::Duplicate), "{context}");
            assert_clean(&world).await;
            if !died {
                commits += at;
                break;
            }
        }
    }
    assert!(commits > 2 * COUNT as u64, "the batch had {commits} commits to die around");
}

#[tokio::test]
async fn the_rows_of_events_are_emptied_and_go_with_their_delivery() {
    let (world, rows) = world(2);
    world.post("notes", &notes(12, true)).await.unwrap();
    world.settle().await.unwrap();
    let retention = Retention { payloads: 0, ..Retention::default() };
    assert_eq!(world.sweep(&retention).await.unwrap(), (0, 1));
    let emptied = only_delivery(&world).await;
    assert!(emptied.emptied && emptied.events.iter().all(|event| event.response.is_none()));
    assert_heard(&world, &emptied, 12, "emptied").await;
    assert_eq!(rows_apart(&rows), 12 - KEYS);
    assert_clean(&world).await;
    world.advance(40 * DAY).await.unwrap();
    assert_eq!(world.sweep(&Retention::default()).await.unwrap(), (1, 0));
    assert_eq!((rows_apart(&rows), world.inbox().await.unwrap().len()), (0, 0));
    assert_clean(&world).await;
}

#[tokio::test]
async fn an_event_of_a_batch_is_bound_or_left_to_a_replay_or_expires() {
    let (world, rows) = world(3);
    world.post("notes", &notes(12, false)).await.unwrap();
    assert_eq!(rows_apart(&rows), 12);
    let delivery = only_delivery(&world).await;
    assert_eq!(states(&delivery), [InboxState::Queued; 12]);

    let other = Note { id: "other".into(), key: "elsewhere".into(), text: "t".into(), starts: false };
    let run = world.start(follow, other).await.unwrap();
    world.settle().await.unwrap();
    world.bind(delivery.id, run).await.unwrap();
    world.settle().await.unwrap();
    let bound = only_delivery(&world).await;
    assert_eq!((bound.events[0].state, bound.events[0].run), (InboxState::Resumed, Some(run)));
    assert_eq!(bound.events[0].reason.as_deref(), Some("bound by hand"));
    assert_eq!(world.state(run).await.unwrap()["texts"], json!(["t", "t0"]));
    assert_eq!(bound.revision, delivery.revision);

    world.replay(delivery.id).await.unwrap();
    let inbox = world.inbox().await.unwrap();
    let (old, new) = (&inbox[0], &inbox[1]);
    assert_eq!(states(old), [vec![InboxState::Resumed], vec![InboxState::Ignored; 11]].concat());
    assert!(old.events.iter().skip(1).all(px_store::InboxEvent::is_superseded));
    assert_eq!(states(new), [InboxState::Queued; 12]);
    assert_clean(&world).await;

    world.advance(40 * DAY).await.unwrap();
    let inbox = world.inbox().await.unwrap();
    assert_eq!(states(&inbox[1]), [InboxState::Expired; 12]);
    assert!(inbox[1].events.iter().all(|event| event.reason.is_some() && event.response.is_some()));
    assert_clean(&world).await;
    world.cancel(run).await.unwrap();
    assert_eq!(world.status(run).await.unwrap(), RunStatus::Cancelled);
    assert_eq!(world.sweep(&Retention::default()).await.unwrap(), (2, 0));
    assert_eq!(rows_apart(&rows), 0);
}
