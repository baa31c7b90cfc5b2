//! The whole of px over two stores at once: the rows in memory, and the journal
//! with sled, which is closed or left as by a death and opened again in the
//! middle. One random schedule over every form of a pipeline and every kind of
//! wait, at three nodes, through the production accept, engine and control, with the same
//! clock and the same ids: every reply must be the same, and in the end every
//! row and every list.
//!
//! `PX_SEEDS=5000 cargo test -p px-testkit --test two_stores --release` runs
//! more; `PX_SEED=n` one.

#![expect(clippy::unwrap_used, reason = "a test says by panicking that it failed")]

mod ledger;
mod project;
mod schedule;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use ledger::judge;
use px_core::{RunStatus, Scope};
use px_store::audit::TABLES;
use px_store::conformance::{Dice, block_on};
use px_store::{Batch, DeliveryFilter, InboxState, RunFilter, Store};
use px_store_rows::{Backing, Embedded, MemoryRows, letter_of};
use px_store_sled::{Options, SledRows};
use px_testkit::{Project, World};
use schedule::random::{NODES, schedule_of};
use schedule::{Act, Life};

/// How many schedules an ordinary run tries, and how long each is.
const SEEDS: u64 = 500;
const LENGTH: usize = 32;

/// How often the store on disk is opened again in one schedule.
const REOPENED: usize = 2;

const SCOPE: Scope = Scope(0);

/// Commits are answered where they are made: what runs at once in a step then
/// goes on in the same order over both stores, however long a sync takes.
fn answers_at_once(world: &World) {
    world.store().detour(|inner, batch, admission| {
        let outcome = block_on(inner.commit(batch, admission));
        Box::pin(std::future::ready(outcome))
    });
}

/// As [`answers_at_once`], and timers that are not needed any more stay where they are.
fn keeps_timers(world: &World) {
    world.store().detour(|inner, batch, admission| {
        let outcome = block_on(inner.commit(Batch { disarm: Vec::new(), ..batch }, admission));
        Box::pin(std::future::ready(outcome))
    });
}

/// One of the two: a store, the life over it, and what each of its processes
/// does to it.
struct Side<B> {
    store: Embedded<B>,
    life: Life,
    prepare: fn(&World),
}

impl<B: Backing> Side<B> {
    fn begin(project: &Project, backing: B, prepare: fn(&World)) -> Self {
        let store = Embedded::new(backing);
        let world = World::in_cluster(project, Arc::new(store.clone()), 0);
        Self { store, life: Life::of_nodes(world, NODES as usize, prepare), prepare }
    }

    /// Other processes go on over these rows.
    fn go_on(self, project: &Project, backing: impl FnOnce(Self) -> B, seed: u64) -> Self {
        let (now, prepare) = (self.life.world.now(), self.prepare);
        let (runs, answers) = (self.life.runs.clone(), self.life.answers.clone());
        let store = Embedded::new(backing(self));
        let world = World::in_cluster(project, Arc::new(store.clone()), seed);
        world.clock().set(now);
        let mut life = Life::of_nodes(world, NODES as usize, prepare);
        (life.runs, life.answers) = (runs, answers);
        Self { store, life, prepare }
    }

    /// What is seen from outside when this happens.
    fn act(&mut self, act: Act) -> String {
        format!("{:?}", block_on(self.life.act(act)))
    }

    /// Every row of every table, as an export has them.
    fn rows(&self) -> BTreeMap<String, String> {
        let mut rows = BTreeMap::new();
        for table in TABLES {
            let all = self.store.raw_rows(SCOPE, table, None, usize::MAX).unwrap();
            for (key, value) in all {
                let key = format!("{} {}", letter_of(table), key.escape_ascii());
                rows.insert(key, without_times(&value).escape_ascii().to_string());
            }
        }
        rows
    }

