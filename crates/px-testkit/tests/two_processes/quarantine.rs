//! Failures, their retries and their replays, at two processes.

use super::*;

#[test]
fn rule_17_a_retry_at_another_process_takes_the_place_of_what_was_set_aside() {
    let before = async |world: &World| {
        note(world, "retried", true).await;
        FAILING.lock().unwrap().remove("retried");
    };
    let retry: fn(Arc<World>) -> Act = |world| Box::pin(async move { note(&world, "retried", false).await });
    let holds = async |world: &World| {
        equal("effects", effects(world).await, 1)?;
        equal("in quarantine", count(world, InboxState::Quarantined).await, 0)
    };
    Scene { before, acts: [retry, retry], holds }.holds_but_for(&[Bug::NothingSetAside]);
}

#[tokio::test]
async fn rule_17_a_retry_takes_the_place_of_what_a_px_without_the_index_set_aside() {
    let project = Project::new(Registry::collect().unwrap()).unwrap();
    let older = World::of(&project, Arc::new(Embedded::new(MemoryRows::new())), 0);
    break_it(&older, Bug::NothingSetAside);
    for id in ["older-1", "older-2"] {
        note(&older, id, true).await;
    }
    let newer = older.beside();
    note(&newer, "older-1", false).await;
    assert_eq!((effects(&newer).await, count(&newer, InboxState::Quarantined).await), (1, 1));
    note(&older.beside(), "older-2", false).await;
    assert_eq!((effects(&newer).await, count(&newer, InboxState::Quarantined).await), (2, 0));
    assert!(newer.audit().await.unwrap().is_clean());
}

#[test]
fn rule_17_of_failures_at_two_processes_one_stays_in_quarantine() {
    let fail: fn(Arc<World>) -> Act = |world| Box::pin(async move { note(&world, "fails", true).await });
    let holds = async |world: &World| {
        equal("in quarantine", count(world, InboxState::Quarantined).await, 1)?;
        note(world, "fails", false).await;
        equal("effects", effects(world).await, 1)?;
        equal("in quarantine after the retry", count(world, InboxState::Quarantined).await, 0)
    };
    Scene { before: async |_: &World| {}, acts: [fail, fail], holds }.holds_but_for(&[Bug::NothingSetAside]);
}

#[test]
fn rule_20_a_replay_and_a_retry_at_another_process_have_one_effect() {
    let before = async |world: &World| {
        note(world, "replayed", true).await;
        FAILING.lock().unwrap().remove("replayed");
    };
    let replay: fn(Arc<World>) -> Act = |world| {
        Box::pin(async move {
            let inbox = world.inbox().await.unwrap();
            let first = inbox.first().unwrap().id;
            // It is refused where the retry has taken its place by then.
            let _ = world.replay(first).await;
        })
    };
    let retry: fn(Arc<World>) -> Act = |world| Box::pin(async move { note(&world, "replayed", false).await });
    let holds = async |world: &World| {
        equal("effects", effects(world).await, 1)?;
        equal("in quarantine", count(world, InboxState::Quarantined).await, 0)
    };
    Scene { before, acts: [replay, retry], holds }.holds_but_for(&[Bug::NothingSetAside]);
}

/// Posts to a process whose deploy is broken, or to one whose is not.
fn deployed(id: &'static str, fails: bool) -> impl Fn(Arc<World>) -> Act {
    move |world| {
        Box::pin(async move {
            let headers: &[(&str, &str)] = if fails { &[("x-fails", "1")] } else { &[] };
            let answer = world.post_with("deploys", headers, &Note { id: id.into() }).await.unwrap();
            assert!(fails || answer.status < 300, "{}", answer.body);
        })
    }
}

/// Nothing is left that a replay could do once more.
async fn is_done_once(world: &World, events: usize) -> std::result::Result<(), String> {
    equal("effects", effects(world).await, events)?;
    equal("in quarantine", count(world, InboxState::Quarantined).await, 0)?;
    for delivery in world.inbox().await.unwrap() {
        let is_done = delivery.events.iter().all(|event| event.state == InboxState::Started);
        if !is_done && world.replay(delivery.id).await.is_ok() {
            return Err(format!("{} was replayed", delivery.id));
        }
    }
    Ok(())
}

#[test]
fn a_failure_and_its_retry_at_another_process_leave_nothing_to_do_once_more() {
    let holds = async |world: &World| is_done_once(world, 1).await;
    let acts: [fn(Arc<World>) -> Act; 2] =
        [|world| deployed("once", true)(world), |world| deployed("once", false)(world)];
    let bugs = [Bug::NothingSetAside, Bug::FailsUnawareOfTheDone, Bug::DoneUnawareOfTheFailed];
    Scene { before: async |_: &World| {}, acts, holds }.holds_but_for(&bugs);
}

#[test]
fn a_failure_and_its_retry_of_several_events_leave_nothing_to_do_once_more() {
    let holds = async |world: &World| is_done_once(world, 2).await;
    let acts: [fn(Arc<World>) -> Act; 2] =
        [|world| deployed("several", true)(world), |world| deployed("several", false)(world)];
    let bugs = [Bug::FailsUnawareOfTheDone, Bug::DoneUnawareOfTheFailed];
    Scene { before: async |_: &World| {}, acts, holds }.holds_but_for(&bugs);
}

#[tokio::test]
async fn a_retry_takes_the_place_of_what_an_older_px_left_under_a_stale_entry() {
    let project = Project::new(Registry::collect().unwrap()).unwrap();
    let older = World::of(&project, Arc::new(Embedded::new(MemoryRows::new())), 0);
    break_it(&older, Bug::NothingSetAside);
    note(&older, "gone", false).await;
    note(&older, "stale", true).await;
    // An older px leaves the entry of a delivery that it takes in.
    let gone = older.inbox().await.unwrap().swap_remove(0);
    let entry = SetAside { delivery: gone.id, event: gone.events[0].id };
    let write = SetAsideWrite {
        slug: "notes".into(),
        provider_id: "stale".into(),
        expected: None,
        record: Some(entry),
    };
    let batch = Batch { set_asides: vec![write], ..Batch::default() };
    older.rows().commit(batch, Admission::Wait).await.unwrap();
    let newer = older.beside();
    note(&newer, "stale", false).await;
    assert_eq!((effects(&newer).await, count(&newer, InboxState::Quarantined).await), (2, 0));
    assert_eq!(count(&newer, InboxState::Started).await, 2, "what the entry named stays what it is");
    assert!(newer.audit().await.unwrap().is_clean());
}
