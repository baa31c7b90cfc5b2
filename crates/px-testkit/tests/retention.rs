//! How long the inbox keeps what, in virtual time: by age, by number, and what
//! stays whatever its age (docs/rules.md#6, #21). Each store is audited at the end.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test says by panicking that it failed")]

mod audited;

use std::sync::Arc;
use std::time::Duration;

use audited::Audited;
use px_core::RunStatus;
use px_inbound::Retention;
use px_sdk::{Brain, Cx, Inbound, Next, Registry, Result, Timed, Waiting, brain, verify, wait_for};
use px_store::InboxState;
use px_store_rows::{Embedded, MemoryRows};
use px_testkit::{Fault, World, WorldError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
struct Note {
    id: String,
    key: String,
    text: String,
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
        verify = verify::unverified().dedup_pointer("/id").remember(Duration::from_hours(7 * 24)),
        handler = receive,
        queue_limit = 1_000,
    }
    async fn receive(note: Note) -> Result<Inbound<Text>> {
        let text = Text { text: note.text };
        if text.text == "fail" {
            px_sdk::bail!("the handler fails");
        }
        Ok(match text.text.as_str() {
            "start" => Inbound::resume(note.key, text.clone()).or_start(longest, text),
            "ignore" => Inbound::ignore("asked to"),
            _ => Inbound::resume(note.key, text),
        })
    }
}

mod votes {
    use super::*;
    px_sdk::webhook! {
        slug = "votes",
        payload = Note,
        response = Text,
        verify = verify::unverified(),
        handler = receive,
        dedup = px_sdk::dedup::body(Duration::from_hours(1)),
    }
    async fn receive(_: Note) -> Result<Inbound<Text>> {
        Ok(Inbound::ignore("counted"))
    }
}

/// Waits for a year, so that it owns its key for as long.
fn longest() -> Brain<Text> {
    brain("longest").step("wait", wait).step("take", take).build()
}
px_sdk::brain!(longest);

async fn wait(_: Cx, asked: Text) -> Result<Waiting<Text, Timed<Text>>> {
    let on = notes::on(&asked.text);
    Ok(wait_for(asked, on).timeout(365 * DAY))
}

async fn take(_: Cx, _: Text, text: Timed<Text>) -> Result<Next<Text>> {
    Ok(Next(match text {
        Timed::Answered(text) => text,
        Timed::TimedOut => Text { text: "nobody".into() },
    }))
}

fn world() -> Audited {
    Audited::new(Registry::collect().expect("the project is sound"))
}

async fn post(world: &Audited, slug: &str, id: &str, key: &str, text: &str) -> Value {
    let note = Note { id: id.into(), key: key.into(), text: text.into() };
    let answer = world.post(slug, &note).await.unwrap();
    assert_eq!(answer.status / 100, 2, "{}", answer.body);
    serde_json::from_str(&answer.body).unwrap()
}

fn action(body: &Value) -> &str {
    body["action"].as_str().unwrap_or_default()
}

async fn states(world: &Audited) -> Vec<InboxState> {
    world.inbox().await.unwrap().iter().flat_map(|delivery| delivery.events.iter().map(|e| e.state)).collect()
}

#[tokio::test]
async fn a_delivery_is_forgotten_by_age_and_its_id_is_new_again() {
    let world = world();
    let retention = Retention { deliveries: 10 * DAY, ..Retention::default() };
    assert_eq!(action(&post(&world, "notes", "1", "a", "ignore").await), "ignored");
    world.advance(DAY).await.unwrap();
    assert_eq!(action(&post(&world, "notes", "1", "a", "ignore").await), "duplicate");
    world.advance(8 * DAY).await.unwrap();
    assert_eq!(world.sweep(&retention).await.unwrap(), (0, 0));
    world.advance(DAY + HOUR).await.unwrap();
    // The original is forgotten with its id; the duplicate, a day younger, names it still.
    assert_eq!(world.sweep(&retention).await.unwrap(), (1, 0));
    assert!(world.audit().await.unwrap().is_clean());
    assert_eq!(states(&world).await, [InboxState::Duplicate]);
    assert_eq!(action(&post(&world, "notes", "1", "a", "ignore").await), "ignored");
    world.advance(11 * DAY).await.unwrap();
    assert_eq!(world.sweep(&retention).await.unwrap(), (2, 0));
    assert!(world.inbox().await.unwrap().is_empty());
}

