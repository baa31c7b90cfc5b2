//! One run: show it, its events, cancel it, resume it.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use px_api::{Event, Events, ResumeRun, Resumed, RunEvents, ShowRun};
use px_core::run::Refusal;
use px_core::{Code, Run, RunId, RunStatus};

use super::fields::Unknown;
use super::{lines, page_size};
use crate::app::Shared;
use crate::error::ApiError;

pub(crate) async fn find(app: &Shared, id: &str) -> Result<Run, ApiError> {
    app.run(id).await?.ok_or_else(|| missing(id))
}

pub(crate) fn missing(id: &str) -> ApiError {
    ApiError::not_found(format!("Brain run '{id}' not found")).code(Code::RunNotFound)
}

/// The run as it was after one of its events, by replaying its log so far.
pub(crate) async fn as_of(app: &Shared, run: &Run, seq: u64) -> Result<Run, ApiError> {
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

pub(crate) async fn show(
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
pub(crate) async fn shown(app: &Shared, run: &Run) -> Result<px_api::Run, ApiError> {
    let mut shown = px_api::Run::from(run);
    if let (RunStatus::Pending, Some(slot)) = (run.status, &run.slot) {
        shown.turn = Some(lines::turn(app, slot, run.id).await?);
    }
    if let Some(time) = app.parts.pool.stalled_for(run.id) {
        shown.stalled_since = Some(app.clock().now().before(time));
    }
    let expected = px_engine::expected(&app.parts.registry, run);
    for (wait, shown) in run.waits.iter().zip(&mut shown.waiting_for) {
        let within = expected.filter(|_| !wait.registrations.is_empty()).map(|expected| expected.within);
        shown.expected_within = within.map(|within| u64::try_from(within.as_millis()).unwrap_or(u64::MAX));
        for (registration, shown) in wait.registrations.iter().zip(&mut shown.wait_for) {
            let (ahead, count) = lines::ahead(app, &registration.key, wait.id).await?;
            shown.ahead = (!ahead.is_empty()).then_some(ahead);
            shown.ahead_count = (count > 0).then_some(count);
            shown.misfit = px_engine::unanswerable(&app.parts.registry, registration);
        }
    }
    Ok(shown)
}

pub(crate) async fn events(
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

pub(crate) async fn cancel(
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

pub(crate) async fn resume(
    State(app): State<Shared>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<(HeaderMap, (StatusCode, Json<Resumed>)), ApiError> {
    let run = find(&app, &id).await?;
    let unknown = Unknown::of::<ResumeRun>(&body);
    let body: ResumeRun = if body.is_empty() { ResumeRun::default() } else { super::read_json(&body)? };
    unknown.refuse_slips()?;
    unknown.named_in(resumed(&app, run.id, body).await)
}

async fn resumed(app: &Shared, id: RunId, body: ResumeRun) -> Result<(StatusCode, Json<Resumed>), ApiError> {
    let hook = app.run_hook(body.webhook_url, body.webhook_secret.map(Into::into))?;
    match app.parts.resume_run(id, hook).await {
        Ok(()) => {
            let resumed = Resumed { success: true, action: "resumed".to_owned() };
            Ok((StatusCode::ACCEPTED, Json(resumed)))
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
