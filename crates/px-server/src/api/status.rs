//! `GET /status`: whether the server takes requests. It does as soon as it
//! listens, since recovery comes first.

use axum::Json;
use px_api::Status;

pub(super) async fn show() -> Json<Status> {
    Json(Status { ready: true })
}
