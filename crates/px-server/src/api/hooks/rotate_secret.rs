//! `POST /hooks/:id/rotate-secret`.

use axum::extract::{Path, State};
use axum::{Extension, Json};
use bytes::Bytes;
use px_api::{Hook, RotateSecret};
use px_core::hook::Secrets;
use px_outbound::operate;

use super::shown;
use crate::api::guard::Sight;
use crate::api::redacted::ShownOnce;
use crate::app::Shared;
use crate::error::ApiError;

pub(crate) async fn rotate(
    State(app): State<Shared>,
    Extension(sight): Extension<Sight>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<(Extension<ShownOnce>, Json<Hook>), ApiError> {
    let rotation: RotateSecret = super::body(&body)?;
    let grace = rotation.grace.map(|grace| operate::duration("grace", &grace)).transpose()?;
    let grace = grace.unwrap_or(Secrets::DEFAULT_GRACE);
    let id = super::hook(&id)?;
    super::not_of_the_file(&app, id).await?;
    let (hook, secret) = app.operator.rotate(id, rotation.secret.map(Into::into), grace).await?;
    let hook = Hook { secret: Some(secret.into()), ..shown::hook(&app, sight, &hook) };
    Ok((Extension(ShownOnce), Json(hook)))
}
