//! `GET /brains/runs`, and one run: show it, its events, cancel it, resume it.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use bytes::Bytes;
use http::StatusCode;
use px_core::run::Refusal;
use px_core::{Code, Run, RunId, RunStatus, Timestamp, wire};
use px_store::RunFilter;
use schemars::JsonSchema;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{non_empty, page_size};
use crate::app::Shared;
use crate::error::ApiError;
use crate::resolve;
use crate::view;

/// For the document.
const STATUSES: &str = "^((pending|running|waiting|paused|complete|error|cancelled)\
                        (,(pending|running|waiting|paused|complete|error|cancelled))*)?$";

#[derive(Deserialize, JsonSchema)]
pub(super) struct Filter {
    /// Statuses, with commas between them.
    #[serde(default, deserialize_with = "non_empty")]
    #[schemars(regex(pattern = STATUSES))]
    status: Option<String>,
    #[serde(default, deserialize_with = "non_empty")]
    brain: Option<String>,
    #[serde(default, deserialize_with = "non_empty")]
    since: Option<u64>,
    #[serde(default, deserialize_with = "non_empty")]
    limit: Option<usize>,
    /// The `nextCursor` of the page before.
    #[serde(default, deserialize_with = "non_empty")]
    #[schemars(regex(pattern = r"^(run_[0-9a-f]{32})?$"))]
    cursor: Option<String>,
    #[serde(default, deserialize_with = "non_empty")]
    include: Option<String>,
}

pub(super) async fn list(
    State(app): State<Shared>,
    query: Result<Query<Filter>, QueryRejection>,
) -> Result<Json<Value>, ApiError> {
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
    let before = query
        .cursor
        .map(|cursor| cursor.parse::<RunId>().map(RunId::to_bytes))
        .transpose()
        .map_err(|error| ApiError::bad_request(format!("Bad cursor: {error}")))?;
    let filter = RunFilter { brain, statuses, since: query.since.map(Timestamp::from_millis) };
    let page = app.store().runs(app.parts.scope, &filter, before, page_size(query.limit)).await?;
    let shown = match query.include.as_deref() {
        None => view::run_in_list,
        Some("position") => view::run_with_position,
        Some(other) => {
            let text = format!("Unknown include '{other}'; there is 'position'");
            return Err(ApiError::bad_request(text));
        }
    };
    let mut body = json!({
        "runs": page.items.iter().map(|record| shown(&record.run)).collect::<Vec<_>>(),
    });
    if let (Some(next), Value::Object(fields)) = (page.next, &mut body) {
        fields.insert("nextCursor".into(), RunId::from_bytes(next).to_string().into());
    }
    Ok(Json(body))
}

fn status(name: &str) -> Result<RunStatus, ApiError> {
    RunStatus::parse(name).ok_or_else(|| {
        let known: Vec<_> = RunStatus::ALL.iter().map(|status| status.as_str()).collect();
        ApiError::bad_request(format!("Unknown status '{name}'; the statuses are {}", known.join(", ")))
    })
}

pub(super) async fn find(app: &Shared, id: &str) -> Result<Run, ApiError> {
    app.run(id)
        .await?
        .ok_or_else(|| ApiError::not_found(format!("Brain run '{id}' not found")).code(Code::RunNotFound))
}

#[derive(Deserialize, JsonSchema)]
pub(super) struct At {
    /// The run as it was after the event of this number.
    #[serde(default, deserialize_with = "non_empty")]
    at: Option<u64>,
}

/// The run as it was after one of its events, by replaying its log so far.
async fn as_of(app: &Shared, run: &Run, seq: u64) -> Result<Run, ApiError> {
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
    query: Result<Query<At>, QueryRejection>,
) -> Result<Json<Value>, ApiError> {
    let Query(query) = query.map_err(|error| ApiError::bad_request(error.body_text()))?;
    let run = find(&app, &id).await?;
    if let Some(seq) = query.at {
        return Ok(Json(view::run(&as_of(&app, &run, seq).await?)));
    }
    let mut shown = view::run(&run);
    if let (RunStatus::Pending, Some(slot), Value::Object(fields)) = (run.status, &run.slot, &mut shown) {
        let key = app.store().key(app.parts.scope, slot).await?.record;
        let ahead: Vec<_> = key.pending.iter().take_while(|before| **before != run.id).collect();
        fields.insert("turn".into(), json!({ "underWay": key.holders, "ahead": ahead }));
    }
    if let (Some(time), Value::Object(fields)) = (app.parts.pool.stalled_for(run.id), &mut shown) {
        fields.insert("stalledSince".into(), json!(app.clock().now().before(time)));
    }
    for (at, wait) in run.waits.iter().enumerate() {
        for (place, registration) in wait.registrations.iter().enumerate() {
            let key = app.store().key(app.parts.scope, &registration.key).await?.record;
            let ahead: Vec<RunId> = key
                .waits
                .iter()
                .take_while(|open| open.wait != wait.id)
                .map(|open| open.run)
                .take(MAX_AHEAD)
                .collect();
            let shown = shown.pointer_mut(&format!("/waitingFor/{at}/waitFor/{place}"));
            if let (Some(Value::Object(fields)), false) = (shown, ahead.is_empty()) {
                fields.insert("ahead".into(), json!(ahead));
            }
        }
    }
    Ok(Json(shown))
}

/// How many of the runs that an event would go to first are named.
const MAX_AHEAD: usize = 10;

#[derive(Deserialize, JsonSchema)]
pub(super) struct After {
    #[serde(default, deserialize_with = "non_empty")]
    after: Option<u64>,
    #[serde(default, deserialize_with = "non_empty")]
    limit: Option<usize>,
}

pub(super) async fn events(
    State(app): State<Shared>,
    Path(id): Path<String>,
    query: Result<Query<After>, QueryRejection>,
) -> Result<Json<Value>, ApiError> {
    let Query(query) = query.map_err(|error| ApiError::bad_request(error.body_text()))?;
    let run = find(&app, &id).await?;
    let limit = page_size(Some(query.limit.unwrap_or(super::MAX_PAGE)));
    // Beyond the end there is nothing, however far.
    let after = query.after.unwrap_or(0).min(run.seq);
    let events = app.store().events(app.parts.scope, run.id, after, limit).await?;
    let events: Vec<Value> = events.iter().map(|event| wire::event(&run, event)).collect();
    Ok(Json(json!({ "count": events.len(), "events": events })))
}

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

#[derive(Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Resume {
    /// Where to call when something happens to the run.
    webhook_url: Option<String>,
    /// The secret that calls are signed with.
    #[schemars(with = "Option<String>")]
    webhook_secret: Option<SecretString>,
}

pub(super) async fn resume(
    State(app): State<Shared>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let run = find(&app, &id).await?;
    let body: Resume = if body.is_empty() { Resume::default() } else { super::read_json(&body)? };
    let hook = app.run_hook(body.webhook_url, body.webhook_secret)?;
    match app.parts.resume_run(run.id, hook).await {
        Ok(()) => Ok((StatusCode::ACCEPTED, Json(json!({ "success": true, "action": "resumed" })))),
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
