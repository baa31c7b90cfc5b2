//! `GET /hooks/:id`.

use axum::Json;
use axum::extract::{Path, State};
use px_api::Hook;

use super::shown;
use crate::app::Shared;
use crate::error::ApiError;

pub(in crate::api) async fn show(
    State(app): State<Shared>,
    Path(id): Path<String>,
) -> Result<Json<Hook>, ApiError> {
    let hook = app.operator.hook(super::hook(&id)?).await?;
    Ok(Json(shown::hook(&app.operator, &hook)))
}
