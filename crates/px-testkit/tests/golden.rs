//! Golden logs: what a run of each shape writes, in the stored form. A change
//! here is a change of the on-disk format: old logs must still be read, so
//! the files stay, and px-core's own tests replay them from every prefix.
//!
//! `PX_BLESS=1 cargo test -p px-testkit --test golden` writes them anew.

mod blessed;
mod project;

use blessed::compare;
use project::{Ask, TIMEOUT, broken, event, registry, survey};
use px_testkit::World;

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