    /// How often the logs say what.
    fn entries(&self) -> BTreeMap<&'static str, u64> {
        let mut entries = BTreeMap::new();
        let page = block_on(self.store.runs(SCOPE, &RunFilter::default(), None, 1_000)).unwrap();
        for record in page.items {
            for event in block_on(self.store.events(SCOPE, record.run.id, 0, 10_000)).unwrap() {
                *entries.entry(event.event.name()).or_default() += 1;
            }
        }
        entries
    }

    /// Every list by which runs and deliveries are found.
    fn lists(&self) -> Vec<String> {
        let mut lists = Vec::new();
        for status in RunStatus::ALL {
            let filter = RunFilter { statuses: vec![status], ..RunFilter::default() };
            let page = block_on(self.store.runs(SCOPE, &filter, None, 1_000)).unwrap();
            let ids: Vec<_> = page.items.iter().map(|record| record.run.id.to_string()).collect();
            lists.push(format!("{status:?} {ids:?}"));
        }
        for state in InboxState::ALL {
            let filter = DeliveryFilter { state: Some(state), ..DeliveryFilter::default() };
            let page = block_on(self.store.deliveries(SCOPE, &filter, None, 1_000)).unwrap();
            let ids: Vec<_> = page.items.iter().map(|delivery| delivery.id.to_string()).collect();
            lists.push(format!("{state:?} {ids:?}"));
        }
        lists
    }
}

/// A value without how long its delivery took, which is measured, and without
/// the lengths before that.
fn without_times(value: &[u8]) -> Vec<u8> {
    const TOOK: &[u8] = b"\"took_us\":";
    let Some(at) = value.windows(TOOK.len()).position(|part| part == TOOK) else { return value.to_vec() };
    let (before, after) = value.split_at(at + TOOK.len());
    let rest = after.iter().skip_while(|byte| byte.is_ascii_digit());
    let head = before.get(..8).unwrap_or_default().iter();
    head.chain(before.get(12..).unwrap_or_default()).chain(rest).copied().collect()
}

/// Small bounds, so that overlays are frozen and applied, and checkpoints made,
/// in the middle of a schedule.
fn options() -> Options {
    Options {
        cache_bytes: 4 * 1024 * 1024,
        segment_bytes: 256 * 1024,
        spare_segments: 1,
        apply_bytes: 16 * 1024,
        chunk_bytes: 8 * 1024,
        checkpoint_bytes: 64 * 1024,
        ..Options::default()
    }
}

