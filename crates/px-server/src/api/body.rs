//! The bodies of API requests: they have a time to come in, as those of
//! webhooks do, which read their own.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use px_core::Code;

use crate::app::Shared;
use crate::error::ApiError;

/// The largest body of an API request, bytes.
const MAX_BODY: usize = 2 * 1024 * 1024;

/// Reads the body before the route does: 408 if it takes too long, 413 if it
/// is too large.
pub(super) async fn read(State(app): State<Shared>, request: Request, next: Next) -> Response {
    let (head, body) = request.into_parts();
    let refuse = |status, code, text: String| ApiError::new(status, code, text).into_response();
    let read = Limited::new(body, MAX_BODY).collect();
    match tokio::time::timeout(app.body_timeout, read).await {
        Ok(Ok(body)) => next.run(Request::from_parts(head, Body::from(body.to_bytes()))).await,
        Ok(Err(error)) if error.is::<LengthLimitError>() => refuse(
            StatusCode::PAYLOAD_TOO_LARGE,
            Code::TooLarge,
            format!("The request's body is larger than {MAX_BODY} bytes"),
        ),
        Ok(Err(error)) => refuse(
            StatusCode::BAD_REQUEST,
            Code::BadRequest,
            format!("The request's body could not be read: {error}"),
        ),
        Err(_) => {
            refuse(StatusCode::REQUEST_TIMEOUT, Code::TooSlow, "The request's body took too long".to_owned())
        }
    }
}
