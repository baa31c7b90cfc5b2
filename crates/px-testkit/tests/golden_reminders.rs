//! The golden log of a wait that is reminded of: turns that return, one that fails and is tried again, and the
//! answer. See `golden.rs`.
//!
//! `PX_BLESS=1 cargo test -p px-testkit --test golden_reminders` writes it anew.

mod blessed;
mod project;

use std::time::Duration;

use blessed::compare;
use project::reminded::reminded;
use project::{Ask, event, registry};
use px_core::RunStatus;
use px_testkit::World;

#[tokio::test]
async fn reminders_write_what_they_always_wrote() {
    let world = World::new(registry()).unwrap();
    let run = world.start(reminded, Ask { key: "reminded".into() }).await.unwrap();
    world.settle().await.unwrap();
    for _ in 0..9 {
        world.advance(Duration::from_secs(5)).await.unwrap();
    }
    world.post("mail", &event("1", "reminded", "at last", "resume")).await.unwrap();
    world.settle().await.unwrap();
    assert_eq!(world.status(run).await.unwrap(), RunStatus::Complete);
    compare(&world, run, "reminded.jsonl").await;
}
