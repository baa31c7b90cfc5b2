//! Parked runs that this binary could not go on with, read from the store or from the server that has it
//! open.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use px_api::{ListRuns, Open, Position, RunSummary, format_statuses};
use px_client::Client;
use px_core::{Run, RunId, RunStatus, Scope};
use px_store::{Row, RunFilter, Store as _, Table, Timer, TimerKind};

use crate::context::Context;
use crate::error::Result;
use crate::store::{self, Opened};

use super::looker::{Looked, Looker};

/// Number of runs that are read at once.
const PAGE: usize = 500;

/// Number of runs that are named for each reason.
const NAMED: usize = 5;

/// Findings.
#[derive(Debug, Default)]
pub(super) struct Parked {
    /// Number of runs that have not ended; nobody could be asked if absent.
    pub(super) looked_at: Option<u64>,
    /// Reasons for which some of them could not go on, with their number and the first of them.
    pub(super) stuck: BTreeMap<String, Stuck>,
    /// For each brain, the number of runs that were passed over, since the code of others did not return.
    pub(super) passed: BTreeMap<String, u64>,
}

/// The runs that one reason keeps.
#[derive(Debug, Default, serde::Serialize)]
pub(super) struct Stuck {
    pub(super) count: u64,
    pub(super) runs: Vec<RunId>,
}

impl Parked {
    fn look(&mut self, looker: &mut Looker, run: Run) {
        let (id, title) = (run.id, run.brain.clone());
        // A run that is paused already may be for another reason; one that has
        // never run has nothing stored but its input.
        let reason = match looker.look(run) {
            Looked::Fits => None,
            Looked::Stuck(reason) => Some(reason),
            Looked::Passed => {
                *self.passed.entry(title).or_insert(0) += 1;
                return;
            }
        };
        *self.looked_at.get_or_insert(0) += 1;
        if let Some(reason) = reason {
            let brain = format!("brain '{title}'");
            let why = if reason.contains(&brain) { reason } else { format!("{brain}: {reason}") };
            let stuck = self.stuck.entry(why).or_default();
            stuck.count += 1;
            if stuck.runs.len() < NAMED {
                stuck.runs.push(id);
            }
        }
    }

    pub(super) fn count(&self) -> u64 {
        self.stuck.values().map(|stuck| stuck.count).sum()
    }
}

const ACTIVE: [RunStatus; 4] =
    [RunStatus::Pending, RunStatus::Running, RunStatus::Waiting, RunStatus::Paused];

/// Looks at every run of a store that has not ended.
pub(super) async fn of_store(context: &Context, mut looker: Looker, store: &Opened) -> Result<Parked> {
    let filter = RunFilter { statuses: ACTIVE.to_vec(), ..RunFilter::default() };
    let (mut parked, mut before) = (Parked { looked_at: Some(0), ..Parked::default() }, None);
    let mut retried = retried(store).await?;
    loop {
        let page = store.runs(Scope::default(), &filter, before, PAGE).await;
        let page = page.map_err(|error| store::store_error(&error))?;
        for record in page.items {
            retried.remove(&record.run.id);
            parked.look(&mut looker, Arc::unwrap_or_clone(record.run));
        }
        tell(context, &parked);
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    for run in retried {
        let record = store.run(Scope::default(), run).await.map_err(|error| store::store_error(&error))?;
        if let Some(record) = record {
            parked.look(&mut looker, Arc::unwrap_or_clone(record.run));
        }
    }
    context.ui.progress("");
    Ok(parked)
}

/// The runs that wait for their next attempt, by their timers: a store that an older px wrote lists them nowhere.
async fn retried(store: &Opened) -> Result<BTreeSet<RunId>> {
    let (mut retried, mut after) = (BTreeSet::new(), None);
    loop {
        let page = store.scan(Scope::default(), Table::Timer, after.as_ref(), PAGE).await;
        let page = page.map_err(|error| store::store_error(&error))?;
        retried.extend(page.rows.iter().filter_map(|row| match row {
            Row::Timer(Timer { kind: TimerKind::Retry { run }, .. }) => Some(*run),
            _ => None,
        }));
        after = page.next;
        if after.is_none() {
            return Ok(retried);
        }
    }
}

/// Looks at every run of a server that has not ended.
pub(super) async fn ask(context: &Context, client: &Client, mut looker: Looker) -> Result<Parked> {
    let mut query = ListRuns {
        status: Some(format_statuses(&ACTIVE.map(Into::into))),
        limit: Some(PAGE),
        include: Some("position".to_owned()),
        ..ListRuns::default()
    };
    let mut parked = Parked { looked_at: Some(0), ..Parked::default() };
    loop {
        let page = client.runs(&query).await?.into_value();
        for shown in page.runs {
            if let Some(run) = read(shown) {
                parked.look(&mut looker, run);
            }
        }
        tell(context, &parked);
        query.cursor = page.next_cursor;
        if query.cursor.is_none() {
            break;
        }
    }
    context.ui.progress("");
    Ok(parked)
}

fn tell(context: &Context, parked: &Parked) {
    context.ui.progress(format_args!("{} runs looked at", parked.looked_at.unwrap_or(0)));
}

/// As much of a run as decides whether it can go on.
fn read(shown: RunSummary) -> Option<Run> {
    let Some(Open::Known(position)) = shown.position else { return None };
    let mut run = Run::vacant(shown.brain_run_id);
    run.brain = shown.brain_title;
    let Position { frames, given, steps, items } = position;
    (run.frames, run.given, run.steps, run.items) = (frames, given, steps, items);
    Some(run)
}