#[tokio::test]
async fn rule_21_a_response_lives_with_its_run() {
    let world = world();
    let run = world.start(longest, Text { text: "k".into() }).await.unwrap();
    world.settle().await.unwrap();
    assert_eq!(action(&post(&world, "notes", "1", "k", "hello").await), "resumed");
    let started = post(&world, "notes", "2", "other", "start").await;
    assert_eq!(action(&started), "triggered");
    world.settle().await.unwrap();
    world.advance(40 * DAY).await.unwrap();
    assert_eq!(world.sweep(&Retention::default()).await.unwrap(), (2, 0));
    assert!(world.inbox().await.unwrap().is_empty());
    assert_eq!(world.status(run).await.unwrap(), RunStatus::Complete);
    assert_eq!(world.state(run).await.unwrap()["text"], "hello");
    let log = serde_json::to_string(&world.log(run).await.unwrap()).unwrap();
    assert!(log.contains("hello"), "{log}");
    // The audit takes neither the response nor the start for one from nowhere.
    assert!(world.audit().await.unwrap().is_clean());
}

#[tokio::test]
async fn what_is_queued_stays_and_what_expired_stays_as_long_as_its_id() {
    let world = world();
    let retention = Retention { deliveries: DAY, payloads: 0, ..Retention::default() };
    // It owns its key for a year.
    post(&world, "notes", "1", "owned", "start").await;
    world.settle().await.unwrap();
    assert_eq!(action(&post(&world, "notes", "2", "owned", "for later").await), "queued");
    assert_eq!(action(&post(&world, "notes", "3", "nobody", "early").await), "queued");
    world.advance(2 * DAY).await.unwrap();
    let now: Vec<_> = states(&world).await;
    assert!(now.contains(&InboxState::Queued) && now.contains(&InboxState::Expired), "{now:?}");
    // Too many by number: the one that started loses its payload, the others need it.
    assert_eq!(world.sweep(&retention).await.unwrap(), (0, 1));
    let inbox = world.inbox().await.unwrap();
    for delivery in &inbox {
        let is_started = delivery.events.iter().any(|event| event.state == InboxState::Started);
        assert_eq!(delivery.emptied, is_started, "{delivery:?}");
        assert_eq!(delivery.body.is_empty() && delivery.headers.is_empty(), is_started);
    }
    let emptied = inbox.iter().find(|delivery| delivery.emptied).unwrap().id;
    let refused = world.replay(emptied).await.unwrap_err().to_string();
    assert!(refused.contains("payload was dropped"), "{refused}");
    // After a week their ids may go, and with them all but the queued one.
    world.advance(6 * DAY).await.unwrap();
    assert_eq!(world.sweep(&retention).await.unwrap(), (2, 0));
    assert_eq!(states(&world).await, [InboxState::Queued]);
    world.advance(300 * DAY).await.unwrap();
    assert_eq!(world.sweep(&retention).await.unwrap(), (0, 0));
    assert_eq!(states(&world).await, [InboxState::Queued], "its owner lives");
}

#[tokio::test]
async fn of_many_deliveries_the_newest_keep_their_payload() {
    let world = world();
    let retention = Retention { payloads: 150, ..Retention::default() };
    for n in 0..400 {
        post(&world, "notes", &format!("n{n}"), "a", "ignore").await;
        world.clock().advance(Duration::from_secs(1));
    }
    let emptied = async |world: &Audited| {
        world.inbox().await.unwrap().iter().map(|delivery| delivery.emptied).collect::<Vec<_>>()
    };
    assert_eq!(world.sweep(&retention).await.unwrap(), (0, 250));
    let now = emptied(&world).await;
    assert_eq!((now.len(), now.iter().filter(|emptied| **emptied).count()), (400, 250));
    assert!(now.iter().take(250).all(|emptied| *emptied), "the oldest");
    assert_eq!(world.sweep(&retention).await.unwrap(), (0, 0));
    for n in 400..410 {
        post(&world, "notes", &format!("n{n}"), "a", "ignore").await;
    }
    assert_eq!(world.sweep(&retention).await.unwrap(), (0, 10));
    // Their ids are still known, and forgotten with the rows after a week.
    assert_eq!(action(&post(&world, "notes", "n0", "a", "ignore").await), "duplicate");
    world.advance(8 * DAY).await.unwrap();
    let (forgotten, _) = world.sweep(&retention).await.unwrap();
    assert_eq!(forgotten, 261, "all beyond the 150 newest");
    assert_eq!(action(&post(&world, "notes", "n0", "a", "ignore").await), "ignored");
}

