//! A migration that never returns, over an engine with real threads: it costs its own
//! run a pause, and nobody else a place.

#![allow(clippy::unwrap_used, reason = "test code: what is unexpected fails the test")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use px_core::{RunId, RunStatus, Scope};
use px_engine::{Engine, Limits, Parts, Places, hung_migration, obstacle};
use px_pool::Pool;
use px_sdk::registry::Source;
use px_sdk::{Brain, Cx, Next, Registry, Result, brain};
use px_store::cluster::{Cluster as _, OneMember};
use px_testkit::World;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Ends what spins. One for the whole program, which has one test.
static STOP: AtomicBool = AtomicBool::new(false);

#[derive(Serialize, Deserialize, JsonSchema)]
struct Old {
    name: String,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct New {
    first: String,
}

fn old() -> Brain<Old> {
    brain("greeting").step("greet", async |_cx: Cx, old: Old| Ok(Next(old))).build()
}

fn new() -> Brain<New> {
    brain("greeting")
        .version(2)
        .migrate_state::<Old, New>(2, |old| {
            while !STOP.load(Ordering::SeqCst) {
                std::hint::spin_loop();
            }
            Ok(New { first: old.name })
        })
        .step("greet", async |_cx: Cx, new: New| Ok(Next(new)))
        .build()
}

fn registry<I>(brain: Brain<I>) -> Registry {
    Registry::of([(Source { file: "greeting.rs".into(), line: 1 }, brain.into_def())], []).unwrap()
}

async fn reaches(world: &World, run: RunId, status: RunStatus) -> Result<()> {
    while world.status(run).await? != status {
        tokio::task::yield_now().await;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_migration_that_does_not_return_pauses_its_run_and_keeps_no_place() {
    let world = World::new(registry(old())).unwrap();
    let run = world.start(old, Old { name: "Ada".into() }).await.unwrap();
    let registry = Arc::new(registry(new()));
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
    let within = Duration::from_millis(20);
    let limits = Limits {
        max_concurrent_steps: 1,
        poll: Duration::from_millis(20),
        migration_timeout: within,
        ..Limits::default()
    };
    let engine = Engine::start(parts, limits);
    reaches(&world, run, RunStatus::Paused).await.unwrap();
    let record = world.rows().run(Scope::default(), run).await.unwrap().unwrap();
    assert_eq!(record.run.reason, Some(hung_migration(within)));
    while pool.written_off() == 0 {
        tokio::task::yield_now().await;
    }
    // The state is as it was: with code that returns the run goes on.
    STOP.store(true, Ordering::SeqCst);
    assert_eq!(obstacle(&registry, &Limits::default(), &record.run), None);
    world.resume(run).await.unwrap();
    reaches(&world, run, RunStatus::Complete).await.unwrap();
    assert_eq!(world.state(run).await.unwrap(), serde_json::json!({"first": "Ada"}));
    engine.shutdown(Duration::from_secs(5)).await;
}
