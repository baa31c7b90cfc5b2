//! `GET /webhooks`.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use crate::app::Shared;

pub(super) async fn list(State(app): State<Shared>) -> Json<Value> {
    let webhooks: Vec<Value> = app
        .stage
        .endpoints()
        .map(|endpoint| {
            let def = &endpoint.def;
            json!({
                "slug": def.slug,
                "description": def.description,
                "url": format!("{}/webhooks/{}", app.base_url, def.slug),
                "provider": def.verification.provider,
                "verified": !endpoint.is_unverified(),
                "secret": endpoint.secret_variable(),
            })
        })
        .collect();
    Json(json!({ "count": webhooks.len(), "webhooks": webhooks }))
}
