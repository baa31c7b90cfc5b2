//! `GET /hooks`.

use axum::Json;
use axum::extract::State;
use px_api::Hooks;

use super::shown;
use crate::app::Shared;
use crate::error::ApiError;

pub(in crate::api) async fn list(State(app): State<Shared>) -> Result<Json<Hooks>, ApiError> {
    let hooks = app.operator.hooks()?;
    Ok(Json(hooks.iter().map(|hook| shown::hook(&app.operator, hook)).collect::<Vec<_>>().into()))
}
