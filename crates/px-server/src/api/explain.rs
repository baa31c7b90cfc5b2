//! `GET /brains/runs/:id/explain` and `GET /brains/runs/:id/diff`: a run in words, and what
//! a stretch of its log changed.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::{Extension, Json};
use px_api::story::{self, Listening};
use px_api::{DiffRun, Event, Explained, StateDiff, Withhold as _};
use px_core::key::{FORM_SLUG, LINK_SLUG};
use serde_json::Value;

use super::payload::Payloads;
use super::runs;
use crate::app::{App, Shared};
use crate::error::ApiError;

/// Words that stand for a token that only the step which gave it knows.
const TOKEN: &str = "TOKEN";

pub(crate) async fn explain(
    State(app): State<Shared>,
    Extension(payloads): Extension<Payloads>,
    Path(id): Path<String>,
) -> Result<Json<Explained>, ApiError> {
    let run = runs::find(&app, &id).await?;
    let after = run.seq.saturating_sub(story::EVENTS);
    let most = usize::try_from(story::EVENTS).unwrap_or(usize::MAX);
    let events = app.store().events(app.parts.scope, run.id, after, most).await?;
    let mut events: Vec<Event> = events.iter().map(|event| Event::of(&run, event)).collect();
    let mut shown = runs::shown(&app, &run).await?;
    if payloads == Payloads::Withheld {
        // Its sentences name responses, and a part of a sentence is nothing to take out.
        shown.withhold();
        events.withhold();
    }
    let story = story::tell(&shown, &events, app.clock().now());
    Ok(Json(Explained::of(&shown, story, |listening| url(&app, listening))))
}

/// The address at which an event for a wait is posted.
fn url(app: &App, listening: &Listening) -> Option<String> {
    match &*listening.slug {
        LINK_SLUG => None,
        FORM_SLUG => {
            let token = listening.token.as_deref().unwrap_or(TOKEN);
            Some(format!("{}{}", app.base_url, px_sdk::form::path(&listening.identifier, token)))
        }
        slug => Some(format!("{}/webhooks/{slug}", app.base_url)),
    }
}

pub(crate) async fn diff(
    State(app): State<Shared>,
    Path(id): Path<String>,
    query: Result<Query<DiffRun>, QueryRejection>,
) -> Result<Json<StateDiff>, ApiError> {
    let Query(query) = query.map_err(|error| ApiError::bad_request(error.body_text()))?;
    let run = runs::find(&app, &id).await?;
    let (from, to) = (query.from.unwrap_or(0), query.to.unwrap_or(run.seq));
    if from > to {
        return Err(ApiError::bad_request(format!(
            "The stretch begins after event {from} and ends with event {to}: from must not be more than to"
        )));
    }
    let before = match from {
        0 => Value::Null,
        seq => runs::as_of(&app, &run, seq).await?.state().clone(),
    };
    let after = runs::as_of(&app, &run, to).await?;
    let patch = px_core::changes(&before, after.state());
    Ok(Json(StateDiff { brain_run_id: run.id, from, to, patch }))
}
