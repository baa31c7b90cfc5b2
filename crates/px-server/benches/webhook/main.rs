//! What a durable webhook costs, beside what the machine can do at best.
//!
//! Work: runs wait; a signed POST of 1.5 KiB, in GitHub's manner, with an
//! identifier of its own resumes exactly one; it runs one trivial step and
//! completes. Everything is as it is by default: verification, the payload's
//! schema, dedup, the inbox, all indexes, a true sync before each answer.
//!
//! The limits are measured in the same run, on the same cores, with the same
//! client: a bare axum route that answers, one that verifies and parses, and
//! one that also appends the body to a file and shares one sync among the
//! requests in flight. Each figure is the median of several rounds. After each
//! measurement the server is stopped and its store audited, and what the audit
//! counts must be what the client was answered.
//!
//! `cargo bench -p px-server --bench webhook -- [--seconds N] [--rounds N]
//! [--only acks,starts,cycles,done,parked] [--connections 1,16,64,256] [--parked 10k,100k,1m] [--json FILE] [--svg FILE]`

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::indexing_slicing,
    clippy::expect_used,
    reason = "a program for people at a terminal"
)]

mod arguments;
mod client;
mod limits;
mod parked;
mod picture;
mod project;
mod report;
mod scenarios;
mod server;

use arguments::Arguments;
use report::Report;

/// As in the px binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What the parent asks of a child: which server it is to be.
const ROLE: &str = "PX_BENCH_ROLE";

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    match std::env::var(ROLE).ok().as_deref() {
        Some("px") => runtime.block_on(server::px()),
        Some("echo") => runtime.block_on(limits::serve(limits::Work::Echo)),
        Some("verify") => runtime.block_on(limits::serve(limits::Work::Verify)),
        Some("append") => runtime.block_on(limits::serve(limits::Work::Append(server::data_dir()))),
        _ => runtime.block_on(measure(&Arguments::read())),
    }
}

async fn measure(arguments: &Arguments) {
    let mut report = Report::begin(arguments);
    if arguments.wants("acks") {
        for connections in arguments.connections.iter().copied() {
            report.acks.push(scenarios::acks(arguments, connections).await);
        }
    }
    if arguments.wants("starts") {
        report.starts = Some(scenarios::starts(arguments, 64).await);
    }
    if arguments.wants("cycles") {
        report.cycles = Some(scenarios::cycles(arguments, 64).await);
    }
    if arguments.wants("done") {
        for connections in [1, 64] {
            report.done.push(scenarios::done(arguments, connections).await);
        }
    }
    if arguments.wants("parked") {
        for runs in [&[10][..], &arguments.parked].concat() {
            report.parked.push(parked::measure(arguments, runs).await);
        }
    }
    report.print();
    if let Some(file) = &arguments.json {
        std::fs::write(file, serde_json::to_string_pretty(&report).expect("JSON")).expect("a file to write");
    }
    if let Some(file) = &arguments.svg {
        std::fs::write(file, picture::draw(&report)).expect("a file to write");
    }
}
