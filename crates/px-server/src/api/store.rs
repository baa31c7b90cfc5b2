//! `GET /store` and below: values that outlive runs, to look at and to remove. Steps write them.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use http::StatusCode;
use px_api::{ClearedStore, ListStore, StoreBrains, StoreKeys, StoreValue};
use px_core::KvId;

use super::{cursor, page_size};
use crate::app::{App, Shared};
use crate::error::ApiError;
use crate::values::Values;

type Asked = Result<Query<ListStore>, QueryRejection>;

pub(super) async fn brains(State(app): State<Shared>, query: Asked) -> Result<Json<StoreBrains>, ApiError> {
    let (cursor, limit) = read(&app, query)?;
    let mut page = values(&app).brains(cursor.as_deref(), limit).await?;
    page.next_cursor = page.next_cursor.map(|title| cursor::written(&app, title));
    Ok(Json(page))
}

pub(super) async fn keys(
    State(app): State<Shared>,
    Path(brain): Path<String>,
    query: Asked,
) -> Result<Json<StoreKeys>, ApiError> {
    let (cursor, limit) = read(&app, query)?;
    let page = values(&app).keys(&brain, cursor.as_deref(), limit).await?;
    let mut page = page.ok_or_else(cursor::bad)?;
    page.next_cursor = page.next_cursor.map(|place| cursor::written(&app, place));
    Ok(Json(page))
}

pub(super) async fn show(
    State(app): State<Shared>,
    Path((brain, scope, key)): Path<(String, String, String)>,
) -> Result<Json<StoreValue>, ApiError> {
    let id = KvId { brain, scope, key };
    let found = values(&app).value(id.clone()).await?;
    found.map(Json).ok_or_else(|| not_found(&id))
}

pub(super) async fn delete(
    State(app): State<Shared>,
    Path((brain, scope, key)): Path<(String, String, String)>,
) -> Result<StatusCode, ApiError> {
    let id = KvId { brain, scope, key };
    if values(&app).remove(&id).await? { Ok(StatusCode::NO_CONTENT) } else { Err(not_found(&id)) }
}

pub(super) async fn clear(
    State(app): State<Shared>,
    Path(brain): Path<String>,
) -> Result<Json<ClearedStore>, ApiError> {
    Ok(Json(ClearedStore { deleted: values(&app).clear(&brain).await? }))
}

fn values(app: &App) -> Values {
    let parts = &app.parts;
    Values {
        store: parts.store.clone(),
        clock: parts.clock.clone(),
        ids: parts.ids.clone(),
        scope: parts.scope,
    }
}

fn not_found(id: &KvId) -> ApiError {
    ApiError::not_found(format!("Key '{}' not found", id.key))
}

fn read(app: &App, query: Asked) -> Result<(Option<String>, usize), ApiError> {
    let Query(ListStore { limit, cursor }) =
        query.map_err(|error| ApiError::bad_request(error.body_text()))?;
    Ok((cursor.map(|cursor| cursor::read(app, cursor)).transpose()?, page_size(limit)))
}
