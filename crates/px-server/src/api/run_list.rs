//! `GET /brains/runs`: the runs of a filter, in pages; and the filter itself, which bulk jobs
//! have too.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::extract::{Query, RawQuery, State};
use axum::{Extension, Json};
use http::{StatusCode, Uri};
use px_api::{Include, LabelFilter, ListRuns, RunPage, RunSummary};
use px_core::{KeyId, MAX_LABELS, RunId, RunStatus, Timestamp, check_label_name, check_label_value};
use px_inbound::verify::form_fields;
use px_store::{Page, RunFilter, RunRecord};
use serde_json::Value;

use super::page_size;
use super::payload::Payloads;
use crate::app::{App, Shared};
use crate::error::ApiError;
use crate::resolve;

pub(crate) async fn list(
    State(app): State<Shared>,
    Extension(payloads): Extension<Payloads>,
    RawQuery(query): RawQuery,
) -> Result<Json<RunPage>, ApiError> {
    let query = read(query.as_deref().unwrap_or_default())?;
    show(&app, payloads, query).await.map(Json)
}

/// Reads a query, in which a label may be said several times.
pub(crate) fn read(query: &str) -> Result<ListRuns, ApiError> {
    let (labels, rest): (Vec<&str>, Vec<&str>) =
        query.split('&').partition(|field| field.starts_with("label="));
    let rest = format!("/?{}", rest.join("&")).parse::<Uri>();
    let rest = rest.map_err(|error| ApiError::bad_request(format!("The query cannot be read: {error}")))?;
    let Query(mut query) =
        Query::<ListRuns>::try_from_uri(&rest).map_err(|error| ApiError::bad_request(error.body_text()))?;
    let labels = form_fields(labels.join("&").as_bytes());
    query.label.extend(labels.into_iter().map(|(_, label)| label));
    Ok(query)
}

/// The page of runs that a query asks for.
pub(crate) async fn show(app: &App, payloads: Payloads, query: ListRuns) -> Result<RunPage, ApiError> {
    if query.state.is_some() {
        // Whoever may ask which states have a value can read them, a question at a time.
        payloads.demand("The state, which where looks into,")?;
    }
    let wanted = Wanted::of(app, &query, StatusCode::MULTIPLE_CHOICES).await?;
    let include = include(query.include.as_deref())?;
    let cursor = query.cursor.map(|cursor| cursor.parse::<RunId>()).transpose();
    let cursor = cursor.map_err(|error| ApiError::bad_request(format!("Bad cursor: {error}")))?;
    let page = wanted.page(app, cursor, page_size(query.limit)).await?;
    let has_looked = wanted.filter.looks_inside();
    Ok(RunPage {
        runs: page.items.iter().map(|record| RunSummary::with(&record.run, include)).collect(),
        next_cursor: page.next.map(|next| RunId::from_bytes(next).to_string()),
        looked: has_looked.then(|| u64::try_from(page.looked).unwrap_or(u64::MAX)),
    })
}

/// The runs that a query asks for, without the place of its page.
pub(super) struct Wanted {
    filter: RunFilter,
    until: Option<Timestamp>,
    /// The identifier that they wait for, and the webhook, if one is named.
    awaited: Option<(String, Option<String>)>,
}

impl Wanted {
    /// Reads a query. A brain that several could be meant by is refused with this status.
    pub(super) async fn of(app: &App, query: &ListRuns, ambiguous: StatusCode) -> Result<Self, ApiError> {
        let brain = match &query.brain {
            Some(text) => Some(resolve::title_of_runs(app, text, ambiguous).await?),
            None => None,
        };
        if query.slug.is_some() && query.identifier.is_none() {
            let text = "slug says where an identifier is waited for: say identifier, too";
            return Err(ApiError::bad_request(text));
        }
        let mut filter = RunFilter {
            brain,
            statuses: statuses(query.status.as_deref())?,
            since: super::since(query.since)?,
            ended_since: super::moment("endedSince", query.ended_since)?,
            labels: labels(&query.label)?,
            request_id: query.request_id.clone(),
            step: query.step.clone(),
            state: query.state.as_deref().map(place).transpose()?.into_iter().collect(),
            oldest_first: order(query.order.as_deref())?,
        };
        labelled(app, &mut filter);
        let until = super::moment("until", query.until)?;
        let awaited = query.identifier.clone().map(|identifier| (identifier, query.slug.clone()));
        Ok(Self { filter, until, awaited })
    }

