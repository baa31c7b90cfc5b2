//! The rules of scopes, events and redeploys that have no other test, each by
//! its number, in virtual time.

#![expect(clippy::unwrap_used, reason = "a test says by panicking that it failed")]

mod project;

use std::sync::Arc;
use std::time::Duration;

use project::{Ask, TIMEOUT, Text, event, question, registry, survey};
use px_core::event::EventBody;
use px_core::{KeyId, RunId, RunStatus, Scope};
use px_sdk::{Brain, Cx, Inbound, Next, Received, Registry, Result, Waiting, brain, verify, wait_for};
use px_store::{DeliveryFilter, InboxState, RunFilter};
use px_testkit::World;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

fn world() -> World {
    World::new(registry()).unwrap()
}

async fn started(world: &World, brain: fn() -> Brain<Ask>, key: &str) -> RunId {
    let run = world.start(brain, Ask { key: key.into() }).await.unwrap();
    world.settle().await.unwrap();
    run
}

async fn ask_mail(_cx: Cx, ask: Ask) -> Result<Waiting<Ask, Text>> {
    let on = project::mail::on(&ask.key);
    Ok(wait_for(ask, on))
}

#[tokio::test]
async fn rule_2_nothing_of_one_scope_is_seen_from_another() {
    let world = world();
    let run = started(&world, survey, "k").await;
    world.post("mail", &event("1", "other", "a", "resume")).await.unwrap();
    let (here, there, store) = (Scope::default(), Scope(1), world.rows());
    let (waited, queued) = (KeyId::new("mail", "k"), KeyId::new("mail", "other"));
    let far = world.now().after(TIMEOUT * 100);
    let any = (RunFilter::default(), DeliveryFilter::default());
    for (scope, sees) in [(here, true), (there, false)] {
        assert_eq!(store.run(scope, run).await.unwrap().is_some(), sees);
        assert_eq!(!store.events(scope, run, 0, 10).await.unwrap().is_empty(), sees);
        assert_eq!(!store.runs(scope, &any.0, None, 10).await.unwrap().items.is_empty(), sees);
        assert_eq!(!store.deliveries(scope, &any.1, None, 10).await.unwrap().items.is_empty(), sees);
        assert_eq!(store.key(scope, &waited).await.unwrap().record.line.count, u64::from(sees));
        assert_eq!(store.waiters(scope, &waited, None, 0, 10).await.unwrap().len(), usize::from(sees));
        assert_eq!(store.queued(scope, &queued, 0, 10).await.unwrap().len(), usize::from(sees));
        assert_eq!(store.dedup(scope, "mail", "1").await.unwrap().is_some(), sees);
        assert_eq!(store.is_awaited(scope, "mail").await.unwrap(), sees);
        assert_eq!(!store.due(scope, far, None, 10).await.unwrap().is_empty(), sees);
    }
}

/// Texts that bring a token, if they have one.
mod guarded {
    use super::*;

    #[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
    pub(super) struct Guarded {
        pub(super) key: String,
        pub(super) token: Option<String>,
    }

    px_sdk::webhook! {
        slug = "guarded",
        payload = Guarded,
        response = Text,
        verify = verify::unverified(),
        handler = receive,
    }

    async fn receive(note: Guarded) -> Result<Inbound<Text>> {
        let inbound = Inbound::resume(note.key, Text { text: "let in".into() });
        Ok(match note.token {
            Some(token) => inbound.token(token),
            None => inbound,
        })
    }
}

fn with_token() -> Brain<Ask> {
    brain("with token").step("ask", ask_with_token).step("take", take).build()
}
px_sdk::brain!(with_token);

async fn ask_with_token(_cx: Cx, ask: Ask) -> Result<Waiting<Ask, Text>> {
    let on = guarded::on(&ask.key).token("s3cret");
    Ok(wait_for(ask, on))
}

async fn take(_cx: Cx, ask: Ask, _text: Text) -> Result<Next<Ask>> {
    Ok(Next(ask))
}

#[tokio::test]
async fn rule_10_an_event_without_the_token_of_any_wait_is_ignored_and_says_so() {
    let world = world();
    let run = started(&world, with_token, "k").await;
    for token in [None, Some("s3cre"), Some("s3cret2")] {
        let note = json!({"key": "k", "token": token});
        let answer = world.post("guarded", &note).await.unwrap();
        let body: Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(
            (answer.status, &body["action"], &body["reason"]),
            (200, &json!("ignored"), &json!("token"))
        );
        assert_eq!(world.status(run).await.unwrap(), RunStatus::Waiting);
    }
    let answer = world.post("guarded", &json!({"key": "k", "token": "s3cret"})).await.unwrap();
    assert_eq!(answer.action, Some("resumed"));
}

/// Takes as long as it is told.
mod slow {
    use super::*;

    px_sdk::webhook! {
        slug = "slow",
        payload = Ask,
        response = Text,
        verify = verify::unverified().dedup_pointer("/key"),
        handler = receive,
    }

