//! `GET /webhooks/deliveries` and `GET /webhooks/deliveries/:id`: the inbox.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use px_core::{Code, DeliveryId, Timestamp};
use px_store::{DeliveryFilter, InboxState};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{non_empty, page_size};
use crate::app::Shared;
use crate::error::ApiError;
use crate::view;
use crate::why::why;

/// For the document.
const STATES: &str =
    "^(resumed|started|queued|collected|duplicate|ignored|late|expired|quarantined|rejected)?$";

#[derive(Deserialize, JsonSchema)]
pub(super) struct Filter {
    #[serde(default, deserialize_with = "non_empty")]
    slug: Option<String>,
    #[serde(default, deserialize_with = "non_empty")]
    #[schemars(regex(pattern = STATES))]
    state: Option<String>,
    #[serde(default, deserialize_with = "non_empty")]
    identifier: Option<String>,
    #[serde(default, deserialize_with = "non_empty")]
    since: Option<u64>,
    #[serde(default, deserialize_with = "non_empty")]
    limit: Option<usize>,
    #[serde(default, deserialize_with = "non_empty")]
    #[schemars(regex(pattern = r"^(whd_[0-9a-f]{32})?$"))]
    cursor: Option<String>,
}

pub(super) async fn list(
    State(app): State<Shared>,
    query: Result<Query<Filter>, QueryRejection>,
) -> Result<Json<Value>, ApiError> {
    let Query(query) = query.map_err(|error| ApiError::bad_request(error.body_text()))?;
    let state = query
        .state
        .map(|name| {
            InboxState::parse(&name).ok_or_else(|| {
                let known: Vec<_> = InboxState::ALL.iter().map(|state| state.as_str()).collect();
                ApiError::bad_request(format!("Unknown state '{name}'; the states are {}", known.join(", ")))
            })
        })
        .transpose()?;
    let filter = DeliveryFilter {
        slug: query.slug,
        state,
        identifier: query.identifier,
        since: query.since.map(Timestamp::from_millis),
    };
    let before = query
        .cursor
        .map(|cursor| cursor.parse::<DeliveryId>().map(DeliveryId::to_bytes))
        .transpose()
        .map_err(|error| ApiError::bad_request(format!("Bad cursor: {error}")))?;
    let page = app.store().deliveries(app.parts.scope, &filter, before, page_size(query.limit)).await?;
    let mut body = json!({
        "deliveries": page.items.iter().map(view::delivery_in_list).collect::<Vec<_>>(),
    });
    if let (Some(next), Value::Object(fields)) = (page.next, &mut body) {
        fields.insert("nextCursor".into(), DeliveryId::from_bytes(next).to_string().into());
    }
    Ok(Json(body))
}

pub(super) async fn show(State(app): State<Shared>, Path(id): Path<String>) -> Result<Json<Value>, ApiError> {
    let delivery = match id.parse::<DeliveryId>() {
        Ok(parsed) => app.store().delivery(app.parts.scope, parsed).await?,
        Err(_) => None,
    };
    let delivery = delivery.ok_or_else(|| {
        ApiError::not_found(format!("Delivery '{id}' not found")).code(Code::DeliveryNotFound)
    })?;
    let why = why(&app, &delivery).await;
    Ok(Json(view::delivery(&delivery, why)))
}
