//! `POST /hooks/:id/test`.

use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use px_api::TestSent;

use crate::app::Shared;
use crate::error::ApiError;

pub(crate) async fn test(
    State(app): State<Shared>,
    Path(id): Path<String>,
) -> Result<(StatusCode, Json<TestSent>), ApiError> {
    let delivery_id = app.operator.test(super::hook(&id)?).await?;
    Ok((StatusCode::ACCEPTED, Json(TestSent { delivery_id })))
}
