//! Sweeps of the inbox, and what another process does meanwhile.

use super::*;

fn sweep(world: Arc<World>) -> Act {
    Box::pin(async move {
        world.sweep(&Retention { deliveries: DAY, ..Retention::default() }).await.unwrap();
    })
}

async fn forgotten(world: &World) -> usize {
    let forgotten = world.rows().forgotten(Scope::default()).await.unwrap();
    usize::try_from(forgotten.map_or(0, |forgotten| forgotten.count)).unwrap()
}

#[test]
fn a_sweep_leaves_an_id_that_another_process_writes_anew() {
    let before = async |world: &World| {
        world.post("votes", &Note { id: "yes".into() }).await.unwrap();
        world.clock().advance(8 * DAY);
    };
    let holds = async |world: &World| {
        // One that met a change has left it to a later one.
        world.sweep(&Retention { deliveries: DAY, ..Retention::default() }).await.unwrap();
        equal("forgotten", forgotten(world).await, 1)?;
        world.post("votes", &Note { id: "yes".into() }).await.unwrap();
        equal("effects", effects(world).await, 2)?;
        equal("duplicates", count(world, InboxState::Duplicate).await, 1)
    };
    Scene { before, acts: [sweep, vote], holds }.holds_but_for(&[Bug::SweepForgetsAnyId]);
}

#[test]
fn a_sweep_leaves_the_id_of_a_replay_at_another_process() {
    let before = async |world: &World| {
        note(world, "kept", false).await;
        world.clock().advance(8 * DAY);
    };
    let replay: fn(Arc<World>) -> Act = |world| {
        Box::pin(async move {
            let Some(first) = world.inbox().await.unwrap().first().map(|delivery| delivery.id) else {
                return;
            };
            // It may be forgotten by then.
            let _ = world.replay(first).await;
        })
    };
    let holds = async |world: &World| {
        let replayed = !world.inbox().await.unwrap().is_empty();
        let before = effects(world).await;
        note(world, "kept", false).await;
        equal("effects", effects(world).await, if replayed { before } else { before + 1 })
    };
    Scene { before, acts: [sweep, replay], holds }.holds_but_for(&[Bug::SweepForgetsAnyId]);
}

#[test]
fn sweeps_of_two_processes_lose_no_count() {
    let before = async |world: &World| {
        world.post("votes", &Note { id: "yes".into() }).await.unwrap();
        world.clock().advance(8 * DAY);
        let mut headers = http::HeaderMap::new();
        headers.insert("x-forwarded-for", http::HeaderValue::from_static("1.2.3.4"));
        let rejected = world.send("votes", headers, bytes::Bytes::from_static(b"{}")).await.unwrap();
        assert_eq!(rejected.status, 401);
        world.clock().advance(2 * HOUR);
    };
    let sweep_rejected: fn(Arc<World>) -> Act = |world| {
        Box::pin(async move {
            world.sweep(&Retention { rejected: HOUR, ..Retention::default() }).await.unwrap();
        })
    };
    let sweep_old: fn(Arc<World>) -> Act = |world| {
        Box::pin(async move {
            let retention = Retention { deliveries: DAY, rejected: DAY, ..Retention::default() };
            world.sweep(&retention).await.unwrap();
        })
    };
    let holds = async |world: &World| {
        // One that met a change has left it to a later one.
        let retention = Retention { deliveries: DAY, rejected: HOUR, ..Retention::default() };
        world.sweep(&retention).await.unwrap();
        equal("left", world.inbox().await.unwrap().len(), 0)?;
        equal("forgotten", forgotten(world).await, 2)
    };
    Scene { before, acts: [sweep_rejected, sweep_old], holds }.holds_but_for(&[Bug::SweepCountsUnchecked]);
}
