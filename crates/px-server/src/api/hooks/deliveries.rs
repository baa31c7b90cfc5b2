//! `GET /hooks/:id/deliveries` and `GET /deliveries`: the outbox.

use std::collections::HashMap;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use px_api::{CallbackPage, CallbackState, ListCallbacks};
use px_core::{CallbackId, HookId, RunId};
use px_store::outbox::{self, CallbackFilter};

use super::shown;
use crate::api::page_size;
use crate::app::Shared;
use crate::error::ApiError;

/// State of a callback that is due while its endpoint is left alone.
const PARKED: &str = "parked";

type Asked = Result<Query<ListCallbacks>, QueryRejection>;

pub(crate) async fn of_hook(
    State(app): State<Shared>,
    Path(id): Path<String>,
    query: Asked,
) -> Result<Json<CallbackPage>, ApiError> {
    let hook = app.operator.hook(super::hook(&id)?).await?;
    page(&app, query, Some(hook.id)).await
}

pub(crate) async fn list(State(app): State<Shared>, query: Asked) -> Result<Json<CallbackPage>, ApiError> {
    page(&app, query, None).await
}

async fn page(app: &Shared, query: Asked, hook: Option<HookId>) -> Result<Json<CallbackPage>, ApiError> {
    let Query(query) = query.map_err(|error| ApiError::bad_request(error.body_text()))?;
    let hook = hook.map(Ok).or_else(|| query.hook.map(|id| super::hook(&id))).transpose()?;
    let run = query.brain_run_id.map(|id| {
        id.parse::<RunId>().map_err(|_| ApiError::not_found(format!("Brain run '{id}' not found")))
    });
    // What is parked is pending, as far as its row knows.
    let only_parked = query.state.as_deref() == Some(PARKED);
    let state = match query.state {
        Some(_) if only_parked => Some(outbox::CallbackState::Pending),
        Some(name) => Some(outbox::CallbackState::parse(&name).ok_or_else(|| {
            let known = outbox::CallbackState::ALL.map(outbox::CallbackState::as_str).join(", ");
            ApiError::bad_request(format!("Unknown state '{name}'; the states are {known}, {}", PARKED))
        })?),
        None => None,
    };
    let since = crate::api::since(query.since)?;
    let filter = CallbackFilter { hook, run: run.transpose()?, state, since };
    let before = query.cursor.map(CallbackId::to_bytes);
    let outbox = app.store().outbox();
    let page = outbox.callbacks(app.parts.scope, &filter, before, page_size(query.limit)).await?;
    let mut parked = HashMap::new();
    let mut deliveries = Vec::new();
    for callback in &page.items {
        let until = match parked.get(&callback.lane) {
            Some(until) => *until,
            None => {
                let until = app.operator.parked_until(callback.lane).await?;
                parked.insert(callback.lane, until);
                until
            }
        };
        let callback = shown::summary(callback, until);
        if !only_parked || callback.state == CallbackState::Parked {
            deliveries.push(callback);
        }
    }
    let next_cursor = page.next.map(|next| CallbackId::from_bytes(next).to_string());
    Ok(Json(CallbackPage { deliveries, next_cursor }))
}
