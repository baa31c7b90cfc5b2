//! A fuzzer of the inbound edge: mutates well-formed requests of every
//! provider, millions of times, and fails at a panic or an answer of 5xx.
//!
//! ```text
//! cargo run --release -p px-testkit --example fuzz -- <target> [--minutes N] [--cases N] [--seed N] [--plant]
//! ```
//!
//! Targets: `headers` (signature headers, timestamps, ids), `records` (the
//! evaluator under records that are mutated too), `form`, `json`, `route` (a
//! whole request through the stage, to the commit), `ingress` (the same through
//! the server's routes: paths, methods, header counts, the gate), `all` (one after the
//! other). A target ends when both the minutes (10) and the cases (10 million)
//! are reached. `--plant` puts a panic behind a condition that no seed meets,
//! to see that the fuzzer would find one: it must then end with exit code 1.
//! What is found is printed with its seed, which repeats it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a tool: it ends at whatever is unexpected, and talks to whoever runs it"
)]

#[path = "fuzz/corpus.rs"]
mod corpus;
#[path = "fuzz/ingress.rs"]
mod ingress;
#[path = "fuzz/mutate.rs"]
mod mutate;
#[path = "fuzz/targets.rs"]
mod targets;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use mutate::Random;
use targets::Target;

/// How many cases are run between two looks at the clock.
const ROUND: u64 = 10_000;

struct Options {
    targets: Vec<String>,
    minutes: f64,
    cases: u64,
    seed: u64,
    plant: bool,
}

fn options() -> Options {
    let mut options =
        Options { targets: Vec::new(), minutes: 10.0, cases: 10_000_000, seed: 1, plant: false };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut number = || words.next().and_then(|text| text.parse::<f64>().ok()).expect("a number");
        match word.as_str() {
            "--minutes" => options.minutes = number(),
            "--cases" => options.cases = number() as u64,
            "--seed" => options.seed = number() as u64,
            "--plant" => options.plant = true,
            "all" => options.targets.extend(Target::NAMES.map(str::to_owned)),
            name => options.targets.push(name.to_owned()),
        }
    }
    assert!(!options.targets.is_empty(), "name a target: {}, all", Target::NAMES.join(", "));
    options
}

fn main() -> ExitCode {
    let options = options();
    let mut failed = false;
    for name in &options.targets {
        failed |= !run(name, &options);
    }
    ExitCode::from(u8::from(failed))
}

/// Runs one target; false if something was found.
fn run(name: &str, options: &Options) -> bool {
    let mut target = Target::new(name, options.plant);
    let began = Instant::now();
    let least = Duration::from_secs_f64(options.minutes * 60.0);
    let (mut done, mut told) = (0, began);
    while done < options.cases || began.elapsed() < least {
        for _ in 0..ROUND {
            // Each case has a seed of its own, so that it can be repeated alone.
            let seed = options.seed.wrapping_add(done);
            let mut random = Random::new(seed);
            let case = catch_unwind(AssertUnwindSafe(|| target.case(&mut random)));
            done += 1;
            let found = match case {
                Ok(Ok(())) => continue,
                Ok(Err(wrong)) => wrong,
                Err(_) => "a panic".to_owned(),
            };
            println!("{name}: FOUND {found} with --seed {seed} --cases 1 --minutes 0, after {done} cases");
            return false;
        }
        if told.elapsed() > Duration::from_secs(60) {
            told = Instant::now();
            println!("{name}: {done} cases, {:.0?}, {}", began.elapsed(), target.said());
        }
        target.rest();
    }
    println!(
        "{name}: {done} cases in {:.0?}, nothing found; {}; peak memory {} MiB",
        began.elapsed(),
        target.said(),
        peak_mib()
    );
    true
}

/// The most memory that this process had resident.
fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) / 1024
}
