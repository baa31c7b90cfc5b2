//! The figures, as a table or as JSON.

use serde_json::json;

use crate::client::Load;
use crate::server::Stats;

pub(crate) struct Row {
    name: &'static str,
    connections: u64,
    rate: f64,
    p50_us: u128,
    p99_us: u128,
    answers: u64,
    px: Option<(Stats, u64)>,
}

impl Row {
    pub(crate) fn of(name: &'static str, connections: u64, load: &Load, px: Option<(Stats, u64)>) -> Self {
        Self {
            name,
            connections,
            rate: load.rate(),
            p50_us: load.quantile(0.5).as_micros(),
            p99_us: load.quantile(0.99).as_micros(),
            answers: load.answers,
            px,
        }
    }

    pub(crate) fn agrees(&self) -> bool {
        self.px.as_ref().is_none_or(|(_, done)| *done == self.answers)
    }

    fn per_answer(&self, total: u64) -> f64 {
        total as f64 / self.answers.max(1) as f64
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

pub(crate) fn table(rows: &[Row]) {
    println!("{} cores, client and server share them\n", cores());
    println!("{:<26} {:>5} {:>10} {:>9} {:>9} {:>7}", "", "conns", "answers/s", "p50 µs", "p99 µs", "ratio");
    for row in rows {
        let limit =
            rows.iter().find(|other| other.connections == row.connections && other.name.starts_with('…'));
        let ratio = limit.map_or(0.0, |limit| row.rate / limit.rate);
        println!(
            "{:<26} {:>5} {:>10.0} {:>9} {:>9} {:>7.2}",
            row.name, row.connections, row.rate, row.p50_us, row.p99_us, ratio
        );
    }
    for row in rows {
        if let Some((stats, done)) = &row.px {
            println!(
                "\npx, {} connections: {} answers, {done} runs complete and as many deliveries resumed\n\
                 per answer: {:.2} commits, {:.3} syncs, {:.0} journal bytes, {:.1} row changes, \
                 {:.2} rows to the tree, {:.0} µs CPU of the server",
                row.connections,
                row.answers,
                row.per_answer(stats.commits),
                row.per_answer(stats.syncs),
                row.per_answer(stats.journal_bytes),
                row.per_answer(stats.ops),
                row.per_answer(stats.applied_rows),
                row.per_answer(stats.cpu_us),
            );
        }
    }
}

pub(crate) fn json(rows: &[Row]) {
    let rows: Vec<_> = rows
        .iter()
        .map(|row| {
            json!({
                "name": row.name, "connections": row.connections, "rate": row.rate,
                "p50Micros": row.p50_us as u64, "p99Micros": row.p99_us as u64, "answers": row.answers,
                "stats": row.px.as_ref().map(|(stats, _)| stats),
            })
        })
        .collect();
    println!("{}", json!({ "cores": cores(), "rows": rows }));
}