#[tokio::test]
async fn what_a_sweep_could_not_write_is_what_the_next_one_begins_with() {
    let world = world();
    let retention = Retention { payloads: 150, ..Retention::default() };
    for n in 0..400 {
        post(&world, "notes", &format!("n{n}"), "a", "ignore").await;
        world.clock().advance(Duration::from_secs(1));
    }
    let first = world.store().commits();
    world.store().plan(move |number, _| (number == first).then_some(Fault::Refused));
    world.sweep(&retention).await.unwrap_err();
    assert_eq!(world.sweep(&retention).await.unwrap(), (0, 250));
}

/// As many refused requests of strangers as leave a record, and the minute that counts them.
async fn strangers(world: &Audited) {
    for _ in 0..10 {
        let mut headers = http::HeaderMap::new();
        headers.insert("x-forwarded-for", http::HeaderValue::from_static("1.2.3.4"));
        let answer = world.send("notes", headers, bytes::Bytes::from_static(b"{}")).await.unwrap();
        assert_eq!(answer.status, 401);
    }
    world.advance(Duration::from_secs(61)).await.unwrap();
}

#[tokio::test]
async fn rejected_requests_leave_few_records_and_for_a_short_time() {
    let world = world();
    let retention = Retention { rejections: 5, rejected: DAY, ..Retention::default() };
    for _ in 0..4 {
        strangers(&world).await;
    }
    assert_eq!(states(&world).await.len(), 40);
    assert_eq!(world.sweep(&retention).await.unwrap(), (35, 0));
    post(&world, "notes", "1", "a", "ignore").await;
    world.advance(DAY + HOUR).await.unwrap();
    assert_eq!(world.sweep(&retention).await.unwrap(), (5, 0));
    assert_eq!(states(&world).await, [InboxState::Ignored]);
}

#[tokio::test]
async fn what_strangers_send_pushes_out_nothing_that_a_believed_sender_sent_unreadably() {
    let world = world();
    let retention = Retention { rejections: 5, rejected: DAY, ..Retention::default() };
    let unreadable = async || {
        let answer =
            world.send("notes", http::HeaderMap::new(), bytes::Bytes::from_static(b"{")).await.unwrap();
        assert_eq!(answer.status, 400, "{}", answer.body);
    };
    for round in 0..20 {
        for _ in 0..if round == 10 { 100 } else { 0 } {
            unreadable().await;
        }
        strangers(&world).await;
    }
    assert_eq!(world.sweep(&retention).await.unwrap(), (195, 0));
    let kept = world.inbox().await.unwrap();
    assert_eq!(kept.iter().filter(|kept| !kept.verdict.starts_with("rejected")).count(), 100);
    world.advance(DAY + HOUR).await.unwrap();
    assert_eq!(world.sweep(&retention).await.unwrap(), (105, 0), "their age ends them");
}

#[tokio::test]
async fn a_body_that_came_again_keeps_its_newer_id() {
    let world = world();
    let retention = Retention { deliveries: 10 * DAY, ..Retention::default() };
    let vote = async |world: &Audited| action(&post(world, "votes", "1", "a", "yes").await).to_owned();
    assert_eq!(vote(&world).await, "ignored");
    world.advance(9 * DAY).await.unwrap();
    assert_eq!(vote(&world).await, "ignored", "the window was over");
    world.advance(2 * DAY).await.unwrap();
    assert_eq!(world.sweep(&retention).await.unwrap(), (1, 0));
    assert!(world.audit().await.unwrap().is_clean(), "what is remembered is the newer one's");
    assert_eq!(states(&world).await.len(), 1);
}