/// Where stores lie that no power cut will test: in memory, if that can be a
/// folder here. What a sync is worth is tested elsewhere.
fn folder() -> tempfile::TempDir {
    let memory = PathBuf::from("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    made.or_else(|_| tempfile::tempdir()).unwrap()
}

/// What schedules came to.
#[derive(Debug, Default)]
struct Totals {
    acts: usize,
    commits: u64,
    rows: usize,
    /// How often logs say each of these things.
    entries: BTreeMap<&'static str, u64>,
}

impl Totals {
    fn add(&mut self, other: Self) {
        self.acts += other.acts;
        self.commits += other.commits;
        self.rows += other.rows;
        for (name, count) in other.entries {
            *self.entries.entry(name).or_default() += count;
        }
    }
}

fn open(folder: &Path) -> SledRows {
    SledRows::open(folder, options()).unwrap()
}

/// Lives through a schedule over both stores.
fn compare(project: &Project, seed: u64, on_disk: fn(&World)) -> Result<Totals, String> {
    let folder = folder();
    let mut memory = Side::begin(project, MemoryRows::new(), answers_at_once);
    let mut disk = Side::begin(project, open(folder.path()), on_disk);
    let acts = schedule_of(seed, LENGTH);
    let each = acts.len() / (REOPENED + 1);
    let mut dice = Dice::new(!seed);
    for (at, act) in acts.iter().enumerate() {
        let (one, other) = (memory.act(*act), disk.act(*act));
        if one != other {
            return Err(format!("act {at} of {acts:?}\nmemory: {one}\ndisk: {other}"));
        }
        if at % each == each - 1 && at / each < REOPENED {
            let ids = (at as u64 + 1) << 32;
            let is_closed = dice.below(2) == 0;
            memory = memory.go_on(project, |side| side.store.backing().clone(), ids);
            let reopened = |side: Side<SledRows>| {
                if is_closed {
                    side.store.close().unwrap();
                }
                drop(side);
                open(folder.path())
            };
            disk = disk.go_on(project, reopened, ids);
        }
    }
    block_on(memory.life.calm())?;
    block_on(disk.life.calm())?;
    let (rows, others) = (memory.rows(), disk.rows());
    if let Some((key, row)) = rows.iter().find(|(key, row)| others.get(*key) != Some(row)) {
        return Err(format!("{acts:?}\n{key}\nmemory: {row}\ndisk: {:?}", others.get(key)));
    }
    if let Some(key) = others.keys().find(|key| !rows.contains_key(*key)) {
        return Err(format!("{acts:?}\nonly the disk has {key}"));
    }
    let (lists, others) = (memory.lists(), disk.lists());
    if lists != others {
        return Err(format!("{acts:?}\nmemory: {lists:#?}\ndisk: {others:#?}"));
    }
    block_on(judge(&disk.life.world, &disk.life.answers, true))?;
    Ok(Totals {
        acts: acts.len(),
        commits: memory.store.backing().stats().commits,
        rows: rows.len(),
        entries: memory.entries(),
    })
}

/// Where schedules live: on a runtime of their own, without waiting for anything.
fn in_a_runtime<T>(work: impl FnOnce() -> T) -> T {
    // Steps have time limits; nobody drives the clock that would ring them.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _in_it = runtime.enter();
    work()
}

/// What an ordinary run must have come by, in the words of the log.
const FORMS: [&str; 20] = [
    "brain:admitted",
    "brain:awaited",
    "brain:cancelled",
    "brain:error",
    "brain:paused",
    "brain:pause_requested",
    "brain:rerun",
    "brain:resumed",
    "brain:wait_timeout",
    "brain:webhook",
    "brain:webhook_again",
    "brain:webhook_partial",
    "inner:complete",
    "inner:start",
    "iterate:item_complete",
    "step:complete",
    "step:emit",
    "step:once",
    "step:retry",
    "step:start",
];

#[test]
fn memory_and_disk_answer_the_same_and_end_in_the_same_rows() {
    let watch = px_core::Stopwatch::start();
    let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    let seeds = match number("PX_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("PX_SEEDS").unwrap_or(SEEDS),
    };
    let project = Project::new(project::registry()).unwrap();
    let next = AtomicU64::new(seeds.start);
    let (totals, failed) = (Mutex::new(Totals::default()), Mutex::new(None));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                in_a_runtime(|| {
                    loop {
                        let seed = next.fetch_add(1, Ordering::Relaxed);
                        if seed >= seeds.end {
                            return;
                        }
                        match compare(&project, seed, answers_at_once) {
                            Ok(found) => totals.lock().unwrap().add(found),
                            Err(why) => {
                                *failed.lock().unwrap() = Some(format!("seed {seed}: {why}"));
                                next.store(seeds.end, Ordering::Relaxed);
                            }
                        }
                    }
                });
            });
        }
    });
    if let Some(why) = failed.into_inner().unwrap() {
        panic!("{why}");
    }
    let totals = totals.into_inner().unwrap();
    let schedules = seeds.end - seeds.start;
    eprintln!(
        "{schedules} schedules, each at {NODES} nodes of either store, in {:.1?}: {totals:#?}",
        watch.elapsed()
    );
    if schedules >= SEEDS {
        let missing: Vec<_> = FORMS.iter().filter(|name| !totals.entries.contains_key(*name)).collect();
        assert!(missing.is_empty(), "no log says {missing:?}");
    }
}

#[test]
fn a_disk_that_keeps_a_row_too_many_is_noticed() {
    let project = Project::new(project::registry()).unwrap();
    let why = in_a_runtime(|| (0..SEEDS).find_map(|seed| compare(&project, seed, keeps_timers).err()));
    assert!(why.is_some_and(|why| why.contains("disk")));
}
