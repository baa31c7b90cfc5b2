//! Back to a step: `POST /brains/runs/rerun` and `POST /brains/runs/:id/fork`.

use axum::Json;
use axum::extract::{Path, State};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use px_core::run::Refusal;
use px_engine::ForkRequest;
use schemars::JsonSchema;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Value, json};

use super::runs::find;
use crate::app::Shared;
use crate::error::ApiError;
use px_core::Code;

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Rerun {
    /// The run.
    #[schemars(with = "String", length(min = 1))]
    run_id: Option<Value>,
    /// The number of the step, from 1.
    #[schemars(with = "std::num::NonZeroU32")]
    starts_at: Option<Value>,
    /// Where to call when something happens to the run.
    webhook_url: Option<String>,
    /// The secret that calls are signed with.
    #[schemars(with = "Option<String>")]
    webhook_secret: Option<SecretString>,
}

pub(super) async fn rerun(State(app): State<Shared>, body: Bytes) -> Result<Json<Value>, ApiError> {
    let body: Rerun = super::read_json(&body)?;
    let id = body.run_id.as_ref().and_then(Value::as_str).filter(|id| !id.is_empty());
    let id = id.ok_or_else(|| ApiError::bad_request("Missing runId in request body"))?;
    let starts_at = starts_at(body.starts_at.as_ref())?;
    let run = find(&app, id).await?;
    let hook = app.run_hook(body.webhook_url, body.webhook_secret)?;
    match app.parts.rerun(run.id, starts_at, hook).await {
        Ok(brain) => Ok(Json(json!({ "brainRunId": run.id, "brainTitle": brain }))),
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

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Fork {
    /// The number of the step, from 1.
    #[schemars(with = "std::num::NonZeroU32")]
    starts_at: Option<Value>,
    /// The state to begin with, instead of the one of then.
    #[schemars(with = "Option<serde_json::Map<String, Value>>")]
    state: Option<Value>,
    /// Where to call when something happens to the run.
    webhook_url: Option<String>,
    /// The secret that calls are signed with.
    #[schemars(with = "Option<String>")]
    webhook_secret: Option<SecretString>,
    /// What the caller calls the request.
    request_id: Option<String>,
}

pub(super) async fn fork(
    State(app): State<Shared>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let body: Fork = super::read_json(&body)?;
    let starts_at = starts_at(body.starts_at.as_ref())?;
    let run = find(&app, &id).await?;
    if body.state.as_ref().is_some_and(|state| !state.is_object()) {
        return Err(ApiError::bad_request("The state must be a JSON object"));
    }
    let request = ForkRequest {
        run: run.id,
        starts_at,
        state: body.state,
        request_id: body.request_id,
        traceparent: super::traceparent(&headers),
        hook: app.run_hook(body.webhook_url, body.webhook_secret)?,
    };
    let forked = app.parts.fork(request).await?;
    Ok((StatusCode::CREATED, Json(json!({ "brainRunId": forked }))))
}

fn starts_at(given: Option<&Value>) -> Result<u32, ApiError> {
    // A whole number, as JSON writes one: 3.0 is 3.
    let whole = |at: &Value| match at.as_f64() {
        Some(number) if number.fract() == 0.0 && number >= 1.0 => format!("{number:.0}").parse().ok(),
        _ => None,
    };
    given
        .and_then(|at| at.as_u64().or_else(|| whole(at)))
        .filter(|at| *at >= 1)
        .map(|at| u32::try_from(at).unwrap_or(u32::MAX))
        .ok_or_else(|| ApiError::bad_request("Missing or invalid startsAt in request body (must be >= 1)"))
}
