//! `GET /hooks/:id`.

use axum::extract::{Path, State};
use axum::{Extension, Json};
use px_api::Hook;

use super::shown;
use crate::api::guard::Sight;
use crate::app::Shared;
use crate::error::ApiError;

pub(crate) async fn show(
    State(app): State<Shared>,
    Extension(sight): Extension<Sight>,
    Path(id): Path<String>,
) -> Result<Json<Hook>, ApiError> {
    let hook = app.operator.hook(super::hook(&id)?).await?;
    Ok(Json(shown::hook(&app, sight, &hook)))
}
