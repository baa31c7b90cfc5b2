//! `POST /deliveries/:id/redeliver`.

use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use px_api::CallbackSummary;

use super::shown;
use crate::app::Shared;
use crate::error::ApiError;

pub(crate) async fn redeliver(
    State(app): State<Shared>,
    Path(id): Path<String>,
) -> Result<(StatusCode, Json<CallbackSummary>), ApiError> {
    let callback = app.operator.redeliver(super::delivery_id(&id)?).await?;
    let parked = app.operator.parked_until(callback.lane).await?;
    Ok((StatusCode::ACCEPTED, Json(shown::summary(&callback, parked))))
}
