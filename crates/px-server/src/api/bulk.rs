//! `POST /bulk` and below: one thing is done with the runs that a filter has. The list is made
//! here, from a bounded number of rows, before anything is done; the job that follows from it
//! is the engine's (`px-engine/bulk.rs`).

use std::collections::BTreeMap;

use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use bytes::Bytes;
use http::StatusCode;
use px_api::{
    BulkAction, BulkFilter, BulkJob, BulkJobs, BulkPreview, BulkReason, BulkRefusal, BulkState, ListRuns,
    StartBulk,
};
use px_core::{BulkId, Code, RunId};
use px_engine::{BulkError, NewBulk};

use super::guard::Sight;
use super::run_list::Wanted;
use crate::access::Right;
use crate::app::{App, Shared};
use crate::error::ApiError;

/// Runs of a job, at most.
const MAX_RUNS: usize = 100_000;

/// Rows that are looked at for a list, at most.
const MAX_LOOKED: usize = 200_000;

/// Runs of a job that needs no admin, at most.
const MAX_OPERATED: usize = 10_000;

/// Runs that are read at once.
const PAGE: usize = 500;

/// Runs that a preview names, and refused ones that a job does.
const MAX_NAMED: usize = 20;

/// The runs of a filter, and what they say to a deed.
#[derive(Default)]
struct Selection {
    runs: Vec<RunId>,
    refused: u64,
    reasons: BTreeMap<String, u64>,
    refusals: Vec<px_engine::BulkRefusal>,
    looked: usize,
}

impl Selection {
    async fn of(app: &App, filter: &BulkFilter, action: px_engine::BulkAction) -> Result<Self, ApiError> {
        let now = app.clock().now();
        let until = Some(filter.until.unwrap_or(now.as_millis()));
        let query = ListRuns { until, ..filter.into() };
        let wanted = Wanted::of(app, &query, StatusCode::CONFLICT).await?;
        let (mut found, mut cursor) = (Self::default(), None);
        loop {
            let page = wanted.page(app, cursor, PAGE).await?;
            found.looked += page.looked.max(page.items.len());
            for record in &page.items {
                found.take(&record.run, action.refusal(&record.run, now));
            }
            if found.runs.len() > MAX_RUNS || found.looked > MAX_LOOKED {
                return Err(ApiError::bad_request(format!(
                    "The filter has too many runs for one job, which takes {MAX_RUNS} and looks at {MAX_LOOKED}: \
                     narrow it, by since and until for instance"
                )));
            }
            cursor = match page.next {
                Some(next) => Some(RunId::from_bytes(next)),
                None => return Ok(found),
            };
        }
    }

    fn take(&mut self, run: &px_core::Run, refusal: Option<String>) {
        let Some(why) = refusal else { return self.runs.push(run.id) };
        self.refused += 1;
        if self.refusals.len() < MAX_NAMED {
            self.refusals.push(px_engine::BulkRefusal { run: run.id, why: why.clone() });
        }
        *self.reasons.entry(why).or_default() += 1;
    }

    fn preview(self, action: BulkAction) -> BulkPreview {
        let reasons = self.reasons.into_iter();
        let mut reasons: Vec<BulkReason> = reasons.map(|(text, count)| BulkReason { text, count }).collect();
        reasons.sort_by_key(|reason| std::cmp::Reverse(reason.count));
        reasons.truncate(MAX_NAMED);
        BulkPreview {
            action,
            would: self.runs.len() as u64,
            cannot: self.refused,
            reasons,
            first: self.runs.into_iter().take(MAX_NAMED).collect(),
            looked: self.looked as u64,
        }
    }
}

fn action_of(action: &BulkAction) -> Result<px_engine::BulkAction, ApiError> {
    match action {
        BulkAction::Cancel => Ok(px_engine::BulkAction::Cancel),
        BulkAction::Pause => Ok(px_engine::BulkAction::Pause),
        BulkAction::Resume => Ok(px_engine::BulkAction::Resume),
        other => {
            let known = BulkAction::KNOWN.join("', '");
            Err(ApiError::bad_request(format!("Unknown action '{other}'; there are '{known}'")))
        }
    }
}

pub(crate) async fn start(
    State(app): State<Shared>,
    Extension(sight): Extension<Sight>,
    Extension(right): Extension<Right>,
    body: Bytes,
) -> Result<Response, ApiError> {
    let body: StartBulk = super::read_json(&body)?;
    if body.dry_run {
        return Ok(Json(preview(&app, &body).await?).into_response());
    }
    Ok((StatusCode::ACCEPTED, Json(begin(&app, sight, right, &body).await?)).into_response())
}

/// The runs of a request, and what is done with them.
async fn select(app: &App, asked: &StartBulk) -> Result<(Selection, px_engine::BulkAction), ApiError> {
    let action = action_of(&asked.action)?;
    if asked.filter.is_empty() {
        return Err(ApiError::bad_request("The filter is empty, and would mean every run: say which ones"));
    }
    Ok((Selection::of(app, &asked.filter, action).await?, action))
}