    async fn receive(received: &Received, ask: Ask) -> Result<Inbound<Text>> {
        if received.headers.contains_key("x-slow") {
            tokio::time::sleep(Duration::from_millis(2_001)).await;
        }
        Ok(Inbound::resume(ask.key, Text { text: received.path.clone() }))
    }
}

#[tokio::test(start_paused = true)]
async fn rule_24_a_handler_sees_the_request_and_has_two_seconds_which_cost_no_dedup_key() {
    let world = world();
    let ask = Ask { key: "k".into() };
    let answer = world.post_with("slow", &[("x-slow", "1")], &ask).await.unwrap();
    assert_eq!((answer.status, answer.action), (503, None), "{}", answer.body);
    let answer = world.post("slow", &ask).await.unwrap();
    assert_eq!((answer.status, answer.action), (200, Some("queued")), "it is no duplicate");
    let answer = world.post("slow", &ask).await.unwrap();
    assert_eq!(answer.action, Some("duplicate"));
}

/// The project after a redeploy that gave `mail` another response.
fn redeployed() -> Registry {
    let before = registry();
    let webhooks: Vec<_> = before
        .webhooks()
        .map(|webhook| {
            let mut def = (*webhook.def).clone();
            if def.slug == "mail" {
                def.response_schema = json!({"type": "object", "properties": {"more": {"type": "string"}}});
            }
            (webhook.source.clone(), def)
        })
        .collect();
    let brains = [question().into_def()]
        .into_iter()
        .zip(1..)
        .map(|(def, line)| (px_sdk::registry::Source { file: "rules_events.rs".into(), line }, def));
    Registry::of(brains, webhooks).unwrap()
}

#[tokio::test]
async fn rule_14_a_response_that_changed_since_the_wait_opened_pauses_the_run() {
    let world = world();
    let run = started(&world, question, "k").await;
    let after = World::over(redeployed(), Arc::clone(world.rows()), 1_000).unwrap();
    let answer = after.post("mail", &event("1", "k", "a", "resume")).await.unwrap();
    assert_eq!(answer.action, Some("resumed"), "the sender is told nothing of it");
    after.settle().await.unwrap();
    let record = after.run(run).await.unwrap().unwrap();
    assert_eq!(record.status, RunStatus::Paused);
    assert!(record.reason.unwrap().starts_with("response changed: webhook 'mail'"));
    // With the old code back it goes on, with the response that it was given.
    world.resume(run).await.unwrap();
    world.settle().await.unwrap();
    assert_eq!(world.state(run).await.unwrap()["answer"], "a");
}

#[tokio::test]
async fn hard_case_23_a_step_that_a_redeploy_renamed_pauses_its_run_and_fails_nothing() {
    let world = world();
    let run = started(&world, question, "k").await;
    let source = px_sdk::registry::Source { file: "rules_events.rs".into(), line: 1 };
    let renamed: Brain<Ask> = brain("question").step("ask", ask_mail).step("take the answer", take).build();
    let before = registry();
    let webhooks = before.webhooks().map(|webhook| (webhook.source.clone(), (*webhook.def).clone()));
    let registry = Registry::of([(source, renamed.into_def())], webhooks.collect::<Vec<_>>()).unwrap();
    let after = World::over(registry, Arc::clone(world.rows()), 1_000).unwrap();
    let answer = after.post("mail", &event("1", "k", "a", "resume")).await.unwrap();
    assert_eq!(answer.action, Some("resumed"));
    after.settle().await.unwrap();
    let record = after.run(run).await.unwrap().unwrap();
    assert_eq!(record.status, RunStatus::Paused);
    assert!(record.reason.clone().unwrap().contains("'take'"), "{:?}", record.reason);
    world.resume(run).await.unwrap();
    world.settle().await.unwrap();
    assert_eq!(world.state(run).await.unwrap()["answer"], "a", "nothing is lost of it");
}

#[tokio::test]
async fn rule_16_each_event_of_a_delivery_has_its_own_state_and_the_delivery_one_reply() {
    let world = world();
    let run = started(&world, project::half, "a").await;
    let both = json!({"id": "1", "keys": ["a", "b"]});
    let answer = world.post("pair", &both).await.unwrap();
    let body: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!((answer.status, answer.run), (200, Some(run)), "{body}");
    let inbox = world.inbox().await.unwrap();
    assert_eq!(inbox.len(), 1);
    let found: Vec<_> = inbox[0].events.iter().map(|event| (event.state, event.run)).collect();
    assert_eq!(found, [(InboxState::Resumed, Some(run)), (InboxState::Queued, None)]);
    let again = world.post("pair", &both).await.unwrap();
    assert_eq!(again.action, Some("duplicate"));
}

#[tokio::test]
async fn rule_21_the_log_of_a_run_holds_the_response_itself() {
    let world = world();
    let run = started(&world, question, "k").await;
    world.post("mail", &event("1", "k", "kept", "resume")).await.unwrap();
    let log = world.log(run).await.unwrap();
    let held = log.iter().find_map(|entry| match &entry.event {
        EventBody::WaitAnswered { given, .. } => given.response.clone(),
        _ => None,
    });
    assert_eq!(held, Some(json!({"text": "kept"})));
}

