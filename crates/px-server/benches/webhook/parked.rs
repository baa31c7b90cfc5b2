//! What runs cost that wait.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::arguments::Arguments;
use crate::client;
use crate::server::{self, Child};

/// How long one connection resumes runs.
const LIGHT: Duration = Duration::from_secs(3);

/// What so many parked runs cost.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Parked {
    pub(crate) runs: u64,
    /// Resident memory of the server that started them, and of the next one, MiB.
    pub(crate) rss_mib: u64,
    pub(crate) rss_restarted_mib: u64,
    /// Disk for each run, the journal's files left out which the store reuses, bytes.
    pub(crate) disk_bytes_a_run: u64,
    /// The same after a compaction.
    pub(crate) compacted_bytes_a_run: u64,
    /// All of the directory, bytes.
    pub(crate) disk_bytes: u64,
    /// From the start of a process after `kill -9` to its first 200, milliseconds.
    pub(crate) restart_ms: u64,
    /// Of webhooks that resume, over one connection, microseconds.
    pub(crate) resume_p50_us: u64,
    pub(crate) resume_p99_us: u64,
}

pub(crate) async fn measure(arguments: &Arguments, runs: u64) -> Parked {
    let mut server = Child::start("px");
    // Those that are resumed come on top.
    let extra = 3_000 * (LIGHT.as_secs() + 1);
    client::start_runs(server.address(), 64, 0, runs + extra.min(runs * 10)).await;
    server.rests().await;
    let end = runs + extra.min(runs * 10);
    tokio::time::sleep(arguments.time().min(Duration::from_secs(5))).await;
    let rss_mib = server.stats().rss_kib / 1024;
    server.kill();
    let (journal, all) = disk(server.dir());
    let disk_bytes_a_run = (all - journal) / end;
    let compacted = server::compacted(server.dir()).await;
    let (compacted_journal, compacted_all) = disk(compacted.path());
    let compacted_bytes_a_run = (compacted_all - compacted_journal) / end;
    drop(compacted);
    let began = Instant::now();
    let server = server.restart();
    let first = client::webhooks(server.address(), 1, Duration::MAX, 0, 1).await;
    let restart_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    assert_eq!(first.answers, 1);
    let load = client::webhooks(server.address(), 1, LIGHT, 1, end).await;
    server.rests().await;
    let rss_restarted_mib = server.stats().rss_kib / 1024;
    let counted = server.stop().await;
    assert_eq!(counted.complete, load.answers + 1, "completed runs and 200 answers");
    assert_eq!(counted.waiting, end - load.answers - 1, "runs that wait");
    Parked {
        runs,
        rss_mib,
        rss_restarted_mib,
        disk_bytes_a_run,
        compacted_bytes_a_run,
        disk_bytes: all,
        restart_ms,
        resume_p50_us: load.quantile(0.5),
        resume_p99_us: load.quantile(0.99),
    }
}

/// What the journal's files take, and what all files do, bytes on the disk.
fn disk(dir: &Path) -> (u64, u64) {
    let (mut journal, mut all) = (0, 0);
    for entry in std::fs::read_dir(dir).expect("a directory") {
        let entry = entry.expect("an entry");
        let metadata = entry.metadata().expect("its size");
        let is_journal = entry.file_name().to_string_lossy().contains("journal");
        let bytes = if metadata.is_dir() { disk(&entry.path()).1 } else { metadata.blocks() * 512 };
        all += bytes;
        if is_journal {
            journal += bytes;
        }
    }
    (journal, all)
}
