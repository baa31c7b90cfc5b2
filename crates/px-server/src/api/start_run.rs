//! `POST /brains/runs`.

use axum::Json;
use axum::extract::State;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use px_api::{StartRun, StartedRun};
use px_core::Code;
use px_engine::{StartRequest, Started};
use serde_json::{Map, Value};

use crate::app::Shared;
use crate::error::ApiError;
use crate::resolve;

pub(super) async fn start(
    State(app): State<Shared>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<(StatusCode, Json<StartedRun>), ApiError> {
    let body: StartRun = super::read_json(&body)?;
    let identifier = body
        .identifier
        .or(body.brain_title)
        .filter(|identifier| !identifier.is_empty())
        .ok_or_else(|| ApiError::bad_request("Missing identifier or brainTitle in request body"))?;
    let brain = resolve::one(app.registry(), &identifier, StatusCode::CONFLICT)?;
    let title = brain.def.title.clone();
    let initial_state = match body.initial_state {
        None | Some(Value::Null) => Value::Object(Map::new()),
        Some(state) => state,
    };
    check_state(&app, &title, &initial_state)?;
    let hook = app.run_hook(body.webhook_url, body.webhook_secret.map(Into::into))?;
    let request = StartRequest {
        brain: title,
        initial_state,
        options: body.options.unwrap_or_else(|| Value::Object(Map::new())),
        request_id: body.request_id,
        traceparent: super::traceparent(&headers),
        idempotency_key: body.idempotency_key,
        hook,
    };
    let (status, run) = match app.parts.start_run(request).await? {
        Started::New(run) => (StatusCode::CREATED, run),
        Started::Known(run) => (StatusCode::OK, run),
        Started::OtherInput(run) => {
            return Err(ApiError::conflict(format!(
                "The idempotency key was used for '{run}', which was started with another input"
            ))
            .code(Code::IdempotencyKeyUsed));
        }
    };
    Ok((status, Json(StartedRun { brain_run_id: run })))
}

fn check_state(app: &Shared, title: &str, state: &Value) -> Result<(), ApiError> {
    // `Brain<()>` has the schema of null, and is started with the empty object (docs/rules.md#30).
    let is_empty = state.as_object().is_some_and(Map::is_empty);
    let Some(schema) = app.inputs.get(title) else { return Ok(()) };
    if is_empty && schema.check(&Value::Null).is_ok() {
        return Ok(());
    }
    schema.check(state).map_err(|violations| {
        let text = format!("The initial state does not fit the input of brain '{title}'");
        let violations = violations.into_iter().map(super::violation).collect();
        ApiError::unfit(Code::StateUnfit, text, violations)
    })
}
