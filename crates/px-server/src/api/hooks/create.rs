//! `POST /hooks`.

use axum::Json;
use axum::extract::State;
use bytes::Bytes;
use http::StatusCode;
use px_outbound::operate::Input;
use px_store::outbox::Source;
use secrecy::ExposeSecret as _;
use serde_json::Value;

use super::view;
use crate::app::Shared;
use crate::error::ApiError;

pub(in crate::api) async fn create(
    State(app): State<Shared>,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let input: Input = super::body(&body)?;
    let (hook, secret) = app.operator.create(input.spec()?, Source::Api).await?;
    let mut shown = view::hook(&app.operator, &hook);
    if let Value::Object(fields) = &mut shown {
        // Shown once: nobody gets to see it again.
        fields.insert("secret".into(), secret.expose_secret().into());
    }
    Ok((StatusCode::CREATED, Json(shown)))
}
