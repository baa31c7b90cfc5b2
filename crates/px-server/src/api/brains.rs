//! `GET /brains`, `GET /brains/:id`, and the runs of one brain.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use http::StatusCode;
use px_core::RunStatus;
use px_store::RunFilter;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{MAX_PAGE, non_empty, page_size};
use crate::app::Shared;
use crate::error::ApiError;
use crate::resolve;
use crate::view;

#[derive(Deserialize, JsonSchema)]
pub(super) struct Search {
    #[serde(default, deserialize_with = "non_empty")]
    q: Option<String>,
}

pub(super) async fn list(State(app): State<Shared>, Query(search): Query<Search>) -> Json<Value> {
    let found = match &search.q {
        Some(text) => app.registry().find(text),
        None => app.registry().brains().collect(),
    };
    let brains: Vec<Value> = found
        .iter()
        .map(|brain| {
            json!({
                "filename": brain.source.stem(),
                "title": brain.def.title,
                "description": brain.def.shown_description(),
            })
        })
        .collect();
    Json(json!({ "count": brains.len(), "brains": brains }))
}

pub(super) async fn show(State(app): State<Shared>, Path(id): Path<String>) -> Result<Json<Value>, ApiError> {
    let brain = resolve::one(app.registry(), &id, StatusCode::MULTIPLE_CHOICES)?;
    let def = &brain.def;
    let mut shown = json!({
        "title": def.title,
        "description": def.shown_description(),
        "steps": def.shown_steps(),
        "input": def.input_schema,
        "version": def.version,
        "source": brain.source.to_string(),
    });
    if let (Some(options), Value::Object(fields)) = (&def.options, &mut shown) {
        fields.insert("options".into(), options.schema.clone());
    }
    Ok(Json(shown))
}

#[derive(Deserialize, JsonSchema)]
pub(super) struct Limit {
    #[serde(default, deserialize_with = "non_empty")]
    limit: Option<usize>,
}

pub(super) async fn history(
    State(app): State<Shared>,
    Path(id): Path<String>,
    query: Result<Query<Limit>, QueryRejection>,
) -> Result<Json<Value>, ApiError> {
    let Query(query) = query.map_err(|error| ApiError::bad_request(error.body_text()))?;
    let limit = page_size(Some(query.limit.unwrap_or(10)));
    runs(&app, &id, Vec::new(), limit).await
}

pub(super) async fn active_runs(
    State(app): State<Shared>,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    runs(&app, &id, vec![RunStatus::Running, RunStatus::Paused, RunStatus::Waiting], MAX_PAGE).await
}

async fn runs(
    app: &Shared,
    id: &str,
    statuses: Vec<RunStatus>,
    limit: usize,
) -> Result<Json<Value>, ApiError> {
    let brain = resolve::one(app.registry(), id, StatusCode::MULTIPLE_CHOICES)?;
    let filter = RunFilter { brain: Some(brain.def.title.clone()), statuses, since: None };
    let page = app.store().runs(app.parts.scope, &filter, None, limit).await?;
    let runs: Vec<Value> = page.items.iter().map(|record| view::run_in_list(&record.run)).collect();
    Ok(Json(json!({ "runs": runs })))
}
