//! `GET /.well-known/webhooks-keys`: the public keys that callbacks are
//! verified with, for receivers that fetch them.

use axum::Json;
use axum::extract::State;
use px_outbound::sign;
use serde_json::Value;

use crate::app::Shared;
use crate::error::ApiError;

pub(in crate::api) async fn show(State(app): State<Shared>) -> Result<Json<Value>, ApiError> {
    let hooks = app.operator.hooks()?;
    Ok(Json(sign::jwks(hooks.iter().flat_map(|hook| app.operator.public_keys(hook)))))
}
