//! Stands before each route of the API, and asks whether the request may use it.

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderValue, StatusCode, header};
use px_core::Code;
use px_store::tokens::Permission;

use crate::access::{Verdict, is_local};
use crate::app::Shared;
use crate::error::ApiError;

pub(super) async fn check(
    State((app, needed)): State<(Shared, Permission)>,
    ConnectInfo(remote): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    match app.tokens.verdict(request.headers()) {
        Verdict::Known(_, permission) if permission >= needed => next.run(request).await,
        Verdict::NoTokens if app.insecure || is_local(remote.ip(), request.headers(), &app.cors_origins) => {
            next.run(request).await
        }
        Verdict::NoTokens => {
            let text = "There is no API token, so the API is for this machine only";
            ApiError::new(StatusCode::FORBIDDEN, Code::NotLocal, text).into_response()
        }
        Verdict::Known(..) => {
            let text = format!("The API token does not have the scope {}", needed.as_str());
            ApiError::new(StatusCode::FORBIDDEN, Code::ScopeMissing, text).into_response()
        }
        Verdict::Unknown => {
            let text = "The API needs a token: Authorization: Bearer <token>";
            let mut response =
                ApiError::new(StatusCode::UNAUTHORIZED, Code::TokenMissing, text).into_response();
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            response
        }
    }
}
