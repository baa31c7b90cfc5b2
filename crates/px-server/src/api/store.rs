//! `GET /store` and below: values that outlive runs, to look at and to remove. Steps write them.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use http::StatusCode;
use px_api::{ClearedStore, ListStore, StoreBrains, StoreKey, StoreKeys, StoreValue};
use px_core::{KvChange, KvId, json_bytes};
use px_store::{KvRecord, Versioned};

use super::{cursor, page_size};
use crate::app::{App, Shared};
use crate::error::ApiError;

/// Brains that are read at once where they are counted.
const COUNTED_AT_ONCE: usize = 1_000;

type Asked = Result<Query<ListStore>, QueryRejection>;

pub(super) async fn brains(State(app): State<Shared>, query: Asked) -> Result<Json<StoreBrains>, ApiError> {
    let (cursor, limit) = read(&app, query)?;
    let kv = app.store().kv();
    // Below every title are rows of px's own.
    let behind = cursor.as_deref().or(Some(""));
    let mut found = kv.brains(app.parts.scope, behind, limit + 1).await?;
    let more = found.len() > limit;
    found.truncate(limit);
    let brains: Vec<String> = found.into_iter().map(|(title, _)| title).collect();
    let next_cursor = brains.last().filter(|_| more).map(|title| cursor::written(&app, title.clone()));
    let count = match (&cursor, &next_cursor) {
        (None, None) => brains.len() as u64,
        _ => count(&app).await?,
    };
    Ok(Json(StoreBrains { count, brains, next_cursor }))
}

/// Number of the brains that have values.
async fn count(app: &App) -> Result<u64, px_store::Error> {
    let (mut counted, mut after) = (0, Some(String::new()));
    loop {
        let page = app.store().kv().brains(app.parts.scope, after.as_deref(), COUNTED_AT_ONCE).await?;
        counted += page.len() as u64;
        match page.into_iter().next_back() {
            Some((title, _)) => after = Some(title),
            None => return Ok(counted),
        }
    }
}

pub(super) async fn keys(
    State(app): State<Shared>,
    Path(brain): Path<String>,
    query: Asked,
) -> Result<Json<StoreKeys>, ApiError> {
    let (cursor, limit) = read(&app, query)?;
    let after = cursor.as_deref().map(place).transpose()?;
    let after = after.as_ref().map(|(scope, key)| (scope.as_str(), key.as_str()));
    let mut found = app.store().kv().values(app.parts.scope, &brain, after, limit + 1).await?;
    let more = found.len() > limit;
    found.truncate(limit);
    let next_cursor = found.last().filter(|_| more).map(|(id, _)| cursor::written(&app, cursor_of(id)));
    let keys: Vec<StoreKey> = found.into_iter().map(|(id, read)| shown(id, &read.record)).collect();
    let brain = app.store().kv().brain(app.parts.scope, &brain).await?;
    // The record of a brain without values is removed.
    let count = brain.map_or(0, |brain| brain.record.keys);
    Ok(Json(StoreKeys { count, keys, next_cursor }))
}

pub(super) async fn show(
    State(app): State<Shared>,
    Path((brain, scope, key)): Path<(String, String, String)>,
) -> Result<Json<StoreValue>, ApiError> {
    let id = KvId { brain, scope, key };
    let read = app.store().kv().value(app.parts.scope, &id).await?;
    let Some(Versioned { record, .. }) = read else { return Err(not_found(&id)) };
    let StoreKey { key, scope, size, last_modified } = shown(id, &record);
    Ok(Json(StoreValue { key, value: record.value, scope, size, last_modified }))
}

pub(super) async fn delete(
    State(app): State<Shared>,
    Path((brain, scope, key)): Path<(String, String, String)>,
) -> Result<StatusCode, ApiError> {
    let id = KvId { brain, scope, key };
    if app.parts.change_kv(&id, &KvChange::Remove).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(not_found(&id))
    }
}

pub(super) async fn clear(
    State(app): State<Shared>,
    Path(brain): Path<String>,
) -> Result<Json<ClearedStore>, ApiError> {
    Ok(Json(ClearedStore { deleted: app.parts.clear_kv(&brain).await? }))
}

fn not_found(id: &KvId) -> ApiError {
    ApiError::not_found(format!("Key '{}' not found", id.key))
}

fn read(app: &App, query: Asked) -> Result<(Option<String>, usize), ApiError> {
    let Query(ListStore { limit, cursor }) =
        query.map_err(|error| ApiError::bad_request(error.body_text()))?;
    Ok((cursor.map(|cursor| cursor::read(app, cursor)).transpose()?, page_size(limit)))
}

fn shown(id: KvId, record: &KvRecord) -> StoreKey {
    let size = json_bytes(&record.value) as u64;
    StoreKey { key: id.key, scope: id.scope, size, last_modified: record.at.to_string() }
}

/// A place in the list: the scope, whose slashes are written `%2F`, a slash, and the key.
fn cursor_of(id: &KvId) -> String {
    format!("{}/{}", id.scope.replace('%', "%25").replace('/', "%2F"), id.key)
}

fn place(text: &str) -> Result<(String, String), ApiError> {
    let (scope, key) = text.split_once('/').ok_or_else(cursor::bad)?;
    Ok((scope.replace("%2F", "/").replace("%25", "%"), key.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_names_its_place_whatever_the_names_are() {
        for (scope, key) in [("shared", "k"), ("a/b", "c/d"), ("%2F", "%"), ("%252F/", "/")] {
            let id = KvId { brain: "b".into(), scope: scope.into(), key: key.into() };
            let read = place(&cursor_of(&id)).ok();
            assert_eq!(read, Some((scope.to_owned(), key.to_owned())));
        }
        assert!(place("no slash").is_err());
    }
}
