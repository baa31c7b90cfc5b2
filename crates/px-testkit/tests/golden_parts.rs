//! Golden logs of the parts that a pipeline has inside it, loops and the arms of
//! branches, and of steps that may wait. See `golden.rs`.
//!
//! `PX_BLESS=1 cargo test -p px-testkit --test golden_parts` writes them anew.

#![expect(clippy::unwrap_used, reason = "a test says by panicking that it failed")]

extern crate px_sdk as px;

mod blessed;
mod pieces;
mod project;

use blessed::compare;
use pieces::{bill, desk, limited, perhaps, rates, reminders, ways};
use project::{TIMEOUT, event, registry};
use px_testkit::World;

async fn post(world: &World, id: &str, key: &str, text: &str) {
    world.post("mail", &event(id, key, text, "resume")).await.unwrap();
    world.settle().await.unwrap();
}

#[tokio::test]
async fn parts_write_what_they_always_wrote() {
    let world = World::new(registry()).unwrap();
    let rates = world.start(rates, bill("rates", 2)).await.unwrap();
    let large = world.start(desk, bill("large@home", 20)).await.unwrap();
    let small = world.start(desk, bill("small", 1)).await.unwrap();
    let card = world.start(ways, bill("card", 2)).await.unwrap();
    let nothing = world.start(ways, bill("nothing", 0)).await.unwrap();
    let ended = world.start(limited, bill("never", 2)).await.unwrap();
    let reminded = world.start(reminders, bill("reminded", 2)).await.unwrap();
    world.settle().await.unwrap();
    post(&world, "1", "large@home", "yes").await;
    post(&world, "2", "reminded", "one").await;
    post(&world, "3", "reminded", "two").await;
    post(&world, "4", "reminded", "three").await;
    for (run, name) in [
        (rates, "repeat.jsonl"),
        (large, "when-yes.jsonl"),
        (small, "when-no.jsonl"),
        (card, "choose.jsonl"),
        (nothing, "choose-empty.jsonl"),
        (ended, "guard-in-arm.jsonl"),
        (reminded, "repeat-waits.jsonl"),
    ] {
        compare(&world, run, name).await;
    }
}

#[tokio::test]
async fn steps_that_may_wait_write_what_they_always_wrote() {
    let world = World::new(registry()).unwrap();
    let gone = world.start(perhaps, bill("gone", 0)).await.unwrap();
    let heard = world.start(perhaps, bill("heard", 2)).await.unwrap();
    let unheard = world.start(perhaps, bill("unheard", 1)).await.unwrap();
    world.settle().await.unwrap();
    post(&world, "1", "heard", "yes").await;
    post(&world, "2", "second heard", "and this").await;
    world.advance(TIMEOUT).await.unwrap();
    for (run, name) in
        [(gone, "may-wait-go.jsonl"), (heard, "may-wait.jsonl"), (unheard, "may-wait-timeout.jsonl")]
    {
        compare(&world, run, name).await;
    }
}
