//! `GET /health/live` and `GET /health/ready`, for whoever starts and stops px.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use px_api::Health;

use crate::app::Shared;

/// It answers, so it lives.
pub(super) async fn live() -> Json<Health> {
    Json(Health::good("live"))
}

/// Recovery comes before the first request, so what is left to ask is whether
/// the store takes writes and the process is not about to end.
pub(super) async fn ready(State(app): State<Shared>) -> (StatusCode, Json<Health>) {
    let failure = app.store().failure().borrow().clone();
    let not_ready = |reason: &str| (StatusCode::SERVICE_UNAVAILABLE, Json(Health::not_ready(reason)));
    if failure.is_some() {
        return not_ready("the store takes no writes");
    }
    if *app.closing.borrow() {
        return not_ready("px is about to end");
    }
    // Work is taken, and an operator has something to look at: the log says what.
    let status = if app.parts.pool.is_at_bound() { "degraded" } else { "ready" };
    (StatusCode::OK, Json(Health::good(status)))
}
