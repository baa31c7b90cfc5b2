//! The store under a simulated power cut. `tests/power-loss.sh` drives it:
//!
//! * `power_loss load <store> <acknowledged> <seed>` commits until it is
//!   killed, and notes every answer in a file outside the store;
//! * `power_loss image <store> <shadow> <image> <seed>` builds what the disk
//!   may hold after a power cut: the shadow, which has what was synced, and a
//!   random subset of the pages that were only written;
//! * `power_loss verify <image> <acknowledged>` opens the image and checks that
//!   nothing that was answered is missing and no batch is there by half. Its
//!   exit code says what it found: 0 all is well, 3 unopenable, 4 lost, 5 half
//!   applied.
//!
//! Each of some callers commits batches with rising numbers, one after the
//! other. A batch writes its number into the caller's head row, adds a row
//! that stays and one that its 40th successor removes, and an id to a list. So
//! the head row says exactly which rows and ids must be there, and which not.

#![expect(clippy::print_stdout, reason = "a check reports to its terminal")]

use std::error::Error;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use px_store::Admission;
use px_store_rows::{Backing, Check, Expect, Order, RowBatch, RowOp, RowOutcome};
use px_store_sled::{Options, SledRows};

type Failure = Box<dyn Error + Send + Sync>;

const CALLERS: u64 = 16;
const KEPT: u64 = 40;
const PAGE: usize = 4096;

/// splitmix64, as a function: content must follow from a number alone.
fn mix(word: u64) -> u64 {
    let mut word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

/// Limits so small that applying, checkpoints and reuse happen all the time.
/// The chunk, which decides how much of the tree is ever unsynced, is the
/// default one in half of the runs.
fn options(seed: u64) -> Options {
    let default = Options::default();
    Options {
        cache_bytes: 16 << 20,
        segment_bytes: 256 << 10,
        spare_segments: 2,
        apply_after: Duration::from_millis(mix(seed) % 50),
        apply_bytes: 64 << 10 << (mix(seed + 1) % 5),
        chunk_bytes: if seed.is_multiple_of(2) { default.chunk_bytes } else { 16 << 10 },
        lag_bytes: 4 << 20,
        checkpoint_bytes: 128 << 10,
        checkpoint_after: Duration::from_millis(100),
        ..default
    }
}

fn head(caller: u64) -> Vec<u8> {
    format!("head/{caller}").into_bytes()
}

/// The row that stays lies anywhere, as dedup keys do.
fn stays(caller: u64, number: u64) -> Vec<u8> {
    [&b"stays/"[..], &mix(caller << 40 | number).to_be_bytes(), &caller.to_be_bytes(), &number.to_be_bytes()]
        .concat()
}

/// The row that goes lies at the end, as deliveries do.
fn goes(caller: u64, number: u64) -> Vec<u8> {
    [&b"goes/"[..], &number.to_be_bytes(), &caller.to_be_bytes()].concat()
}

fn list(caller: u64) -> Vec<u8> {
    format!("list/{}", caller % 4).into_bytes()
}

fn id(caller: u64, number: u64) -> [u8; 16] {
    (u128::from(number) << 64 | u128::from(caller)).to_be_bytes()
}

fn value(caller: u64, number: u64) -> Bytes {
    let seed = mix(mix(caller) ^ number);
    let size = match seed % 200 {
        0 => 60_000,
        1..20 => 5_000,
        _ => seed % 2_500,
    };
    // Every second value can be packed.
    let words = if seed & 1 == 0 { u64::MAX } else { 8 };
    (0..=size / 8).flat_map(|word| mix(seed ^ (word % words)).to_be_bytes()).collect()
}

fn batch(caller: u64, number: u64) -> RowBatch {
    let put = |key: Vec<u8>, value| RowOp::Put { key: key.into(), value };
    let expect = if number == 1 { Expect::Absent } else { Expect::Version(number - 1) };
    let mut ops = vec![
        put(goes(caller, number), value(caller, number)),
        put(stays(caller, number), Bytes::copy_from_slice(&number.to_be_bytes())),
        put(head(caller), Bytes::copy_from_slice(&number.to_be_bytes())),
        RowOp::Post { list: list(caller).into(), id: id(caller, number) },
    ];
    if number > KEPT {
        ops.push(RowOp::Remove { key: goes(caller, number - KEPT).into() });
    }
    let checks = vec![
        Check { key: head(caller).into(), expect },
        Check { key: stays(caller, number).into(), expect: Expect::Absent },
    ];
    RowBatch { checks, ops, hints: Vec::new() }
}

fn number(row: Option<&Bytes>) -> u64 {
    row.and_then(|row| row.first_chunk().copied()).map_or(0, u64::from_be_bytes)
}

async fn load(dir: &Path, acknowledged: &Path, seed: u64) -> Result<(), Failure> {
    let store = Arc::new(SledRows::open(dir, options(seed))?);
    let file = Arc::new(File::options().write(true).create(true).truncate(false).open(acknowledged)?);
    let mut callers = Vec::new();
    for caller in 0..CALLERS {
        let (store, file) = (store.clone(), file.clone());
        callers.push(tokio::spawn(async move {
            let mut last = number(store.get(&head(caller))?.as_ref());
            loop {
                match store.submit(batch(caller, last + 1), Admission::Wait).await? {
                    RowOutcome::Committed { .. } => last += 1,
                    RowOutcome::Conflict { check, .. } => {
                        return Err::<(), Failure>(
                            format!("caller {caller}: check {check} of {last}").into(),
                        );
                    }
                }
                file.write_all_at(&last.to_be_bytes(), caller * 8)?;
            }
        }));
    }
    for caller in callers {
        caller.await??;
    }
    Ok(())
}

fn read_or_empty(path: &Path) -> Result<Vec<u8>, Failure> {
    match fs::read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        other => Ok(other?),
    }
}

