//! `GET /overview`: the server at one look, from a bounded number of rows. Lists of ids are
//! counted where they say enough; rows are read where only they know.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use px_api::words;
use px_api::{Attention, AttentionKind, Counted, OutboxCounts, Overview, RunCounts, StoreSize};
use px_core::{RunStatus, Timestamp};
use px_pool::Subject;
use px_store::outbox::{CallbackFilter, CallbackState, Due};
use px_store::{DeliveryFilter, InboxState, Inspect, RunFilter, TimerKind};

use super::{health, late, metrics};
use crate::app::{App, Shared};
use crate::error::ApiError;

/// Ids of waiting runs that are counted, at most; the rows of some are read.
const MAX_WAITING: usize = 10_000;

/// Rows of one kind that are read, at most.
const MAX_READ: usize = 200;

/// Rows of work and timers that are read, at most.
const MAX_ROWS: usize = 1_000;

/// Lanes of callbacks that are looked at, at most.
const MAX_LANES: usize = 64;

/// Time within which a thing that ended badly needs somebody.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Time that a timer may be late before it is overdue: a poll covers a lost hint within a second.
pub(crate) const LATE: Duration = Duration::from_secs(10);

pub(crate) async fn show(State(app): State<Shared>) -> Result<Json<Overview>, ApiError> {
    let now = app.clock().now();
    let paused = RunFilter { statuses: vec![RunStatus::Paused], ..RunFilter::default() };
    let paused = count(&app, &paused).await?;
    let mut runs = at_work(&app).await?;
    (runs.waiting, runs.paused) = (waiting(&app).await?, paused);
    let (outbox, parked_lanes) = outbox(&app, now).await?;
    let mut attention = health_reasons(&app);
    attention.extend(stalled(&app));
    attention.extend(troubled_runs(&app, now, paused).await?);
    attention.extend(late(&app).await?);
    attention.extend(troubled_callbacks(&app, now, outbox.parked, parked_lanes).await?);
    attention.extend(troubled_deliveries(&app, now).await?);
    Ok(Json(Overview {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        up_since: app.up_since,
        at: now,
        attention,
        webhooks: app.pace.at(&px_inbound::ACK.snapshot()),
        runs,
        outbox,
        store: size(&app).await,
    }))
}

fn counted(count: usize, most: usize) -> Counted {
    Counted { count: u64::try_from(count).unwrap_or(u64::MAX), at_least: count >= most }
}

/// Something that needs somebody, if there is any of it. `{}` in the text stands for the
/// number with its noun.
fn attention(
    kind: AttentionKind,
    found: Counted,
    noun: &str,
    text: &str,
    link: String,
    command: String,
) -> Option<Attention> {
    let number = words::count(found.count, noun);
    let number = if found.at_least { format!("{number} or more") } else { number };
    let text = text.replace("{}", &number);
    let (count, at_least) = (found.count, found.at_least);
    (count > 0).then_some(Attention { kind, count, at_least, text, link, command })
}

fn health_reasons(app: &App) -> Vec<Attention> {
    let reasons = health::refused(app).into_iter().chain(health::degraded(app));
    let told = reasons.map(|reason| Attention {
        kind: AttentionKind::Health,
        count: 1,
        at_least: false,
        text: reason.text,
        link: "/health/ready".to_owned(),
        command: "px check".to_owned(),
    });
    told.collect()
}

/// Users' code that does not yield.
fn stalled(app: &App) -> Option<Attention> {
    let stalled = app.parts.pool.stalled();
    let names: BTreeSet<String> = stalled
        .iter()
        .filter_map(|stalled| match &stalled.subject {
            Subject::Step { brain, step, .. } => Some(format!("{brain}/{step}")),
            Subject::Handler { webhook } => Some(format!("webhook {webhook}")),
            Subject::Resource { .. } => None,
        })
        .collect();
    let text = format!(
        "{{}} held by code that does not yield: {}",
        names.into_iter().take(3).collect::<Vec<_>>().join(", ")
    );
    let found = counted(stalled.len(), usize::MAX);
    let (link, command) = ("/metrics".to_owned(), "px runs list --status running".to_owned());
    attention(AttentionKind::Stalled, found, "thread", &text, link, command)
}

