//! `GET /hooks`.

use axum::extract::State;
use axum::{Extension, Json};
use px_api::Hooks;

use super::shown;
use crate::api::guard::Sight;
use crate::app::Shared;
use crate::error::ApiError;

pub(crate) async fn list(
    State(app): State<Shared>,
    Extension(sight): Extension<Sight>,
) -> Result<Json<Hooks>, ApiError> {
    let hooks = app.operator.hooks()?;
    Ok(Json(hooks.iter().map(|hook| shown::hook(&app, sight, hook)).collect::<Vec<_>>().into()))
}