/// Says what a job would do.
pub(crate) async fn preview(app: &App, asked: &StartBulk) -> Result<BulkPreview, ApiError> {
    let (selection, _) = select(app, asked).await?;
    Ok(selection.preview(asked.action.clone()))
}

/// Starts a job.
pub(crate) async fn begin(
    app: &App,
    sight: Sight,
    right: Right,
    asked: &StartBulk,
) -> Result<BulkJob, ApiError> {
    let (selection, action) = select(app, asked).await?;
    let count = selection.runs.len();
    permit(count, sight)?;
    if asked.at_most.is_some_and(|most| count as u64 > most) {
        let text = format!("There are {count} such runs by now, and no more than atMost were wanted");
        return Err(ApiError::conflict(text));
    }
    let new = NewBulk {
        action,
        // Its keys are texts.
        filter: serde_json::to_value(&asked.filter).unwrap_or_default(),
        by: name_of(app, right),
        runs: selection.runs,
        refused: selection.refused,
        refusals: selection.refusals,
    };
    let job = app.parts.start_bulk(new).await?;
    app.bulk_started.notify_one();
    Ok(shown(job))
}

/// Refuses more runs than a token below the scope admin may move at once.
pub(crate) fn permit(count: usize, sight: Sight) -> Result<(), ApiError> {
    if count <= MAX_OPERATED || sight == Sight::Whole {
        return Ok(());
    }
    let text = format!(
        "{count} runs are more than a token without the scope admin may move at once, which is {MAX_OPERATED}"
    );
    Err(ApiError::new(StatusCode::FORBIDDEN, Code::ScopeMissing, text))
}

/// The name of whoever has this right.
fn name_of(app: &App, right: Right) -> String {
    let Right::Token(id) = right else { return "this machine".to_owned() };
    let tokens = app.tokens.list();
    let token = tokens.iter().find(|token| token.id == id);
    token.map_or_else(|| id.to_string(), |token| token.name.clone())
}

pub(crate) async fn list(State(app): State<Shared>) -> Result<Json<BulkJobs>, ApiError> {
    let jobs = app.parts.bulk_jobs().await?;
    Ok(Json(BulkJobs { jobs: jobs.into_iter().rev().map(shown).collect() }))
}

pub(crate) async fn show(
    State(app): State<Shared>,
    Path(id): Path<String>,
) -> Result<Json<BulkJob>, ApiError> {
    let job = match id.parse() {
        Ok(known) => app.parts.bulk_job(known).await?,
        Err(_) => None,
    };
    job.map(|job| Json(shown(job.record))).ok_or_else(|| missing(&id))
}

pub(crate) async fn stop(
    State(app): State<Shared>,
    Path(id): Path<String>,
) -> Result<Json<BulkJob>, ApiError> {
    let known: BulkId = id.parse().map_err(|_| missing(&id))?;
    let stopped = app.parts.stop_bulk(known).await?;
    stopped.map(|job| Json(shown(job))).ok_or_else(|| missing(&id))
}

fn missing(id: &str) -> ApiError {
    ApiError::not_found(format!("Bulk job '{id}' not found"))
}

impl From<BulkError> for ApiError {
    fn from(error: BulkError) -> Self {
        match error {
            BulkError::TooMany => {
                Self::conflict("There are as many bulk jobs under way as may be; stop one, or wait")
            }
            BulkError::Over => Self::conflict("The bulk job is over"),
            BulkError::Control(error) => error.into(),
            other => Self::overloaded(other.to_string()),
        }
    }
}

fn shown(job: px_engine::BulkJob) -> BulkJob {
    BulkJob {
        id: job.id,
        action: match job.action {
            px_engine::BulkAction::Cancel => BulkAction::Cancel,
            px_engine::BulkAction::Pause => BulkAction::Pause,
            px_engine::BulkAction::Resume => BulkAction::Resume,
        },
        // It was written from this type.
        filter: serde_json::from_value(job.filter).unwrap_or_default(),
        by: job.by,
        state: match job.state {
            px_engine::BulkState::Running => BulkState::Running,
            px_engine::BulkState::Done => BulkState::Done,
            px_engine::BulkState::Stopped => BulkState::Stopped,
        },
        created_at: job.created_at,
        ended_at: job.ended_at,
        total: job.total,
        left: job.total.saturating_sub(job.place),
        done: job.done,
        refused: job.refused,
        refusals: job
            .refusals
            .into_iter()
            .map(|refusal| BulkRefusal { brain_run_id: refusal.run, why: refusal.why })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_ten_thousand_runs_take_an_admin() {
        assert!(permit(10_000, Sight::Redacted).is_ok());
        assert!(permit(10_001, Sight::Redacted).is_err());
        assert!(permit(100_000, Sight::Whole).is_ok());
    }
}
