//! `GET /webhooks`.

use axum::Json;
use axum::extract::State;
use px_api::{Webhook, Webhooks};

use super::send_test;
use crate::app::Shared;

pub(crate) async fn list(State(app): State<Shared>) -> Json<Webhooks> {
    let webhooks: Vec<Webhook> = app
        .stage
        .endpoints()
        .map(|endpoint| {
            let def = &endpoint.def;
            Webhook {
                slug: def.slug.clone(),
                description: def.description.clone(),
                url: format!("{}/webhooks/{}", app.base_url, def.slug),
                provider: def.verification.provider.clone(),
                verified: !endpoint.is_unverified(),
                secret: endpoint.secret_variable().map(str::to_owned),
                secret_source: app.secrets.source_of(&endpoint.def),
                refuses_all: endpoint.shut().map(|why| why.to_string()),
                allow_test: send_test::refusal(&app, endpoint).is_none(),
            }
        })
        .collect();
    Json(webhooks.into())
}
