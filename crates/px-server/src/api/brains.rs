//! `GET /brains`, `GET /brains/:id`, and the runs of one brain.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use http::StatusCode;
use px_api::{
    Brain, BrainHistory, BrainPart, BrainReminder, BrainStep, BrainSummary, Brains, FindBrains, InnerBrain,
    Runs,
};
use px_core::RunStatus;
use px_sdk::{Body, BrainDef};
use px_store::RunFilter;

use super::{MAX_PAGE, page_size};
use crate::app::Shared;
use crate::error::ApiError;
use crate::resolve;

pub(crate) async fn list(State(app): State<Shared>, Query(search): Query<FindBrains>) -> Json<Brains> {
    let found = match &search.q {
        Some(text) => app.registry().find(text),
        None => app.registry().brains().collect(),
    };
    let brains = found.iter().map(|brain| BrainSummary {
        filename: brain.source.stem().to_owned(),
        title: brain.def.title.clone(),
        description: brain.def.shown_description(),
    });
    Json(brains.collect::<Vec<_>>().into())
}

pub(crate) async fn show(State(app): State<Shared>, Path(id): Path<String>) -> Result<Json<Brain>, ApiError> {
    let brain = resolve::one(app.registry(), &id, StatusCode::MULTIPLE_CHOICES)?;
    let def = &brain.def;
    Ok(Json(Brain {
        title: def.title.clone(),
        description: def.shown_description(),
        steps: steps(def),
        input: def.input_schema.clone(),
        options: def.options.as_ref().map(|options| options.schema.clone()),
        version: def.version,
        source: brain.source.to_string(),
    }))
}

/// The arms of a branch, or the turn of a loop.
fn parts(body: &Body) -> Vec<BrainPart> {
    let part = |(arm, part): (Option<&str>, &std::sync::Arc<BrainDef>)| BrainPart {
        arm: arm.map(str::to_owned),
        steps: steps(part),
    };
    body.parts().into_iter().map(part).collect()
}

/// The steps of a brain, and those of the brains inside it.
fn steps(def: &BrainDef) -> Vec<BrainStep> {
    let inner = |body: &Body| match body {
        Body::Brain(nested) => Some(InnerBrain {
            title: nested.brain.title.clone(),
            description: nested.brain.shown_description(),
            steps: steps(&nested.brain),
        }),
        _ => None,
    };
    let step = |step: &px_sdk::StepDef| BrainStep {
        kind: step.info.kind.as_str().to_owned(),
        title: step.info.title.clone(),
        inner_brain: inner(&step.body),
        parts: parts(&step.body),
        expected_within: step.expect.map(|within| u64::try_from(within.as_millis()).unwrap_or(u64::MAX)),
        reminders: step.reminders.iter().map(reminder).collect(),
    };
    def.steps.iter().map(step).collect()
}

fn reminder(def: &px_sdk::ReminderDef) -> BrainReminder {
    let after = u64::try_from(def.after.as_millis()).unwrap_or(u64::MAX);
    let every = def.repeats.then_some(after);
    BrainReminder { name: def.name.clone(), after, every, at_most: def.at_most }
}

pub(crate) async fn history(
    State(app): State<Shared>,
    Path(id): Path<String>,
    query: Result<Query<BrainHistory>, QueryRejection>,
) -> Result<Json<Runs>, ApiError> {
    let Query(query) = query.map_err(|error| ApiError::bad_request(error.body_text()))?;
    let limit = page_size(Some(query.limit.unwrap_or(10)));
    runs(&app, &id, Vec::new(), limit).await
}

pub(crate) async fn active_runs(
    State(app): State<Shared>,
    Path(id): Path<String>,
) -> Result<Json<Runs>, ApiError> {
    runs(&app, &id, vec![RunStatus::Running, RunStatus::Paused, RunStatus::Waiting], MAX_PAGE).await
}

async fn runs(
    app: &Shared,
    id: &str,
    statuses: Vec<RunStatus>,
    limit: usize,
) -> Result<Json<Runs>, ApiError> {
    let title = resolve::title_of_runs(app, id, StatusCode::MULTIPLE_CHOICES).await?;
    let filter = RunFilter { brain: Some(title), statuses, ..RunFilter::default() };
    let page = app.store().runs(app.parts.scope, &filter, None, limit).await?;
    Ok(Json(Runs { runs: page.items.iter().map(|record| (&*record.run).into()).collect() }))
}
