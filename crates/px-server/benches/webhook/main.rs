//! What a durable webhook costs, beside what the machine can do at best.
//!
//! Work: runs wait; a signed POST of 1.5 KiB, in GitHub's manner, with an
//! identifier of its own resumes exactly one; it runs one trivial step and
//! completes. Everything is as it is by default: verification, the payload's
//! schema, dedup, the inbox, all indexes, a true sync before each answer.
//!
//! The limits are measured in the same run, on the same cores, with the same
//! client: a bare axum route that verifies and parses, and one that also
//! appends the body to a file and shares one sync among the requests in flight.
//!
//! `cargo bench -p px-server --bench webhook -- [--seconds N] [--json]`

#![expect(
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::expect_used,
    reason = "a program for people at a terminal"
)]

mod client;
mod limits;
mod project;
mod report;
mod server;

use std::time::Duration;

use client::Target;
use report::Row;

/// As in the px binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What the parent asks of a child: which server it is to be.
const ROLE: &str = "PX_BENCH_ROLE";

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    match std::env::var(ROLE).ok().as_deref() {
        Some("px") => runtime.block_on(server::px()),
        Some("verify") => runtime.block_on(limits::serve(None)),
        Some("append") => runtime.block_on(limits::serve(Some(server::data_dir()))),
        _ => runtime.block_on(measure()),
    }
}

async fn measure() {
    let mut arguments = std::env::args().skip(1);
    let (mut seconds, mut as_json) = (30_u64, false);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--seconds" => seconds = arguments.next().and_then(|n| n.parse().ok()).expect("--seconds N"),
            "--json" => as_json = true,
            _ => {} // cargo passes --bench
        }
    }
    let time = Duration::from_secs(seconds);
    let mut rows: Vec<Row> = Vec::new();
    for connections in [1, 64] {
        for (name, role) in [("verify + parse", "verify"), ("… + append, group sync", "append")] {
            let server = server::Child::start(role);
            let load = client::run(Target::fixed(server.address()), connections, time / 3, None).await;
            rows.push(Row::of(name, connections, &load, None));
            server.stop();
        }
        let server = server::Child::start("px");
        // As many runs wait as can be resumed in the time, and some more.
        let most = if connections == 1 { 4_000 } else { 14_000 };
        let waiting = most * seconds;
        client::park(server.address(), waiting).await;
        let before = server.stats();
        let load = client::run(Target::fixed(server.address()), connections, time, Some(waiting)).await;
        let done = client::completed(server.address(), load.answers).await;
        let stats = server.stats().since(&before);
        rows.push(Row::of("px: durable resumes", connections, &load, Some((stats, done))));
        server.stop();
    }
    if as_json {
        report::json(&rows)
    } else {
        report::table(&rows)
    }
    assert!(rows.iter().all(Row::agrees), "the inbox and the completed runs do not agree");
}
