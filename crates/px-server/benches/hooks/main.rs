//! What outbound hooks cost, and what they cost each other.
//!
//! Work: runs of one trivial step are started over HTTP, and a hook without a
//! filter hears of each four times. px has its defaults: signed by Standard
//! Webhooks, the outbox in the run's commit, an attempt record for each
//! delivery, a true sync before each commit is answered.
//!
//! Latency is taken at the receiver: from the commit (the body's `timestamp`,
//! which is a little before it, in whole milliseconds) to the receipt, and from
//! the start's POST to the receipt of its `run.started`. The limit is measured
//! in the same run, on the same cores: the same HTTP client, posting to the
//! same receiver, and nothing else.
//!
//! `cargo bench -p px-server --bench hooks -- [--seconds N] [--json | --rates]`

#![expect(
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::expect_used,
    reason = "a program for people at a terminal"
)]

mod cases;
mod load;
mod project;
mod receiver;
mod report;
mod server;

use std::time::Duration;

use cases::Hears;
use receiver::{BEGIN, Receiver};

/// As in the px binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What the parent asks of a child: to be px.
const ROLE: &str = "PX_BENCH_ROLE";

fn main() {
    std::sync::LazyLock::force(&BEGIN);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    match std::env::var(ROLE).ok().as_deref() {
        Some("px") => runtime.block_on(server::px()),
        _ => runtime.block_on(measure()),
    }
}

async fn measure() {
    let mut arguments = std::env::args().skip(1);
    let (mut seconds, mut as_json, mut only_rates) = (10_u64, false, false);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--seconds" => seconds = arguments.next().and_then(|n| n.parse().ok()).expect("--seconds N"),
            "--json" => as_json = true,
            "--rates" => only_rates = true,
            _ => {} // cargo passes --bench
        }
    }
    let time = Duration::from_secs(seconds);
    let receiver = Receiver::start().await;
    let mut limits = Vec::new();
    let mut rows = Vec::new();
    for connections in [1, 16, 64] {
        limits.push((connections, load::limit(&receiver, connections, time / 3).await));
        rows.push(cases::rate(&receiver, connections, Hears::Start, None, time).await);
        rows.push(cases::rate(&receiver, connections, Hears::All, None, time).await);
    }
    rows.push(cases::rate(&receiver, 16, Hears::All, Some(5_000.0), time).await);
    if only_rates {
        report::rates(&limits, &rows);
        return;
    }
    rows.push(cases::burst(&receiver).await);
    rows.push(cases::slow(&receiver, time).await);
    let failing = ("/fail/always", 20.0);
    rows.push(cases::beside(&receiver, "(c) beside one that fails, 20/s", failing, time).await);
    let stuck = ("/after/5000/stuck", 200.0);
    rows.push(cases::beside(&receiver, "(d) beside one of 5 s, 200/s", stuck, time).await);
    let (row, kill) = cases::killed(&receiver, time).await;
    rows.push(row);
    if as_json {
        report::json(&limits, &rows, &kill);
    } else {
        report::table(&limits, &rows, &kill);
    }
    assert_eq!((kill.lost, kill.unknown), (0, 0), "what was committed is what came");
}
