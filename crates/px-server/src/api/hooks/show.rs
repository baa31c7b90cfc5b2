//! `GET /hooks/:id`.

use axum::Json;
use axum::extract::{Path, State};
use serde_json::Value;

use super::view;
use crate::app::Shared;
use crate::error::ApiError;

pub(in crate::api) async fn show(
    State(app): State<Shared>,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let hook = app.operator.hook(super::hook(&id)?).await?;
    Ok(Json(view::hook(&app.operator, &hook)))
}
