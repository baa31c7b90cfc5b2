//! `POST /brains/runs/:id/signals`.

use axum::Json;
use axum::extract::{Path, State};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use px_api::{SignalEntry, SignalTaken, SignalType};
use px_core::run::Place;
use px_core::{Code, RunStatus};
use px_engine::ControlError;
use px_inbound::OperatorError;
use px_store::DraftError;
use serde_json::{Map, Value};

use super::fields::Unknown;
use crate::app::Shared;
use crate::error::ApiError;

/// Returns true if a run in this status takes the signal (docs/api.md).
const fn fits(signal: SignalType, status: RunStatus) -> bool {
    use SignalType::{Kill, Pause, Resume, WebhookResponse};
    match status {
        RunStatus::Running => matches!(signal, Kill | Pause | WebhookResponse),
        RunStatus::Paused => matches!(signal, Kill | Resume),
        RunStatus::Waiting => true,
        _ => false,
    }
}

pub(crate) async fn send(
    State(app): State<Shared>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<(HeaderMap, (StatusCode, Json<SignalTaken>)), ApiError> {
    let unknown = Unknown::of::<px_api::SignalRun>(&body);
    let json: Value = serde_json::from_slice(&body)
        .map_err(|error| ApiError::bad_request(format!("The request's body is no JSON: {error}")))?;
    super::check_values(&body)?;
    unknown.named_in(taken(&app, &id, &json, (&unknown, None)).await)
}

/// Answers what stands at one place of a wait, and nothing that the run asks after it.
pub(crate) async fn answer_wait(
    app: &Shared,
    id: &str,
    signal: &px_api::SignalRun,
    asked: Option<Place>,
) -> Result<(), ApiError> {
    let body = serde_json::to_value(signal)
        .map_err(|error| ApiError::bad_request(format!("The form cannot be sent on: {error}")))?;
    taken(app, id, &body, (&Unknown::of_nothing(b""), asked)).await.map(drop)
}

async fn taken(
    app: &Shared,
    id: &str,
    body: &Value,
    (unknown, asked): (&Unknown, Option<Place>),
) -> Result<(StatusCode, Json<SignalTaken>), ApiError> {
    let name = body.get("type").and_then(Value::as_str).unwrap_or_default();
    let Some(signal) = SignalType::parse(name) else {
        return Err(ApiError::bad_request("Invalid signal type").code(Code::BadSignal));
    };
    let run = app
        .run(id)
        .await?
        .ok_or_else(|| ApiError::not_found("Brain run not found").code(Code::RunNotFound))?;
    let cannot = |status: RunStatus| {
        let text = format!("Cannot {name} brain in '{}' state", status.as_str());
        ApiError::conflict(text).code(Code::WrongRunStatus)
    };
    if !fits(signal, run.status) {
        return Err(cannot(run.status));
    }
    unknown.refuse_slips()?;
    let done = match signal {
        SignalType::Kill => app.parts.cancel_run(run.id, Some("killed by a signal".into())).await,
        SignalType::Pause => app.parts.pause_run(run.id, Some("paused by a signal".into())).await,
        SignalType::Resume if run.status == RunStatus::Waiting => app.parts.end_wait(run.id).await,
        SignalType::Resume => app.parts.resume_run(run.id, None).await,
        SignalType::WebhookResponse => {
            let response = body.get("response").cloned().unwrap_or_else(|| Value::Object(Map::new()));
            if !response.is_object() {
                return Err(ApiError::bad_request("The response must be a JSON object"));
            }
            let slug = match body.get("slug") {
                None | Some(Value::Null) => None,
                Some(Value::String(slug)) => Some(slug.as_str()),
                Some(_) => return Err(ApiError::bad_request("The slug must be the name of a webhook")),
            };
            match app.stage.answer(run.id, response, slug, asked).await {
                Err(OperatorError::Draft(error)) => Err(ControlError::Draft(error)),
                answered => {
                    answered?;
                    Ok(())
                }
            }
        }
    };
    match done {
        Ok(()) => {
            let signal = SignalEntry { kind: name.to_owned(), queued_at: app.clock().now() };
            Ok((StatusCode::ACCEPTED, Json(SignalTaken { success: true, signal })))
        }
        // The run moved on between the look and the commit, or its wait has no timeout.
        Err(ControlError::Draft(DraftError::Refused(_))) => {
            let status = app.run(id).await?.map_or(run.status, |run| run.status);
            Err(cannot(status))
        }
        Err(error) => Err(error.into()),
    }
}
