//! `GET /metrics`.

use axum::response::IntoResponse;
use http::header;

use super::table::TEXT;

pub(super) async fn show() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, TEXT)], String::new())
}
