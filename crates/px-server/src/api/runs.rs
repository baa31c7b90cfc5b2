//! `GET /brains/runs`, and one run: show it, its events, cancel it, resume it.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use px_api::{Event, Events, Include, ListRuns, ResumeRun, Resumed, RunEvents, RunPage, RunSummary, ShowRun};
use px_core::run::Refusal;
use px_core::{Code, KeyId, Run, RunId, RunStatus, Timestamp, check_label_name, check_label_value};
use px_store::{Page, RunFilter, RunRecord};
use serde_json::Value;

use super::fields::Unknown;
use super::{lines, page_size};
use crate::app::{App, Shared};
use crate::error::ApiError;
use crate::resolve;

pub(super) async fn list(
    State(app): State<Shared>,
    query: Result<Query<ListRuns>, QueryRejection>,
) -> Result<Json<RunPage>, ApiError> {
    let Query(query) = query.map_err(|error| ApiError::bad_request(error.body_text()))?;
    let statuses = match &query.status {
        Some(names) => names.split(',').map(status).collect::<Result<Vec<_>, _>>()?,
        None => Vec::new(),
    };
    let brain = match &query.brain {
        Some(text) => {
            Some(resolve::one(app.registry(), text, StatusCode::MULTIPLE_CHOICES)?.def.title.clone())
        }
        None => None,
    };
    let cursor = query.cursor.map(|cursor| cursor.parse::<RunId>()).transpose();
    let cursor = cursor.map_err(|error| ApiError::bad_request(format!("Bad cursor: {error}")))?;
    let mut filter = RunFilter {
        brain,
        statuses,
        since: super::since(query.since)?,
        label: query.label.as_deref().map(label).transpose()?,
        request_id: query.request_id,
        step: query.step,
        state: query.state.as_deref().map(place).transpose()?.into_iter().collect(),
        oldest_first: order(query.order.as_deref())?,
    };
    labelled(&app, &mut filter);
    let include = include(query.include.as_deref())?;
    let slice = Slice { cursor, until: super::moment("until", query.until)?, limit: page_size(query.limit) };
    let page = match &query.identifier {
        Some(identifier) => waiting_for(&app, query.slug.as_deref(), identifier, &filter, slice).await?,
        None if query.slug.is_some() => {
            return Err(ApiError::bad_request(
                "slug says where an identifier is waited for: say identifier, too",
            ));
        }
        None => slice.of(&app, &filter).await?,
    };
    let has_looked = filter.looks_inside();
    Ok(Json(RunPage {
        runs: page.items.iter().map(|record| RunSummary::with(&record.run, include)).collect(),
        next_cursor: page.next.map(|next| RunId::from_bytes(next).to_string()),
        looked: has_looked.then(|| u64::try_from(page.looked).unwrap_or(u64::MAX)),
    }))
}

/// A part of a list of runs.
struct Slice {
    cursor: Option<RunId>,
    until: Option<Timestamp>,
    limit: usize,
}

impl Slice {
    /// The runs of a filter in it.
    async fn of(&self, app: &App, filter: &RunFilter) -> Result<Page<RunRecord>, ApiError> {
        // Ids begin with the time of their making.
        let end = self.until.map(|until| RunId::bound(until.after(Duration::from_millis(1))));
        let beyond = match (self.cursor, end) {
            (Some(cursor), Some(end)) if !filter.oldest_first => Some(cursor.min(end)),
            (None, Some(end)) if !filter.oldest_first => Some(end),
            // Of the oldest first, those before `since` are passed over at once.
            (None, _) if filter.oldest_first => filter.since.map(RunId::bound),
            (cursor, _) => cursor,
        };
        let beyond = beyond.map(RunId::to_bytes);
        let mut page = app.store().runs(app.parts.scope, filter, beyond, self.limit).await?;
        if let Some(end) = end.filter(|_| filter.oldest_first) {
            let young = page.items.iter().position(|record| record.run.id >= end);
            if let Some(young) = young {
                page.items.truncate(young);
                page.next = None;
            }
        }
        Ok(page)
    }
}

/// The runs that wait for an identifier, or were started for it, that fit a filter: a read
/// of the key at each webhook. The bound is the one of a page.
async fn waiting_for(
    app: &App,
    slug: Option<&str>,
    identifier: &str,
    filter: &RunFilter,
    slice: Slice,
) -> Result<Page<RunRecord>, ApiError> {
    let (store, scope) = (app.store(), app.parts.scope);
    let mut ids = BTreeSet::new();
    for slug in super::waits::slugs(app, slug) {
        let key = KeyId::new(slug, identifier);
        let record = store.key(scope, &key).await?.record;
        ids.extend(record.owner);
        let line = store.waiters(scope, &key, None, record.line.head, super::MAX_PAGE).await?;
        ids.extend(line.iter().map(|(_, waiter)| waiter.run()));
    }
    let mut ids: Vec<RunId> = ids.into_iter().collect();
    if !filter.oldest_first {
        ids.reverse();
    }
    let is_past = |id: &RunId| {
        slice.cursor.is_none_or(|cursor| if filter.oldest_first { *id > cursor } else { *id < cursor })
    };
    let mut page = Page { items: Vec::new(), next: None, looked: 0 };
    for id in ids.into_iter().filter(is_past) {
        if page.items.len() == slice.limit {
            page.next = page.items.last().map(|record: &RunRecord| record.run.id.to_bytes());
            break;
        }
        page.looked += 1;
        let record = store.run(scope, id).await?;
        page.items.extend(record.filter(|record| {
            filter.fits(&record.run)
                && filter.since.is_none_or(|since| record.run.created_at >= since)
                && slice.until.is_none_or(|until| record.run.created_at <= until)
        }));
    }
    Ok(page)
}

