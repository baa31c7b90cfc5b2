//! The axum side: a route that does it all, and an extractor for services
//! that store events themselves.

use std::sync::Arc;

use axum::Json;
use axum::body::to_bytes;
use axum::extract::{FromRef, FromRequest, Request};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, post};
use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::{HeaderValue, StatusCode};
use serde_json::json;

use crate::{Event, Recorded, Refused, Seen, Unavailable, Verifier};

/// A longer body is answered 413. px's own end at 256 KiB.
pub const MAX_BODY_BYTES: usize = 1024 * 1024;

/// Time that a sender is told to wait when an event could not be stored.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("1");

/// A route that takes callbacks: POST, verified, stored once, and answered 200
/// `{"received": true}` when that is durable; a copy also says `"duplicate":
/// true`. 401 is answered to what is not verified, 400 to an event without an
/// id, 413 to a body that is too long, and 503 when nothing could be stored.
pub fn endpoint<S, St>(verifier: Verifier, seen: St) -> MethodRouter<S>
where
    S: Clone + Send + Sync + 'static,
    St: Seen,
{
    let (verifier, seen) = (Arc::new(verifier), Arc::new(seen));
    post(move |request: Request| {
        let (verifier, seen) = (Arc::clone(&verifier), Arc::clone(&seen));
        async move {
            match receive(&verifier, &*seen, request).await {
                Ok(Recorded::First(_)) => Json(json!({ "received": true })).into_response(),
                Ok(Recorded::Duplicate) => {
                    Json(json!({ "received": true, "duplicate": true })).into_response()
                }
                Err(rejection) => rejection.into_response(),
            }
        }
    })
}

async fn receive<St: Seen>(verifier: &Verifier, seen: &St, request: Request) -> Result<Recorded, Rejection> {
    let event = verified(verifier, request).await?;
    Ok(seen.record(event).await?)
}

async fn verified(verifier: &Verifier, request: Request) -> Result<Event, Rejection> {
    let (parts, body) = request.into_parts();
    let body: Bytes = to_bytes(body, MAX_BODY_BYTES).await.map_err(|_| Rejection::Body)?;
    Ok(verifier.verify(&parts.headers, &body)?)
}

/// An extractor: the handler runs only for events whose sender is known. The
/// handler has to store the event and its id in one transaction, and to answer
/// 2xx after that.
///
/// The router's state gives the verifier: `Arc<Verifier>` itself, or a state
/// with `FromRef`.
#[derive(Debug, Clone)]
pub struct Verified(pub Event);

impl<S> FromRequest<S> for Verified
where
    S: Send + Sync,
    Arc<Verifier>: FromRef<S>,
{
    type Rejection = Rejection;

    async fn from_request(request: Request, state: &S) -> Result<Self, Rejection> {
        verified(&Arc::from_ref(state), request).await.map(Self)
    }
}

/// Reason that a callback was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Rejection {
    /// The body was longer than [`MAX_BODY_BYTES`] or broke off.
    #[error("the body is longer than {MAX_BODY_BYTES} bytes, or broke off")]
    Body,
    /// It was not verified, or has no id.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// It could not be stored.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        tracing::warn!("a callback was not taken: {self}");
        let (status, text) = match &self {
            Self::Body => (StatusCode::PAYLOAD_TOO_LARGE, "The body is too long or broke off"),
            Self::Refused(Refused::Signature(refusal)) => (StatusCode::UNAUTHORIZED, refusal.caller_text()),
            Self::Refused(Refused::NoId) => (StatusCode::BAD_REQUEST, "The event has no id"),
            Self::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, "The event could not be stored"),
        };
        let mut response = (status, Json(json!({ "error": text }))).into_response();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(RETRY_AFTER, RETRY_AFTER_SECONDS);
        }
        response
    }
}
