//! Webhooks with middleware of the user's own: what comes in goes through it,
//! and what is left of the way in lies within. Requests have passed the gate
//! before, and keep their place in it until they are answered.
//!
//! Tested over real sockets in `tests/layers.rs`.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt as _;
use http::Request;
use px_inbound::Endpoint;
use px_sdk::layer::{self, BoxError, Route};
use tower::ServiceExt as _;

use crate::error::ApiError;
use crate::ingress::{self, Entered};

/// What a layer may take beside the time of the body and the handler.
const PATIENCE: Duration = Duration::from_secs(10);

/// Marks a reply that came through layers: it is given no other form.
#[derive(Clone)]
pub(crate) struct AsItIs;

/// What is known of a request that has entered. Whoever is innermost takes it.
#[derive(Clone)]
struct Ticket(Arc<Mutex<Option<Entered>>>);

/// The routes of the webhooks that have layers, by slug.
pub(crate) fn routes(endpoints: &[Endpoint]) -> HashMap<String, Route> {
    let layered = endpoints.iter().filter(|endpoint| !endpoint.def.layers.is_empty());
    layered
        .map(|endpoint| {
            let within = Route::new(tower::service_fn(innermost));
            // The first is the outermost.
            let layers = endpoint.def.layers.iter().rev();
            (endpoint.def.slug.clone(), layers.fold(within, |route, layer| layer.around(route)))
        })
        .collect()
}

/// Sends a request through a webhook's layers.
pub(crate) async fn run(route: Route, entered: Entered, mut request: Request<Body>) -> Response {
    let slug = entered.slug.clone();
    let patience = entered.app.body_timeout + PATIENCE;
    request.extensions_mut().insert(Ticket(Arc::new(Mutex::new(Some(entered)))));
    let request = request.map(layer::Body::new);
    let answered = AssertUnwindSafe(route.oneshot(request)).catch_unwind();
    let answered = match tokio::time::timeout(patience, answered).await {
        Ok(Err(_)) => {
            tracing::error!(slug, "a layer of the webhook panicked");
            return ingress::failed();
        }
        Ok(Ok(answered)) => Ok(answered),
        Err(late) => Err(late),
    };
    match answered {
        Ok(Ok(mut response)) => {
            response.extensions_mut().insert(AsItIs);
            response.map(Body::new)
        }
        Ok(Err(error)) => {
            tracing::error!(slug, error, "a layer of the webhook failed");
            ApiError::overloaded("Not now, try again").into_response()
        }
        Err(_) => {
            tracing::error!(slug, "the layers of the webhook took longer than {patience:?}");
            ApiError::overloaded("Not now, try again").into_response()
        }
    }
}

async fn innermost(mut request: layer::Request) -> Result<layer::Response, BoxError> {
    let ticket = request.extensions_mut().remove::<Ticket>();
    let entered = ticket.and_then(|ticket| ticket.0.lock().unwrap_or_else(PoisonError::into_inner).take());
    let response = match entered {
        Some(entered) => ingress::take(entered, request).await,
        None => {
            tracing::error!("a layer sent a request on that did not come in, or sent one twice");
            ingress::failed()
        }
    };
    Ok(response.map(layer::Body::new))
}