    /// A page of them, behind a run.
    pub(super) async fn page(
        &self,
        app: &App,
        cursor: Option<RunId>,
        limit: usize,
    ) -> Result<Page<RunRecord>, ApiError> {
        let slice = Slice { cursor, until: self.until, limit };
        match &self.awaited {
            Some((identifier, slug)) => {
                waiting_for(app, slug.as_deref(), identifier, &self.filter, slice).await
            }
            None => slice.of(app, &self.filter).await,
        }
    }
}

/// A part of a list of runs.
struct Slice {
    cursor: Option<RunId>,
    until: Option<Timestamp>,
    limit: usize,
}

impl Slice {
    /// The runs of a filter in it.
    async fn of(&self, app: &App, filter: &RunFilter) -> Result<Page<RunRecord>, ApiError> {
        // Ids begin with the time of their making.
        let end = self.until.map(|until| RunId::bound(until.after(Duration::from_millis(1))));
        let beyond = match (self.cursor, end) {
            (Some(cursor), Some(end)) if !filter.oldest_first => Some(cursor.min(end)),
            (None, Some(end)) if !filter.oldest_first => Some(end),
            // Of the oldest first, those before `since` are passed over at once.
            (None, _) if filter.oldest_first => filter.since.map(RunId::bound),
            (cursor, _) => cursor,
        };
        let beyond = beyond.map(RunId::to_bytes);
        let read = app.store().runs(app.parts.scope, filter, beyond, self.limit);
        let mut page = if filter.looks_inside() { app.beside.run(read).await? } else { read.await? };
        if let Some(end) = end.filter(|_| filter.oldest_first) {
            let young = page.items.iter().position(|record| record.run.id >= end);
            if let Some(young) = young {
                page.items.truncate(young);
                page.next = None;
            }
        }
        Ok(page)
    }
}

/// The runs that wait for an identifier, or were started for it, that fit a filter: a read
/// of the key at each webhook. The bound is the one of a page.
async fn waiting_for(
    app: &App,
    slug: Option<&str>,
    identifier: &str,
    filter: &RunFilter,
    slice: Slice,
) -> Result<Page<RunRecord>, ApiError> {
    let (store, scope) = (app.store(), app.parts.scope);
    let mut ids = BTreeSet::new();
    for slug in super::waits::slugs(app, slug) {
        let key = KeyId::new(slug, identifier);
        let record = store.key(scope, &key).await?.record;
        ids.extend(record.owner);
        let line = store.waiters(scope, &key, None, record.line.head, super::MAX_PAGE).await?;
        ids.extend(line.iter().map(|(_, waiter)| waiter.run()));
    }
    let mut ids: Vec<RunId> = ids.into_iter().collect();
    if !filter.oldest_first {
        ids.reverse();
    }
    let is_past = |id: &RunId| {
        slice.cursor.is_none_or(|cursor| if filter.oldest_first { *id > cursor } else { *id < cursor })
    };
    let mut page = Page { items: Vec::new(), next: None, looked: 0 };
    for id in ids.into_iter().filter(is_past) {
        if page.items.len() == slice.limit {
            page.next = page.items.last().map(|record: &RunRecord| record.run.id.to_bytes());
            break;
        }
        page.looked += 1;
        let record = store.run(scope, id).await?;
        page.items.extend(record.filter(|record| {
            filter.fits(&record.run)
                && filter.since.is_none_or(|since| record.run.created_at >= since)
                && slice.until.is_none_or(|until| record.run.created_at <= until)
        }));
    }
    Ok(page)
}

