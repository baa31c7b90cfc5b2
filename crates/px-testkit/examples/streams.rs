//! Measures what streams cost others, over a real px that it starts itself, on
//! loopback, in about a minute:
//!
//! 1. 300 streams on a px that may open 1,024 files: latencies of signed webhooks
//!    from another address meanwhile.
//! 2. The CPU time of a start, with nobody who watches `/brains/watch` and with
//!    500 who do, while 20 runs are listed; in alternating rounds.
//!
//! ```text
//! cargo build --release
//! cargo run --release -p px-testkit --example streams -- target/release/px
//! ```
//!
//! Exit code 1 if the p99 reached 50 ms, a webhook failed, or a start cost more
//! than 1.2 times as much with the watchers.

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

use std::process::ExitCode;
use std::time::{Duration, Instant};

use measured::{Px, median, send, start, starts};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinHandle;

const STREAMS: usize = 300;
const WEBHOOKS: usize = 1_000;
const WATCHERS: usize = 500;
const LISTED: usize = 20;
const ROUNDS: usize = 5;

/// Watches the feed until it is aborted; gives the status once there is one.
async fn watch(px: &Px, from: [u8; 4]) -> (u16, JoinHandle<u64>) {
    let mut stream = px.connect(from).await;
    stream.write_all(b"GET /brains/watch HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let mut buffer = vec![0; 64 * 1024];
    let count = stream.read(&mut buffer).await.unwrap_or(0);
    let status =
        String::from_utf8_lossy(&buffer[..count]).split(' ').nth(1).and_then(|code| code.parse().ok());
    let reading = tokio::spawn(async move {
        let mut all = 0;
        while let Ok(count) = stream.read(&mut buffer).await {
            if count == 0 {
                break;
            }
            all += count as u64;
        }
        all
    });
    (status.unwrap_or(0), reading)
}

async fn latencies_beside_streams(binary: &str) -> bool {
    let px = Px::start(binary, Some(1_024)).await;
    let mut open = Vec::new();
    let mut taken = 0;
    for n in 0..STREAMS {
        let (status, reading) = watch(&px, [127, 2, 0, u8::try_from(n % 4).unwrap() + 1]).await;
        taken += usize::from(status == 200);
        open.push(reading);
    }
    let mut good = px.connect([127, 9, 0, 1]).await;
    let (mut latencies, mut failures) = (Vec::new(), 0);
    for n in 0..WEBHOOKS {
        let begun = Instant::now();
        failures += usize::from(start(&mut good, n).await != 201);
        latencies.push(begun.elapsed());
    }
    latencies.sort_unstable();
    let at = |share: f64| latencies[((latencies.len() - 1) as f64 * share) as usize];
    println!(
        "{STREAMS} streams asked for with 1,024 files, {taken} of them taken: {WEBHOOKS} signed webhooks from \
         elsewhere, {failures} failed, p50 {:.2?}, p99 {:.2?}, longest {:.2?}",
        at(0.5),
        at(0.99),
        at(1.0)
    );
    open.iter().for_each(JoinHandle::abort);
    failures == 0 && at(0.99) < Duration::from_millis(50)
}

async fn cost_of_watchers(binary: &str) -> bool {
    let px = Px::start(binary, None).await;
    let mut setup = px.connect([127, 0, 0, 1]).await;
    for n in 0..LISTED {
        let body = format!(
            r#"{{"identifier":"customer-feedback","initialState":{{"name":"a","slackChannel":"C{n}","phoneNumber":"+1555{n:04}"}}}}"#
        );
        assert_eq!(send(&mut setup, "POST /brains/runs HTTP/1.1\r\n", &body).await, 201);
    }
    let (mut without, mut with) = (Vec::new(), Vec::new());
    starts(&px, 1_000_000_000).await;
    for round in 1..=ROUNDS {
        without.push(starts(&px, round * 1_000_000).await);
        let mut watchers = Vec::new();
        for _ in 0..WATCHERS {
            let (status, reading) = watch(&px, [127, 3, 0, 1]).await;
            assert_eq!(status, 200);
            watchers.push(reading);
        }
        with.push(starts(&px, round * 1_000_000 + 500_000).await);
        watchers.iter().for_each(JoinHandle::abort);
        // Their places are free once px has seen them go.
        for watcher in watchers {
            let _ = watcher.await;
        }
    }
    let of = |all: &[(f64, f64)]| {
        (median(all.iter().map(|one| one.0).collect()), median(all.iter().map(|one| one.1).collect()))
    };
    let ((cpu, pace), (cpu_with, pace_with)) = (of(&without), of(&with));
    let ratio = cpu_with / cpu;
    println!(
        "a start takes {cpu:.0} us of CPU with no watcher ({pace:.0} a second), {cpu_with:.0} us with {WATCHERS} \
         watchers and {LISTED} listed runs ({pace_with:.0} a second): {ratio:.2} times as much"
    );
    ratio <= 1.2
}

#[tokio::main]
async fn main() -> ExitCode {
    let binary = std::env::args().nth(1).expect("the path of px");
    let binary = std::fs::canonicalize(binary).unwrap().display().to_string();
    let is_quick = latencies_beside_streams(&binary).await;
    let is_cheap = cost_of_watchers(&binary).await;
    if is_quick && is_cheap { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
