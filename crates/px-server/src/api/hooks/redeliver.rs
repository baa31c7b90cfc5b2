//! `POST /deliveries/:id/redeliver`.

use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use serde_json::Value;

use super::view;
use crate::app::Shared;
use crate::error::ApiError;

pub(in crate::api) async fn redeliver(
    State(app): State<Shared>,
    Path(id): Path<String>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let outgoing = app.operator.redeliver(super::delivery_id(&id)?).await?;
    let parked = app.operator.parked_until(outgoing.lane).await?;
    Ok((StatusCode::ACCEPTED, Json(view::delivery_in_list(&outgoing, parked))))
}
