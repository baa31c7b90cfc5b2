//! The pages that show something. Each asks what the API's routes ask, with the same
//! functions, and hands their answers on.

use std::collections::BTreeMap;

use axum::extract::{Path, Query, State};
use axum::response::IntoResponse as _;
use axum::{Extension, Json};
use http::HeaderValue;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use px_api::{
    BrainHistory, Brains, BulkAction, BulkFilter, DiffRun, FindBrains, Include, ListCallbacks,
    ListDeliveries, ListRuns, ListWaits, RunEvents, RunSummary, ShowRun, StartBulk,
};
use px_core::Code;
use px_dashboard::page::{
    self, BrainView, BulkView, ForkView, HookRow, HookView, InboxView, OutboxView, RunView, RunsView,
    StoreView, TokensView, ValueView, WaitsKind, WaitsView, WebhookView,
};
use px_dashboard::route;
use serde_json::Value;

use super::look::{Look, Page};
use super::place::Place;
use crate::api::guard::Sight;
use crate::api::{
    brains, bulk, deliveries, explain, files, health, hooks, ids, overview, run_list, runs, secrets, store,
    tokens, waits, webhooks,
};
use crate::app::Shared;
use crate::error::ApiError;

/// Entries of a log that a page shows.
const LOG: usize = 200;

/// Rows of a list within a page about something else.
const FEW: usize = 10;

/// Hooks whose figures are read for one list.
const FIGURES: usize = 50;

/// Runs that are counted by their step.
const COUNTED: usize = 1_000;

fn sight() -> Extension<Sight> {
    Extension(Sight::Redacted)
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

/// Runs that ended with an error, of which the overview names so many.
const ERRORS: usize = 5;

pub(super) async fn overview(look: Look) -> Page {
    let Json(now) = overview::show(app(&look)).await?;
    look.app.noticed.set(&now);
    let failed = ListRuns {
        status: Some("error".into()),
        include: Some("standing".into()),
        limit: Some(ERRORS),
        ..ListRuns::default()
    };
    let Json(failed) = run_list::list(app(&look), Ok(Query(failed))).await?;
    let failed = look.clean(failed)?;
    look.page(|who| page::overview(&now, &failed.runs, who))
}

pub(super) async fn store(look: Look) -> Page {
    let Json(now) = overview::show(app(&look)).await?;
    let (_, health) = health::of(&look.app);
    look.page(|who| page::store(&StoreView { health: &health, overview: &now, figures: &[] }, who))
}

/// The runs that a bulk job would do something with.
pub(super) async fn bulk(look: Look) -> Page {
    look.may(route::START_JOB)?;
    let filter: ListRuns = look.query(route::BULK)?;
    let act = look.field(route::field::DO).unwrap_or_default();
    let chosen = look.chosen();
    let mut first = Vec::new();
    let (count, cannot, refused) = if chosen.is_empty() {
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
                (preview.would, preview.reasons, None)
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
    look.page(|who| page::job(&job, who))
}

pub(super) async fn runs(look: Look) -> Page {
    let query: ListRuns = look.query(route::RUNS)?;
    let asked = ListRuns { include: Some("standing".into()), ..query.clone() };
    let Json(page) = run_list::list(app(&look), Ok(Query(asked))).await?;
    let (page, brains) = (look.clean(page)?, titles(&look));
    look.page(|who| page::runs(&RunsView { query: &query, page: &page, brains: &brains }, who))
}

#[derive(Debug, Default, serde::Deserialize)]
pub(super) struct AskedRun {
    at: Option<u64>,
    after: Option<u64>,
    all: Option<String>,
}

pub(super) async fn run(look: Look, Path(id): Path<String>) -> Page {
    let asked: AskedRun = look.query(route::RUN)?;
    let Json(run) = runs::show(app(&look), Path(id.clone()), Ok(Query(ShowRun::default()))).await?;
    let Json(explained) = explain::explain(app(&look), Path(id.clone())).await?;
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
        };
        page::run(&view, who)
    })
}

#[derive(Debug, Default, serde::Deserialize)]
pub(super) struct AskedPart {
    at: Option<u64>,
    path: Option<String>,
    from: Option<usize>,
}

