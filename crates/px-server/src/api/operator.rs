//! `POST /webhooks/deliveries/:id/replay` and `…/bind`: what an operator does
//! with a delivery.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use px_api::{Action, BindDelivery, BoundEvent};
use px_core::{Code, DeliveryId, RunId};
use px_inbound::Binding;

use super::fields::Unknown;
use crate::app::Shared;
use crate::error::ApiError;
use crate::ingress;
use crate::run_to_completion::run_to_completion;

/// Answers as the webhook's route would have.
pub(crate) async fn replay(State(app): State<Shared>, Path(id): Path<String>) -> Result<Response, ApiError> {
    let id = delivery(&id)?;
    // Who hangs up does not stop it half-way.
    let replayed = run_to_completion(async move { app.stage.replay(id).await });
    let answer = replayed.await.map_err(|_| {
        ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, Code::Internal, "The replay failed")
    })??;
    Ok(ingress::respond(answer))
}

pub(crate) async fn bind(
    State(app): State<Shared>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Json<BoundEvent>, ApiError> {
    let id = delivery(&id)?;
    let unknown = Unknown::of::<BindDelivery>(&body);
    let body: BindDelivery = super::read_json(&body)?;
    let text = body
        .brain_run_id
        .filter(|text| !text.is_empty())
        .ok_or_else(|| ApiError::bad_request("Missing brainRunId in request body"))?;
    unknown.refuse()?;
    let run: RunId = text
        .parse()
        .map_err(|_| ApiError::not_found(format!("Brain run '{text}' not found")).code(Code::RunNotFound))?;
    let Binding { event, run } = app.stage.bind(id, run).await?;
    Ok(Json(BoundEvent { action: Action::Resumed, brain_run_id: run, delivery_id: id, event_id: event }))
}

fn delivery(id: &str) -> Result<DeliveryId, ApiError> {
    id.parse()
        .map_err(|_| ApiError::not_found(format!("Delivery '{id}' not found")).code(Code::DeliveryNotFound))
}
