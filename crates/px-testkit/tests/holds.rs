//! Runs that begin anew hold the files that they begin with, whichever way they got there: forks, forks of
//! forks, and runs that had ended and were sent back. How many may do so is bounded.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "test code: what is unexpected fails the test"
)]

mod audited;
mod uploads;

use std::sync::Arc;

use bytes::Bytes;
use px_core::{FileId, RunId, RunStatus};
use px_inbound::{Answer, Retention};
use px_sdk::Registry;
use px_store::{Admission, MAX_HOLDERS, RunFilter, Store as _};
use px_store_rows::{Backing as _, Embedded, MemoryRows, Order, RowBatch, RowKey, RowOp};
use px_testkit::World;
use serde_json::{Value, json};
use uploads::{DAY, SCOPE, delivery, form, pieces, send, state, world};

/// Weeks later, whatever nobody reads is gone.
async fn sweep(world: &World) {
    world.advance(21 * DAY).await.unwrap();
    let retention = Retention { deliveries: DAY, ..Retention::default() };
    while world.sweep(&retention).await.unwrap() != (0, 0) {}
}

/// A delivery with one file, and the run that it started, which has ended.
async fn ended(world: &World) -> (Answer, RunId) {
    let sent = send(world, "claims", form("1", "wait").file("photo", "a", "", "abc")).await;
    let run = sent.run.unwrap();
    answer(world, "first answer").await;
    assert_eq!(state(world, run).await["status"], "complete");
    (sent, run)
}

/// Lets the run go on that has waited longest.
async fn answer(world: &World, id: &str) {
    let answered = send(world, "claims", form(id, "answer 1")).await;
    assert_eq!(answered.action, Some("resumed"), "{}", answered.body);
}

async fn fork(world: &World, run: RunId) -> RunId {
    let fork = world.fork(run, 1, None).await.unwrap();
    world.settle().await.unwrap();
    fork
}

async fn holders(world: &World, of: &Answer) -> Vec<RunId> {
    world.store().delivery(SCOPE, delivery(of)).await.unwrap().unwrap().holders
}

/// The run reads its file to the end, and then nobody holds it.
async fn reads_and_lets_go(world: &World, run: RunId) {
    assert_eq!((world.missing_files(run).await.unwrap(), pieces(world).await.len()), (vec![], 1));
    answer(world, "last answer").await;
    let now = state(world, run).await;
    assert_eq!((&now["status"], &now["state"]["bytes"]), (&json!("complete"), &json!(3)), "{now}");
    sweep(world).await;
    assert_eq!(pieces(world).await, []);
}

#[tokio::test]
async fn a_fork_that_had_ended_and_is_rerun_holds_its_files_again() {
    let world = world();
    let (sent, first) = ended(&world).await;
    let fork_of_it = fork(&world, first).await;
    answer(&world, "second answer").await;
    assert_eq!(state(&world, fork_of_it).await["status"], "complete");
    // Another fork takes those that have ended off the row.
    let other = fork(&world, first).await;
    assert_eq!(holders(&world, &sent).await, [other]);
    world.rerun(fork_of_it, 1).await.unwrap();
    world.settle().await.unwrap();
    assert_eq!(holders(&world, &sent).await, [other, fork_of_it]);
    world.cancel(other).await.unwrap();
    sweep(&world).await;
    reads_and_lets_go(&world, fork_of_it).await;
}

#[tokio::test]
async fn a_fork_of_a_fork_holds_the_files_of_both() {
    let world = world();
    let (sent, first) = ended(&world).await;
    let fork_of_it = fork(&world, first).await;
    let of_the_fork = fork(&world, fork_of_it).await;
    assert_eq!(holders(&world, &sent).await, [fork_of_it, of_the_fork]);
    world.cancel(fork_of_it).await.unwrap();
    sweep(&world).await;
    reads_and_lets_go(&world, of_the_fork).await;
}

/// It is named by its delivery's event, and takes no place among the holders.
#[tokio::test]
async fn a_run_that_is_rerun_needs_no_hold_of_its_own_files() {
    let world = world();
    let (sent, first) = ended(&world).await;
    let before = world.store().delivery(SCOPE, delivery(&sent)).await.unwrap().unwrap();
    world.rerun(first, 1).await.unwrap();
    world.settle().await.unwrap();
    let after = world.store().delivery(SCOPE, delivery(&sent)).await.unwrap().unwrap();
    assert!(after.holders.is_empty(), "{:?}", after.holders);
    assert!(after.revision > before.revision, "a sweep that has seen it ended meets a conflict");
    sweep(&world).await;
    reads_and_lets_go(&world, first).await;
}

