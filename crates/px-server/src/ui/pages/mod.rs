//! The pages that show something. Each asks what the API's routes ask, with the same
//! functions, and hands their answers on.

mod changes;
mod events;
mod one_run;

use std::collections::BTreeMap;

use axum::extract::{Path, Query, State};
use axum::{Extension, Json};
use px_api::{
    BrainHistory, Brains, BulkAction, BulkFilter, FindBrains, Include, ListDue, ListLate, ListRuns,
    ListWaits, RunSummary, StartBulk,
};
use px_dashboard::page::{self, BrainView, BulkView, RunsView, StoreView, TokensView, WaitsKind, WaitsView};
use px_dashboard::route;
use serde_json::json;

use super::look::{Look, Page};
use super::place::Place;
use crate::api::guard::Sight;
use crate::api::payload::Payloads;
use crate::api::{brains, bulk, health, ids, late, overview, run_list, secrets, store, tokens, waits};
use crate::app::Shared;
use crate::error::ApiError;

pub(super) use changes::changes;
pub(super) use events::{callback, delivery, file, hook, hooks, inbox, outbox, webhook, webhooks};
pub(super) use one_run::{fork, run, state, value};

/// Rows of a list within a page about something else.
const FEW: usize = 10;

fn sight() -> Extension<Sight> {
    Extension(Sight::Redacted)
}

fn payloads(look: &Look) -> Extension<Payloads> {
    Extension(look.payloads())
}

fn app(look: &Look) -> State<Shared> {
    State(look.app.clone())
}

/// The titles of the brains.
fn titles(look: &Look) -> Vec<String> {
    look.app.registry().brains().map(|brain| brain.def.title.clone()).collect()
}

/// The slugs of the webhooks.
fn slugs(look: &Look) -> Vec<String> {
    look.app.registry().webhooks().map(|webhook| webhook.def.slug.clone()).collect()
}

/// Runs that are counted by their step.
const COUNTED: usize = 1_000;

/// Runs that ended with an error, of which the overview names so many.
const ERRORS: usize = 5;

pub(super) async fn overview(look: Look) -> Page {
    let Json(now) = overview::show(app(&look)).await?;
    look.app.page.noticed.set(&now);
    let failed = ListRuns {
        status: Some("error".into()),
        include: Some("standing".into()),
        limit: Some(ERRORS),
        ..ListRuns::default()
    };
    let failed = run_list::show(&look.app, look.payloads(), failed).await?;
    let (now, failed) = (look.clean(now)?, look.clean(failed)?);
    look.page(|who| page::overview(&now, &failed.runs, who))
}

pub(super) async fn store(look: Look) -> Page {
    let Json(now) = overview::show(app(&look)).await?;
    let (_, health) = health::of(&look.app);
    let (now, health) = (look.clean(now)?, look.clean(health)?);
    look.page(|who| page::store(&StoreView { health: &health, overview: &now, figures: &[] }, who))
}

/// The runs that a bulk job would do something with.
pub(super) async fn bulk(look: Look) -> Page {
    look.may(route::START_JOB)?;
    let mut filter = look.runs(route::BULK)?;
    // The form carries it on, so that the job is about the runs that are there now.
    filter.until = filter.until.or(Some(look.app.clock().now().as_millis()));
    let act = look.field(route::field::DO).unwrap_or_default();
    let chosen = look.chosen()?;
    let mut first = Vec::new();
    let (count, cannot, refused) = if filter.request_id.is_some() {
        let text = "a job takes no request id, of which there is one run: open that run".to_owned();
        (0, Vec::new(), Some(text))
    } else if chosen.is_empty() {
        let asked = StartBulk {
            action: BulkAction::from(act.as_str()),
            filter: BulkFilter::from(&filter),
            dry_run: true,
            at_most: None,
        };
        match bulk::preview(&look.app, &asked).await {
            Ok(preview) => {
                for id in &preview.first {
                    let run = look.app.store().run(look.app.parts.scope, *id).await?;
                    first.extend(run.map(|record| RunSummary::with(&record.run, Include::default())));
                }
                let count = usize::try_from(preview.would).unwrap_or(usize::MAX);
                let refused = bulk::permit(count, look.sight()).err().map(|error| error.body().error.clone());
                (preview.would, preview.reasons, refused)
            }
            Err(error) => (0, Vec::new(), Some(error.body().error.clone())),
        }
    } else {
        for id in &chosen {
            let run = look.app.store().run(look.app.parts.scope, *id).await?;
            first.extend(run.map(|record| RunSummary::with(&record.run, Include::default())));
        }
        (first.len() as u64, Vec::new(), None)
    };
    let first = look.clean(first)?;
    look.page(|who| {
        let view = BulkView {
            act: &act,
            filter: &filter,
            chosen: &chosen,
            first: &first,
            count,
            has_more: false,
            cannot: &cannot,
            refused: refused.as_deref(),
        };
        page::bulk(&view, who)
    })
}

