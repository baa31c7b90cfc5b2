//! `GET /hooks`.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use super::view;
use crate::app::Shared;
use crate::error::ApiError;

pub(in crate::api) async fn list(State(app): State<Shared>) -> Result<Json<Value>, ApiError> {
    let hooks: Vec<Value> =
        app.operator.hooks()?.iter().map(|hook| view::hook(&app.operator, hook)).collect();
    Ok(Json(json!({ "count": hooks.len(), "hooks": hooks })))
}
