//! `PATCH /hooks/:id`: what is named changes, the rest stays.

use std::time::Duration;

use axum::extract::{Path, State};
use axum::{Extension, Json};
use bytes::Bytes;
use px_api::{CreateHook, Hook};
use px_outbound::operate::Spec;
use serde_json::{Map, Value};

use super::shown;
use crate::api::guard::Sight;
use crate::app::Shared;
use crate::error::ApiError;

pub(crate) async fn update(
    State(app): State<Shared>,
    Extension(sight): Extension<Sight>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Json<Hook>, ApiError> {
    let id = super::hook(&id)?;
    let mut fields: Map<String, Value> = super::body(&body)?;
    let mut flag = |name: &str| match fields.remove(name) {
        None => Ok(None),
        Some(Value::Bool(value)) => Ok(Some(value)),
        Some(other) => {
            Err(ApiError::bad_request(format!("{name} is {other}, which is neither true nor false")))
        }
    };
    let (enabled, send_kept) = (flag("enabled")?, flag("sendKept")?);
    let mut hook = app.operator.hook(id).await?;
    if !fields.is_empty() {
        super::not_of_the_file(&app, id).await?;
        let input: CreateHook =
            serde_json::from_value(fields.into()).map_err(|error| crate::api::misread(&error))?;
        let keep_headers = input.headers.is_none();
        let spec = shown::input(input).onto(Spec::of(&hook))?;
        hook = app.operator.update(id, &spec, keep_headers, Duration::ZERO).await?;
    }
    let mut kept = None;
    match enabled {
        Some(true) => {
            let (enabled, many) = app.operator.enable(id, send_kept.unwrap_or(true)).await?;
            (hook, kept) = (enabled, Some(many));
        }
        Some(false) => hook = app.operator.disable(id).await?,
        None => {}
    }
    Ok(Json(Hook { kept, ..shown::hook(&app, sight, &hook) }))
}
