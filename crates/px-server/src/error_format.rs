//! Refusals that axum makes itself, before or after any of our code: no such
//! route, another method, a path that does not decode, a body over its limit.
//! They are plain texts, or nothing at all; here they get the form of every
//! other error, `{"error": "…"}`. What a webhook answers is left as it is.
//!
//! Tested end to end in the root's `tests/api.rs`.

use axum::body::{Body, to_bytes};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use px_core::Code;

use crate::error::ApiError;
use crate::layered;

/// The longest plain text that is read, bytes. axum's are one line.
const MAX_TEXT: usize = 4 * 1024;

/// Gives a refusal without a form the usual one.
pub(crate) async fn as_json_error(response: Response) -> Response {
    let status = response.status();
    let is_refusal = status.is_client_error() || status.is_server_error();
    let is_json = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"application/json"));
    // A reply of the user's own, by handler or layer, may look as it likes.
    let is_own = response.headers().contains_key("px-action")
        || response.extensions().get::<layered::AsItIs>().is_some();
    if !is_refusal || is_json || is_own {
        return response;
    }
    let (mut head, body) = response.into_parts();
    let text = to_bytes(body, MAX_TEXT).await.unwrap_or_default();
    let text = match (std::str::from_utf8(&text).unwrap_or_default().trim(), status) {
        ("", StatusCode::NOT_FOUND) => "There is no such route",
        ("", StatusCode::METHOD_NOT_ALLOWED) => "The route does not take this method",
        ("", _) => status.canonical_reason().unwrap_or("The request was refused"),
        (text, _) => text,
    };
    let code = match status {
        StatusCode::NOT_FOUND => Code::NoRoute,
        StatusCode::METHOD_NOT_ALLOWED => Code::WrongMethod,
        _ if status.is_server_error() => Code::Internal,
        _ => Code::BadRequest,
    };
    let body = ApiError::new(status, code, text).into_response().into_body();
    head.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    head.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(head, Body::new(body))
}
