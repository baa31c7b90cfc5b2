//! What failed once is not done twice, whatever ids its events have: a retry
//! takes the place of what is in quarantine, and what its provider's id says is
//! done does not enter quarantine as if it were new.

#![expect(clippy::unwrap_used, reason = "a test says by panicking that it failed")]

mod audited;

use std::cell::Cell;
use std::time::Duration;

use audited::Audited;
use px_core::{DeliveryId, Scope};
use px_inbound::Answer;
use px_sdk::{Brain, Cx, Inbound, Next, Registry, Result, brain, verify};
use px_store::{InboxState, RunFilter};
use px_testkit::World;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
struct Note {
    id: String,
    /// The ids that the handler gives its events, if it gives any.
    #[serde(default)]
    own: Vec<String>,
}

thread_local! {
    /// The deploy of this test is broken: its handlers fail.
    static BROKEN: Cell<bool> = const { Cell::new(false) };
}

fn check() -> Result<()> {
    if BROKEN.get() {
        px_sdk::bail!("the handler fails");
    }
    Ok(())
}

/// One event, under the provider's id.
mod one {
    use super::*;
    px_sdk::webhook! {
        slug = "one",
        payload = Note,
        response = Note,
        verify = verify::unverified().dedup_pointer("/id"),
        handler = receive,
    }
    async fn receive(note: Note) -> Result<Inbound<Note>> {
        check()?;
        Ok(Inbound::start(effect, note))
    }
}

/// Two events, under ids that are derived from the provider's.
mod two {
    use super::*;
    px_sdk::webhook! {
        slug = "two",
        payload = Note,
        response = Note,
        verify = verify::unverified().dedup_pointer("/id"),
        handler = receive,
    }
    async fn receive(note: Note) -> Result<Vec<Inbound<Note>>> {
        check()?;
        Ok(vec![Inbound::start(effect, note.clone()), Inbound::start(effect, note)])
    }
}

/// Events under ids of the handler's own.
mod own {
    use super::*;
    px_sdk::webhook! {
        slug = "own",
        payload = Note,
        response = Note,
        verify = verify::unverified().dedup_pointer("/id"),
        handler = receive,
    }
    async fn receive(note: Note) -> Result<Vec<Inbound<Note>>> {
        check()?;
        let of = |id: &String| Inbound::start(effect, note.clone()).provider_id(id);
        Ok(note.own.iter().map(of).collect())
    }
}

/// A list of events in one request, each under its id.
mod batch {
    use super::*;
    px_sdk::webhook! {
        slug = "batch",
        payload = Note,
        response = Note,
        verify = verify::unverified().batch("").dedup_pointer("/id"),
        handler = receive,
    }
    async fn receive(note: Note) -> Result<Inbound<Note>> {
        check()?;
        Ok(Inbound::start(effect, note))
    }
}

/// A list of events in one request, which is known by its body.
mod bodies {
    use super::*;
    px_sdk::webhook! {
        slug = "bodies",
        payload = Note,
        response = Note,
        verify = verify::unverified().batch(""),
        handler = receive,
        dedup = px_sdk::dedup::body(Duration::from_hours(1)),
    }
    async fn receive(note: Note) -> Result<Inbound<Note>> {
        check()?;
        Ok(Inbound::start(effect, note))
    }
}

/// Each event that counts starts one of these.
fn effect() -> Brain<Note> {
    brain("effect").step("happen", happen).build()
}
px_sdk::brain!(effect);

async fn happen(_: Cx, note: Note) -> Result<Next<Note>> {
    Ok(Next(note))
}

fn world() -> Audited {
    Audited::new(Registry::collect().unwrap())
}

async fn effects(world: &World) -> usize {
    let runs = world.rows().runs(Scope::default(), &RunFilter::default(), None, 100).await.unwrap();
    runs.items.len()
}

async fn fails(world: &World, slug: &str, payload: &Value) -> Answer {
    BROKEN.set(true);
    let answer = world.post(slug, payload).await.unwrap();
    BROKEN.set(false);
    answer
}

async fn states_of(world: &World, delivery: DeliveryId) -> Vec<InboxState> {
    let inbox = world.inbox().await.unwrap();
    let found = inbox.iter().find(|kept| kept.id == delivery).unwrap();
    found.events.iter().map(|event| event.state).collect()
}

#[tokio::test]
async fn a_retry_supersedes_its_failure_whatever_ids_its_events_have() {
    let single = json!({"id": "x", "own": ["a", "b"]});
    let list = json!([{"id": "x"}, {"id": "y"}]);
    for (slug, payload, events) in [
        ("one", &single, 1),
        ("two", &single, 2),
        ("own", &single, 2),
        ("batch", &list, 2),
        ("bodies", &list, 2),
    ] {
        let world = world();
        let failed = fails(&world, slug, payload).await;
        assert_eq!((failed.status, failed.action), (500, Some("quarantined")), "{slug}");
        let retried = world.post(slug, payload).await.unwrap();
        assert_eq!((retried.status, effects(&world).await), (201, events), "{slug}: {}", retried.body);

        let failed = failed.delivery.unwrap();
        assert_eq!(states_of(&world, failed).await, [InboxState::Ignored], "{slug}");
        let refused = world.replay(failed).await.unwrap_err().to_string();
        let retried = retried.delivery.unwrap();
        assert!(refused.contains(&format!("superseded by {retried}")), "{slug}: {refused}");
        assert_eq!(effects(&world).await, events, "{slug}");
    }
}

