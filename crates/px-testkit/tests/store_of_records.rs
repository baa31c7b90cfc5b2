//! The whole of px over a store that has no rows: the maps of records with
//! which px-store's own tests show that its contract can be kept. It answers as
//! the store of rows does, and px lives over it in any weather.

#![allow(clippy::unwrap_used, reason = "test code: what is unexpected fails the test")]

mod ledger;
mod project;
#[path = "../../px-store/tests/records/mod.rs"]
mod records;
mod schedule;

use std::sync::Arc;

use ledger::judge;
use px_store::conformance::{block_on, differential};
use px_store_rows::{Embedded, MemoryRows};
use px_testkit::{Project, World};
use records::Records;
use schedule::random::schedule_of;
use schedule::{Act, Life};

/// Streams of operations that both stores are driven with, and the length of each.
const STREAMS: u64 = 40;
const STEPS: u64 = 400;

/// Schedules that px lives through, and acts of each.
const SEEDS: u64 = 150;
const LENGTH: usize = 24;

#[test]
fn rows_and_records_do_not_differ() {
    for seed in 0..STREAMS {
        let rows = Arc::new(Embedded::new(MemoryRows::new()));
        differential(seed, STEPS, rows, Arc::new(Records::new()), |store| store);
    }
}

async fn live(project: &Project, acts: &[Act]) -> Result<(), String> {
    let mut life = Life::prepared(World::of(project, Arc::new(Records::new()), 0), |_| {});
    for act in acts {
        life.act(*act).await;
    }
    life.calm().await?;
    judge(&life.world, &life.answers, true).await
}

#[test]
fn the_ledger_of_records_adds_up_in_any_weather() {
    let project = Project::new(project::registry()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _in_it = runtime.enter();
    for seed in 0..SEEDS {
        let acts = schedule_of(seed, LENGTH);
        assert_eq!(block_on(live(&project, &acts)), Ok(()), "seed {seed}: vec!{acts:?}");
    }
}

/// The figures that a server shows over a store.
async fn figures(store: Arc<dyn px_store::Store>) -> String {
    let options = px_server::Options::new(Arc::new(project::registry()), store);
    let server = px_server::InProcess::new(options).await.unwrap();
    let request = http::Request::get("/metrics").body(bytes::Bytes::new()).unwrap();
    let answer = server.call("127.0.0.1:1".parse().unwrap(), request, 1 << 20).await;
    String::from_utf8(answer.body().to_vec()).unwrap()
}

#[tokio::test]
async fn figures_that_are_not_of_rows_are_there_without_rows() {
    let of_rows = figures(Arc::new(Embedded::new(MemoryRows::new()))).await;
    let of_records = figures(Arc::new(Records::new())).await;
    let missing: Vec<&str> = of_rows
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
        .filter(|name| !of_records.contains(&format!("# TYPE {name} ")))
        .collect();
    assert!(missing.iter().all(|name| name.starts_with("px_store_")), "{missing:?}");
    assert!(of_records.contains("\npx_streams 0\n"), "{of_records}");
}