/// Runs that wait. The list of these has runs that do not wait any more; as many of them as
/// a sample tells are left out.
async fn waiting(app: &App) -> Result<Counted, ApiError> {
    let (store, scope) = (app.store(), app.parts.scope);
    let ids = store.run_ids(scope, RunStatus::Waiting, None, MAX_WAITING).await?;
    let (mut looked, mut fit) = (0, 0);
    for id in ids.iter().step_by(ids.len().div_ceil(MAX_READ).max(1)) {
        let run = store.run(scope, *id).await?;
        looked += 1;
        fit += usize::from(run.is_some_and(|record| record.run.status == RunStatus::Waiting));
    }
    let count = (ids.len() * fit).checked_div(looked).unwrap_or(0);
    Ok(Counted { at_least: ids.len() >= MAX_WAITING, ..counted(count, usize::MAX) })
}

/// Runs of a filter, each of which is read.
async fn count(app: &App, filter: &RunFilter) -> Result<Counted, ApiError> {
    let page = app.store().runs(app.parts.scope, filter, None, MAX_READ).await?;
    Ok(Counted { at_least: page.next.is_some(), ..counted(page.items.len(), usize::MAX) })
}

/// Runs that are ready, and those whose step is under way.
async fn at_work(app: &App) -> Result<RunCounts, ApiError> {
    let rows = app.store().work(app.parts.scope, None, MAX_ROWS).await?;
    let running = rows.iter().filter(|(_, work)| work.record.owner.is_some()).count();
    let ready = rows.iter().filter(|(_, work)| work.record.owner.is_none());
    let is_full = rows.len() >= MAX_ROWS;
    let of = |count: usize| Counted { at_least: is_full, ..counted(count, usize::MAX) };
    Ok(RunCounts {
        running: of(running),
        ready: of(rows.len() - running),
        ready_since: ready.map(|(_, work)| work.record.since).min(),
        ..RunCounts::default()
    })
}

/// Waits that are older than their brain expects, of the oldest waiting runs of each such brain.
async fn late(app: &App) -> Result<Option<Attention>, ApiError> {
    let brains = late::expecting(app);
    // At least one page of each, and not many more rows than of anything else.
    let most = MAX_ROWS / brains.len().max(1);
    let (mut found, mut names) = (Counted::default(), Vec::new());
    for brain in brains.chunks(1) {
        let here = late::find(app, brain, late::Place::default(), (MAX_READ, most)).await?;
        let count = here.late.len();
        names.extend(brain.iter().filter(|_| count > 0).map(|(title, _)| title.clone()));
        add(&mut found, Counted { at_least: count > 0 && here.next.is_some(), ..counted(count, usize::MAX) });
    }
    let text =
        format!("{{}} older than expected: {}", names.into_iter().take(3).collect::<Vec<_>>().join(", "));
    let (link, command) = ("/waits/late".to_owned(), "px runs list --status waiting --oldest".to_owned());
    Ok(attention(AttentionKind::Unanswered, found, "wait", &text, link, command))
}

async fn troubled_runs(app: &App, now: Timestamp, paused: Counted) -> Result<Vec<Attention>, ApiError> {
    let (store, scope, since) = (app.store(), app.parts.scope, now.before(DAY));
    let statuses = vec![RunStatus::Error];
    let failed = RunFilter { statuses, ended_since: Some(since), ..RunFilter::default() };
    let failed = count(app, &failed).await?;
    let timers = store.due(scope, now.before(LATE), None, MAX_ROWS).await?;
    let is_of_run = |kind: &TimerKind| {
        matches!(kind, TimerKind::Wait { .. } | TimerKind::Remind { .. } | TimerKind::Retry { .. })
    };
    let overdue = timers.iter().filter(|timer| is_of_run(&timer.kind)).count();
    let overdue = Counted { at_least: timers.len() == MAX_ROWS, ..counted(overdue, usize::MAX) };
    let late = now.before(LATE).as_millis();
    let told = [
        attention(
            AttentionKind::Failed,
            failed,
            "run",
            "{} failed within a day",
            format!("/brains/runs?status=error&endedSince={}", since.as_millis()),
            "px runs list --status error --ended-since 1d".to_owned(),
        ),
        attention(
            AttentionKind::Paused,
            paused,
            "run",
            "{} paused",
            "/brains/runs?status=paused".to_owned(),
            "px runs list --status paused".to_owned(),
        ),
        attention(
            AttentionKind::Overdue,
            overdue,
            "timer",
            "{} should have rung by now",
            format!("/waits/due?until={late}"),
            "px runs list --status waiting --oldest".to_owned(),
        ),
    ];
    Ok(told.into_iter().flatten().collect())
}

