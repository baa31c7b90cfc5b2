//! Back to a step: `POST /brains/runs/rerun` and `POST /brains/runs/:id/fork`.

use axum::Json;
use axum::extract::{Path, State};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use px_api::{ForkRun, RerunRun, RestartedRun, StartedRun};
use px_core::run::Refusal;
use px_engine::ForkRequest;

use super::fields::Unknown;
use super::runs::find;
use crate::app::Shared;
use crate::error::ApiError;
use px_core::Code;

pub(crate) async fn rerun(
    State(app): State<Shared>,
    body: Bytes,
) -> Result<(HeaderMap, Json<RestartedRun>), ApiError> {
    let unknown = Unknown::of::<RerunRun>(&body);
    let body: RerunRun = super::read_json(&body)?;
    unknown.named_in(restarted(&app, body, &unknown).await)
}

async fn restarted(app: &Shared, body: RerunRun, unknown: &Unknown) -> Result<Json<RestartedRun>, ApiError> {
    let id = body.run_id.as_deref().filter(|id| !id.is_empty());
    let id = id.ok_or_else(|| ApiError::bad_request("Missing runId in request body"))?;
    let starts_at = starts_at(body.starts_at)?;
    let run = find(app, id).await?;
    unknown.refuse_slips()?;
    let hook = app.run_hook(body.webhook_url, body.webhook_secret.map(Into::into))?;
    match app.parts.rerun(run.id, starts_at, hook).await {
        Ok(brain_title) => {
            // It is told, and no reason to take anything back: the run goes on already.
            let missing = app.parts.missing_files(run.id).await.unwrap_or_default();
            let missing_files: Vec<String> = missing.iter().map(ToString::to_string).collect();
            let missing_files = (!missing_files.is_empty()).then_some(missing_files);
            Ok(Json(RestartedRun { brain_run_id: run.id, brain_title, missing_files }))
        }
        Err(error) => match error.refusal() {
            Some(Refusal::WrongStatus(status)) => Err(ApiError::conflict(format!(
                "Cannot rerun brain in '{}' state. Cancel it first, or fork it.",
                status.as_str()
            ))
            .code(Code::WrongRunStatus)),
            _ => Err(error.into()),
        },
    }
}

pub(crate) async fn fork(
    State(app): State<Shared>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<(StatusCode, Json<StartedRun>), ApiError> {
    let unknown = Unknown::of::<ForkRun>(&body);
    let body: ForkRun = super::read_values(&body)?;
    let starts_at = starts_at(body.starts_at)?;
    let run = find(&app, &id).await?;
    if body.state.as_ref().is_some_and(|state| !state.is_object()) {
        return Err(ApiError::bad_request("The state must be a JSON object"));
    }
    unknown.refuse()?;
    super::bounded("requestId", body.request_id.as_deref())?;
    let request = ForkRequest {
        run: run.id,
        starts_at,
        state: body.state,
        request_id: body.request_id,
        traceparent: super::traceparent(&headers),
        hook: app.run_hook(body.webhook_url, body.webhook_secret.map(Into::into))?,
    };
    let forked = app.parts.fork(request).await?;
    Ok((StatusCode::CREATED, Json(StartedRun { brain_run_id: forked })))
}

fn starts_at(given: Option<u32>) -> Result<u32, ApiError> {
    given.ok_or_else(|| ApiError::bad_request("Missing or invalid startsAt in request body (must be >= 1)"))
}
