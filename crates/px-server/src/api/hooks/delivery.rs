//! `GET /deliveries/:id`: one delivery, with all of its attempts.

use axum::Json;
use axum::extract::{Path, State};
use px_api::Callback;

use super::shown;
use crate::app::Shared;
use crate::error::ApiError;
use px_core::Code;

/// Number of attempts that are shown: those of a whole schedule, redelivered often.
const MAX_ATTEMPTS: usize = 500;

pub(crate) async fn show(
    State(app): State<Shared>,
    Path(id): Path<String>,
) -> Result<Json<Callback>, ApiError> {
    let parsed = super::delivery_id(&id)?;
    let outbox = app.store().outbox();
    let callback = outbox.callback(app.parts.scope, parsed).await?;
    let callback = callback.ok_or_else(|| {
        ApiError::not_found(format!("Delivery '{id}' not found")).code(Code::CallbackNotFound)
    })?;
    let attempts = outbox.attempts(app.parts.scope, parsed, 0, MAX_ATTEMPTS).await?;
    let parked = app.operator.parked_until(callback.lane).await?;
    Ok(Json(shown::callback(&callback, attempts, parked)))
}
