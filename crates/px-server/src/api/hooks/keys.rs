//! `GET /.well-known/webhooks-keys`: the public keys that callbacks are
//! verified with, for receivers that fetch them.

use axum::Json;
use axum::extract::State;
use px_api::Keys;
use px_outbound::sign;

use crate::app::Shared;
use crate::error::ApiError;

pub(crate) async fn show(State(app): State<Shared>) -> Result<Json<Keys>, ApiError> {
    let hooks = app.operator.hooks()?;
    let keys = sign::jwks(hooks.iter().flat_map(|hook| app.operator.public_keys(hook)));
    Ok(Json(Keys { keys }))
}
