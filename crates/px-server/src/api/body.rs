//! The bodies of API requests: they have a time to come in, as those of
//! webhooks do, which read their own, and they are JSON that says so. A page of
//! another site can send a form, plain text or no type at all without being
//! asked by the browser; for `application/json` the browser asks first, by CORS.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{Extensions, HeaderMap, HeaderValue, StatusCode, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Body as _;
use px_core::Code;
use px_store::tokens::Permission;

use super::fields::Unknown;
use crate::access::Right;
use crate::app::{App, Shared};
use crate::error::ApiError;

/// Demands on a body.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    pub(super) json: bool,
    /// The scope of the route, which is asked for again once the body is there.
    pub(super) scope: Permission,
    pub(super) unread: Unread,
}

/// Treatment of a body that the route does not read (docs/rules.md#61).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unread {
    /// The route reads it.
    Never,
    /// Its fields are named in a header.
    Named,
    /// It is refused: whoever sends something wants something by it.
    Refused,
}

/// Reads the body before the route does: 415 if there is one and its type is
/// not JSON, 408 if it takes too long, 413 if it is too large.
pub(super) async fn read(
    State((app, wanted)): State<(Shared, Wanted)>,
    request: Request,
    next: Next,
) -> Response {
    let (head, body) = request.into_parts();
    let is_fit = !wanted.json || is_json(&head.headers);
    let refuse = |status, code, text: String| ApiError::new(status, code, text).into_response();
    let limit = app.max_api_body;
    let too_large = || {
        let text = format!("The request's body is larger than {limit} bytes (server.max_api_body_bytes)");
        refuse(StatusCode::PAYLOAD_TOO_LARGE, Code::TooLarge, text)
    };
    if body.size_hint().lower() > limit as u64 {
        return too_large();
    }
    // Who sends it decides how long that takes, also for one that turns out to be empty.
    let took_time = !body.is_end_stream();
    let read = tokio::time::timeout(app.body_timeout, Limited::new(body, limit).collect()).await;
    let still = match took_time {
        true => still_permitted(&app, &head.extensions, wanted.scope).await,
        false => Ok(()),
    };
    if let (Ok(Ok(_)), Err(ended)) = (&read, still) {
        return ended.into_response();
    }
    match read {
        Ok(Ok(body)) => match body.to_bytes() {
            // Only now, since what was not read could cost the client its answer.
            body if !is_fit && !body.is_empty() => no_json(),
            body if wanted.unread == Unread::Refused && says_something(&body) => {
                let text = "This route takes no body: send none, or {}".to_owned();
                refuse(StatusCode::BAD_REQUEST, Code::BadRequest, text)
            }
            body if wanted.unread == Unread::Named && says_something(&body) => {
                let named = Unknown::of_nothing(&body).warn().unwrap_or_default();
                let mut response = next.run(Request::from_parts(head, Body::from(body))).await;
                response.headers_mut().extend(named);
                response
            }
            body => next.run(Request::from_parts(head, Body::from(body))).await,
        },
        Ok(Err(error)) if error.is::<LengthLimitError>() => too_large(),
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

/// Returns true for a body that is more than an empty object or nothing at all.
fn says_something(body: &[u8]) -> bool {
    !matches!(body.trim_ascii(), b"" | b"{}" | b"null")
}

/// Asks again for the right by which a request came in: its sender decides how long
/// the body takes, and a token that was revoked meanwhile opens nothing any more.
async fn still_permitted(app: &App, request: &Extensions, scope: Permission) -> Result<(), ApiError> {
    app.tokens.refresh().await?;
    match request.get::<Right>() {
        Some(right) if app.tokens.permits(*right, scope) => Ok(()),
        _ => {
            let text = "The right of this request ended while its body came: its API token was revoked, or the \
                        first one was made; send it again with one that is valid";
            Err(ApiError::new(StatusCode::UNAUTHORIZED, Code::TokenMissing, text))
        }
    }
}

/// Returns whether the body is said to be `application/json`, with whatever parameters.
fn is_json(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(header::CONTENT_TYPE).iter().peekable();
    let is = |kind: &HeaderValue| {
        let essence = kind.to_str().ok().and_then(|kind| kind.split(';').next());
        essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
    };
    types.peek().is_some() && types.all(is)
}

fn no_json() -> Response {
    let text = "The request's body does not say that it is JSON; send it with Content-Type: application/json";
    ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, Code::UnsupportedType, text).into_response()
}