pub(super) async fn job(look: Look, Path(id): Path<String>) -> Page {
    let Json(job) = bulk::show(app(&look), Path(id)).await?;
    let job = look.clean(job)?;
    look.page(|who| page::job(&job, who))
}

pub(super) async fn runs(look: Look) -> Page {
    let query = look.runs(route::RUNS)?;
    let asked = ListRuns { include: Some("standing".into()), ..query.clone() };
    let page = run_list::show(&look.app, look.payloads(), asked).await?;
    let (page, brains) = (look.clean(page)?, titles(&look));
    look.page(|who| page::runs(&RunsView { query: &query, page: &page, brains: &brains }, who))
}

pub(super) async fn waits(look: Look) -> Page {
    let slugs = slugs(&look);
    match look.field("view").as_deref() {
        Some("due") => {
            let query = look.query(route::WAITS)?;
            let Json(page) = waits::due(app(&look), Ok(Query(ListDue::clone(&query)))).await?;
            let page = look.clean(page)?;
            look.page(|who| {
                page::waits(&WaitsView { kind: WaitsKind::Due(&query, &page), slugs: &slugs }, who)
            })
        }
        Some("oldest") => {
            let cursor = look.field(route::field::CURSOR);
            let asked = ListRuns {
                status: Some("waiting".into()),
                order: Some("oldest".into()),
                include: Some("standing".into()),
                cursor: cursor.clone(),
                ..ListRuns::default()
            };
            let page = run_list::show(&look.app, look.payloads(), asked).await?;
            let page = look.clean(page)?;
            look.page(|who| {
                let kind = WaitsKind::Oldest(cursor.as_deref(), &page);
                page::waits(&WaitsView { kind, slugs: &slugs }, who)
            })
        }
        Some("late") => {
            let query: ListLate = look.query(route::WAITS)?;
            let Json(page) = late::list(app(&look), Ok(Query(query.clone()))).await?;
            let until = look.app.clock().now().before(overview::LATE).as_millis();
            let rung = ListDue { until: Some(until), ..ListDue::default() };
            let Json(rung) = waits::due(app(&look), Ok(Query(rung))).await?;
            let (page, rung) = (look.clean(page)?, look.clean(rung)?);
            look.page(|who| {
                let kind = WaitsKind::Late(&query, &page, &rung);
                page::waits(&WaitsView { kind, slugs: &slugs }, who)
            })
        }
        _ => {
            let query: ListWaits = look.query(route::WAITS)?;
            let Json(page) = waits::list(app(&look), Ok(Query(query.clone()))).await?;
            let page = look.clean(page)?;
            look.page(|who| {
                page::waits(&WaitsView { kind: WaitsKind::ByKey(&query, &page), slugs: &slugs }, who)
            })
        }
    }
}

pub(super) async fn brains(look: Look) -> Page {
    let query: FindBrains = look.query(route::BRAINS)?;
    let Json(found): Json<Brains> = brains::list(app(&look), Query(query)).await;
    let found = look.clean(found)?;
    look.page(|who| page::brains(&found, who))
}

pub(super) async fn brain(look: Look, Path(title): Path<String>) -> Page {
    let Json(brain) = brains::show(app(&look), Path(title.clone())).await?;
    let few = BrainHistory { limit: Some(FEW) };
    let Json(newest) = brains::history(app(&look), Path(title), Ok(Query(few))).await?;
    let live = ListRuns {
        brain: Some(brain.title.clone()),
        status: Some("running,waiting,paused,error".into()),
        include: Some("standing".into()),
        limit: Some(COUNTED),
        ..ListRuns::default()
    };
    let live = run_list::show(&look.app, look.payloads(), live).await?;
    let mut standing = BTreeMap::new();
    for step in live.runs.iter().filter_map(|run| run.standing.as_ref()?.step.clone()) {
        *standing.entry(step).or_insert(0_u64) += 1;
    }
    let (brain, newest) = (look.clean(brain)?, look.clean(newest)?);
    let example = look.app.example_input(&brain.title).unwrap_or_else(|| json!({}));
    let example = look.clean(example)?;
    look.page(|who| {
        let view = BrainView { brain: &brain, runs: &newest, example: &example, standing: &standing };
        page::brain(&view, who)
    })
}

