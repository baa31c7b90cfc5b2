//! `GET /hooks/:id/stats`.

use axum::Json;
use axum::extract::{Path, State};
use px_outbound::operate::Stats;

use crate::app::Shared;
use crate::error::ApiError;

pub(in crate::api) async fn show(
    State(app): State<Shared>,
    Path(id): Path<String>,
) -> Result<Json<Stats>, ApiError> {
    Ok(Json(app.operator.stats(super::hook(&id)?).await?))
}
