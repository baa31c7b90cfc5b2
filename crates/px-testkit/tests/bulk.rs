//! Bulk jobs through restarts and deaths: a job goes on where it was, and each run counts once.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test says by panicking that it failed")]

mod project;

use std::sync::Arc;

use project::{Ask, registry};
use px_core::{RunId, RunStatus};
use px_engine::{BulkAction, BulkError, BulkJob, BulkState, NewBulk};
use px_store::Admission;
use px_store_rows::{Backing as _, Embedded, MemoryRows, Order, RowBatch, RowKey, RowOp};
use px_testkit::{Fault, World};
use serde_json::json;

async fn waiting(world: &World, count: usize) -> Vec<RunId> {
    let mut runs = Vec::new();
    for n in 0..count {
        runs.push(world.start(project::survey, Ask { key: format!("k{n}") }).await.unwrap());
    }
    world.settle().await.unwrap();
    runs
}

fn job(action: BulkAction, runs: &[RunId]) -> NewBulk {
    let (filter, by) = (json!({"brain": "survey"}), "a test".to_owned());
    NewBulk { action, filter, by, runs: runs.to_vec(), refused: 0, refusals: Vec::new() }
}

async fn seen(world: &World, job: &BulkJob) -> BulkJob {
    world.parts().bulk_job(job.id).await.unwrap().unwrap().record
}

/// Works until no job is left; the process may die meanwhile.
async fn work(world: &World) -> bool {
    let work = async { while world.parts().work_on_bulk().await.unwrap() {} };
    tokio::select! {
        () = work => true,
        () = world.store().death() => false,
    }
}

async fn ends(world: &World, run: RunId) -> usize {
    let events = world.log(run).await.unwrap();
    events
        .iter()
        .filter(|event| serde_json::to_string(event).unwrap().contains("cancelled by bulk job"))
        .count()
}

#[tokio::test]
async fn a_job_goes_on_after_a_restart() {
    let mut world = World::new(registry()).unwrap();
    let runs = waiting(&world, 150).await;
    let started = world.parts().start_bulk(job(BulkAction::Cancel, &runs)).await.unwrap();
    assert_eq!((started.total, started.place, started.state), (150, 0, BulkState::Running));
    assert!(world.parts().work_on_bulk().await.unwrap());
    let first = seen(&world, &started).await;
    assert!(first.place > 0 && first.place < 150 && first.done == first.place, "{first:?}");
    world.restart().unwrap();
    assert!(work(&world).await);
    let ended = seen(&world, &started).await;
    assert_eq!((ended.done, ended.refused, ended.state), (150, 0, BulkState::Done));
    assert!(ended.ended_at.is_some());
    for run in runs {
        assert_eq!(world.status(run).await.unwrap(), RunStatus::Cancelled);
    }
    assert!(world.audit().await.unwrap().is_clean());
}

/// One that cannot be read is refused, by name, and the job comes to its end.
#[tokio::test]
async fn a_run_whose_row_is_damaged_keeps_no_job_from_its_end() {
    let rows = Embedded::new(MemoryRows::new());
    let world = World::over(registry(), Arc::new(rows.clone()), 1).unwrap();
    let runs = waiting(&world, 5).await;
    let all = rows.backing().range(&[], &[u8::MAX; 64], Order::Ascending, usize::MAX).unwrap();
    let of_it = all.iter().filter(|(row, _)| row.ends_with(&runs[2].to_bytes()));
    let (row, whole) = of_it.max_by_key(|(_, value)| value.len()).unwrap();
    let value = [&whole[..9], b"no record"].concat().into();
    let ops = vec![RowOp::Put { key: RowKey::from_slice(row), value }];
    rows.backing().submit(RowBatch { ops, ..RowBatch::default() }, Admission::Wait).await.unwrap();
    let started = world.parts().start_bulk(job(BulkAction::Cancel, &runs)).await.unwrap();
    assert!(work(&world).await);
    let ended = seen(&world, &started).await;
    assert_eq!((ended.done, ended.refused, ended.state), (4, 1, BulkState::Done), "{ended:?}");
    assert_eq!(ended.refusals.iter().map(|one| one.run).collect::<Vec<_>>(), [runs[2]]);
    assert!(ended.refusals[0].why.contains("damaged"), "{ended:?}");
    for run in runs.iter().filter(|run| **run != runs[2]) {
        assert_eq!(world.status(*run).await.unwrap(), RunStatus::Cancelled);
    }
}

#[tokio::test]
async fn whatever_dies_each_run_counts_once() {
    // Of every commit of the work: the deeds, and the count behind them.
    for (number, fault) in (0..12).flat_map(|n| [(n, Fault::DiesBefore), (n, Fault::DiesAfter)]) {
        let mut world = World::new(registry()).unwrap();
        let runs = waiting(&world, 10).await;
        let over = runs[0];
        let started = world.parts().start_bulk(job(BulkAction::Cancel, &runs)).await.unwrap();
        // Somebody else was first.
        world.parts().cancel_run(over, Some("by hand".into())).await.unwrap();
        let from = world.store().commits();
        let planned = std::sync::Mutex::new(Some(fault));
        world.store().plan(move |commit, _| {
            (commit == from + number).then(|| planned.lock().unwrap().take()).flatten()
        });
        if !work(&world).await {
            world.restart().unwrap();
            assert!(work(&world).await);
        }
        let ended = seen(&world, &started).await;
        assert_eq!(
            (ended.done, ended.refused, ended.place, ended.state),
            (10, 0, 10, BulkState::Done),
            "{number}"
        );
        for run in &runs[1..] {
            assert_eq!(ends(&world, *run).await, 1, "{number}");
        }
        assert!(world.audit().await.unwrap().is_clean());
    }
}