pub(super) async fn values(look: Look) -> Page {
    let cursor = look.field(route::field::CURSOR);
    let query = look.query(route::VALUES)?;
    let Json(found) = store::brains(app(&look), Ok(Query(query))).await?;
    look.page(|who| page::values(&found, cursor.as_deref(), who))
}

pub(super) async fn values_of(look: Look, Path(brain): Path<String>) -> Page {
    let cursor = look.field(route::field::CURSOR);
    let query = look.query(route::VALUES_OF)?;
    let Json(found) = store::keys(app(&look), Path(brain.clone()), Ok(Query(query))).await?;
    let found = look.clean(found)?;
    look.page(|who| page::values_of(&brain, &found, cursor.as_deref(), who))
}

pub(super) async fn kv(look: Look, Path(place): Path<(String, String, String)>) -> Page {
    let brain = place.0.clone();
    let Json(value) = store::show(app(&look), Path(place)).await?;
    let value = look.clean(value)?;
    look.page(|who| page::kv(&brain, &value, who))
}

pub(super) async fn tokens(look: Look) -> Page {
    look.may(route::TOKENS)?;
    let Json(all) = tokens::list(app(&look)).await;
    look.page(|who| page::tokens(&TokensView { tokens: &all, created: None }, who))
}

pub(super) async fn secrets(look: Look) -> Page {
    look.may(route::SECRETS)?;
    let Json(all) = secrets::list(app(&look)).await?;
    look.page(|who| page::secrets(&all, who))
}

pub(super) async fn secret(look: Look, Path(name): Path<String>) -> Page {
    look.may(route::SECRET)?;
    let Json(reads) = secrets::reads(app(&look), Path(name.clone())).await?;
    look.page(|who| page::secret(&name, &reads, who))
}

pub(super) async fn settings(look: Look) -> Page {
    let next = look.field(route::field::NEXT).map_or_else(|| Place::read(""), |next| Place::read(&next));
    look.page(|who| page::settings(next.as_str(), who))
}

/// Leads to what an id, the end of one, or an identifier names.
pub(super) async fn find(look: Look) -> Page {
    let Some(text) = look.field("q") else { return look.see("runs") };
    if let Some(place) = place_of(&text) {
        return look.see(&place);
    }
    if let Ok(found) = ending_in(&look, &text, None).await
        && let [one] = found.as_slice()
        && let Some(place) = place_of(one)
    {
        return look.see(&place);
    }
    look.see(&format!("waits?identifier={}", Place::value_of(&text)))
}

/// Ids that end in these digits.
async fn ending_in(look: &Look, tail: &str, kind: Option<&str>) -> Result<Vec<String>, ApiError> {
    let tail = tail.trim().trim_start_matches('…').to_owned();
    let asked = px_api::FindIds { tail: Some(tail), kind: kind.map(str::to_owned) };
    let Json(found) = ids::find(app(look), Ok(Query(asked))).await?;
    Ok(found.ids.into_iter().map(|found| found.id).collect())
}

/// The id of a run that somebody has typed: a whole one, or the end of one.
///
/// # Errors
/// No run ends so, or several do.
pub(super) async fn run_named(look: &Look, text: &str) -> Result<String, ApiError> {
    if text.parse::<px_core::RunId>().is_ok() {
        return Ok(text.to_owned());
    }
    match ending_in(look, text, Some("run")).await?.as_slice() {
        [one] => Ok(one.clone()),
        [] => Err(ApiError::not_found(format!("No run ends in '{text}'"))),
        several => {
            let text = format!("{} runs end in '{text}': {}", several.len(), several.join(", "));
            Err(ApiError::bad_request(text))
        }
    }
}

/// The page of a thing by its whole id.
fn place_of(id: &str) -> Option<String> {
    let (kind, digits) = id.split_once('_')?;
    if digits.len() != 32 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let folder = match kind {
        "run" => "runs",
        "whd" => "inbox",
        "dlv" => "outbox",
        "hok" => "hooks",
        _ => return None,
    };
    Some(format!("{folder}/{id}"))
}
