//! `POST /hooks/:id/test`.

use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use serde_json::{Value, json};

use crate::app::Shared;
use crate::error::ApiError;

pub(in crate::api) async fn test(
    State(app): State<Shared>,
    Path(id): Path<String>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let delivery = app.operator.test(super::hook(&id)?).await?;
    Ok((StatusCode::ACCEPTED, Json(json!({ "deliveryId": delivery }))))
}