fn image(store: &Path, shadow: &Path, image: &Path, seed: u64) -> Result<(), Failure> {
    fs::create_dir_all(image)?;
    let mut random = mix(seed);
    // The share of written pages that reached the disk; all and none are the
    // ends of what can happen.
    let percent = [0, 10, 50, 50, 90, 100].into_iter().nth(usize::try_from(random % 6)?).unwrap_or(50);
    for entry in fs::read_dir(store)? {
        let entry = entry?;
        let (path, name) = (entry.path(), entry.file_name());
        if entry.file_type()?.is_dir() {
            self::image(&path, &shadow.join(&name), &image.join(&name), mix(seed ^ 1))?;
            continue;
        }
        let written = fs::read(&path)?;
        let mut survives = read_or_empty(&shadow.join(&name))?;
        for (index, page) in written.chunks(PAGE).enumerate() {
            let at = index * PAGE;
            if survives.get(at..at + page.len()) == Some(page) {
                continue;
            }
            random = mix(random);
            if random % 100 >= percent {
                continue;
            }
            if survives.len() < at + page.len() {
                survives.resize(at + page.len(), 0);
            }
            if let Some(place) = survives.get_mut(at..at + page.len()) {
                place.copy_from_slice(page);
            }
        }
        fs::write(image.join(name), survives)?;
    }
    Ok(())
}

fn verify(dir: &Path, acknowledged: &Path) -> Result<ExitCode, Failure> {
    let acknowledged = read_or_empty(acknowledged)?;
    let store = match SledRows::open(dir, options(0)) {
        Ok(store) => store,
        Err(error) => {
            println!("unopenable: {error}");
            return Ok(ExitCode::from(3));
        }
    };
    // Once as it was recovered, and once with all of it in the tree.
    for turn in ["recovered", "applied"] {
        for caller in 0..CALLERS {
            let answered = acknowledged.get(usize::try_from(caller)? * 8..).and_then(<[u8]>::first_chunk);
            let answered = answered.copied().map_or(0, u64::from_be_bytes);
            let last = number(store.get(&head(caller))?.as_ref());
            if last < answered {
                println!("lost ({turn}): caller {caller} has {last}, {answered} was answered");
                return Ok(ExitCode::from(4));
            }
            if let Some(what) = half_applied(&store, caller, last)? {
                println!("half applied ({turn}): caller {caller} at {last}: {what}");
                return Ok(ExitCode::from(5));
            }
        }
        store.checkpoint()?;
    }
    store.close()?;
    Ok(ExitCode::SUCCESS)
}

fn half_applied(store: &SledRows, caller: u64, last: u64) -> Result<Option<String>, Failure> {
    for number in 1..=last + 3 {
        let there = number <= last;
        let found = store.get(&stays(caller, number))?;
        if found.is_some() != there || found.is_some_and(|found| *found != number.to_be_bytes()) {
            return Ok(Some(format!("the row that stays of {number}")));
        }
        let there = there && number + KEPT > last;
        let found = store.get(&goes(caller, number))?;
        if found.is_some() != there || found.is_some_and(|found| found != value(caller, number)) {
            return Ok(Some(format!("the row that goes of {number}")));
        }
    }
    let ids = store.postings(&list(caller), None, Order::Descending, usize::MAX)?;
    let own = ids.iter().filter(|id| id.ends_with(&caller.to_be_bytes()));
    if !own.eq((1..=last).rev().map(|number| id(caller, number)).collect::<Vec<_>>().iter()) {
        return Ok(Some("the list".to_owned()));
    }
    let rows = store.range(b"goes/", b"goes0", Order::Descending, usize::MAX)?;
    let own = rows.iter().filter(|(key, _)| key.ends_with(&caller.to_be_bytes())).count();
    if own as u64 != last.min(KEPT) {
        return Ok(Some(format!("{own} rows that go")));
    }
    Ok(None)
}

fn main() -> Result<ExitCode, Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["load", store, acknowledged, seed] => {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build()?;
            runtime.block_on(load(Path::new(store), Path::new(acknowledged), seed.parse()?))?;
            Ok(ExitCode::SUCCESS)
        }
        ["image", store, shadow, target, seed] => {
            image(Path::new(store), Path::new(shadow), Path::new(target), seed.parse()?)?;
            Ok(ExitCode::SUCCESS)
        }
        ["verify", image, acknowledged] => verify(Path::new(image), Path::new(acknowledged)),
        _ => Err("usage: power_loss load|image|verify … (see the file's head)".into()),
    }
}
