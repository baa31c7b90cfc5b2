//! `GET /waits/late`: waits that are older than their brain expects, from a bounded number of rows. Where no brain
//! expects anything, none is read.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use px_api::{LatePage, LateWait, ListLate, Standing};
use px_core::{Run, RunId, RunStatus};
use px_engine::Expected;
use px_store::RunFilter;
use serde::{Deserialize, Serialize};

use super::page_size;
use crate::app::{App, Shared};
use crate::error::ApiError;

/// Number of waiting runs that one page looks at, at most.
const MAX_LOOKED: usize = 2_000;

/// Number of runs that are read at once.
const AT_ONCE: usize = 100;

/// A place in the order of all waiting runs of brains that expect something: a brain, and a run behind which it
/// goes on.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Place {
    brain: String,
    after: Option<RunId>,
}

/// Late waits, as far as was looked.
#[derive(Default)]
pub(super) struct Found {
    pub(super) late: Vec<(Arc<Run>, Expected)>,
    looked: usize,
    /// The place at which looking goes on; none at the end.
    pub(super) next: Option<Place>,
}

/// The brains that expect answers, by title, each with the shortest time within which it does.
pub(super) fn expecting(app: &App) -> Vec<(String, Duration)> {
    let brains = app.registry().brains();
    let expecting = brains.filter_map(|brain| Some((brain.def.title.clone(), brain.def.least_expected()?)));
    let mut expecting: Vec<_> = expecting.collect();
    expecting.sort();
    expecting
}

/// The late waits of some brains from a place on: at most `limit` of them, from at most about `most` rows.
pub(super) async fn find(
    app: &App,
    brains: &[(String, Duration)],
    from: Place,
    (limit, most): (usize, usize),
) -> Result<Found, px_store::Error> {
    let now = app.clock().now();
    let (mut found, mut place) = (Found::default(), from);
    for (title, least) in brains {
        if *title < place.brain {
            continue;
        }
        if *title != place.brain {
            place = Place { brain: title.clone(), after: None };
        }
        // A run waits no longer than it exists.
        let young = RunId::bound(now.before(*least));
        let statuses = vec![RunStatus::Waiting];
        let filter =
            RunFilter { brain: Some(title.clone()), statuses, oldest_first: true, ..RunFilter::default() };
        'brain: loop {
            let after = place.after.map(RunId::to_bytes);
            let page = app.store().runs(app.parts.scope, &filter, after, AT_ONCE).await?;
            found.looked += page.looked;
            for record in page.items {
                let run = record.run;
                if run.id >= young {
                    break 'brain;
                }
                if found.late.len() == limit {
                    found.next = Some(place);
                    return Ok(found);
                }
                place.after = Some(run.id);
                let expected = px_engine::expected(app.registry(), &run);
                found.late.extend(
                    expected.filter(|expected| expected.is_late(now)).map(|expected| (run, expected)),
                );
            }
            let Some(next) = page.next else { break };
            place.after = Some(RunId::from_bytes(next));
            if found.looked >= most {
                found.next = Some(place);
                return Ok(found);
            }
        }
    }
    Ok(found)
}

pub(crate) async fn list(
    State(app): State<Shared>,
    query: Result<Query<ListLate>, QueryRejection>,
) -> Result<Json<LatePage>, ApiError> {
    let Query(query) = query.map_err(|error| ApiError::bad_request(error.body_text()))?;
    let from = query.cursor.as_deref().map(place_of).transpose()?.unwrap_or_default();
    let bounds = (page_size(query.limit), MAX_LOOKED);
    let found = find(&app, &expecting(&app), from, bounds).await?;
    Ok(Json(LatePage {
        late: found.late.iter().map(|(run, expected)| shown(run, *expected)).collect(),
        looked: u64::try_from(found.looked).unwrap_or(u64::MAX),
        next_cursor: found.next.as_ref().map(cursor_of),
    }))
}

fn shown(run: &Run, expected: Expected) -> LateWait {
    let standing = Standing::from(run);
    LateWait {
        brain_run_id: run.id,
        brain_title: run.brain.clone(),
        step: standing.step,
        since: expected.since,
        expected_within: u64::try_from(expected.within.as_millis()).unwrap_or(u64::MAX),
        awaits: standing.awaits,
    }
}

fn cursor_of(place: &Place) -> String {
    // A place can be written: its keys are texts.
    hex::encode(serde_json::to_vec(place).unwrap_or_default())
}

fn place_of(cursor: &str) -> Result<Place, ApiError> {
    let bytes = hex::decode(cursor).ok();
    let place = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    place.ok_or_else(|| {
        ApiError::bad_request(format!("Bad cursor: '{cursor}' is not the nextCursor of a page"))
    })
}
