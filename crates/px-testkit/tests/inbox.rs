//! What an operator and a provider's retry make of deliveries that went wrong,
//! in virtual time: replay, bind, supersede, and dedup that a webhook declares
//! (docs/rules.md#17, #19, #20).

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test says by panicking that it failed")]

mod audited;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use audited::Audited;
use px_core::{DeliveryId, RunId, RunStatus};
use px_sdk::{Brain, Cx, Error, Inbound, Next, Registry, Result, Timed, Waiting, brain, verify, wait_for};
use px_store::{Delivery, InboxState};
use px_testkit::World;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
struct Text {
    text: String,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
struct Note {
    id: String,
    key: String,
    text: String,
}

/// The handler of `mend` works once this is set.
static MENDED: AtomicBool = AtomicBool::new(false);

mod mend {
    use super::*;
    px_sdk::webhook! {
        slug = "mend",
        payload = Note,
        response = Text,
        verify = verify::unverified().dedup_pointer("/id"),
        handler = receive,
    }
    async fn receive(note: Note) -> Result<Inbound<Text>> {
        if !MENDED.load(Ordering::Relaxed) {
            return Err(Error::msg("not mended yet"));
        }
        Ok(Inbound::resume(note.key, Text { text: note.text }))
    }
}

mod notes {
    use super::*;
    px_sdk::webhook! {
        slug = "notes",
        payload = Note,
        response = Text,
        verify = verify::unverified().dedup_header("x-not-used"),
        handler = receive,
        dedup = px_sdk::dedup::path("/id"),
    }
    async fn receive(note: Note) -> Result<Inbound<Text>> {
        Ok(Inbound::resume(note.key, Text { text: note.text }))
    }
}

mod votes {
    use super::*;
    px_sdk::webhook! {
        slug = "votes",
        payload = Note,
        response = Text,
        verify = verify::unverified().dedup_pointer("/id"),
        handler = receive,
        dedup = px_sdk::dedup::body(Duration::from_secs(60)),
    }
    async fn receive(_: Note) -> Result<Inbound<Text>> {
        Ok(Inbound::ignore("counted"))
    }
}

fn ask() -> Brain<Text> {
    brain("ask").step("wait", wait).step("take", take).build()
}
px_sdk::brain!(ask);

async fn wait(_: Cx, asked: Text) -> Result<Waiting<Text, Timed<Text>>> {
    let on = notes::on(&asked.text);
    Ok(wait_for(asked, on).timeout(Duration::from_secs(3_600)))
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

fn note(id: &str, key: &str, text: &str) -> Note {
    Note { id: id.into(), key: key.into(), text: text.into() }
}

async fn post(world: &World, slug: &str, payload: &impl Serialize) -> (u16, Value) {
    let answer = world.post(slug, payload).await.unwrap();
    (answer.status, serde_json::from_str(&answer.body).unwrap())
}

async fn waiting(world: &World, key: &str) -> RunId {
    let run = world.start(ask, Text { text: key.into() }).await.unwrap();
    world.settle().await.unwrap();
    assert_eq!(world.status(run).await.unwrap(), RunStatus::Waiting);
    run
}

fn id(body: &Value) -> DeliveryId {
    body["deliveryId"].as_str().unwrap().parse().unwrap()
}

fn states(inbox: &[Delivery]) -> Vec<InboxState> {
    inbox.iter().flat_map(|delivery| delivery.events.iter().map(|event| event.state)).collect()
}

#[tokio::test]
async fn rules_17_and_20_a_quarantined_delivery_is_superseded_by_its_retry_and_replayed_in_its_row() {
    let mut world = world();
    for id in ["1", "2"] {
        assert_eq!(post(&world, "mend", &note(id, "k", id)).await.0, 500);
    }
    let quarantined = world.inbox().await.unwrap();
    assert_eq!(states(&quarantined), [InboxState::Quarantined; 2]);
    // Still broken: the row stays what it is.
    assert_eq!(world.replay(quarantined[1].id).await.unwrap().status, 500);
    assert_eq!(world.inbox().await.unwrap().len(), 2);

    MENDED.store(true, Ordering::Relaxed);
    // A restart forgets nothing.
    world.restart().unwrap();
    let (status, retried) = post(&world, "mend", &note("1", "k", "1")).await;
    assert_eq!((status, &retried["action"]), (200, &json!("queued")));
    let answer = world.replay(quarantined[1].id).await.unwrap();
    assert_eq!((answer.status, answer.action), (200, Some("queued")));
    assert_eq!(answer.delivery, Some(quarantined[1].id));

    let inbox = world.inbox().await.unwrap();
    assert_eq!(states(&inbox), [InboxState::Ignored, InboxState::Queued, InboxState::Queued]);
    assert_eq!(inbox[0].events[0].reason, Some(format!("superseded by {}", id(&retried))));
    // What was replayed burns the provider's id.
    let (_, again) = post(&world, "mend", &note("2", "k", "2")).await;
    assert_eq!(again["action"], "duplicate");
}

/// A webhook that starts a brain which nobody registered.
mod forgotten {
    use super::*;
    px_sdk::webhook! {
        slug = "forgotten",
        payload = Note,
        response = Text,
        verify = verify::unverified().dedup_pointer("/id"),
        handler = receive,
    }
    async fn receive(note: Note) -> Result<Inbound<Text>> {
        Ok(Inbound::resume(note.key, Text { text: note.text.clone() })
            .or_start(unregistered, Text { text: note.text }))
    }
    fn unregistered() -> Brain<Text> {
        brain("unregistered").step("take", only).build()
    }
    async fn only(_: Cx, text: Text) -> Result<Next<Text>> {
        Ok(Next(text))
    }
}

#[tokio::test]
async fn rule_17_what_starts_a_brain_that_is_not_registered_is_kept_and_says_so() {
    let world = world();
    let (status, body) = post(&world, "forgotten", &note("1", "k", "a")).await;
    assert_eq!((status, &body["code"]), (500, &json!("PX0027")));
    let kept = world.inbox().await.unwrap();
    assert_eq!((states(&kept), kept[0].id), (vec![InboxState::Quarantined], id(&body)));
    let why = kept[0].events[0].reason.clone().unwrap();
    assert!(why.contains("'unregistered' needs its `pub mod` and its `px::brain!(..)`"), "{why}");
    // A replay by the same binary changes nothing, and its row stays.
    assert_eq!(world.replay(id(&body)).await.unwrap().status, 500);
    assert_eq!(states(&world.inbox().await.unwrap()), [InboxState::Quarantined]);
}

#[tokio::test]
async fn json_that_is_declared_as_a_form_is_told_so() {
    let world = world();
    for (form, says) in [(r#"{"id":"1","key":"k","text":"a"}"#, true), ("id=1&key=k", false)] {
        let answer = world.post_form("notes", form).await.unwrap();
        let body: Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(answer.status, 422, "{body}");
        let first = body["violations"][0]["message"].as_str().unwrap();
        assert_eq!(first.contains("JSON is sent as application/json"), says, "{body}");
    }
}

#[tokio::test]
async fn rule_20_a_replay_skips_dedup_and_takes_what_is_queued_along() {
    let world = world();
    let run = waiting(&world, "k").await;
    let (_, first) = post(&world, "notes", &note("1", "k", "yes")).await;
    assert_eq!(first["action"], "resumed");
    world.settle().await.unwrap();
    assert_eq!(world.state(run).await.unwrap()["text"], "yes");

    let second = waiting(&world, "k").await;
    let answer = world.replay(id(&first)).await.unwrap();
    assert_eq!((answer.action, answer.run), (Some("resumed"), Some(second)));
    assert_ne!(answer.delivery, Some(id(&first)), "it is a delivery of its own");

    let (_, early) = post(&world, "notes", &note("2", "other", "hm")).await;
    world.replay(id(&early)).await.unwrap();
    let inbox = world.inbox().await.unwrap();
    assert_eq!(
        states(&inbox),
        [InboxState::Resumed, InboxState::Resumed, InboxState::Ignored, InboxState::Queued],
        "an event is not queued twice"
    );
    let (_, copy) = post(&world, "notes", &note("2", "other", "hm")).await;
    assert_eq!(copy["action"], "duplicate");
    let refused = world.replay(id(&copy)).await.unwrap_err().to_string();
    assert!(refused.contains("replay the original"), "{refused}");
}

#[tokio::test]
async fn a_kept_event_is_bound_to_a_run_by_hand() {
    let world = world();
    // Queued under another identifier.
    let (_, queued) = post(&world, "notes", &note("1", "typo", "queued")).await;
    let run = waiting(&world, "right").await;
    world.bind(id(&queued), run).await.unwrap();
    world.settle().await.unwrap();
    assert_eq!(world.state(run).await.unwrap(), json!({"text": "queued"}));
    // It has left its queue: nobody gets it once more.
    let other = waiting(&world, "typo").await;

    // Late: the run that it came for has timed out.
    world.advance(Duration::from_secs(3_601)).await.unwrap();
    assert_eq!(world.status(other).await.unwrap(), RunStatus::Complete);
    let (_, late) = post(&world, "notes", &note("2", "typo", "late")).await;
    assert_eq!(late["action"], "late");
    let run = waiting(&world, "x").await;
    let refused = world.bind(id(&late), other).await.unwrap_err().to_string();
    assert!(refused.contains("does not wait on webhook 'notes'"), "{refused}");
    world.bind(id(&late), run).await.unwrap();
    world.settle().await.unwrap();
    assert_eq!(world.state(run).await.unwrap(), json!({"text": "late"}));
    let refused = world.bind(id(&late), run).await.unwrap_err().to_string();
    assert!(refused.contains("this delivery's is resumed"), "{refused}");

    // Expired: nobody waited within the early window.
    let (_, expired) = post(&world, "notes", &note("3", "nobody", "expired")).await;
    world.advance(Duration::from_secs(25 * 3_600)).await.unwrap();
    let run = waiting(&world, "y").await;
    world.bind(id(&expired), run).await.unwrap();
    world.settle().await.unwrap();
    assert_eq!(world.state(run).await.unwrap(), json!({"text": "expired"}));
}

#[tokio::test]
async fn rule_19_a_webhook_declares_what_a_repetition_is() {
    let world = world();
    for (slug, then) in [("notes", "queued"), ("votes", "ignored")] {
        assert_eq!(post(&world, slug, &note("7", "k", "yes")).await.1["action"], then);
        assert_eq!(post(&world, slug, &note("7", "k", "yes")).await.1["action"], "duplicate");
    }
    // The same id in another body counts for `path`, and not for `body`.
    assert_eq!(post(&world, "notes", &note("7", "k", "no")).await.1["action"], "duplicate");
    assert_eq!(post(&world, "votes", &note("7", "k", "no")).await.1["action"], "ignored");
    world.advance(Duration::from_secs(59)).await.unwrap();
    assert_eq!(post(&world, "votes", &note("7", "k", "yes")).await.1["action"], "duplicate");
    world.advance(Duration::from_secs(1)).await.unwrap();
    assert_eq!(
        post(&world, "votes", &note("7", "k", "yes")).await.1["action"],
        "ignored",
        "the window is over"
    );
    assert_eq!(post(&world, "votes", &note("7", "k", "yes")).await.1["action"], "duplicate");
}

/// Waits on a webhook that this binary does not have, as after a redeploy.
fn orphan() -> Brain<Text> {
    brain("orphan").step("wait", wait_for_gone).step("take", take_gone).build()
}
px_sdk::brain!(orphan);

async fn wait_for_gone(_: Cx, asked: Text) -> Result<Waiting<Text, Text>> {
    let on = px_sdk::On::registered("gone", asked.text.clone(), 0);
    Ok(wait_for(asked, on))
}

async fn take_gone(_: Cx, _: Text, text: Text) -> Result<Next<Text>> {
    Ok(Next(text))
}

#[tokio::test]
async fn rule_28_a_slug_that_a_redeploy_removed_is_busy_while_runs_wait_on_it() {
    let world = world();
    let run = world.start(orphan, Text { text: "k".into() }).await.unwrap();
    world.settle().await.unwrap();
    let answer = world.post("gone", &note("1", "k", "yes")).await.unwrap();
    assert_eq!((answer.status, answer.retry_after), (503, Some(1)), "{}", answer.body);
    assert_eq!(post(&world, "never-was", &note("1", "k", "yes")).await.0, 404);
    world.cancel(run).await.unwrap();
    world.advance(Duration::from_secs(10)).await.unwrap();
    let (status, body) = post(&world, "gone", &note("1", "k", "yes")).await;
    assert_eq!((status, &body["error"]), (404, &json!("Webhook 'gone' not found")));
}