/// A value in the state of runs, as `/customer/id=42`. A value that is JSON is that value,
/// and anything else is a text.
fn place(text: &str) -> Result<(String, Value), ApiError> {
    let (pointer, value) =
        text.split_once('=').filter(|(pointer, _)| pointer.starts_with('/')).ok_or_else(|| {
            ApiError::bad_request(format!(
                "Bad where '{text}': write a JSON pointer, '=' and the value, as in where=/customer/id=42"
            ))
        })?;
    let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
    Ok((pointer.to_owned(), value))
}

/// Looks the value of a place that the brain labels its runs by up among the labels, where
/// that is the only thing that is asked of the state.
fn labelled(app: &App, filter: &mut RunFilter) {
    let Some(brain) = filter.brain.as_deref().and_then(|title| app.registry().brain(title)) else { return };
    let [(pointer, value)] = filter.state.as_slice() else { return };
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(_) | Value::Bool(_) => value.to_string(),
        _ => return,
    };
    if let (Some(name), None) = (brain.label_of(pointer), &filter.label) {
        filter.label = Some((name.to_owned(), text));
        filter.state.clear();
    }
}

/// True for the oldest first.
fn order(order: Option<&str>) -> Result<bool, ApiError> {
    match order {
        None | Some("newest") => Ok(false),
        Some("oldest") => Ok(true),
        Some(other) => {
            Err(ApiError::bad_request(format!("Unknown order '{other}'; there are 'newest' and 'oldest'")))
        }
    }
}

/// The parts that are asked for, with commas between them.
fn include(names: Option<&str>) -> Result<Include, ApiError> {
    let mut include = Include::default();
    for name in names.into_iter().flat_map(|names| names.split(',')) {
        match name {
            "position" => include.position = true,
            "standing" => include.standing = true,
            other => {
                let text = format!("Unknown include '{other}'; there are 'position' and 'standing'");
                return Err(ApiError::bad_request(text));
            }
        }
    }
    Ok(include)
}

/// The name and the value of a label, as `order=o2`.
fn label(text: &str) -> Result<(String, String), ApiError> {
    let (name, value) = text.split_once('=').ok_or_else(|| {
        ApiError::bad_request(format!(
            "Bad label '{text}': write its name, '=' and its value, as in order=o2"
        ))
    })?;
    check_label_name(name)
        .and_then(|()| check_label_value(name, value))
        .map_err(|why| ApiError::bad_request(format!("Bad label: {why}")))?;
    Ok((name.to_owned(), value.to_owned()))
}

fn status(name: &str) -> Result<RunStatus, ApiError> {
    RunStatus::parse(name).ok_or_else(|| {
        let known: Vec<_> = RunStatus::ALL.iter().map(|status| status.as_str()).collect();
        ApiError::bad_request(format!("Unknown status '{name}'; the statuses are {}", known.join(", ")))
    })
}

pub(super) async fn find(app: &Shared, id: &str) -> Result<Run, ApiError> {
    app.run(id).await?.ok_or_else(|| missing(id))
}

pub(super) fn missing(id: &str) -> ApiError {
    ApiError::not_found(format!("Brain run '{id}' not found")).code(Code::RunNotFound)
}

/// The run as it was after one of its events, by replaying its log so far.
pub(super) async fn as_of(app: &Shared, run: &Run, seq: u64) -> Result<Run, ApiError> {
    if seq == 0 || seq > run.seq {
        let text = format!("Brain run '{}' has no event {seq}: its events are 1 to {}", run.id, run.seq);
        return Err(ApiError::not_found(text));
    }
    let mut past = Run::vacant(run.id);
    while past.seq < seq {
        let room = usize::try_from(seq - past.seq).unwrap_or(usize::MAX).min(super::MAX_PAGE);
        let events = app.store().events(app.parts.scope, run.id, past.seq, room).await?;
        let broken = |why: String| ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, Code::Internal, why);
        if events.is_empty() {
            return Err(broken(format!("The log of run '{}' ends at event {}", run.id, past.seq)));
        }
        for event in &events {
            past.apply(event).map_err(|error| broken(error.to_string()))?;
        }
    }
    Ok(past)
}