#[tokio::test]
async fn the_copy_that_a_replay_makes_of_a_held_delivery_is_held_by_nobody() {
    let world = world();
    let (sent, first) = ended(&world).await;
    let held_by = fork(&world, first).await;
    let again = world.replay(delivery(&sent)).await.unwrap();
    world.settle().await.unwrap();
    assert_ne!(delivery(&again), delivery(&sent));
    assert_eq!((holders(&world, &sent).await, holders(&world, &again).await), (vec![held_by], vec![]));
}

#[tokio::test]
async fn a_delivery_has_a_bounded_number_of_holders_and_beyond_nothing_is_lost() {
    let world = world();
    let (sent, first) = ended(&world).await;
    let begun_early = fork(&world, first).await;
    answer(&world, "second answer").await;
    let mut forks = Vec::new();
    for _ in 0..MAX_HOLDERS {
        forks.push(world.fork(first, 1, None).await.unwrap());
    }
    world.settle().await.unwrap();
    assert_eq!(holders(&world, &sent).await, forks, "those that have ended count no more");
    let count =
        async || world.store().runs(SCOPE, &RunFilter::default(), None, 1_000).await.unwrap().items.len();
    let runs = count().await;
    let refused = [
        world.fork(first, 1, None).await.unwrap_err().to_string(),
        world.rerun(begun_early, 1).await.unwrap_err().to_string(),
    ];
    for refused in refused {
        assert!(refused.contains("100 runs that have not ended hold the files of delivery"), "{refused}");
        assert!(refused.contains("cancel them, then try again"), "{refused}");
    }
    assert_eq!(count().await, runs, "no run was made");
    assert_eq!(state(&world, begun_early).await["status"], "complete", "and this one stays as it was");
    assert_eq!(holders(&world, &sent).await, forks);
    // One that has a place may be sent back, and one that ends gives its place to another.
    world.rerun(forks[0], 1).await.unwrap();
    world.cancel(forks[1]).await.unwrap();
    world.rerun(begun_early, 1).await.unwrap();
    assert_eq!(holders(&world, &sent).await.len(), MAX_HOLDERS);
}

/// A state with references to a file of each of these deliveries.
async fn with_pages(world: &World, of: &[Answer]) -> Value {
    let mut pages = Vec::new();
    for answer in of {
        let kept = world.store().delivery(SCOPE, delivery(answer)).await.unwrap().unwrap();
        let file = &kept.files[0];
        let id = FileId { delivery: kept.id, place: 0 };
        pages.push(json!({ "id": id, "name": file.name, "size": file.size, "sha256": file.sha256 }));
    }
    json!({ "id": "1", "then": "wait", "pages": pages })
}

#[tokio::test]
async fn all_files_that_a_run_begins_with_are_held_or_it_does_not_begin() {
    let world = world();
    let first = send(&world, "claims", form("1", "wait")).await.run.unwrap();
    world.cancel(first).await.unwrap();
    let mut sent = Vec::new();
    for n in 0..150 {
        sent.push(
            send(&world, "claims", form(&format!("p{n}"), "ignore").file("photo", "a", "", "abc")).await,
        );
    }
    let mut state_of_all = with_pages(&world, &sent).await;
    let fork = world.fork(first, 1, Some(state_of_all.clone())).await.unwrap();
    world.settle().await.unwrap();
    sweep(&world).await;
    assert_eq!((pieces(&world).await.len(), world.missing_files(fork).await.unwrap()), (150, vec![]));
    // Of one delivery more than there can be: each is another reference.
    let of_first = state_of_all["pages"][0].clone();
    let more = (0..1_001_u16).map(|place| {
        let id = FileId { delivery: delivery(&sent[0]), place };
        let mut page = of_first.clone();
        page["id"] = json!(id);
        page
    });
    state_of_all["pages"] = more.collect();
    let refused = world.fork(first, 1, Some(state_of_all)).await.unwrap_err().to_string();
    assert!(refused.contains("references to more than 1000 files"), "{refused}");
    answer(&world, "last answer").await;
    assert_eq!(state(&world, fork).await["state"]["bytes"], 450);
    sweep(&world).await;
    assert_eq!(pieces(&world).await, []);
}

