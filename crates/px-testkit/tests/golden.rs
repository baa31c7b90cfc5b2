//! Golden logs: what a run of each shape writes, in the stored form. A change
//! here is a change of the on-disk format: old logs must still be read, so
//! the files stay, and px-core's own tests replay them from every prefix.
//!
//! `PX_BLESS=1 cargo test -p px-testkit --test golden` writes them anew.

#![expect(clippy::unwrap_used, reason = "a test says by panicking that it failed")]

mod project;

use std::fmt::Write as _;
use std::path::Path;

use project::{Ask, TIMEOUT, broken, event, registry, survey};
use px_core::RunId;
use px_testkit::World;

async fn compare(world: &World, run: RunId, name: &str) {
    let mut text = String::new();
    for event in world.log(run).await.unwrap() {
        writeln!(text, "{}", serde_json::to_string(&event).unwrap()).unwrap();
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../px-core/tests/golden").join(name);
    if std::env::var_os("PX_BLESS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text, "{name}");
}

#[tokio::test]
async fn logs_are_as_they_always_were() {
    let world = World::new(registry()).unwrap();
    let answered = world.start(survey, Ask { key: "answered".into() }).await.unwrap();
    let timed_out = world.start(survey, Ask { key: "timed-out".into() }).await.unwrap();
    let cancelled = world.start(survey, Ask { key: "cancelled".into() }).await.unwrap();
    let failed = world.start(broken, Ask { key: "error".into() }).await.unwrap();
    world.settle().await.unwrap();
    world.post("phone", &event("1", "answered", "fine", "")).await.unwrap();
    world.cancel(cancelled).await.unwrap();
    let answer = world.post("mail", &event("2", "loop", "hello", "or_start")).await.unwrap();
    let looped = answer.run.unwrap();
    world.settle().await.unwrap();
    world.post("mail", &event("3", "loop", "bye", "or_start")).await.unwrap();
    world.settle().await.unwrap();
    world.advance(TIMEOUT).await.unwrap();
    for (run, name) in [
        (answered, "answered.jsonl"),
        (timed_out, "timed-out.jsonl"),
        (cancelled, "cancelled.jsonl"),
        (failed, "failed.jsonl"),
        (looped, "loop.jsonl"),
    ] {
        compare(&world, run, name).await;
    }
}