#[tokio::test]
async fn a_failure_of_what_is_done_is_a_duplicate_and_is_not_replayed() {
    let single = json!({"id": "x"});
    let list = json!([{"id": "x"}, {"id": "y"}]);
    for (slug, payload, events) in
        [("one", &single, 1), ("two", &single, 2), ("batch", &list, 2), ("bodies", &list, 2)]
    {
        let world = world();
        let done = world.post(slug, payload).await.unwrap();
        assert_eq!((done.status, effects(&world).await), (201, events), "{slug}: {}", done.body);
        let again = fails(&world, slug, payload).await;
        assert_eq!((again.status, again.action), (200, Some("duplicate")), "{slug}: {}", again.body);
        let done = done.delivery.unwrap();
        assert!(again.body.contains(&done.to_string()), "{slug}: {}", again.body);

        let again = again.delivery.unwrap();
        assert_eq!(states_of(&world, again).await, [InboxState::Duplicate], "{slug}");
        let refused = world.replay(again).await.unwrap_err().to_string();
        assert!(refused.contains(&format!("replay the original, {done}")), "{slug}: {refused}");
        assert_eq!(effects(&world).await, events, "{slug}");
    }
}

#[tokio::test]
async fn what_does_not_fit_is_told_so_also_where_its_id_is_done() {
    let world = world();
    world.post("one", &json!({"id": "x"})).await.unwrap();
    let unfit = world.post("one", &json!({"id": "x", "own": 7})).await.unwrap();
    assert_eq!((unfit.status, unfit.action), (422, Some("quarantined")), "{}", unfit.body);
    assert_eq!(states_of(&world, unfit.delivery.unwrap()).await, [InboxState::Duplicate]);
}

#[tokio::test]
async fn a_batch_that_is_done_in_part_stays_replayable_and_does_the_rest() {
    let world = world();
    world.post("batch", &json!([{"id": "x"}])).await.unwrap();
    let failed = fails(&world, "batch", &json!([{"id": "x"}, {"id": "y"}])).await;
    assert_eq!((failed.status, failed.action), (500, Some("quarantined")), "{}", failed.body);
    let failed = failed.delivery.unwrap();
    assert_eq!(states_of(&world, failed).await, [InboxState::Quarantined]);
    let replayed = world.replay(failed).await.unwrap();
    assert_eq!((replayed.status, replayed.action), (201, Some("triggered")), "{}", replayed.body);
    assert_eq!(states_of(&world, failed).await, [InboxState::Duplicate, InboxState::Started]);
    assert_eq!(effects(&world).await, 2);
}

#[tokio::test]
async fn a_replay_of_what_its_handler_knows_as_done_says_so_and_does_nothing() {
    let world = world();
    let done = world.post("own", &json!({"id": "x", "own": ["a"]})).await.unwrap();
    assert_eq!((done.status, effects(&world).await), (201, 1), "{}", done.body);
    // Nobody but the handler could say that this brings the same event.
    let failed = fails(&world, "own", &json!({"id": "y", "own": ["a"]})).await;
    assert_eq!((failed.status, failed.action), (500, Some("quarantined")), "{}", failed.body);
    let replayed = world.replay(failed.delivery.unwrap()).await.unwrap();
    assert_eq!((replayed.status, replayed.action), (200, Some("duplicate")), "{}", replayed.body);
    assert!(replayed.body.contains(&done.delivery.unwrap().to_string()), "{}", replayed.body);
    assert_eq!(effects(&world).await, 1);
    // Of what was done, a replay is wanted as it is.
    assert_eq!(world.replay(done.delivery.unwrap()).await.unwrap().action, Some("triggered"));
    assert_eq!(effects(&world).await, 2);
}

#[tokio::test]
async fn a_batch_of_too_many_events_is_kept_and_nothing_of_it_is_done() {
    let world = world();
    let most = px_inbound::USUAL_BATCH_EVENTS;
    let events = |number: usize| Value::from_iter((0..number).map(|n| json!({"id": format!("e{n}")})));
    let answer = world.post("batch", &events(most + 1)).await.unwrap();
    assert_eq!((answer.status, answer.action), (422, Some("quarantined")), "{}", answer.body);
    for part in ["PX0024", "2001 events or more", "at most 2000", "limits.max_batch_events"] {
        assert!(answer.body.contains(part), "{part}: {}", answer.body);
    }
    assert_eq!(effects(&world).await, 0);
    // Of fewer, each counts: none is known by what was not taken.
    let answer = world.post("batch", &events(3)).await.unwrap();
    assert_eq!((answer.status, answer.action), (201, Some("triggered")), "{}", answer.body);
    assert_eq!(effects(&world).await, 3);
}

#[tokio::test]
async fn an_empty_batch_keeps_its_body() {
    let world = world();
    let answer = world.post("batch", &json!([])).await.unwrap();
    assert_eq!((answer.status, answer.action), (200, Some("ignored")), "{}", answer.body);
    let inbox = world.inbox().await.unwrap();
    let bodies: Vec<&[u8]> = inbox.iter().map(|kept| &*kept.body).collect();
    assert_eq!(bodies, [b"[]"]);
}