/// A value in the state of runs, as `/customer/id=42`. A value that is JSON is that value,
/// and anything else is a text.
fn place(text: &str) -> Result<(String, Value), ApiError> {
    let (pointer, value) =
        text.split_once('=').filter(|(pointer, _)| pointer.starts_with('/')).ok_or_else(|| {
            ApiError::bad_request(format!(
                "Bad where '{text}': write a JSON pointer, '=' and the value, as in where=/customer/id=42"
            ))
        })?;
    let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
    Ok((pointer.to_owned(), value))
}

/// Looks the value of a place that the brain labels its runs by up among the labels, where
/// that is the only thing that is asked of the state.
fn labelled(app: &App, filter: &mut RunFilter) {
    let Some(brain) = filter.brain.as_deref().and_then(|title| app.registry().brain(title)) else { return };
    let [(pointer, value)] = filter.state.as_slice() else { return };
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(_) | Value::Bool(_) => value.to_string(),
        _ => return,
    };
    if let Some(name) = brain.label_of(pointer) {
        filter.labels.push((name.to_owned(), text));
        filter.state.clear();
    }
}

/// True for the oldest first.
fn order(order: Option<&str>) -> Result<bool, ApiError> {
    match order {
        None | Some("newest") => Ok(false),
        Some("oldest") => Ok(true),
        Some(other) => {
            Err(ApiError::bad_request(format!("Unknown order '{other}'; there are 'newest' and 'oldest'")))
        }
    }
}

/// The parts that are asked for, with commas between them.
fn include(names: Option<&str>) -> Result<Include, ApiError> {
    let mut include = Include::default();
    for name in names.into_iter().flat_map(|names| names.split(',')) {
        match name {
            "position" => include.position = true,
            "standing" => include.standing = true,
            other => {
                let text = format!("Unknown include '{other}'; there are 'position' and 'standing'");
                return Err(ApiError::bad_request(text));
            }
        }
    }
    Ok(include)
}

/// The labels of a filter: no run has more than a bounded number.
fn labels(of: &LabelFilter) -> Result<Vec<(String, String)>, ApiError> {
    if of.iter().len() > MAX_LABELS {
        return Err(ApiError::bad_request(format!(
            "The filter has {} labels, and a run has at most {MAX_LABELS}",
            of.iter().len()
        )));
    }
    of.iter().map(label).collect()
}

/// The name and the value of a label, as `order=o2`.
fn label(text: &str) -> Result<(String, String), ApiError> {
    let (name, value) = text.split_once('=').ok_or_else(|| {
        ApiError::bad_request(format!(
            "Bad label '{text}': write its name, '=' and its value, as in order=o2"
        ))
    })?;
    check_label_name(name)
        .and_then(|()| check_label_value(name, value))
        .map_err(|why| ApiError::bad_request(format!("Bad label: {why}")))?;
    Ok((name.to_owned(), value.to_owned()))
}

/// The statuses that are asked for, with commas between them, each once: each is a list that is read.
fn statuses(names: Option<&str>) -> Result<Vec<RunStatus>, ApiError> {
    let mut statuses = Vec::new();
    for name in names.into_iter().flat_map(|names| names.split(',')) {
        let status = status(name)?;
        if !statuses.contains(&status) {
            statuses.push(status);
        }
    }
    Ok(statuses)
}

fn status(name: &str) -> Result<RunStatus, ApiError> {
    RunStatus::parse(name).ok_or_else(|| {
        let known: Vec<_> = RunStatus::ALL.iter().map(|status| status.as_str()).collect();
        ApiError::bad_request(format!("Unknown status '{name}'; the statuses are {}", known.join(", ")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_that_is_named_many_times_is_read_once() {
        let many = ["waiting", "error"].repeat(3_500).join(",");
        assert_eq!(statuses(Some(&many)).unwrap(), [RunStatus::Waiting, RunStatus::Error]);
        assert!(statuses(None).unwrap().is_empty());
        assert!(statuses(Some("waiting,lost")).is_err());
    }
}