/// Returns what is on its way out, and how many lanes of it are left alone for a while.
async fn outbox(app: &App, now: Timestamp) -> Result<(OutboxCounts, usize), ApiError> {
    let (outbox, scope) = (app.store().outbox(), app.parts.scope);
    let (mut due, mut parked, mut oldest) = (Counted::default(), Counted::default(), None);
    let (mut lanes, mut parked_lanes, mut after) = (0, 0, None);
    while let Some(first) = outbox.next_lane(scope, after).await? {
        if lanes == MAX_LANES {
            (due.at_least, parked.at_least) = (true, parked_lanes > 0);
            break;
        }
        (lanes, after) = (lanes + 1, Some(first.lane));
        let far = Timestamp::from_millis(u64::MAX);
        let rows: Vec<Due> = outbox.due_in_lane(scope, first.lane, None, far, MAX_READ).await?;
        let here = counted(rows.len(), MAX_READ);
        let written = rows.iter().map(|row| metrics::written_at(row.id)).min();
        oldest = oldest.into_iter().chain(written).min();
        add(&mut due, here);
        if app.operator.parked_until(first.lane).await?.is_some_and(|until| until > now) {
            add(&mut parked, here);
            parked_lanes += 1;
        }
    }
    Ok((OutboxCounts { due, parked, oldest }, parked_lanes))
}

fn add(sum: &mut Counted, here: Counted) {
    *sum = Counted { count: sum.count + here.count, at_least: sum.at_least || here.at_least };
}

async fn troubled_callbacks(
    app: &App,
    now: Timestamp,
    parked: Counted,
    lanes: usize,
) -> Result<Vec<Attention>, ApiError> {
    let since = now.before(DAY);
    let filter =
        CallbackFilter { state: Some(CallbackState::Dead), since: Some(since), ..CallbackFilter::default() };
    let page = app.store().outbox().callbacks(app.parts.scope, &filter, None, MAX_READ).await?;
    let dead = Counted { at_least: page.next.is_some(), ..counted(page.items.len(), usize::MAX) };
    let endpoints = words::count(u64::try_from(lanes).unwrap_or(u64::MAX), "endpoint");
    let told = [
        attention(
            AttentionKind::Parked,
            parked,
            "callback",
            &format!("{{}} parked, since {endpoints} did not answer"),
            "/deliveries?state=pending".to_owned(),
            "px hooks list".to_owned(),
        ),
        attention(
            AttentionKind::Dead,
            dead,
            "callback",
            "{} given up within a day",
            format!("/deliveries?state=dead&since={}", since.as_millis()),
            "px outbox --state dead --since 1d".to_owned(),
        ),
    ];
    Ok(told.into_iter().flatten().collect())
}

async fn troubled_deliveries(app: &App, now: Timestamp) -> Result<Vec<Attention>, ApiError> {
    let (store, scope, since) = (app.store(), app.parts.scope, now.before(DAY));
    let mut of = Vec::new();
    for (state, since) in [
        (InboxState::Quarantined, None),
        (InboxState::Rejected, Some(since)),
        (InboxState::Late, Some(since)),
    ] {
        let filter = DeliveryFilter { state: Some(state), since, ..DeliveryFilter::default() };
        let page = store.deliveries(scope, &filter, None, MAX_READ).await?;
        of.push(Counted { at_least: page.next.is_some(), ..counted(page.items.len(), usize::MAX) });
    }
    let of = |at: usize| of.get(at).copied().unwrap_or_default();
    let told = [
        attention(
            AttentionKind::Quarantined,
            of(0),
            "request",
            "{} set aside, not fitting their webhook",
            "/webhooks/deliveries?state=quarantined".to_owned(),
            "px inbox --state quarantined".to_owned(),
        ),
        attention(
            AttentionKind::Rejected,
            of(1),
            "request",
            "{} rejected within a day",
            format!("/webhooks/deliveries?state=rejected&since={}", since.as_millis()),
            "px inbox --state rejected --since 1d".to_owned(),
        ),
        attention(
            AttentionKind::Late,
            of(2),
            "request",
            "{} within a day too late for the wait that it was for",
            format!("/webhooks/deliveries?state=late&since={}", since.as_millis()),
            "px inbox --state late --since 1d".to_owned(),
        ),
    ];
    Ok(told.into_iter().flatten().collect())
}

async fn size(app: &App) -> StoreSize {
    let overlay_bytes = app.store().inspect().map(|inside: &dyn Inspect| inside.stats().overlay_bytes);
    let store = Arc::clone(&app.parts.store);
    // It goes through a directory.
    let disk = tokio::task::spawn_blocking(move || store.inspect().and_then(Inspect::disk_bytes)).await;
    StoreSize { disk_bytes: disk.unwrap_or_default(), overlay_bytes }
}