/// Lets a process die before it has counted what it has done to three runs, `meanwhile` happen to the first, and
/// another process go on.
async fn repeated(action: BulkAction, meanwhile: BulkAction) -> Vec<RunStatus> {
    let mut world = World::new(registry()).unwrap();
    let runs = waiting(&world, 3).await;
    if action == BulkAction::Resume {
        for run in &runs {
            world.parts().pause_run(*run, None).await.unwrap();
        }
    }
    world.clock().advance(std::time::Duration::from_secs(1));
    let started = world.parts().start_bulk(job(action, &runs)).await.unwrap();
    let (from, planned) = (world.store().commits(), std::sync::Mutex::new(Some(Fault::DiesBefore)));
    world
        .store()
        .plan(move |commit, _| (commit == from + 3).then(|| planned.lock().unwrap().take()).flatten());
    assert!(!work(&world).await, "it dies before the count");
    world.restart().unwrap();
    assert_eq!(seen(&world, &started).await.place, 0);
    match meanwhile {
        BulkAction::Resume => world.parts().resume_run(runs[0], None).await.unwrap(),
        _ => world.parts().pause_run(runs[0], Some("by hand".into())).await.unwrap(),
    }
    assert!(work(&world).await);
    let ended = seen(&world, &started).await;
    assert_eq!((ended.done, ended.refused, ended.state), (3, 0, BulkState::Done));
    assert!(world.audit().await.unwrap().is_clean());
    let mut statuses = Vec::new();
    for run in runs {
        statuses.push(world.status(run).await.unwrap());
    }
    statuses
}

#[tokio::test]
async fn a_repeated_batch_leaves_alone_what_somebody_did_meanwhile() {
    use RunStatus::{Paused, Waiting};
    assert_eq!(repeated(BulkAction::Pause, BulkAction::Resume).await, [Waiting, Paused, Paused]);
    assert_eq!(repeated(BulkAction::Resume, BulkAction::Pause).await, [Paused, Waiting, Waiting]);
}

#[tokio::test]
async fn a_job_that_is_stopped_amid_a_batch_does_nothing_more() {
    let world = World::new(registry()).unwrap();
    let runs = waiting(&world, 60).await;
    let started = world.parts().start_bulk(job(BulkAction::Pause, &runs)).await.unwrap();
    // The stop comes between the reads of two runs.
    let (parts, id) = (world.parts().clone(), started.id);
    world.store().between(async move {
        parts.stop_bulk(id).await.unwrap();
    });
    assert!(world.parts().work_on_bulk().await.unwrap());
    let stopped = seen(&world, &started).await;
    assert_eq!(stopped.state, BulkState::Stopped);
    let mut paused = 0;
    for run in runs {
        paused += u64::from(world.status(run).await.unwrap() == RunStatus::Paused);
    }
    assert!(paused <= 16, "{paused} runs were paused after the stop");
    assert_eq!((stopped.done, stopped.place), (paused, paused));
    assert!(world.audit().await.unwrap().is_clean());
}

#[tokio::test]
async fn refusals_are_named_and_a_job_can_be_stopped() {
    let world = World::new(registry()).unwrap();
    let runs = waiting(&world, 70).await;
    let parts = world.parts();
    let run = world.run(runs[0]).await.unwrap().unwrap();
    assert_eq!(BulkAction::Cancel.refusal(&run, world.now()), None);
    assert!(BulkAction::Resume.refusal(&run, world.now()).is_some());
    // Listed as paused, and over by the time of the job's turn.
    parts.pause_run(runs[0], None).await.unwrap();
    let started = parts.start_bulk(job(BulkAction::Resume, &runs[..1])).await.unwrap();
    parts.cancel_run(runs[0], None).await.unwrap();
    assert!(work(&world).await);
    let ended = seen(&world, &started).await;
    assert_eq!((ended.done, ended.refused, ended.refusals.len()), (0, 1, 1));
    assert_eq!((ended.refusals[0].run, &*ended.refusals[0].why), (runs[0], "the run is cancelled"));

    let started = parts.start_bulk(job(BulkAction::Pause, &runs[1..])).await.unwrap();
    assert!(parts.work_on_bulk().await.unwrap());
    let stopped = parts.stop_bulk(started.id).await.unwrap().unwrap();
    assert_eq!((stopped.state, stopped.done, stopped.total), (BulkState::Stopped, stopped.place, 69));
    assert!(matches!(parts.stop_bulk(started.id).await, Err(BulkError::Over)));
    assert!(!parts.work_on_bulk().await.unwrap());
    assert_eq!(world.status(runs[69]).await.unwrap(), RunStatus::Waiting, "the last one of its list");
    assert!(world.audit().await.unwrap().is_clean());
}

#[tokio::test]
async fn jobs_that_have_ended_make_room() {
    let world = World::new(registry()).unwrap();
    let runs = waiting(&world, 1).await;
    let parts = world.parts();
    let first = parts.start_bulk(job(BulkAction::Cancel, &[])).await.unwrap();
    assert_eq!(first.state, BulkState::Done, "there is nothing to do");
    for _ in 1..100 {
        parts.start_bulk(job(BulkAction::Cancel, &runs)).await.unwrap();
    }
    parts.start_bulk(job(BulkAction::Cancel, &runs)).await.unwrap();
    assert!(parts.bulk_job(first.id).await.unwrap().is_none());
    assert!(matches!(parts.start_bulk(job(BulkAction::Cancel, &runs)).await, Err(BulkError::TooMany)));
    assert_eq!(parts.bulk_jobs().await.unwrap().len(), 100);
}
