//! The headers of every answer of the API: what a browser may do with it, which
//! is nothing, unless an origin is configured that may read it.

use axum::response::Response;
use http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderName, HeaderValue, Method};
use tower_http::cors::CorsLayer;

static RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
static LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
static IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Headers of every answer, unless a route says something else.
const HEADERS: [(&HeaderName, HeaderValue); 6] = [
    (&X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (&X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (&REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (&CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'")),
    // States of runs are nobody's to keep.
    (&CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (&RESOURCE_POLICY, HeaderValue::from_static("same-origin")),
];

pub(super) async fn add(mut response: Response) -> Response {
    for (name, value) in HEADERS {
        response.headers_mut().entry(name).or_insert(value);
    }
    response
}

/// Lets pages of these origins use the API; `None` if there are none, and then
/// no page may.
pub(super) fn cors(origins: &[HeaderValue]) -> Option<CorsLayer> {
    (!origins.is_empty()).then(|| {
        CorsLayer::new()
            .allow_origin(origins.to_vec())
            .allow_methods([Method::GET, Method::POST, Method::PATCH, Method::DELETE])
            .allow_headers([AUTHORIZATION, CONTENT_TYPE, LAST_EVENT_ID.clone(), IDEMPOTENCY_KEY.clone()])
    })
}