/// A world over rows that a test damages.
fn of_rows() -> (World, Embedded<MemoryRows>) {
    let rows = Embedded::new(MemoryRows::new());
    (World::over(Registry::collect().unwrap(), Arc::new(rows.clone()), 1).unwrap(), rows)
}

/// Makes the record under an id unreadable.
async fn damage(rows: &Embedded<MemoryRows>, id: [u8; 16]) {
    let all = rows.backing().range(&[], &[u8::MAX; 64], Order::Ascending, usize::MAX).unwrap();
    // Rows that say that it is in a list, or that there is work for it, are small.
    let of_it = all.iter().filter(|(row, _)| row.ends_with(&id));
    let (row, whole) = of_it.max_by_key(|(_, value)| value.len()).unwrap();
    let value = Bytes::from([&whole[..9], b"no record"].concat());
    let ops = vec![RowOp::Put { key: RowKey::from_slice(row), value }];
    rows.backing().submit(RowBatch { ops, ..RowBatch::default() }, Admission::Wait).await.unwrap();
}

/// Nobody knows whether it has ended, so what it holds stays; other forks are made as ever.
#[tokio::test]
async fn a_holder_whose_row_is_damaged_holds_on_and_keeps_nobody_from_a_fork() {
    let (world, rows) = of_rows();
    let (sent, first) = ended(&world).await;
    let damaged = fork(&world, first).await;
    damage(&rows, damaged.to_bytes()).await;
    let whole = fork(&world, first).await;
    assert_eq!(holders(&world, &sent).await, [damaged, whole]);
    world.cancel(whole).await.unwrap();
    sweep(&world).await;
    assert_eq!(pieces(&world).await.len(), 1);
}

#[tokio::test]
async fn a_delivery_whose_row_is_damaged_keeps_no_run_from_being_forked_or_rerun() {
    let (world, rows) = of_rows();
    let (sent, first) = ended(&world).await;
    damage(&rows, delivery(&sent).to_bytes()).await;
    let fork = fork(&world, first).await;
    world.rerun(first, 1).await.unwrap();
    world.settle().await.unwrap();
    for run in [fork, first] {
        assert_eq!(world.status(run).await.unwrap(), RunStatus::Waiting);
    }
}

/// Each kind of sweep goes on behind it.
#[tokio::test]
async fn a_delivery_whose_row_is_damaged_keeps_no_other_one_from_being_swept() {
    let by_number = Retention { payloads: 0, ..Retention::default() };
    let by_bytes = Retention { file_bytes: Some(0), ..Retention::default() };
    let by_age = Retention { deliveries: DAY, ..Retention::default() };
    for retention in [by_number, by_bytes, by_age] {
        let (world, rows) = of_rows();
        let mut sent = Vec::new();
        for n in 0..5 {
            let file = form(&format!("{n}"), "ignore").file("photo", "a", "", "abc");
            sent.push(delivery(&send(&world, "claims", file).await));
        }
        damage(&rows, sent[2].to_bytes()).await;
        world.advance(21 * DAY).await.unwrap();
        while world.sweep(&retention).await.unwrap() != (0, 0) {}
        let left: Vec<_> = pieces(&world).await.into_iter().map(|(file, ..)| file.delivery).collect();
        assert_eq!(left, [sent[2]], "{retention:?}");
    }
    // Requests that were rejected, as well.
    let (world, rows) = of_rows();
    for n in 0..3 {
        let broken = format!("--b{n}");
        let answer =
            uploads::send_raw(&world, "claims", "multipart/form-data; boundary=b", broken.into()).await;
        assert_eq!(answer.status, 400);
    }
    let rejected: Vec<_> = world.inbox().await.unwrap().into_iter().map(|kept| kept.id).collect();
    damage(&rows, rejected[1].to_bytes()).await;
    world.advance(21 * DAY).await.unwrap();
    while world.sweep(&Retention { rejected: DAY, ..Retention::default() }).await.unwrap() != (0, 0) {}
    assert!(world.store().delivery(SCOPE, rejected[1]).await.is_err(), "it stays for the audit");
    for gone in [rejected[0], rejected[2]] {
        assert_eq!(world.store().delivery(SCOPE, gone).await.unwrap(), None);
    }
}
