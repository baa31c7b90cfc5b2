//! Load of the embedded store: callers that commit as px does, beside a raw
//! loop that appends the same bytes with one shared sync.
//!
//! `cargo run --release -p px-store-sled --example commit_load -- [dir] [seconds] [callers...]`
//!
//! A commit is a delivery row (2.2 KiB, new key), a dedup row (100 B, new key,
//! checked to be absent) and a run row (1.2 KiB, checked version, rewritten
//! three times), about 3 KiB in all.

#![expect(clippy::print_stdout, reason = "a benchmark reports to its terminal")]

use std::error::Error;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use px_store::Admission;
use px_store_rows::{Backing, Check, Expect, RowBatch, RowOp, RowOutcome};
use px_store_sled::{Options, SledRows};

type Failure = Box<dyn Error + Send + Sync>;

/// splitmix64: keys need spread, not secrecy.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(count + 8);
        while bytes.len() < count {
            bytes.extend_from_slice(&self.next().to_le_bytes());
        }
        bytes.truncate(count);
        bytes
    }

    /// A key that rises with time and is random below, like a uuid v7.
    fn key(&mut self, prefix: &[u8], started: Instant) -> Vec<u8> {
        let millis = u64::try_from(started.elapsed().as_millis()).unwrap_or(0);
        let time = millis.to_be_bytes();
        [prefix, time.get(2..).unwrap_or_default(), &self.bytes(10)].concat()
    }
}

struct Caller {
    random: Random,
    started: Instant,
    run: Vec<u8>,
    version: u64,
}

impl Caller {
    fn batch(&mut self) -> RowBatch {
        if self.version == 3 {
            self.version = 0;
        }
        let mut checks = Vec::new();
        if self.version == 0 {
            self.run = self.random.key(b"run/", self.started);
            checks.push(Check { key: self.run.as_slice().into(), expect: Expect::Absent });
        } else {
            checks.push(Check { key: self.run.as_slice().into(), expect: Expect::Version(self.version) });
        }
        self.version += 1;
        let dedup = [&b"dedup/"[..], &self.random.bytes(16)].concat();
        checks.push(Check { key: dedup.as_slice().into(), expect: Expect::Absent });
        let mut run = self.version.to_be_bytes().to_vec();
        run.append(&mut self.random.bytes(1200));
        let delivery = self.random.key(b"delivery/", self.started);
        let put = |key: Vec<u8>, value: Vec<u8>| RowOp::Put { key: key.into(), value: Bytes::from(value) };
        RowBatch {
            checks,
            ops: vec![
                put(delivery, self.random.bytes(2200)),
                put(dedup, self.random.bytes(100)),
                put(self.run.clone(), run),
            ],
            hints: Vec::new(),
        }
    }
}

fn percentile(sorted: &[Duration], share: f64) -> Duration {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "an index into a list of latencies"
    )]
    let at = (sorted.len() as f64 * share) as usize;
    sorted.get(at.min(sorted.len().saturating_sub(1))).copied().unwrap_or_default()
}

fn report(name: &str, callers: usize, mut latencies: Vec<Duration>, took: Duration) {
    latencies.sort_unstable();
    let count = u32::try_from(latencies.len()).unwrap_or(u32::MAX);
    println!(
        "{name:>8} {callers:>3} callers: {:>7.0} commits/s  p50 {:>7.2?}  p99 {:>7.2?}  p99.9 {:>7.2?}  max {:>7.2?}",
        f64::from(count) / took.as_secs_f64(),
        percentile(&latencies, 0.5),
        percentile(&latencies, 0.99),
        percentile(&latencies, 0.999),
        percentile(&latencies, 1.0),
    );
}

async fn store_load(dir: &Path, callers: usize, duration: Duration) -> Result<(), Failure> {
    let store = Arc::new(SledRows::open(dir, Options::default())?);
    let started = Instant::now();
    let mut tasks = Vec::new();
    for number in 0..callers {
        let store = store.clone();
        tasks.push(tokio::spawn(async move {
            let random = Random(u64::try_from(number).unwrap_or(0) ^ started.elapsed().as_nanos() as u64);
            let mut caller = Caller { random, started, run: Vec::new(), version: 0 };
            let mut latencies = Vec::new();
            while started.elapsed() < duration {
                let batch = caller.batch();
                let before = Instant::now();
                match store.submit(batch, Admission::Wait).await? {
                    RowOutcome::Committed { .. } => latencies.push(before.elapsed()),
                    RowOutcome::Conflict { check, .. } => return Err(format!("check {check} failed").into()),
                }
            }
            Ok::<_, Failure>(latencies)
        }));
    }
    let mut latencies = Vec::new();
    for task in tasks {
        latencies.append(&mut task.await??);
    }
    let took = started.elapsed();
    let (behind, peak) = (store.lag_bytes(), store.peak_lag_bytes());
    let draining = Instant::now();
    store.close()?;
    let stats = store.stats();
    report("store", callers, latencies, took);
    let commits = u32::try_from(stats.commits).unwrap_or(u32::MAX);
    println!(
        "{:>24} {} syncs, {:.1} commits a sync, {} MiB journal, {:.2} rows applied a commit, \
         peak lag {} MiB, at the end {} MiB, drained in {:.1?}, {} checkpoints, tree {} MiB",
        "",
        stats.syncs,
        f64::from(commits) / f64::from(u32::try_from(stats.syncs.max(1)).unwrap_or(u32::MAX)),
        stats.journal_bytes >> 20,
        f64::from(u32::try_from(stats.applied_rows).unwrap_or(u32::MAX)) / f64::from(commits.max(1)),
        peak >> 20,
        behind >> 20,
        draining.elapsed(),
        stats.checkpoints,
        std::fs::metadata(dir.join("tree/db"))?.len() >> 20,
    );
    Ok(())
}

