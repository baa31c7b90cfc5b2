//! Measures the dashboard over a large store, and what an open page costs
//! webhooks, over a real px that it starts itself, on loopback:
//!
//! 1. Each page that lists, fifty times: the time until its last byte, and its size.
//! 2. Starts by signed webhooks beside one open overview with its stream, and
//!    without it; seven alternating rounds.
//!
//! ```text
//! cargo build --release --workspace --bins --examples
//! target/release/examples/parked_runs make /tmp/million 1000000
//! target/release/examples/pages target/release/px /tmp/million
//! ```
//!
//! Without a store it is a new one. Exit code 1 if a page took 100 ms in the median, a page
//! was larger than 60 KB, or starts were slower by more than 3 % in the median.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a measuring tool: it ends at whatever is unexpected"
)]

#[path = "measured/mod.rs"]
mod measured;

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use measured::{Px, answer, median, starts};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const TIMES: usize = 50;
const ROUNDS: usize = 7;

const PAGES: &[&str] = &[
    "",
    "runs",
    "runs?status=waiting",
    "runs?brain=pr-review&status=waiting",
    "runs?status=complete",
    "runs?identifier=c5&slug=sms",
    "waits",
    "waits?view=due",
    "waits?view=oldest",
    "waits?slug=sms&identifier=c12",
    "inbox",
    "inbox?slug=form",
    "inbox?state=started",
    "outbox",
    "hooks",
    "webhooks",
    "brains",
    "store",
    "values",
    "tokens",
    "secrets",
];

async fn lists(px: &Px) -> bool {
    let mut stream = px.connect([127, 0, 0, 1]).await;
    let mut is_well = true;
    for page in PAGES {
        let head = format!("GET /ui/{page} HTTP/1.1\r\naccept: text/html\r\n");
        let (mut times, mut size) = (Vec::new(), 0);
        for _ in 0..TIMES {
            let begun = Instant::now();
            let (status, bytes) = answer(&mut stream, &head, "").await;
            times.push(begun.elapsed().as_secs_f64() * 1e3);
            assert_eq!(status, 200, "/ui/{page}");
            size = bytes;
        }
        times.sort_unstable_by(f64::total_cmp);
        let (middle, high) = (times[TIMES / 2], times[TIMES * 95 / 100]);
        let is_good = middle < 100.0 && size <= 60 * 1024;
        is_well &= is_good;
        let word = if is_good { "ok " } else { "BAD" };
        println!("{word} /ui/{page}: p50 {middle:.1} ms, p95 {high:.1} ms, {:.1} KB", size as f64 / 1024.0);
    }
    is_well
}

/// An overview that is open in a browser: its stream of hints, and the tiles that it reads again.
async fn overview(px: &Px) -> tokio::task::JoinHandle<()> {
    let mut stream = px.connect([127, 0, 0, 1]).await;
    stream.write_all(b"GET /ui/live?topic=overview HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let mut reader = px.connect([127, 0, 0, 1]).await;
    tokio::spawn(async move {
        let mut buffer = vec![0; 64 * 1024];
        let mut ticks = tokio::time::interval(Duration::from_secs(2));
        loop {
            tokio::select! {
                read = stream.read(&mut buffer) => assert!(read.unwrap() > 0, "the stream ended"),
                _ = ticks.tick() => {
                    let head = "GET /ui/ HTTP/1.1\r\naccept: text/html\r\n";
                    assert_eq!(answer(&mut reader, head, "").await.0, 200);
                }
            }
        }
    })
}

async fn beside_an_open_page(px: &Px) -> bool {
    let (mut without, mut with) = (Vec::new(), Vec::new());
    starts(px, 1_000_000_000).await;
    for round in 1..=ROUNDS {
        // Each of the two goes first in turn, since a store grows.
        for second in [false, true] {
            if second == (round % 2 == 0) {
                without.push(starts(px, round * 1_000_000).await.1);
            } else {
                let page = overview(px).await;
                with.push(starts(px, round * 1_000_000 + 500_000).await.1);
                page.abort();
            }
        }
    }
    let spread = |all: &[f64]| {
        let (low, high) =
            all.iter().fold((f64::MAX, 0_f64), |(low, high), one| (low.min(*one), high.max(*one)));
        format!("{low:.0} to {high:.0}")
    };
    let (alone, beside) = (median(without.clone()), median(with.clone()));
    let lost = 100.0 * (1.0 - beside / alone);
    println!(
        "starts a second: {alone:.0} with no page open ({}), {beside:.0} beside one overview ({}): {lost:.1} % lost",
        spread(&without),
        spread(&with)
    );
    lost < 3.0
}

#[tokio::main]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let binary = arguments.next().expect("the path of px");
    let binary = std::fs::canonicalize(binary).unwrap().display().to_string();
    let begun = Instant::now();
    let px = match arguments.next() {
        Some(data) => Px::over(&binary, Path::new(&data), None).await,
        None => Px::start(&binary, None).await,
    };
    println!("px listens after {:.1} s", begun.elapsed().as_secs_f64());
    let (is_quick, is_cheap) = (lists(&px).await, beside_an_open_page(&px).await);
    if is_quick && is_cheap { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
