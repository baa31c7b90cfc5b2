//! `px audit`: proves that a store adds up, with its server down (docs/rules.md#43).

use std::path::{Path, PathBuf};

use px_core::Scope;
use px_store::Table;
use px_store::audit::{Counts, Progress, Report, TABLES, audit};
use serde_json::json;

use crate::context::Context;
use crate::error::{Error, Result};
use crate::show::words;
use crate::{store, ui};

/// Number of parts the bar of the progress has.
const BAR: usize = 18;

/// Rows between two looks at the progress.
const STRIDE: u64 = 2_048;

/// Prove that nothing in the store is lost, taken twice or left over
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Works on the store alone: stop the server first. It checks that each event of a delivery is in \
                  exactly one state and that what the state claims is so, that waits, keys, queues, timers and ready \
                  work agree with the runs, that each log is gap-free and replays to the stored run, and that no row \
                  belongs to nothing. It changes nothing that the store holds, and its memory does not grow with the store. \
                  Opening a store rewrites files of it, though, as every start does, so px has to be able to write \
                  there: of a snapshot or a read-only disk, audit a copy.\n\n\
                  Exit codes: 0 everything adds up, 1 something does not, 3 there is no store, 4 a process has it open\n\n\
                  Examples:\n  px audit\n  px audit --data-dir /var/lib/px --json"
)]
pub(crate) struct Args {
    /// Folder with the files of the embedded store
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<()> {
    let config = context.store_config(args.data_dir)?;
    let store = store::require(&config)?;
    let shown = context.ui;
    let mut next = 0;
    let mut progress = |at: Progress| {
        if at.rows < STRIDE || at.rows >= next {
            next = at.rows + STRIDE;
            shown.progress(line(at));
        }
    };
    let report = audit(&store, Scope::default(), &mut progress).await;
    shown.progress("");
    let report = report.map_err(|error| store::store_error(&error))?;
    show(context, &config.data_dir, &report)
}

pub(super) fn line(at: Progress) -> String {
    let done = BAR * at.place / TABLES.len();
    let bar: String = (0..BAR).map(|part| if part < done { '#' } else { '-' }).collect();
    format!("[{bar}] {} {}", noun(at.table), at.rows)
}

const fn noun(table: Table) -> &'static str {
    match table {
        Table::Run => "runs",
        Table::Log => "logs",
        Table::Value => "large values",
        Table::Event => "events of large deliveries",
        Table::File => "files of deliveries",
        Table::Delivery => "deliveries",
        Table::Dedup => "provider ids",
        Table::SetAside => "quarantined ids",
        Table::Key => "keys",
        Table::Waiter => "lines of keys",
        Table::WaiterPlace => "places in lines",
        Table::Queue => "queues",
        Table::Work => "ready runs",
        Table::Timer => "timers",
        Table::Start => "idempotency keys",
        Table::Hook => "hooks",
        Table::Callback => "outbound deliveries",
        Table::Due => "due deliveries",
        Table::Attempt => "attempts",
        Table::Endpoint => "endpoints",
        Table::Forgotten => "what was forgotten",
        Table::Token => "API tokens",
        Table::KeyCheck => "the check of the secrets' key",
        Table::Kv => "values that outlive runs",
        Table::KvBrain => "brains with such values",
        Table::Secret => "secrets",
    }
}

fn show(context: &Context, dir: &Path, report: &Report) -> Result<()> {
    if context.ui.json {
        context.ui.json(&json!({
            "clean": report.is_clean(),
            "dataDir": dir,
            "counts": report.counts,
            "total": report.total(),
            "broken": report.broken.iter().map(|(rule, n)| (rule.code(), n)).collect::<std::collections::BTreeMap<_, _>>(),
            "violations": report.violations,
        }))?;
    } else {
        context.ui.table(&["What", "Which", "Count"], rows(&report.counts), &[0, 2])?;
        for violation in &report.violations {
            context.ui.line(format_args!(
                "{}: {}",
                ui::paint(ui::ERROR, violation.code.code()),
                violation.message
            ))?;
            let ids: Vec<_> = violation.ids.iter().map(|(kind, id)| format!("{kind} {id}")).collect();
            context.ui.line(format_args!("    {}", ids.join(", ")))?;
        }
    }
    if report.is_clean() {
        if !context.ui.json {
            context.ui.note(ui::paint(ui::GOOD, "Everything adds up."));
        }
        return Ok(());
    }
    let kept = report.violations.len() as u64;
    let shown =
        if kept < report.total() { format!(", the first {kept} of them listed") } else { String::new() };
    Err(Error::failed(format!("the store does not add up: {}{shown}", words::count(report.total(), "violation")))
        .hint("keep a copy of the directory before you change anything; this is a bug of px or of what lies below it"))
}

fn rows(counts: &Counts) -> Vec<Vec<String>> {
    let row =
        |what: &str, which: &str, count: u64| vec![what.to_owned(), which.to_owned(), count.to_string()];
    let mut rows: Vec<_> =
        counts.runs.iter().map(|(status, count)| row("Runs", status.as_str(), *count)).collect();
    rows.push(row("Log entries", "", counts.log_entries));
    rows.push(row("Open waits", "", counts.waits));
    rows.push(row("Deliveries", "", counts.deliveries));
    rows.extend(counts.events.iter().map(|(state, count)| row("Events", state.as_str(), *count)));
    if counts.files > 0 {
        rows.push(row("Files", "", counts.files));
    }
    rows.push(row("Provider ids", "", counts.dedups));
    rows.push(row("Keys", "", counts.keys));
    rows.push(row("Waiters at keys", "", counts.waiters));
    rows.push(row("Queued events", "", counts.queued));
    rows.push(row("Ready runs", "", counts.work));
    rows.extend(counts.timers.iter().map(|(kind, count)| row("Timers", kind, *count)));
    rows.push(row("Idempotency keys", "", counts.start_keys));
    rows.push(row("Hooks", "", counts.hooks));
    rows.extend(
        counts.callback.iter().map(|(state, count)| row("Outbound deliveries", state.as_str(), *count)),
    );
    rows.push(row("Attempts", "", counts.attempts));
    rows.push(row("Values that outlive runs", "", counts.kv));
    rows
}
