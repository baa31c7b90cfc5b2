//! `GET /status`: whether the server takes requests. It does as soon as it
//! listens, since recovery comes first.

use axum::Json;
use serde_json::{Value, json};

pub(super) async fn show() -> Json<Value> {
    Json(json!({ "ready": true }))
}
