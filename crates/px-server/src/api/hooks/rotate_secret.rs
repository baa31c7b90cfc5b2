//! `POST /hooks/:id/rotate-secret`.

use axum::Json;
use axum::extract::{Path, State};
use bytes::Bytes;
use px_outbound::operate;
use px_store::outbox::Secrets;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::Value;

use super::view;
use crate::app::Shared;
use crate::error::ApiError;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rotation {
    secret: Option<SecretString>,
    grace: Option<Value>,
}

pub(in crate::api) async fn rotate(
    State(app): State<Shared>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Json<Value>, ApiError> {
    let rotation: Rotation = super::body(&body)?;
    let grace = rotation.grace.map(|grace| operate::duration("grace", &grace)).transpose()?;
    let grace = grace.unwrap_or(Secrets::DEFAULT_GRACE);
    let id = super::hook(&id)?;
    super::not_of_the_file(&app, id).await?;
    let (hook, secret) = app.operator.rotate(id, rotation.secret, grace).await?;
    let mut shown = view::hook(&app.operator, &hook);
    if let Value::Object(fields) = &mut shown {
        fields.insert("secret".into(), secret.expose_secret().into());
    }
    Ok(Json(shown))
}
