//! Waits that need several responses (docs/rules.md#8), in virtual time.

#![expect(clippy::unwrap_used, reason = "a test says by panicking that it failed")]

mod project;

use project::{Ask, TIMEOUT, approval, both, event, registry};
use px_core::{RunId, RunStatus, Scope};
use px_store::InboxState;
use px_testkit::World;
use serde_json::{Value, json};

async fn started(world: &World, brain: fn() -> px_sdk::Brain<Ask>) -> RunId {
    let run = world.start(brain, Ask { key: "k".into() }).await.unwrap();
    world.settle().await.unwrap();
    run
}

async fn post(world: &World, slug: &str, id: &str, text: &str) -> Value {
    let answer = world.post(slug, &event(id, "k", text, "resume")).await.unwrap();
    world.settle().await.unwrap();
    serde_json::from_str(&answer.body).unwrap()
}

async fn is_clean(world: &World) {
    let report = px_store::audit::audit(&**world.rows(), Scope::default(), &mut |_| {}).await.unwrap();
    assert!(report.is_clean(), "{report:#?}");
}

#[tokio::test]
async fn rule_8_two_different_approvers() {
    let world = World::new(registry()).unwrap();
    let run = started(&world, approval).await;
    let first = post(&world, "mail", "1", "ada").await;
    assert_eq!(
        (&first["action"], &first["have"], &first["need"]),
        (&json!("collected"), &json!(1), &json!(2))
    );
    assert_eq!(first["brainRunId"], run.to_string());
    let again = post(&world, "mail", "2", "ada").await;
    assert_eq!((&again["action"], &again["reason"]), (&json!("ignored"), &json!("not distinct")));
    assert_eq!(world.status(run).await.unwrap(), RunStatus::Waiting);
    assert_eq!(post(&world, "mail", "3", "bob").await["action"], "resumed");
    assert_eq!(world.state(run).await.unwrap(), json!({"texts": ["ada", "bob"], "complete": true}));
    let states: Vec<_> = world.inbox().await.unwrap().iter().map(|one| one.events[0].state).collect();
    assert_eq!(states, [InboxState::Collected, InboxState::Ignored, InboxState::Resumed]);
    is_clean(&world).await;
}

#[tokio::test]
async fn rule_8_on_timeout_the_step_gets_what_was_collected() {
    let world = World::new(registry()).unwrap();
    let run = started(&world, approval).await;
    post(&world, "mail", "1", "ada").await;
    world.advance(TIMEOUT).await.unwrap();
    assert_eq!(world.state(run).await.unwrap(), json!({"texts": ["ada"], "complete": false}));
    assert_eq!(post(&world, "mail", "2", "bob").await["action"], "late");
    is_clean(&world).await;
}

#[tokio::test]
async fn early_responses_are_collected_when_the_wait_opens() {
    let world = World::new(registry()).unwrap();
    for (id, text) in [("1", "ada"), ("2", "ada"), ("3", "bob"), ("4", "eve")] {
        assert_eq!(post(&world, "mail", id, text).await["action"], "queued");
    }
    let run = started(&world, approval).await;
    assert_eq!(world.state(run).await.unwrap()["texts"], json!(["ada", "bob"]));
    let states: Vec<_> = world.inbox().await.unwrap().iter().map(|one| one.events[0].state).collect();
    use InboxState as S;
    assert_eq!(states, [S::Collected, S::Ignored, S::Resumed, S::Queued]);
    is_clean(&world).await;
}

#[tokio::test]
async fn all_of_a_tuple_in_whatever_order_also_over_a_restart() {
    let mut world = World::new(registry()).unwrap();
    let run = started(&world, both).await;
    assert_eq!(post(&world, "phone", "1", "ring").await["action"], "collected");
    world.restart().unwrap();
    assert_eq!(post(&world, "phone", "2", "ring again").await["reason"], "not distinct");
    assert_eq!(post(&world, "mail", "3", "letter").await["action"], "resumed");
    assert_eq!(world.state(run).await.unwrap()["texts"], json!(["letter", "ring"]));
    is_clean(&world).await;
}

#[tokio::test]
async fn an_answer_by_hand_counts_as_one_of_several() {
    let world = World::new(registry()).unwrap();
    let run = started(&world, approval).await;
    world.answer(run, json!({"text": "by hand"})).await.unwrap();
    assert_eq!(world.status(run).await.unwrap(), RunStatus::Waiting);
    assert_eq!(post(&world, "mail", "1", "bob").await["action"], "resumed");
    assert_eq!(world.state(run).await.unwrap()["texts"], json!(["by hand", "bob"]));
    is_clean(&world).await;
}
