//! `POST /hooks`.

use axum::extract::State;
use axum::{Extension, Json};
use bytes::Bytes;
use http::StatusCode;
use px_api::{CreateHook, Hook};
use px_core::hook::Source;

use super::shown;
use crate::api::guard::Sight;
use crate::api::redacted::ShownOnce;
use crate::app::Shared;
use crate::error::ApiError;

pub(crate) async fn create(
    State(app): State<Shared>,
    Extension(sight): Extension<Sight>,
    body: Bytes,
) -> Result<(StatusCode, Extension<ShownOnce>, Json<Hook>), ApiError> {
    let input: CreateHook = super::body(&body)?;
    let spec = shown::input(input).spec()?;
    let (hook, secret) = app.operator.create(spec, Source::Api).await?;
    // Shown once: nobody gets to see it again.
    let hook = Hook { secret: Some(secret.into()), ..shown::hook(&app, sight, &hook) };
    Ok((StatusCode::CREATED, Extension(ShownOnce), Json(hook)))
}
