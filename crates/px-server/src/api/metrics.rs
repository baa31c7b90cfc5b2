//! `GET /metrics`: the figures of the stages, and those that are counted when
//! they are asked for, from a bounded number of rows.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::IntoResponse;
use http::header;
use px_core::{CallbackId, RunStatus, Timestamp};
use px_metrics::Text;
use px_pool::Subject;
use px_store::cluster::Duty;
use px_store::{Inspect, Row, RunFilter, Table};

use super::late;
use super::table::TEXT;
use crate::app::{App, Shared};
use crate::error::ApiError;
use crate::too_large;

/// Maximum number of ready rows, and of due rows, that are counted; a figure of so many
/// means that there may be more.
const MOST: usize = 10_000;

/// Number of runs that are counted of each status: each is read for it.
const MOST_RUNS: usize = 1_000;

/// Number that are read at once.
const PAGE: usize = 500;

pub(super) async fn show(State(app): State<Shared>) -> Result<impl IntoResponse, ApiError> {
    let mut text = Text::default();
    for metrics in
        [px_inbound::METRICS, px_engine::METRICS, px_pool::METRICS, px_outbound::METRICS, px_secrets::METRICS]
    {
        text.add(metrics);
    }
    text.add(too_large::METRICS);
    for metrics in &app.figures {
        text.add(metrics);
    }
    stalled(&app, &mut text);
    text.head("px_streams", "Streams that are open.", "gauge");
    text.value("px_streams", &[], app.streams.count());
    // Rows are the same for all members of a cluster: one of them counts them.
    if app.is_on_duty(Duty::Figures) {
        ready(&app, &mut text).await?;
        active(&app, &mut text).await?;
        overdue(&app, &mut text).await?;
        outbox(&app, &mut text).await?;
    }
    store(&app, &mut text);
    Ok(([(header::CONTENT_TYPE, TEXT)], text.finish()))
}

/// Users' code that does not yield. A step whose execution was written off
/// counts until its thread comes back.
fn stalled(app: &App, text: &mut Text) {
    let pool = &app.parts.pool;
    let (mut steps, mut handlers) = (BTreeMap::new(), BTreeMap::new());
    for stalled in pool.stalled() {
        match stalled.subject {
            Subject::Step { brain, step, .. } => *steps.entry((brain, step)).or_insert(0_usize) += 1,
            Subject::Handler { webhook } => *handlers.entry(webhook).or_insert(0_usize) += 1,
            // There is one only while nothing is served.
            Subject::Resource { .. } => {}
        }
    }
    text.head("px_steps_stalled", "Executions of steps that have not yielded for a second.", "gauge");
    for ((brain, step), count) in &steps {
        text.value("px_steps_stalled", &[("brain", brain), ("step", step)], count);
    }
    text.head("px_handlers_stalled", "Handlers of webhooks that have not yielded for a second.", "gauge");
    for (webhook, count) in &handlers {
        text.value("px_handlers_stalled", &[("webhook", webhook)], count);
    }
    let name = "px_threads_written_off";
    text.head(name, "Threads that are left to code which nobody waits for any more.", "gauge");
    text.value(name, &[], pool.written_off());
}

async fn ready(app: &App, text: &mut Text) -> Result<(), px_store::Error> {
    let (mut waiting, mut running, mut after) = (0, 0, None);
    while waiting + running < MOST {
        let rows = app.store().work(app.parts.scope, after, PAGE).await?;
        let owned = rows.iter().filter(|(_, work)| work.record.owner.is_some()).count();
        (running, waiting) = (running + owned, waiting + rows.len() - owned);
        after = rows.last().map(|(run, _)| *run);
        if rows.len() < PAGE {
            break;
        }
    }
    text.head("px_ready_runs", "Runs that are ready, by whether somebody runs their step.", "gauge");
    text.value("px_ready_runs", &[("claimed", "false")], waiting);
    text.value("px_ready_runs", &[("claimed", "true")], running);
    Ok(())
}

/// Waits that are older than their brain expects, by brain: those brains that expect something.
async fn overdue(app: &App, text: &mut Text) -> Result<(), px_store::Error> {
    let name = "px_waits_overdue";
    let help =
        "Waits that are older than their brain expects, of the oldest 1000 waiting runs of each brain.";
    text.head(name, help, "gauge");
    for brain in late::expecting(app).chunks(1) {
        let found = late::find(app, brain, late::Place::default(), (MOST_RUNS, MOST_RUNS)).await?;
        for (title, _) in brain {
            text.value(name, &[("brain", title)], found.late.len());
        }
    }
    Ok(())
}

