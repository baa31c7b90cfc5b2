//! `GET /health/live` and `GET /health/ready`, for whoever starts and stops px:
//! open to everybody, since a probe has no token. Reasons are for callers who may
//! read (docs/rules.md#60).

use std::net::SocketAddr;

use axum::Json;
use axum::extract::{ConnectInfo, State};
use http::{HeaderMap, Method, StatusCode, Uri};
use px_api::{Health, HealthReason};
use px_inbound::verify::local::{self, Caller};
use px_outbound::operate;
use px_store::Inspect;

use super::guard;
use crate::app::{App, Shared};

/// It answers, so it lives.
pub(super) async fn live() -> Json<Health> {
    Json(Health::of("live"))
}

/// Asks what work asks: whether a commit would be written now, and whether this
/// process still takes requests. Recovery comes before the first of them.
pub(super) async fn ready(
    State(app): State<Shared>,
    ConnectInfo(remote): ConnectInfo<SocketAddr>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> (StatusCode, Json<Health>) {
    let refused = refused(&app);
    let degraded = degraded(&app);
    let (status, word) = match (refused.is_empty(), degraded.is_empty()) {
        (false, _) => (StatusCode::SERVICE_UNAVAILABLE, "not ready"),
        (true, false) => (StatusCode::OK, "degraded"),
        (true, true) => (StatusCode::OK, "ready"),
    };
    let mut health = Health::of(word);
    let reasons: Vec<HealthReason> = refused.into_iter().chain(degraded).collect();
    let base = local::base(&uri);
    let caller = Caller { peer: remote.ip(), method: &method, base: base.as_deref(), headers: &headers };
    if !reasons.is_empty() && guard::may_read(&app, &caller).await {
        if status != StatusCode::OK {
            health.reason = reasons.first().map(|reason| reason.text.clone());
        }
        health.reasons = Some(reasons);
    }
    (status, Json(health))
}

fn reason(code: &str, text: impl Into<String>) -> HealthReason {
    HealthReason { code: code.to_owned(), text: text.into() }
}

/// Returns what keeps work from being taken.
fn refused(app: &App) -> Vec<HealthReason> {
    let store = app.store();
    let failed = store.failure().borrow().clone();
    let unwritten = store.unwritten().filter(|_| failed.is_none());
    let is_closing = *app.closing.borrow();
    [
        is_closing.then(|| reason("closing", "px is about to end")),
        failed.map(|why| reason("store-failed", format!("the store takes no writes until a restart: {why}"))),
        unwritten.map(|why| {
            let text = format!("the last commit could not be written: {why}; px tries once a second");
            reason("store-unwritten", text)
        }),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Returns what needs an operator while work is taken.
fn degraded(app: &App) -> Vec<HealthReason> {
    let mut reasons = Vec::new();
    if app.parts.pool.is_at_bound() {
        let text = "as many threads as limits.max_stalled allows are held by code that does not yield; \
                    a restart frees them";
        reasons.push(reason("threads-stalled", text));
    }
    let damaged = app.store().inspect().map_or(0, |inside: &dyn Inspect| inside.stats().damaged_reads);
    if damaged > 0 {
        let text = format!("{damaged} reads met a damaged row of the store; `px audit` names it");
        reasons.push(reason("store-damaged", text));
    }
    let vault = &app.operator.parts().vault;
    // That they cannot be listed is the store's trouble, which is said above.
    for hook in app.operator.hooks().unwrap_or_default() {
        if operate::is_unreadable(vault, &hook) {
            let text =
                format!("hook '{}' cannot sign; `px hooks rotate-secret {}` mends it", hook.name, hook.id);
            reasons.push(reason("hook-cannot-sign", text));
        }
    }
    reasons
}
