//! `GET /waits` and `GET /waits/due`: the index of waits, by key and by due time.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use px_api::{AwaitedKey, Due, DueKind, DuePage, LastEnd, ListDue, ListWaits, WaitPage, Waiting};
use px_core::key::{FORM_SLUG, LINK_SLUG, Waiter};
use px_core::{KeyId, KeyRecord, RunId, RunStatus, Timestamp};
use px_store::{Timer, TimerKind};
use serde::{Deserialize, Serialize};

use super::page_size;
use crate::app::{App, Shared};
use crate::error::ApiError;

/// Number of keys or timers that one page looks at, at most.
const MAX_LOOKED: usize = 2_000;

/// Number of keys that are read at once.
const KEYS: usize = 200;

/// Number of those who wait at a key that are named.
const MAX_NAMED: usize = 10;

pub(crate) async fn list(
    State(app): State<Shared>,
    query: Result<Query<ListWaits>, QueryRejection>,
) -> Result<Json<WaitPage>, ApiError> {
    let Query(query) = query.map_err(|error| ApiError::bad_request(error.body_text()))?;
    let slugs = slugs(&app, query.slug.as_deref());
    if let Some(identifier) = &query.identifier {
        return exact(&app, &slugs, identifier).await.map(Json);
    }
    let limit = page_size(query.limit).min(KEYS);
    let mut place = Place::of(query.cursor.as_deref())?;
    let (mut keys, mut looked) = (Vec::new(), 0);
    let from = slugs.iter().position(|slug| **slug >= *place.slug).unwrap_or(slugs.len());
    for slug in slugs.get(from..).unwrap_or_default() {
        if *slug != place.slug {
            place = Place { slug: slug.clone(), after: None };
        }
        loop {
            let page = app.store().keys(app.parts.scope, slug, place.after.as_deref(), KEYS).await?;
            let is_last = page.len() < KEYS;
            for (key, record) in page {
                if keys.len() == limit || looked == MAX_LOOKED {
                    let next_cursor = Some(place.text());
                    return Ok(Json(WaitPage { keys, looked: count(looked), next_cursor }));
                }
                looked += 1;
                place.after = Some(key.identifier.to_string());
                let is_asked = query.prefix.as_ref().is_none_or(|prefix| key.identifier.starts_with(prefix));
                if is_asked && is_in_use(&record.record) {
                    keys.push(shown(&app, key, &record.record).await?);
                }
            }
            if is_last {
                break;
            }
        }
    }
    Ok(Json(WaitPage { keys, looked: count(looked), next_cursor: None }))
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// Everything that events come in at, or the one that is asked for, in order.
pub(crate) fn slugs(app: &App, only: Option<&str>) -> Vec<String> {
    if let Some(only) = only {
        return vec![only.to_owned()];
    }
    let webhooks = app.registry().webhooks().map(|webhook| webhook.def.slug.clone());
    let mut slugs: Vec<String> = webhooks.chain([FORM_SLUG.to_owned(), LINK_SLUG.to_owned()]).collect();
    slugs.sort_unstable();
    slugs.dedup();
    slugs
}

/// Returns whether anybody waits at a key, or anything is kept there.
fn is_in_use(record: &KeyRecord) -> bool {
    !record.line.is_empty() || record.queued > 0 || record.owner.is_some()
}

async fn exact(app: &App, slugs: &[String], identifier: &str) -> Result<WaitPage, ApiError> {
    let mut keys = Vec::new();
    for slug in slugs {
        let key = KeyId::new(slug.as_str(), identifier);
        let record = app.store().key(app.parts.scope, &key).await?.record;
        if is_in_use(&record) || record.last_end.is_some() {
            keys.push(shown(app, key, &record).await?);
        }
    }
    Ok(WaitPage { keys, looked: count(slugs.len()), next_cursor: None })
}

async fn shown(app: &App, key: KeyId, record: &KeyRecord) -> Result<AwaitedKey, ApiError> {
    let first = app.store().waiters(app.parts.scope, &key, None, record.line.head, MAX_NAMED).await?;
    let mut waiting = Vec::with_capacity(first.len());
    for (_, waiter) in first {
        if let Waiter::Wait(wait) = waiter {
            waiting.push(waiting_run(app, &wait).await?);
        }
    }
    Ok(AwaitedKey {
        slug: key.slug.to_string(),
        identifier: key.identifier.to_string(),
        waiting,
        count: record.line.count,
        queued: record.queued,
        owner: record.owner,
        last_end: record.last_end.as_ref().map(|end| LastEnd {
            by: end.by.as_str().into(),
            brain_run_id: end.run,
            at: end.at,
        }),
    })
}

async fn waiting_run(app: &App, wait: &px_core::key::KeyWait) -> Result<Waiting, ApiError> {
    let run =
        app.store().run(app.parts.scope, wait.run).await?.map(|record| Arc::unwrap_or_clone(record.run));
    let open = run.as_ref().and_then(|run| run.waits.iter().find(|open| open.id == wait.wait));
    Ok(Waiting {
        brain_run_id: wait.run,
        wait_id: wait.wait,
        brain_title: run.as_ref().map(|run| run.brain.clone()),
        step: run.as_ref().and_then(px_api::step_of),
        since: open.map(|open| open.opened_at),
        deadline: open.and_then(|open| open.deadline),
        wants_token: wait.token.is_some(),
        paused: run.is_some_and(|run| run.status == RunStatus::Paused),
    })
}

/// A place in the order of all keys: a webhook, and an identifier behind which it goes on.
#[derive(Default)]
struct Place {
    slug: String,
    after: Option<String>,
}

impl Place {
    /// The place of a cursor; the beginning without one.
    fn of(cursor: Option<&str>) -> Result<Self, ApiError> {
        let Some(cursor) = cursor else { return Ok(Self::default()) };
        let bad = || ApiError::bad_request(format!("Bad cursor: '{cursor}' is not the nextCursor of a page"));
        let (slug, after) = cursor.split_once(':').ok_or_else(bad)?;
        Ok(Self { slug: slug.to_owned(), after: Some(after.to_owned()).filter(|after| !after.is_empty()) })
    }

    fn text(&self) -> String {
        format!("{}:{}", self.slug, self.after.as_deref().unwrap_or_default())
    }
}

pub(crate) async fn due(
    State(app): State<Shared>,
    query: Result<Query<ListDue>, QueryRejection>,
) -> Result<Json<DuePage>, ApiError> {
    let Query(query) = query.map_err(|error| ApiError::bad_request(error.body_text()))?;
    let until = super::moment("until", query.until)?.unwrap_or(Timestamp::from_millis(u64::MAX));
    let limit = page_size(query.limit);
    let mut after = query.cursor.as_deref().map(timer_of).transpose()?;
    let (mut due, mut looked) = (Vec::new(), 0);
    loop {
        let timers = app.store().due(app.parts.scope, until, after.as_ref(), KEYS).await?;
        let is_last = timers.len() < KEYS;
        for timer in timers {
            if due.len() == limit || looked == MAX_LOOKED {
                let next_cursor = after.as_ref().map(cursor_of);
                return Ok(Json(DuePage { due, looked: count(looked), next_cursor }));
            }
            looked += 1;
            let (kind, run) = match &timer.kind {
                TimerKind::Wait { run, .. } => (DueKind::Deadline, Some(*run)),
                TimerKind::Remind { run, .. } => (DueKind::Reminder, Some(*run)),
                TimerKind::Retry { run } => (DueKind::Retry, Some(*run)),
                TimerKind::Expire { .. } | TimerKind::Forget { .. } | TimerKind::End { .. } => {
                    (DueKind::Deadline, None)
                }
            };
            if let Some(run) = run {
                due.push(due_of(&app, timer.due, kind, run).await?);
            }
            after = Some(timer);
        }
        if is_last {
            return Ok(Json(DuePage { due, looked: count(looked), next_cursor: None }));
        }
    }
}

async fn due_of(app: &App, at: Timestamp, kind: DueKind, id: RunId) -> Result<Due, ApiError> {
    let run = app.store().run(app.parts.scope, id).await?.map(|record| Arc::unwrap_or_clone(record.run));
    let standing = run.as_ref().map(px_api::Standing::from);
    Ok(Due {
        at,
        kind,
        brain_run_id: id,
        brain_title: run.map(|run| run.brain),
        step: standing.as_ref().and_then(|standing| standing.step.clone()),
        awaits: standing.map(|standing| standing.awaits).unwrap_or_default(),
    })
}

/// A timer as its cursor has it.
#[derive(Serialize, Deserialize)]
struct Rung(Timestamp, TimerKind);

fn cursor_of(timer: &Timer) -> String {
    // A timer can be written: its keys are texts.
    let text = serde_json::to_vec(&Rung(timer.due, timer.kind.clone())).unwrap_or_default();
    hex::encode(text)
}

fn timer_of(cursor: &str) -> Result<Timer, ApiError> {
    let bytes = hex::decode(cursor).ok();
    let rung: Option<Rung> = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let bad = || ApiError::bad_request(format!("Bad cursor: '{cursor}' is not the nextCursor of a page"));
    rung.map(|Rung(due, kind)| Timer { due, kind }).ok_or_else(bad)
}