/// Runs that have not ended, by status.
async fn active(app: &App, text: &mut Text) -> Result<(), px_store::Error> {
    let help = "Runs that have not ended, by status; 1000 says that there are so many or more.";
    text.head("px_runs", help, "gauge");
    for status in [RunStatus::Pending, RunStatus::Running, RunStatus::Waiting, RunStatus::Paused] {
        let filter = RunFilter { statuses: vec![status], ..RunFilter::default() };
        let (mut count, mut before) = (0, None);
        while count < MOST_RUNS {
            let page = app.store().runs(app.parts.scope, &filter, before, PAGE).await?;
            count += page.items.len();
            before = page.next;
            if before.is_none() {
                break;
            }
        }
        text.value("px_runs", &[("status", status.as_str())], count.min(MOST_RUNS));
    }
    Ok(())
}

/// Returns what is on its way to each hook. Those of single runs are counted together.
async fn outbox(app: &App, text: &mut Text) -> Result<(), ApiError> {
    let names: BTreeMap<_, _> =
        app.operator.hooks()?.iter().map(|hook| (hook.id, hook.id.to_string())).collect();
    // So that a hook that has nothing to do is seen to have nothing to do.
    let mut hooks: BTreeMap<&str, (usize, Option<Timestamp>)> =
        names.values().map(|name| (name.as_str(), (0, None))).collect();
    let (mut count, mut after) = (0, None);
    loop {
        let page = app.store().scan(app.parts.scope, Table::Due, after.as_ref(), PAGE).await?;
        for row in &page.rows {
            let Row::Due(due) = row else { continue };
            let name = names.get(&due.hook).map_or("of a run", String::as_str);
            let entry = hooks.entry(name).or_default();
            let since = written_at(due.id);
            entry.0 += 1;
            entry.1 = Some(entry.1.map_or(since, |before| before.min(since)));
        }
        count += page.rows.len();
        after = page.next;
        if after.is_none() || count >= MOST {
            break;
        }
    }
    let now = app.clock().now();
    text.head("px_outbox_depth", "Deliveries that are on their way to a hook.", "gauge");
    for (name, (depth, _)) in &hooks {
        text.value("px_outbox_depth", &[("hook", name)], depth);
    }
    text.head("px_outbox_age_seconds", "How long the oldest delivery to a hook is under way.", "gauge");
    for (name, (_, oldest)) in &hooks {
        let age = oldest.map_or(0.0, |oldest| now.since(oldest).as_secs_f64());
        text.value("px_outbox_age_seconds", &[("hook", name)], age);
    }
    Ok(())
}

/// Ids begin with the milliseconds of their making (uuid v7).
pub(super) fn written_at(id: CallbackId) -> Timestamp {
    let [a, b, c, d, e, f, ..] = id.to_bytes();
    Timestamp::from_millis(u64::from_be_bytes([0, 0, a, b, c, d, e, f]))
}

fn store(app: &App, text: &mut Text) {
    let Some(stats) = app.store().inspect().map(Inspect::stats) else { return };
    for (name, help, value) in [
        ("px_store_commits_total", "Commits that are durable.", stats.commits),
        ("px_store_conflicts_total", "Commits that met a precondition that did not hold.", stats.conflicts),
        ("px_store_syncs_total", "Syncs of the journal.", stats.syncs),
        ("px_store_journal_bytes_total", "Bytes that were added to the journal.", stats.journal_bytes),
        ("px_store_rows_total", "Changes of rows in commits.", stats.ops),
        (
            "px_store_applied_rows_total",
            "Changes of rows that reached the tree below the journal.",
            stats.applied_rows,
        ),
        ("px_store_checkpoints_total", "Checkpoints of the tree.", stats.checkpoints),
    ] {
        text.head(name, help, "counter");
        text.value(name, &[], value);
    }
    let name = "px_store_damaged_reads_total";
    text.head(name, "Reads that met a damaged row.", "counter");
    text.value(name, &[], stats.damaged_reads);
    let name = "px_store_overlay_bytes";
    text.head(name, "Bytes of rows that wait in memory for the tree.", "gauge");
    text.value(name, &[], stats.overlay_bytes);
}