/// A process beside this one, whose commits each wait until what `act` does
/// has happened: it has read before, and commits after.
fn outrun(
    world: &World,
    act: impl Fn(World) -> px_store::BoxFuture<'static, ()> + Send + Sync + 'static,
) -> World {
    let slow = world.beside();
    let other = std::sync::Mutex::new(Some(world.beside()));
    slow.store().detour(move |inner, batch, admission| {
        let inner = Arc::clone(inner);
        let first = other.lock().unwrap().take().map(&act);
        Box::pin(async move {
            if let Some(act) = first {
                act.await;
            }
            inner.commit(batch, admission).await
        })
    });
    slow
}

#[tokio::test]
async fn rule_1_an_event_that_saw_a_paused_run_is_not_left_beside_its_wait_when_the_run_is_resumed() {
    let world = world();
    let run = started(&world, question, "k").await;
    world.pause(run).await.unwrap();
    let slow = outrun(&world, move |other| Box::pin(async move { other.resume(run).await.unwrap() }));
    let answer = slow.post("mail", &event("1", "k", "a", "resume")).await.unwrap();
    assert_eq!(answer.action, Some("resumed"), "it read anew");
    world.settle().await.unwrap();
    assert_eq!(world.state(run).await.unwrap()["answer"], "a");
    assert!(world.audit().await.unwrap().is_clean());
}

fn listening() -> Brain<Ask> {
    brain("listening").step("open", open).for_each("hear", hear).build()
}
px_sdk::brain!(listening);

async fn open(_cx: Cx, ask: Ask) -> Result<px_sdk::Streaming<Ask, Text>> {
    let on = project::mail::on(&ask.key);
    Ok(px_sdk::stream(ask, on))
}

async fn hear(_cx: Cx, ask: Ask, text: Text) -> Result<px_sdk::More<Ask, Ask>> {
    Ok(if text.text == "bye" { px_sdk::More::Done(ask) } else { px_sdk::More::Next(ask) })
}

#[tokio::test]
async fn rule_1_an_event_that_saw_a_busy_stream_is_not_left_beside_it_when_its_step_is_through() {
    let world = world();
    let run = started(&world, listening, "k").await;
    assert_eq!(world.post("mail", &event("1", "k", "a", "resume")).await.unwrap().action, Some("resumed"));
    let slow = outrun(&world, |other| Box::pin(async move { other.settle().await.unwrap() }));
    let answer = slow.post("mail", &event("2", "k", "bye", "resume")).await.unwrap();
    assert_eq!(answer.action, Some("resumed"), "it read anew");
    world.settle().await.unwrap();
    assert_eq!(world.status(run).await.unwrap(), RunStatus::Complete);
    assert!(world.audit().await.unwrap().is_clean());
}

/// Room for one event that nobody waits for.
mod narrow {
    use super::*;

    #[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
    pub(super) struct Numbered {
        id: String,
    }

    px_sdk::webhook! {
        slug = "narrow",
        payload = Numbered,
        response = Text,
        verify = verify::unverified().dedup_pointer("/id"),
        handler = receive,
        queue_limit = 1,
    }

    async fn receive(_: Numbered) -> Result<Inbound<Text>> {
        Ok(Inbound::resume("k", Text { text: "kept".into() }))
    }
}

#[tokio::test]
async fn rule_18_what_was_taken_is_a_duplicate_also_where_there_is_no_room_for_it_any_more() {
    let world = world();
    let answers =
        [("a", 200, Some("queued")), ("b", 503, None), ("a", 200, Some("duplicate")), ("b", 503, None)];
    for (id, status, action) in answers {
        let answer = world.post("narrow", &json!({"id": id})).await.unwrap();
        assert_eq!((answer.status, answer.action), (status, action), "{id}: {}", answer.body);
    }
    assert_eq!(world.inbox().await.unwrap().len(), 2, "the event, and its repeat");
}

/// One delivery, many events.
mod crowd {
    use super::*;

    #[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
    pub(super) struct Crowd {
        id: String,
        keys: Vec<String>,
    }

    px_sdk::webhook! {
        slug = "crowd",
        payload = Crowd,
        response = Text,
        verify = verify::unverified().dedup_pointer("/id"),
        handler = receive,
    }

    async fn receive(crowd: Crowd) -> Result<Vec<Inbound<Text>>> {
        let one = |key| Inbound::resume(key, Text { text: "one of many".into() });
        Ok(crowd.keys.into_iter().map(one).collect())
    }
}

#[tokio::test]
async fn rule_18_a_batch_that_comes_again_is_a_duplicate_however_many_events_it_has() {
    let world = world();
    let keys: Vec<String> = (0..250).map(|n| n.to_string()).collect();
    for state in [InboxState::Queued, InboxState::Duplicate] {
        let answer = world.post("crowd", &json!({"id": "a", "keys": keys})).await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.body);
        let inbox = world.inbox().await.unwrap();
        let has = |delivery: &&px_store::Delivery| delivery.events.iter().all(|event| event.state == state);
        let found = inbox.iter().find(has).map(|delivery| delivery.events.len());
        assert_eq!(found, Some(250), "{state:?}");
    }
}
