//! The page of a run, its state at any event, and the form of a fork.

use axum::Json;
use axum::extract::{Path, Query};
use axum::response::IntoResponse as _;
use http::HeaderValue;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use px_api::{DiffRun, Explained, ListCallbacks, RunEvents, ShowRun, Wakes};
use px_core::Code;
use px_core::wait::Wait;
use px_dashboard::page::{self, AnswerForm, ForkView, RunView, ValueView};
use px_dashboard::route;
use serde_json::{Value, json};

use crate::api::{explain, hooks, runs};
use crate::error::ApiError;
use crate::ui::look::{Look, Page};
use crate::ui::typed::response_schema;

use super::{FEW, app, payloads};

/// Entries of a log that a page shows.
const LOG: usize = 200;

/// Answers that are filled with an example; a run that waits for more has them empty.
const ANSWERS: usize = 4;

#[derive(Debug, Default, serde::Deserialize)]
pub(super) struct AskedRun {
    at: Option<u64>,
    after: Option<u64>,
    all: Option<String>,
}

pub(in crate::ui) async fn run(look: Look, Path(id): Path<String>) -> Page {
    let asked: AskedRun = look.query(route::RUN)?;
    let Json(run) = runs::show(app(&look), Path(id.clone()), Ok(Query(ShowRun::default()))).await?;
    let Json(explained) = explain::explain(app(&look), payloads(&look), Path(id.clone())).await?;
    // The newest entries, unless others are asked for.
    let after = asked.after.or_else(|| {
        let newest = run.seq.saturating_sub(LOG as u64);
        (newest > 0).then_some(newest)
    });
    let events = RunEvents { limit: Some(LOG), after, ..RunEvents::default() };
    let Json(events) = runs::events(app(&look), Path(id.clone()), Ok(Query(events))).await?;
    let (at, diff) = match asked.at {
        Some(seq) => {
            let shown = ShowRun { at: Some(seq) };
            let Json(past) = runs::show(app(&look), Path(id.clone()), Ok(Query(shown))).await?;
            let stretch = DiffRun { from: Some(seq.saturating_sub(1)), to: Some(seq) };
            let Json(diff) = explain::diff(app(&look), Path(id.clone()), Ok(Query(stretch))).await?;
            (Some((seq, look.clean(past)?)), Some(look.clean(diff)?))
        }
        None => (None, None),
    };
    let about = ListCallbacks {
        brain_run_id: Some(run.brain_run_id.to_string()),
        limit: Some(FEW),
        ..ListCallbacks::default()
    };
    let Json(callbacks) = hooks::deliveries::list(app(&look), Ok(Query(about))).await?;
    let answers = answers(&look, &explained).await?;
    let (run, explained) = (look.clean(run)?, look.clean(explained)?);
    let (events, callbacks) = (look.clean(events)?, look.clean(callbacks)?);
    look.page(|who| {
        let view = RunView {
            run: &run,
            explained: &explained,
            events: &events,
            after,
            at: at.as_ref().map(|(seq, past)| (*seq, past)),
            diff: diff.as_ref(),
            callbacks: &callbacks,
            shows_all: asked.all.is_some(),
            answers: &answers,
        };
        page::run(&view, who)
    })
}

/// Forms of the answers to the first of what a run waits for, for whoever may answer: their examples are what
/// the webhooks' handlers make of a payload with the awaited identifier.
async fn answers(look: &Look, explained: &Explained) -> Result<Vec<AnswerForm>, ApiError> {
    let mut answers = Vec::new();
    if look.may(route::ANSWER).is_err() {
        return Ok(answers);
    }
    let run = look.app.store().run(look.app.parts.scope, explained.brain_run_id).await?;
    for wakes in explained.wake.iter().take(ANSWERS) {
        let waits = run.iter().flat_map(|record| &record.run.waits);
        let mut places = waits.filter_map(|wait| Some((wait.id, index_of(wait, wakes)?)));
        let example = look.app.example(&wakes.slug, Some(&wakes.identifier)).await;
        let example = example.and_then(|example| example.response.clone());
        answers.push(AnswerForm {
            schema: response_schema(&look.app, &wakes.slug),
            example: look.clean(example.unwrap_or_else(|| json!({})))?,
            wait: places.next().map(|(wait, index)| format!("{wait}.{index}")),
        });
    }
    Ok(answers)
}

/// Index of what would wake a run among what a wait of it is for.
fn index_of(wait: &Wait, wakes: &Wakes) -> Option<usize> {
    wait.registrations
        .iter()
        .position(|one| *one.key.slug == *wakes.slug && *one.key.identifier == *wakes.identifier)
}

#[derive(Debug, Default, serde::Deserialize)]
pub(super) struct AskedPart {
    at: Option<u64>,
    path: Option<String>,
    from: Option<usize>,
}

/// A part of a run's state, now or after one of its events.
async fn part(look: &Look, id: &str, asked: &AskedPart) -> Result<(px_api::RunId, Value), ApiError> {
    look.payloads().demand("A state")?;
    let query = ShowRun { at: asked.at };
    let Json(run) = runs::show(app(look), Path(id.to_owned()), Ok(Query(query))).await?;
    let run = look.clean(run)?;
    let path = asked.path.as_deref().unwrap_or_default();
    let part = run.state.pointer(path).cloned().ok_or_else(|| {
        ApiError::not_found(format!("The state of run '{id}' has nothing at '{path}'")).code(Code::NotFound)
    })?;
    Ok((run.brain_run_id, part))
}

pub(in crate::ui) async fn value(look: Look, Path(id): Path<String>) -> Page {
    let asked: AskedPart = look.query(route::VALUE)?;
    let (run, value) = part(&look, &id, &asked).await?;
    let (path, from) = (asked.path.as_deref().unwrap_or_default(), asked.from.unwrap_or(0));
    look.page(|who| page::value(&ValueView { run, at: asked.at, path, value: &value, from }, who))
}

/// The bytes of a state, to be saved.
pub(in crate::ui) async fn state(look: Look, Path(id): Path<String>) -> Page {
    let asked: AskedPart = look.query(route::STATE)?;
    let (run, value) = part(&look, &id, &asked).await?;
    let name = match asked.at {
        Some(seq) => format!("attachment; filename=\"{run}-{seq}.json\""),
        None => format!("attachment; filename=\"{run}.json\""),
    };
    let name = HeaderValue::from_str(&name).unwrap_or_else(|_| HeaderValue::from_static("attachment"));
    let kind = HeaderValue::from_static("application/json");
    Ok(([(CONTENT_TYPE, kind), (CONTENT_DISPOSITION, name)], value.to_string()).into_response())
}

pub(in crate::ui) async fn fork(look: Look, Path(id): Path<String>) -> Page {
    look.payloads().demand("The state of a fork")?;
    let Json(run) = runs::show(app(&look), Path(id.clone()), Ok(Query(ShowRun::default()))).await?;
    let step: u32 = look.field(route::field::STEP).and_then(|step| step.parse().ok()).unwrap_or(1);
    let (run, then) = (look.clean(run)?, runs::find(&look.app, &id).await?);
    let state = look.clean(look.app.parts.state_at_step(&then, step).await.map_err(ApiError::from)?)?;
    let text = px_dashboard::editable(&state);
    look.page(|who| page::fork(&ForkView { run: &run, step, state: &text, violations: &[] }, who))
}
