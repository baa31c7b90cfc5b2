//! `DELETE /hooks/:id`.

use axum::extract::{Path, State};
use http::StatusCode;

use crate::app::Shared;
use crate::error::ApiError;

pub(crate) async fn delete(
    State(app): State<Shared>,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let id = super::hook(&id)?;
    super::not_of_the_file(&app, id).await?;
    app.operator.delete(id).await?;
    Ok(StatusCode::NO_CONTENT)
}