/// A part of a run's state, now or after one of its events.
async fn part(look: &Look, id: &str, asked: &AskedPart) -> Result<(px_api::RunId, Value), ApiError> {
    let query = ShowRun { at: asked.at };
    let Json(run) = runs::show(app(look), Path(id.to_owned()), Ok(Query(query))).await?;
    let run = look.clean(run)?;
    let path = asked.path.as_deref().unwrap_or_default();
    let part = run.state.pointer(path).cloned().ok_or_else(|| {
        ApiError::not_found(format!("The state of run '{id}' has nothing at '{path}'")).code(Code::NotFound)
    })?;
    Ok((run.brain_run_id, part))
}

pub(super) async fn value(look: Look, Path(id): Path<String>) -> Page {
    let asked: AskedPart = look.query(route::VALUE)?;
    let (run, value) = part(&look, &id, &asked).await?;
    let (path, from) = (asked.path.as_deref().unwrap_or_default(), asked.from.unwrap_or(0));
    look.page(|who| page::value(&ValueView { run, at: asked.at, path, value: &value, from }, who))
}

/// The bytes of a state, to be saved.
pub(super) async fn state(look: Look, Path(id): Path<String>) -> Page {
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

pub(super) async fn fork(look: Look, Path(id): Path<String>) -> Page {
    let Json(run) = runs::show(app(&look), Path(id.clone()), Ok(Query(ShowRun::default()))).await?;
    let step: u32 = look.field(route::field::STEP).and_then(|step| step.parse().ok()).unwrap_or(1);
    let (run, then) = (look.clean(run)?, runs::find(&look.app, &id).await?);
    let state = match look.app.parts.state_at_step(&then, step).await {
        Ok(state) => look.clean(state)?,
        Err(_) => run.state.clone(),
    };
    let text = serde_json::to_string_pretty(&state).unwrap_or_default();
    look.page(|who| page::fork(&ForkView { run: &run, step, state: &text, violations: &[] }, who))
}

pub(super) async fn waits(look: Look) -> Page {
    let slugs = slugs(&look);
    match look.field("view").as_deref() {
        Some("due") => {
            let query = look.query(route::WAITS)?;
            let Json(page) = waits::due(app(&look), Ok(Query(px_api::ListDue::clone(&query)))).await?;
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
            let Json(page) = run_list::list(app(&look), Ok(Query(asked))).await?;
            let page = look.clean(page)?;
            look.page(|who| {
                let kind = WaitsKind::Oldest(cursor.as_deref(), &page);
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

pub(super) async fn inbox(look: Look) -> Page {
    let query: ListDeliveries = look.query(route::INBOX)?;
    let Json(page) = deliveries::list(app(&look), Ok(Query(query.clone()))).await?;
    let (page, slugs) = (look.clean(page)?, slugs(&look));
    look.page(|who| page::inbox(&InboxView { query: &query, page: &page, slugs: &slugs }, who))
}

pub(super) async fn delivery(look: Look, Path(id): Path<String>) -> Page {
    let Json(delivery) = deliveries::show(app(&look), Path(id)).await?;
    let delivery = look.clean(delivery)?;
    look.page(|who| page::delivery(&delivery, who))
}

pub(super) async fn file(look: Look, place: Path<(String, String)>) -> Page {
    Ok(files::show(app(&look), place).await?)
}

pub(super) async fn webhooks(look: Look) -> Page {
    let Json(webhooks) = webhooks::list(app(&look)).await;
    let webhooks = look.clean(webhooks)?;
    look.page(|who| page::webhooks(&webhooks, who))
}

pub(super) async fn webhook(look: Look, Path(slug): Path<String>) -> Page {
    let Json(all) = webhooks::list(app(&look)).await;
    let missing = || ApiError::not_found(format!("Webhook '{slug}' not found")).code(Code::WebhookNotFound);
    let webhook = all.webhooks.into_iter().find(|webhook| webhook.slug == slug).ok_or_else(missing)?;
    let of_slug = ListDeliveries { slug: Some(slug.clone()), limit: Some(FEW), ..ListDeliveries::default() };
    let Json(came) = deliveries::list(app(&look), Ok(Query(of_slug))).await?;
    let here = ListWaits { slug: Some(slug.clone()), limit: Some(FEW), ..ListWaits::default() };
    let Json(waiting) = waits::list(app(&look), Ok(Query(here))).await?;
    let schema = look.app.registry().webhook(&slug).map(|webhook| webhook.payload_schema.clone());
    let example = "{}".to_owned();
    let (webhook, came, waiting) = (look.clean(webhook)?, look.clean(came)?, look.clean(waiting)?);
    look.page(|who| {
        let view = WebhookView {
            webhook: &webhook,
            schema: schema.as_ref(),
            example: &example,
            deliveries: &came,
            waits: &waiting,
            no_test: None,
        };
        page::webhook(&view, who)
    })
}

pub(super) async fn hooks(look: Look) -> Page {
    let Json(all) = hooks::list::list(app(&look), sight()).await?;
    let mut figures = Vec::with_capacity(all.hooks.len());
    for (at, hook) in all.hooks.iter().enumerate() {
        let id = Path(hook.id.to_string());
        figures.push(match at < FIGURES {
            true => hooks::stats::show(app(&look), id).await.ok().map(|Json(stats)| stats),
            false => None,
        });
    }
    let all = look.clean(all)?;
    look.page(|who| {
        let rows = all.hooks.iter().zip(&figures);
        let rows: Vec<_> = rows.map(|(hook, stats)| HookRow { hook, stats: stats.as_ref() }).collect();
        page::hooks(&rows, who)
    })
}

pub(super) async fn hook(look: Look, Path(id): Path<String>) -> Page {
    let query: ListCallbacks = look.query(route::HOOK)?;
    let Json(hook) = hooks::show::show(app(&look), sight(), Path(id.clone())).await?;
    let stats = hooks::stats::show(app(&look), Path(id.clone())).await.ok().map(|Json(stats)| stats);
    let Json(callbacks) = hooks::deliveries::of_hook(app(&look), Path(id), Ok(Query(query.clone()))).await?;
    let (hook, callbacks) = (look.clean(hook)?, look.clean(callbacks)?);
    look.page(|who| {
        let view = HookView {
            hook: &hook,
            stats: stats.as_ref(),
            query: &query,
            callbacks: &callbacks,
            secret: None,
        };
        page::hook(&view, who)
    })
}

pub(super) async fn outbox(look: Look) -> Page {
    let query: ListCallbacks = look.query(route::OUTBOX)?;
    let Json(page) = hooks::deliveries::list(app(&look), Ok(Query(query.clone()))).await?;
    let page = look.clean(page)?;
    look.page(|who| page::outbox(&OutboxView { query: &query, page: &page }, who))
}

pub(super) async fn callback(look: Look, Path(id): Path<String>) -> Page {
    let Json(callback) = hooks::delivery::show(app(&look), Path(id)).await?;
    let callback = look.clean(callback)?;
    look.page(|who| page::callback(&callback, who))
}

pub(super) async fn brains(look: Look) -> Page {
    let query: FindBrains = look.query(route::BRAINS)?;
    let Json(found): Json<Brains> = brains::list(app(&look), Query(query)).await;
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
    let Json(live) = run_list::list(app(&look), Ok(Query(live))).await?;
    let mut standing = BTreeMap::new();
    for step in live.runs.iter().filter_map(|run| run.standing.as_ref()?.step.clone()) {
        *standing.entry(step).or_insert(0_u64) += 1;
    }
    let (brain, newest) = (look.clean(brain)?, look.clean(newest)?);
    let example = "{}".to_owned();
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
    let tail =
        px_api::FindIds { tail: Some(text.trim_start_matches('…').to_owned()), ..Default::default() };
    if let Ok(Json(found)) = ids::find(app(&look), Ok(Query(tail))).await {
        if let [one] = found.ids.as_slice() {
            if let Some(place) = place_of(&one.id) {
                return look.see(&place);
            }
        }
    }
    look.see(&format!("waits?identifier={}", Place::value_of(&text)))
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
        "hook" | "hk" => "hooks",
        _ => return None,
    };
    Some(format!("{folder}/{id}"))
}
