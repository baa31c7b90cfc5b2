//! The figures, and how they are printed.

use serde::Serialize;

use crate::arguments::Arguments;
use crate::client::Load;
use crate::parked::Parked;
use crate::scenarios::{Cycles, Done};
use crate::server::Stats;

/// One measurement.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Figure {
    /// Answers a second.
    pub(crate) rate: f64,
    pub(crate) p50_us: u64,
    pub(crate) p99_us: u64,
    pub(crate) answers: u64,
    /// What the server did for it; nothing of a limit.
    pub(crate) stats: Stats,
}

impl Figure {
    pub(crate) fn of(load: &Load, stats: Stats) -> Self {
        Self {
            rate: load.rate(),
            p50_us: load.quantile(0.5),
            p99_us: load.quantile(0.99),
            answers: load.answers,
            stats,
        }
    }
}

/// The one in the middle by its rate.
pub(crate) fn median(mut figures: Vec<Figure>) -> Figure {
    figures.sort_by(|a, b| a.rate.total_cmp(&b.rate));
    figures.swap_remove(figures.len() / 2)
}

/// Answers over so many connections, of the limits and of px.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Acks {
    pub(crate) connections: u64,
    pub(crate) echo: Figure,
    pub(crate) verify: Figure,
    pub(crate) append: Figure,
    pub(crate) px: Figure,
}

/// All that was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Report<'a> {
    cores: usize,
    arguments: &'a Arguments,
    pub(crate) acks: Vec<Acks>,
    pub(crate) starts: Option<Figure>,
    pub(crate) cycles: Option<Cycles>,
    pub(crate) done: Vec<Done>,
    pub(crate) parked: Vec<Parked>,
}

impl<'a> Report<'a> {
    pub(crate) fn begin(arguments: &'a Arguments) -> Self {
        Self {
            cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            arguments,
            acks: Vec::new(),
            starts: None,
            cycles: None,
            done: Vec::new(),
            parked: Vec::new(),
        }
    }

    pub(crate) fn print(&self) {
        println!(
            "{} cores, which client and server share; medians of {} rounds of {} s\n",
            self.cores, self.arguments.rounds, self.arguments.seconds
        );
        self.print_acks();
        if let Some(starts) = &self.starts {
            println!("\nstarts: {:.0}/s, p50 {} µs, p99 {} µs", starts.rate, starts.p50_us, starts.p99_us);
            costs("start", starts);
        }
        if let Some(cycles) = &self.cycles {
            println!(
                "\nfull cycles (start, wait, resume, step, complete): {:.0}/s, {:.3} of the limit's {:.0}/s; \
                 the webhook's answer p50 {} µs, p99 {} µs; {} runs left to do at the end",
                cycles.figure.rate,
                cycles.figure.rate / cycles.append.rate,
                cycles.append.rate,
                cycles.figure.p50_us,
                cycles.figure.p99_us,
                cycles.left
            );
            costs("cycle", &cycles.figure);
        }
        for done in &self.done {
            println!(
                "\nanswer to done, seen by a watcher beside {} connections: p50 {} µs, p99 {} µs ({} runs)",
                done.connections, done.p50_us, done.p99_us, done.samples
            );
        }
        self.print_parked();
    }

    fn print_acks(&self) {
        if self.acks.is_empty() {
            return;
        }
        println!(
            "{:<26} {:>5} {:>10} {:>8} {:>8} {:>6} {:>6} {:>6}",
            "webhooks", "conns", "answers/s", "p50 µs", "p99 µs", "ratio", "p50 ×", "p99 ×"
        );
        for acks in &self.acks {
            let rows = [
                ("echo", &acks.echo),
                ("verify + parse", &acks.verify),
                ("… + append, group sync", &acks.append),
                ("px: durable resumes", &acks.px),
            ];
            for (name, figure) in rows {
                let times = |own: u64, limit: u64| own as f64 / limit.max(1) as f64;
                println!(
                    "{name:<26} {:>5} {:>10.0} {:>8} {:>8} {:>6.2} {:>6.1} {:>6.1}",
                    acks.connections,
                    figure.rate,
                    figure.p50_us,
                    figure.p99_us,
                    figure.rate / acks.append.rate,
                    times(figure.p50_us, acks.append.p50_us),
                    times(figure.p99_us, acks.append.p99_us),
                );
            }
            costs("answer", &acks.px);
        }
    }

    fn print_parked(&self) {
        if self.parked.is_empty() {
            return;
        }
        println!(
            "\n{:<10} {:>8} {:>13} {:>10} {:>10} {:>11} {:>11} {:>11}",
            "parked",
            "RSS MiB",
            "restarted MiB",
            "bytes/run",
            "compacted",
            "restart ms",
            "resume p50",
            "resume p99"
        );
        for parked in &self.parked {
            println!(
                "{:<10} {:>8} {:>13} {:>10} {:>10} {:>11} {:>11} {:>11}",
                parked.runs,
                parked.rss_mib,
                parked.rss_restarted_mib,
                parked.disk_bytes_a_run,
                parked.compacted_bytes_a_run,
                parked.restart_ms,
                parked.resume_p50_us,
                parked.resume_p99_us
            );
        }
    }
}

/// What the server did for each.
fn costs(what: &str, figure: &Figure) {
    let each = |total: u64| total as f64 / figure.answers.max(1) as f64;
    let stats = &figure.stats;
    println!(
        "    a {what}: {:.2} commits, {:.3} syncs, {:.0} journal bytes, {:.1} row changes, {:.2} rows to the tree, \
         {:.0} µs CPU",
        each(stats.commits),
        each(stats.syncs),
        each(stats.journal_bytes),
        each(stats.ops),
        each(stats.applied_rows),
        each(stats.cpu_us),
    );
}
