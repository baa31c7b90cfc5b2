//! `POST /hooks/:id/recover`: everything that a hook did not get since a time.

use axum::Json;
use axum::extract::{Path, State};
use bytes::Bytes;
use px_core::Timestamp;
use px_core::lifecycle::Kind;
use px_outbound::operate::Recovery;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::app::Shared;
use crate::error::ApiError;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Body {
    since: Option<u64>,
    #[serde(default)]
    types: Vec<String>,
    #[serde(default)]
    dry_run: bool,
    rate: Option<u32>,
}

pub(in crate::api) async fn recover(
    State(app): State<Shared>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Json<Value>, ApiError> {
    let body: Body = super::body(&body)?;
    let since = body.since.ok_or_else(|| {
        ApiError::bad_request("Missing since in request body: milliseconds since 1970-01-01 UTC")
    })?;
    let kind = |name: &String| {
        Kind::parse(name).ok_or_else(|| ApiError::bad_request(format!("'{name}' is no type of event")))
    };
    let recovery = Recovery {
        since: Timestamp::from_millis(since),
        types: body.types.iter().map(kind).collect::<Result<_, _>>()?,
        dry_run: body.dry_run,
        rate_per_second: body.rate,
    };
    let done = app.operator.recover(super::hook(&id)?, &recovery).await?;
    Ok(Json(json!({ "deliveries": done.deliveries, "until": done.until, "dryRun": body.dry_run })))
}
