//! Webhooks with middleware of the user's own: a request goes through it,
//! and the rest of the way in lies within. Requests have passed the gate
//! before, and keep their place in it until they are answered.
//!
//! Middleware is users' code: all of it is polled on the pool, its reply's body
//! too, which is therefore read there to its end. The stage within runs on the
//! server's runtime, as for every other webhook.
//!
//! Tested over real sockets in `tests/layers.rs`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::Request;
use http_body_util::{BodyExt as _, Limited};
use px_inbound::Endpoint;
use px_pool::{Failure, Subject};
use px_sdk::layer::{self, BoxError, Route};
use tokio::runtime::Handle;
use tower::ServiceExt as _;

use crate::error::ApiError;
use crate::ingress::{self, Entered};

/// Time that a layer may take beside that of the body and the handler.
const PATIENCE: Duration = Duration::from_secs(10);

/// The largest body of a reply that comes through layers, bytes.
const MAX_REPLY: usize = 4 * 1024 * 1024;

/// Marks a reply that came through layers: it is given no other form.
#[derive(Clone)]
pub(crate) struct AsItIs;

/// State of a request that has entered. Whoever is innermost takes it.
#[derive(Clone)]
struct Ticket(Arc<Mutex<Option<Entered>>>);

impl Ticket {
    fn take(&self) -> Option<Entered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Takes the ticket when the answer is there, or its receiver gone.
struct Kept(Ticket);

impl Drop for Kept {
    fn drop(&mut self) {
        drop(self.0.take());
    }
}

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
pub(crate) async fn run(route: Route, mut entered: Entered, mut request: Request<Body>) -> Response {
    let slug = entered.slug.clone();
    let patience = entered.limit.longest(entered.app.body_timeout) + PATIENCE;
    let pool = entered.app.parts.pool.clone();
    let subject = Subject::Handler { webhook: slug.clone() };
    if pool.is_crowded(&subject) {
        tracing::error!(slug, "the webhook's layers or handler do not yield: it is refused until they do");
        return ApiError::overloaded("Not now, try again").into_response();
    }
    entered.runtime = Some(Handle::current());
    let ticket = Ticket(Arc::new(Mutex::new(Some(entered))));
    // However this ends: what is not taken by then gives its place in the gate
    // back, also if a layer that never yields still holds the request.
    let _kept = Kept(ticket.clone());
    request.extensions_mut().insert(ticket);
    let request = request.map(layer::Body::new);
    let code = async move {
        let (head, body) = route.oneshot(request).await?.into_parts();
        let body = Limited::new(body, MAX_REPLY).collect().await;
        let body =
            body.map_err(|error| format!("its reply, of {MAX_REPLY} bytes at most: {error}"))?.to_bytes();
        Ok::<_, BoxError>(Response::from_parts(head, Body::from(body)))
    };
    match tokio::time::timeout(patience, pool.run(subject, None, code)).await {
        Ok(Ok(Ok(mut response))) => {
            response.extensions_mut().insert(AsItIs);
            response
        }
        Ok(Ok(Err(error))) => {
            tracing::error!(slug, error, "a layer of the webhook failed");
            ApiError::overloaded("Not now, try again").into_response()
        }
        Ok(Err(Failure::Panicked(_))) => {
            tracing::error!(slug, "a layer of the webhook panicked");
            ingress::failed()
        }
        Ok(Err(Failure::Closed)) => ApiError::overloaded("Not now, try again").into_response(),
        Err(_) => {
            tracing::error!(slug, "the layers of the webhook took longer than {patience:?}");
            ApiError::overloaded("Not now, try again").into_response()
        }
    }
}

async fn innermost(mut request: layer::Request) -> Result<layer::Response, BoxError> {
    let ticket = request.extensions_mut().remove::<Ticket>();
    let entered = ticket.and_then(|ticket| ticket.take());
    let response = match entered {
        Some(entered) => ingress::take(entered, request).await,
        None => {
            tracing::error!("a layer sent a request on that did not come in, or sent one twice");
            ingress::failed()
        }
    };
    Ok(response.map(layer::Body::new))
}
