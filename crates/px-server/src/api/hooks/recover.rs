//! `POST /hooks/:id/recover`: everything that a hook did not get since a time.

use axum::Json;
use axum::extract::{Path, State};
use bytes::Bytes;
use px_api::{RecoverHook, Recovered};
use px_core::lifecycle::Kind;
use px_outbound::operate::Recovery;

use crate::app::Shared;
use crate::error::ApiError;

pub(crate) async fn recover(
    State(app): State<Shared>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Json<Recovered>, ApiError> {
    let body: RecoverHook = super::body(&body)?;
    let since = crate::api::since(body.since.map(|since| since.as_millis()))?.ok_or_else(|| {
        ApiError::bad_request("Missing since in request body: milliseconds since 1970-01-01 UTC")
    })?;
    let kind = |name: &String| {
        Kind::parse(name).ok_or_else(|| ApiError::bad_request(format!("'{name}' is no type of event")))
    };
    let recovery = Recovery {
        since,
        types: body.types.iter().map(kind).collect::<Result<_, _>>()?,
        dry_run: body.dry_run,
        rate_per_second: body.rate,
    };
    let done = app.operator.recover(super::hook(&id)?, &recovery).await?;
    Ok(Json(Recovered { deliveries: done.deliveries, until: Some(done.until), dry_run: body.dry_run }))
}
