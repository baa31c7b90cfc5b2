//! The figures, as a table or as JSON.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::receiver::Receipt;
use crate::server::Stats;

/// What a case came to.
pub(crate) struct Row {
    name: String,
    /// Different events that were received.
    pub(crate) deliveries: u64,
    /// Requests that repeated one.
    pub(crate) copies: u64,
    rate: f64,
    since_commit: Vec<Duration>,
    since_post: Vec<Duration>,
    more: Option<More>,
}

struct More {
    stats: Stats,
    runs: u64,
    during: f64,
}

/// What a kill came to.
pub(crate) struct Kill {
    /// Starts that were answered 201.
    pub(crate) answered: u64,
    /// Events that px has.
    pub(crate) events: u64,
    pub(crate) lost: u64,
    /// Events that were received and that px does not have.
    pub(crate) unknown: u64,
    pub(crate) copies: u64,
    /// How long the next process took until it was ready.
    pub(crate) opened: Duration,
    /// From there to the first callback.
    pub(crate) first: Option<Duration>,
}

impl Row {
    pub(crate) fn of(name: String, begin: Instant, receipts: Vec<Receipt>) -> Self {
        let end = receipts.iter().map(|one| one.at).max().unwrap_or(begin);
        let ids: HashSet<&str> = receipts.iter().map(|one| one.event.as_str()).collect();
        let sorted = |mut times: Vec<Duration>| {
            times.sort_unstable();
            times
        };
        Self {
            name,
            deliveries: ids.len() as u64,
            copies: (receipts.len() - ids.len()) as u64,
            rate: ids.len() as f64 / (end - begin).as_secs_f64().max(0.001),
            since_commit: sorted(receipts.iter().map(|one| one.since_commit).collect()),
            since_post: sorted(receipts.iter().filter_map(|one| one.since_post).collect()),
            more: None,
        }
    }

    pub(crate) fn with(mut self, stats: Stats, runs: u64, during: f64) -> Self {
        self.more = Some(More { stats, runs, during });
        self
    }

    fn json(&self) -> Value {
        json!({
            "name": self.name, "deliveries": self.deliveries, "copies": self.copies, "rate": self.rate,
            "commitToReceiptMs": { "p50": at(&self.since_commit, 0.5), "p99": at(&self.since_commit, 0.99) },
            "postToReceiptMs": { "p50": at(&self.since_post, 0.5), "p99": at(&self.since_post, 0.99) },
            "stats": self.more.as_ref().map(|more| more.stats),
            "runs": self.more.as_ref().map(|more| more.runs),
            "rateDuringStarts": self.more.as_ref().map(|more| more.during),
        })
    }
}

fn at(times: &[Duration], quantile: f64) -> f64 {
    let place = ((times.len() as f64 * quantile) as usize).min(times.len().saturating_sub(1));
    times.get(place).copied().unwrap_or_default().as_secs_f64() * 1_000.0
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

pub(crate) fn table(limits: &[(u64, f64)], rows: &[Row], kill: &Kill) {
    rates(limits, rows);
    println!(
        "\nkill -9: {} starts answered, {} events, {} lost, {} unknown, {} copies; ready again after {:.0} ms, \
         the first callback {} later",
        kill.answered,
        kill.events,
        kill.lost,
        kill.unknown,
        kill.copies,
        kill.opened.as_secs_f64() * 1_000.0,
        kill.first.map_or("never".into(), |first| format!("{:.0} ms", first.as_secs_f64() * 1_000.0)),
    );
}

pub(crate) fn rates(limits: &[(u64, f64)], rows: &[Row]) {
    println!("{} cores, shared by px, the client and the receiver\n", cores());
    for (connections, rate) in limits {
        println!("limit: a bare HTTP client, {connections} connections: {rate:.0} posts/s");
    }
    let best = limits.iter().map(|(_, rate)| *rate).fold(1.0, f64::max);
    println!(
        "\n{:<38} {:>10} {:>6} {:>7} {:>9} {:>17} {:>17}",
        "", "deliveries", "copies", "per s", "of limit", "commit → receipt", "POST → receipt"
    );
    println!(
        "{:<38} {:>10} {:>6} {:>7} {:>9} {:>17} {:>17}",
        "", "", "", "", "", "p50 / p99 ms", "p50 / p99 ms"
    );
    for row in rows {
        let pair = |times: &[Duration]| format!("{:.1} / {:.1}", at(times, 0.5), at(times, 0.99));
        println!(
            "{:<38} {:>10} {:>6} {:>7.0} {:>9.2} {:>17} {:>17}",
            row.name,
            row.deliveries,
            row.copies,
            row.rate,
            row.rate / best,
            pair(&row.since_commit),
            pair(&row.since_post),
        );
    }
    for row in rows {
        if let Some(more) = &row.more {
            let per = |total: u64| total as f64 / row.deliveries.max(1) as f64;
            println!(
                "\n{}: {} runs, {:.0} deliveries/s while they were started\n\
                 per delivery, its part of the run included: {:.2} commits, {:.3} syncs, {:.0} journal bytes, \
                 {:.0} µs CPU of px",
                row.name,
                more.runs,
                more.during,
                per(more.stats.commits),
                per(more.stats.syncs),
                per(more.stats.journal_bytes),
                per(more.stats.cpu_us),
            );
        }
    }
}

pub(crate) fn json(limits: &[(u64, f64)], rows: &[Row], kill: &Kill) {
    let limits: Vec<Value> =
        limits.iter().map(|(connections, rate)| json!({"connections": connections, "rate": rate})).collect();
    let rows: Vec<Value> = rows.iter().map(Row::json).collect();
    let kill = json!({
        "answered": kill.answered, "events": kill.events, "lost": kill.lost, "unknown": kill.unknown,
        "copies": kill.copies, "openedMs": kill.opened.as_millis() as u64,
        "firstMs": kill.first.map(|first| first.as_millis() as u64),
    });
    println!("{}", json!({ "cores": cores(), "limits": limits, "rows": rows, "kill": kill }));
}
