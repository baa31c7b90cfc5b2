//! The API: one endpoint a file, and the route table.

mod body;
mod brains;
mod deliveries;
mod hooks;
mod operator;
mod rerun;
mod runs;
mod signals;
mod start_run;
mod status;
mod watch;
mod watch_brains;
mod webhooks;

use axum::Router;
use axum::routing::{get, post};
use serde::de::{Deserialize, Deserializer, Error as _};

use crate::app::Shared;
use crate::ingress;

/// Every route.
pub(crate) fn router(app: Shared) -> Router {
    Router::new()
        .route("/status", get(status::show))
        .route("/webhooks", get(webhooks::list))
        .route("/webhooks/deliveries", get(deliveries::list))
        .route("/webhooks/deliveries/{id}", get(deliveries::show))
        .route("/webhooks/deliveries/{id}/replay", post(operator::replay))
        .route("/webhooks/deliveries/{id}/bind", post(operator::bind))
        .route("/brains", get(brains::list))
        .route("/brains/runs", get(runs::list).post(start_run::start))
        .route("/brains/runs/rerun", post(rerun::rerun))
        .route("/brains/runs/{id}", get(runs::show).delete(runs::cancel))
        .route("/brains/runs/{id}/events", get(runs::events))
        .route("/brains/runs/{id}/watch", get(watch::run))
        .route("/brains/runs/{id}/resume", post(runs::resume))
        .route("/brains/runs/{id}/fork", post(rerun::fork))
        .route("/brains/runs/{id}/signals", post(signals::send))
        .route("/brains/watch", get(watch_brains::brains))
        .route("/brains/{id}", get(brains::show))
        .route("/brains/{id}/history", get(brains::history))
        .route("/brains/{id}/active-runs", get(brains::active_runs))
        .route("/.well-known/webhooks-keys", get(hooks::keys::show))
        .route("/hooks", get(hooks::list::list).post(hooks::create::create))
        .route(
            "/hooks/{id}",
            get(hooks::show::show).patch(hooks::update::update).delete(hooks::delete::delete),
        )
        .route("/hooks/{id}/test", post(hooks::test::test))
        .route("/hooks/{id}/rotate-secret", post(hooks::rotate_secret::rotate))
        .route("/hooks/{id}/deliveries", get(hooks::deliveries::of_hook))
        .route("/hooks/{id}/recover", post(hooks::recover::recover))
        .route("/hooks/{id}/stats", get(hooks::stats::show))
        .route("/deliveries", get(hooks::deliveries::list))
        .route("/deliveries/{id}", get(hooks::delivery::show))
        .route("/deliveries/{id}/redeliver", post(hooks::redeliver::redeliver))
        .route_layer(axum::middleware::from_fn_with_state(app.clone(), body::read))
        // Behind the layer: its bodies are counted while they come.
        .route("/webhooks/{slug}", post(ingress::receive).get(ingress::receive).options(ingress::options))
        .route("/webhooks/system/page-form", post(ingress::receive_form))
        .with_state(app)
}

/// How many entries a page has, if the caller does not say, and at most.
const PAGE: usize = 50;
const MAX_PAGE: usize = 1_000;

fn page_size(limit: Option<usize>) -> usize {
    limit.unwrap_or(PAGE).clamp(1, MAX_PAGE)
}

/// A query parameter that is absent if it is empty.
fn non_empty<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: std::str::FromStr<Err: std::fmt::Display>,
{
    let text = Option::<String>::deserialize(deserializer)?;
    text.filter(|text| !text.is_empty()).map(|text| text.parse().map_err(D::Error::custom)).transpose()
}
