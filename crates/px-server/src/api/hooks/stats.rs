//! `GET /hooks/:id/stats`.

use axum::Json;
use axum::extract::{Path, State};
use px_api::HookStats;

use crate::app::Shared;
use crate::error::ApiError;

pub(crate) async fn show(
    State(app): State<Shared>,
    Path(id): Path<String>,
) -> Result<Json<HookStats>, ApiError> {
    let stats = app.operator.stats(super::hook(&id)?).await?;
    Ok(Json(HookStats {
        deliveries: stats.deliveries,
        is_sample: stats.is_sample,
        states: stats.states.iter().map(|(state, count)| (state.as_str().into(), *count)).collect(),
        attempts: stats.attempts,
        success_rate: stats.success_rate,
        p50_ms: stats.p50_ms,
        p99_ms: stats.p99_ms,
        oldest_pending_at: stats.oldest_pending_at,
        parked_until: stats.parked_until,
    }))
}