#[derive(Default)]
struct Raw {
    buffer: Mutex<(Vec<u8>, u64)>,
    filled: Condvar,
    synced: Mutex<u64>,
    advanced: Condvar,
}

/// What the disk gives: one thread appends what the callers put into a buffer
/// and syncs it, and nothing else.
fn raw_load(dir: &Path, callers: usize, duration: Duration) -> Result<(), Failure> {
    let path = dir.join("raw");
    let file = File::options().read(true).write(true).create(true).truncate(true).open(&path)?;
    let size = 256 << 20;
    let zeros = vec![0; 1 << 20];
    for at in (0..size).step_by(zeros.len()) {
        file.write_all_at(&zeros, at)?;
    }
    file.sync_all()?;
    let raw = Arc::new(Raw::default());
    let over = Arc::new(AtomicBool::new(false));
    let syncs = Arc::new(AtomicU64::new(0));
    let writer = {
        let (raw, over, syncs) = (raw.clone(), over.clone(), syncs.clone());
        std::thread::spawn(move || -> std::io::Result<()> {
            let mut offset = 0;
            let mut buffer = Vec::new();
            loop {
                let upto = {
                    let mut waiting = raw.buffer.lock().unwrap_or_else(PoisonError::into_inner);
                    while waiting.0.is_empty() {
                        if over.load(Ordering::SeqCst) {
                            return Ok(());
                        }
                        let pause = Duration::from_millis(10);
                        waiting =
                            raw.filled.wait_timeout(waiting, pause).unwrap_or_else(PoisonError::into_inner).0;
                    }
                    buffer.clear();
                    std::mem::swap(&mut buffer, &mut waiting.0);
                    waiting.1
                };
                if offset + buffer.len() as u64 > size {
                    offset = 0;
                }
                file.write_all_at(&buffer, offset)?;
                file.sync_data()?;
                offset += buffer.len() as u64;
                syncs.fetch_add(1, Ordering::Relaxed);
                *raw.synced.lock().unwrap_or_else(PoisonError::into_inner) = upto;
                raw.advanced.notify_all();
            }
        })
    };
    let started = Instant::now();
    let threads: Vec<_> = (0..callers)
        .map(|_| {
            let raw = raw.clone();
            std::thread::spawn(move || {
                let bytes = Random(7).bytes(3600);
                let mut latencies = Vec::new();
                while started.elapsed() < duration {
                    let before = Instant::now();
                    let ticket = {
                        let mut waiting = raw.buffer.lock().unwrap_or_else(PoisonError::into_inner);
                        waiting.0.extend_from_slice(&bytes);
                        waiting.1 += 1;
                        waiting.1
                    };
                    raw.filled.notify_one();
                    let mut synced = raw.synced.lock().unwrap_or_else(PoisonError::into_inner);
                    while *synced < ticket {
                        synced = raw.advanced.wait(synced).unwrap_or_else(PoisonError::into_inner);
                    }
                    drop(synced);
                    latencies.push(before.elapsed());
                }
                latencies
            })
        })
        .collect();
    let mut latencies = Vec::new();
    for thread in threads {
        latencies.append(&mut thread.join().map_err(|_| "a caller panicked")?);
    }
    let took = started.elapsed();
    over.store(true, Ordering::SeqCst);
    writer.join().map_err(|_| "the writer panicked")??;
    report("raw", callers, latencies, took);
    println!("{:>24} {} syncs", "", syncs.load(Ordering::Relaxed));
    std::fs::remove_file(path)?;
    Ok(())
}

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let dir = PathBuf::from(arguments.next().unwrap_or_else(|| "target/commit-load".to_owned()));
    let seconds = arguments.next().map_or(Ok(5), |text| text.parse())?;
    let mut callers: Vec<usize> = arguments.map(|text| text.parse()).collect::<Result<_, _>>()?;
    if callers.is_empty() {
        callers = vec![1, 64];
    }
    std::fs::create_dir_all(&dir)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build()?;
    for count in callers {
        let dir = dir.join(format!("store-{count}"));
        if dir.exists() {
            std::fs::remove_dir_all(&dir)?;
        }
        std::fs::create_dir_all(&dir)?;
        raw_load(&dir, count, Duration::from_secs(seconds))?;
        runtime.block_on(store_load(&dir, count, Duration::from_secs(seconds)))?;
        std::fs::remove_dir_all(&dir)?;
    }
    Ok(())
}
