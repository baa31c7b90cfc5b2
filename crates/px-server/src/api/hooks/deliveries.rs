//! `GET /hooks/:id/deliveries` and `GET /deliveries`: the outbox.

use std::collections::HashMap;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use px_core::{HookId, OutgoingId, RunId, Timestamp};
use px_store::outbox::{OutgoingFilter, OutgoingState};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::view;
use crate::api::{non_empty, page_size};
use crate::app::Shared;
use crate::error::ApiError;

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::api) struct Filter {
    #[serde(default, deserialize_with = "non_empty")]
    hook: Option<String>,
    #[serde(default, deserialize_with = "non_empty")]
    brain_run_id: Option<String>,
    #[serde(default, deserialize_with = "non_empty")]
    #[schemars(regex(pattern = "^(pending|delivered|dead|held|discarded|parked)?$"))]
    state: Option<String>,
    #[serde(default, deserialize_with = "non_empty")]
    since: Option<u64>,
    #[serde(default, deserialize_with = "non_empty")]
    limit: Option<usize>,
    #[serde(default, deserialize_with = "non_empty")]
    #[schemars(with = "Option<String>", regex(pattern = r"^(dlv_[0-9a-f]{32})?$"))]
    cursor: Option<OutgoingId>,
}

type Asked = Result<Query<Filter>, QueryRejection>;

pub(in crate::api) async fn of_hook(
    State(app): State<Shared>,
    Path(id): Path<String>,
    query: Asked,
) -> Result<Json<Value>, ApiError> {
    let hook = app.operator.hook(super::hook(&id)?).await?;
    page(&app, query, Some(hook.id)).await
}

pub(in crate::api) async fn list(State(app): State<Shared>, query: Asked) -> Result<Json<Value>, ApiError> {
    page(&app, query, None).await
}

async fn page(app: &Shared, query: Asked, hook: Option<HookId>) -> Result<Json<Value>, ApiError> {
    let Query(query) = query.map_err(|error| ApiError::bad_request(error.body_text()))?;
    let hook = hook.map(Ok).or_else(|| query.hook.map(|id| super::hook(&id))).transpose()?;
    let run = query.brain_run_id.map(|id| {
        id.parse::<RunId>().map_err(|_| ApiError::not_found(format!("Brain run '{id}' not found")))
    });
    // What is parked is pending, as far as its row knows.
    let only_parked = query.state.as_deref() == Some(view::PARKED);
    let state = match query.state {
        Some(_) if only_parked => Some(OutgoingState::Pending),
        Some(name) => Some(OutgoingState::parse(&name).ok_or_else(|| {
            let known = OutgoingState::ALL.map(OutgoingState::as_str).join(", ");
            ApiError::bad_request(format!("Unknown state '{name}'; the states are {known}, {}", view::PARKED))
        })?),
        None => None,
    };
    let filter =
        OutgoingFilter { hook, run: run.transpose()?, state, since: query.since.map(Timestamp::from_millis) };
    let before = query.cursor.map(OutgoingId::to_bytes);
    let outbox = app.store().outbox();
    let page = outbox.outgoings(app.parts.scope, &filter, before, page_size(query.limit)).await?;
    let mut parked = HashMap::new();
    let mut deliveries = Vec::new();
    for outgoing in &page.items {
        let until = match parked.get(&outgoing.lane) {
            Some(until) => *until,
            None => {
                let until = app.operator.parked_until(outgoing.lane).await?;
                parked.insert(outgoing.lane, until);
                until
            }
        };
        let shown = view::delivery_in_list(outgoing, until);
        if !only_parked || shown.get("state").is_some_and(|state| state == view::PARKED) {
            deliveries.push(shown);
        }
    }
    let mut body = json!({ "deliveries": deliveries });
    if let (Some(next), Value::Object(fields)) = (page.next, &mut body) {
        fields.insert("nextCursor".into(), OutgoingId::from_bytes(next).to_string().into());
    }
    Ok(Json(body))
}