#[tokio::test]
async fn what_is_quarantined_stays_until_it_is_replayed_or_as_long_as_is_said() {
    let world = world();
    let note = Note { id: "1".into(), key: "a".into(), text: "fail".into() };
    assert_eq!(world.post("notes", &note).await.unwrap().status, 500);
    let all = Retention { deliveries: DAY, payloads: 0, ..Retention::default() };
    world.advance(400 * DAY).await.unwrap();
    assert_eq!(world.sweep(&all).await.unwrap(), (0, 0));
    assert_eq!(states(&world).await, [InboxState::Quarantined]);
    // It failed, so its id is not known: the retry does what it was to do.
    let mended = Note { text: "ignore".into(), ..note };
    assert_eq!(world.post("notes", &mended).await.unwrap().status, 200);
    assert_eq!(states(&world).await, [InboxState::Ignored, InboxState::Ignored]);
    world.advance(8 * DAY).await.unwrap();
    assert_eq!(world.sweep(&all).await.unwrap(), (2, 0));
    // With a bound, it goes when that is over.
    let failing = Note { id: "2".into(), text: "fail".into(), ..mended };
    assert_eq!(world.post("notes", &failing).await.unwrap().status, 500);
    let bounded = Retention { quarantined: Some(20 * DAY), ..all };
    world.advance(19 * DAY).await.unwrap();
    assert_eq!(world.sweep(&bounded).await.unwrap(), (0, 0));
    world.advance(2 * DAY).await.unwrap();
    assert_eq!(world.sweep(&bounded).await.unwrap(), (1, 0));
}

/// Everything that a sweep has to do with: what goes, what is emptied, what
/// stays, a run that took something.
async fn lived_through(world: &World) -> Result<(), WorldError> {
    let post = async |id: &str, key: &str, text: &str| {
        let note = Note { id: id.into(), key: key.into(), text: text.into() };
        world.post("notes", &note).await
    };
    world.start(longest, Text { text: "k".into() }).await?;
    world.settle().await?;
    post("resumes", "k", "hello").await?;
    post("starts", "owned", "start").await?;
    world.settle().await?;
    for n in 0..40 {
        post(&format!("old{n}"), "a", "ignore").await?;
    }
    post("old0", "a", "ignore").await?;
    post("waits", "owned", "for later").await?;
    world.advance(12 * DAY).await?;
    for n in 0..40 {
        post(&format!("new{n}"), "a", "ignore").await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_process_that_dies_in_a_sweep_loses_nothing_that_should_stay() {
    let retention = Retention { deliveries: 10 * DAY, payloads: 30, ..Retention::default() };
    let mut commits = 0;
    for fault in [Fault::DiesBefore, Fault::DiesAfter] {
        for at in 0..100 {
            let rows = Arc::new(Embedded::new(MemoryRows::new()));
            let mut world = World::over(Registry::collect().unwrap(), rows, at).unwrap();
            lived_through(&world).await.unwrap();
            let first = world.store().commits();
            world.store().plan(move |number, _| (number == first + at).then_some(fault));
            let died = world.sweep(&retention).await.is_err();
            world.store().plan(|_, _| None);
            if died {
                let report = world.audit().await.unwrap();
                assert!(report.is_clean(), "{fault:?} at {at}: {:#?}", report.violations);
                world.restart().unwrap();
                world.sweep(&retention).await.unwrap();
            }
            let report = world.audit().await.unwrap();
            assert!(report.is_clean(), "{fault:?} at {at}: {:#?}", report.violations);
            // 43 old ones are gone, whatever died, and counted; the queued one and
            // 40 young ones are there, of which the 30 newest have their payload.
            assert_eq!(report.counts.forgotten, 43, "{fault:?} at {at}");
            let inbox = world.inbox().await.unwrap();
            assert_eq!(inbox.len(), 41, "{fault:?} at {at}");
            assert_eq!(inbox.iter().filter(|delivery| delivery.emptied).count(), 10);
            assert_eq!(inbox.first().unwrap().events[0].state, InboxState::Queued);
            let again = Note { id: "new0".into(), key: "a".into(), text: "ignore".into() };
            assert!(world.post("notes", &again).await.unwrap().body.contains("duplicate"));
            if !died {
                commits += at;
                break;
            }
        }
    }
    assert!(commits >= 8, "the sweep had {commits} commits to die around");
}
