//! Steps that never yield, over an engine with real threads whose hints are
//! all lost: what it learns, it learns by looking.

#![allow(clippy::unwrap_used, reason = "test code: what is unexpected fails the test")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use px_core::{RunId, RunStatus, Scope};
use px_engine::{Engine, Limits, Parts, Places};
use px_pool::Pool;
use px_sdk::{Brain, Cx, Next, Registry, Result, brain};
use px_store::cluster::{Cluster as _, OneMember};
use px_testkit::World;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Ends what spins. One for the whole program, which has one test.
static STOP: AtomicBool = AtomicBool::new(false);

#[derive(Serialize, Deserialize, JsonSchema)]
struct Nothing {}

fn spinner() -> Brain<Nothing> {
    brain("spinner").step("spin", spin).build()
}
px_sdk::brain!(spinner);

async fn spin(_cx: Cx, nothing: Nothing) -> Result<Next<Nothing>> {
    while !STOP.load(Ordering::SeqCst) {
        std::hint::spin_loop();
    }
    Ok(Next(nothing))
}

async fn reaches(world: &World, run: RunId, status: RunStatus) {
    while world.status(run).await.unwrap() != status {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_hint_of_a_cancel_keeps_no_place_of_a_step_that_never_commits() {
    let registry = Arc::new(Registry::collect().unwrap());
    let world = World::new(Registry::collect().unwrap()).unwrap();
    world.rows().hints().mute();
    let ids = Arc::new(px_core::Ids::counted(1_000_000));
    let pool = Pool::start(px_pool::Limits::default()).unwrap();
    let member = OneMember::new(ids.version(world.now()));
    let parts = Parts {
        store: Arc::clone(world.rows()),
        registry: Arc::clone(&registry),
        clock: Arc::new(world.clock().clone()),
        places: Places::new(member.me(), Arc::clone(&registry), 1),
        cluster: Arc::new(member),
        ids,
        scope: Scope::default(),
        pool: pool.clone(),
        fits: Arc::new(px_inbound::fits_key(Vec::new())),
        resources: px_sdk::Provided::default(),
        stand_in: None,
    };
    let limits = Limits {
        // One place: as long as the first run keeps it, the second one does not run.
        max_concurrent_steps: 1,
        poll: Duration::from_millis(20),
        visible_after: Duration::from_millis(20),
        cancel_grace: Duration::from_millis(20),
        ..Limits::default()
    };
    let engine = Engine::start(parts, limits);
    let first = world.start(spinner, Nothing {}).await.unwrap();
    while pool.stalled_for(first).is_none() {
        tokio::task::yield_now().await;
    }
    let second = world.start(spinner, Nothing {}).await.unwrap();
    world.cancel(first).await.unwrap();
    while pool.stalled_for(second).is_none() {
        tokio::task::yield_now().await;
    }
    assert_eq!(pool.written_off(), 1);
    STOP.store(true, Ordering::SeqCst);
    reaches(&world, second, RunStatus::Complete).await;
    assert_eq!(world.status(first).await.unwrap(), RunStatus::Cancelled);
    while pool.written_off() > 0 {
        tokio::task::yield_now().await;
    }
    engine.shutdown(Duration::from_secs(5)).await;
}