pub(super) async fn show(
    State(app): State<Shared>,
    Path(id): Path<String>,
    query: Result<Query<ShowRun>, QueryRejection>,
) -> Result<Json<px_api::Run>, ApiError> {
    let Query(query) = query.map_err(|error| ApiError::bad_request(error.body_text()))?;
    let run = find(&app, &id).await?;
    if let Some(seq) = query.at {
        return Ok(Json((&as_of(&app, &run, seq).await?).into()));
    }
    shown(&app, &run).await.map(Json)
}

/// A run as it is now, with those that come before it.
pub(super) async fn shown(app: &Shared, run: &Run) -> Result<px_api::Run, ApiError> {
    let mut shown = px_api::Run::from(run);
    if let (RunStatus::Pending, Some(slot)) = (run.status, &run.slot) {
        shown.turn = Some(lines::turn(app, slot, run.id).await?);
    }
    if let Some(time) = app.parts.pool.stalled_for(run.id) {
        shown.stalled_since = Some(app.clock().now().before(time));
    }
    for (wait, shown) in run.waits.iter().zip(&mut shown.waiting_for) {
        for (registration, shown) in wait.registrations.iter().zip(&mut shown.wait_for) {
            let (ahead, count) = lines::ahead(app, &registration.key, wait.id).await?;
            shown.ahead = (!ahead.is_empty()).then_some(ahead);
            shown.ahead_count = (count > 0).then_some(count);
            shown.misfit = px_engine::unanswerable(&app.parts.registry, registration);
        }
    }
    Ok(shown)
}

pub(super) async fn events(
    State(app): State<Shared>,
    Path(id): Path<String>,
    query: Result<Query<RunEvents>, QueryRejection>,
) -> Result<Json<Events>, ApiError> {
    let Query(query) = query.map_err(|error| ApiError::bad_request(error.body_text()))?;
    let run = find(&app, &id).await?;
    let limit = page_size(Some(query.limit.unwrap_or(super::MAX_PAGE)));
    let cursor = query.cursor.or(query.after);
    // Beyond the end there is nothing, however far.
    let mut after = cursor.unwrap_or(0).min(run.seq);
    let (mut shown, mut bytes, mut has_more) = (Vec::new(), 0, after < run.seq);
    while has_more && shown.len() < limit {
        let some = (limit - shown.len()).min(EVENTS_AT_ONCE);
        let events = app.store().events(app.parts.scope, run.id, after, some).await?;
        has_more = events.len() == some && events.last().is_some_and(|last| last.seq < run.seq);
        for event in &events {
            let event = Event::of(&run, event);
            // Every event can be written: its keys are texts.
            bytes += serde_json::to_vec(&event).map_or(0, |text| text.len());
            if bytes > MAX_PAGE_BYTES && !shown.is_empty() {
                return Ok(Json(Events { next_cursor: Some(after), ..shown.into() }));
            }
            after = event.seq;
            shown.push(event);
        }
    }
    Ok(Json(Events { next_cursor: has_more.then_some(after), ..shown.into() }))
}

/// The largest page of a log, bytes; an entry that is larger is a page of its own.
const MAX_PAGE_BYTES: usize = 8 * 1024 * 1024;

/// Number of a log's entries that are read at once. Each may be as large as a state.
const EVENTS_AT_ONCE: usize = 16;

pub(super) async fn cancel(
    State(app): State<Shared>,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let run = find(&app, &id).await?;
    match app.parts.cancel_run(run.id, Some("cancelled through the API".into())).await {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        Err(error) if matches!(error.refusal(), Some(Refusal::NotActive(_))) => {
            Err(ApiError::conflict("Brain run is not active or already completed").code(Code::RunNotActive))
        }
        Err(error) => Err(error.into()),
    }
}

pub(super) async fn resume(
    State(app): State<Shared>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<(StatusCode, HeaderMap, Json<Resumed>), ApiError> {
    let run = find(&app, &id).await?;
    let unknown = Unknown::of::<ResumeRun>(&body);
    let body: ResumeRun = if body.is_empty() { ResumeRun::default() } else { super::read_json(&body)? };
    let warnings = unknown.warn()?;
    let hook = app.run_hook(body.webhook_url, body.webhook_secret.map(Into::into))?;
    match app.parts.resume_run(run.id, hook).await {
        Ok(()) => {
            let resumed = Resumed { success: true, action: "resumed".to_owned() };
            Ok((StatusCode::ACCEPTED, warnings, Json(resumed)))
        }
        Err(error) => match error.refusal() {
            Some(Refusal::WrongStatus(status)) => Err(ApiError::conflict(format!(
                "Cannot resume brain in '{}' state. Only paused brains can be resumed.",
                status.as_str()
            ))
            .code(Code::WrongRunStatus)),
            _ => Err(error.into()),
        },
    }
}
