//! The measurements of a server under load.

use std::time::Duration;

use serde::Serialize;

use crate::arguments::Arguments;
use crate::client;
use crate::report::{Acks, Figure, median};
use crate::server::{Child, Counted, Stats};

/// How many webhooks a burst has at most.
const BURST: u64 = 20_000;

/// Answers to webhooks that each resume one run, which then runs its step: as
/// fast as the connections send them.
pub(crate) async fn acks(arguments: &Arguments, connections: u64) -> Acks {
    let (mut limits, mut px) = ([Vec::new(), Vec::new(), Vec::new()], Vec::new());
    for _ in 0..arguments.rounds {
        for (role, figures) in ["echo", "verify", "append"].into_iter().zip(&mut limits) {
            let server = Child::start(role);
            let load =
                client::webhooks(server.address(), connections, arguments.time() / 3, 0, u64::MAX).await;
            figures.push(Figure::of(&load, Stats::default()));
            server.stop().await;
        }
        let server = Child::start("px");
        // At one connection the time ends it, at more of them the burst.
        client::start_runs(server.address(), 64, 0, BURST).await;
        server.rests().await;
        let before = server.stats();
        let load = client::webhooks(server.address(), connections, arguments.time(), 0, BURST).await;
        server.rests().await;
        let figure = Figure::of(&load, server.stats().since(&before));
        let counted = server.stop().await;
        agree(&counted, load.answers, load.answers);
        px.push(figure);
    }
    let [echo, verify, append] = limits.map(median);
    Acks { connections, echo, verify, append, px: median(px) }
}

/// Runs that are started and park.
pub(crate) async fn starts(arguments: &Arguments, connections: u64) -> Figure {
    let mut figures = Vec::new();
    for _ in 0..arguments.rounds {
        let server = Child::start("px");
        let load = client::start_for(server.address(), connections, arguments.time()).await;
        server.rests().await;
        figures.push(Figure::of(&load, server.stats()));
        let counted = server.stop().await;
        assert_eq!(counted.waiting, load.answers, "runs that wait, and 201 answers");
    }
    median(figures)
}

/// What whole cycles came to.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Cycles {
    /// One a cycle; the latency is that of the webhook's answer.
    pub(crate) figure: Figure,
    /// The limit of the same round: appended and synced requests a second.
    pub(crate) append: Figure,
    /// How many runs had not completed when the last webhook was answered.
    pub(crate) left: u64,
}

/// RunToCompletion cycles, sustained: each worker starts a run, and resumes the one that
/// it started some turns before.
pub(crate) async fn cycles(arguments: &Arguments, connections: u64) -> Cycles {
    let mut rounds = Vec::new();
    for _ in 0..arguments.rounds {
        let limit = Child::start("append");
        let load = client::webhooks(limit.address(), connections, arguments.time() / 3, 0, u64::MAX).await;
        let append = Figure::of(&load, Stats::default());
        limit.stop().await;
        let server = Child::start("px");
        let load = client::cycles(server.address(), connections, arguments.time()).await;
        let left = server.stats().ready;
        server.rests().await;
        let figure = Figure::of(&load, server.stats());
        let counted = server.stop().await;
        agree(&counted, load.answers, load.answers);
        rounds.push(Cycles { figure, append, left });
    }
    rounds.sort_by(|a, b| a.figure.rate.total_cmp(&b.figure.rate));
    rounds.swap_remove(rounds.len() / 2)
}

/// How long after its answer the run that a webhook resumed is complete.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Done {
    pub(crate) connections: u64,
    /// From the answer to the watcher's sight of `brain:complete`.
    pub(crate) p50_us: u64,
    pub(crate) p99_us: u64,
    pub(crate) samples: u64,
}

/// Watches single runs while the connections resume others.
pub(crate) async fn done(arguments: &Arguments, connections: u64) -> Done {
    let mut rounds = Vec::new();
    for _ in 0..arguments.rounds {
        let server = Child::start("px");
        let runs = (if connections == 1 { 0 } else { 8_000 * arguments.seconds }) + client::WATCHED;
        client::start_runs(server.address(), 64, 0, runs).await;
        server.rests().await;
        let address = server.address();
        let others = tokio::spawn(async move {
            if connections > 1 {
                client::webhooks(address, connections - 1, Duration::MAX, client::WATCHED, runs).await;
            }
        });
        let load = client::watched(address, arguments.time()).await;
        others.abort();
        rounds.push(Done {
            connections,
            p50_us: load.quantile(0.5),
            p99_us: load.quantile(0.99),
            samples: load.answers,
        });
        server.rests().await;
        let counted = server.stop().await;
        assert_eq!(counted.complete, counted.resumed, "completed runs and resumed deliveries");
    }
    rounds.sort_by_key(|round| round.p50_us);
    rounds.swap_remove(rounds.len() / 2)
}

fn agree(counted: &Counted, complete: u64, answers: u64) {
    assert_eq!(counted.complete, complete, "completed runs");
    assert_eq!(counted.resumed, answers, "resumed deliveries, and 200 answers");
}
