//! Parked runs that this binary could not go on with, read from the store or from the server that has it
//! open.

use std::collections::BTreeMap;

use px_api::{ListRuns, Open, Position, RunSummary, format_statuses};
use px_client::Client;
use px_core::{Run, RunId, RunStatus, Scope};
use px_engine::obstacle;
use px_sdk::Registry;
use px_store::{RunFilter, Store as _};

use crate::context::Context;
use crate::error::Result;
use crate::store::{self, Opened};

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
}

/// The runs that one reason keeps.
#[derive(Debug, Default, serde::Serialize)]
pub(super) struct Stuck {
    pub(super) count: u64,
    pub(super) runs: Vec<RunId>,
}

impl Parked {
    fn look(&mut self, registry: &Registry, run: &Run) {
        *self.looked_at.get_or_insert(0) += 1;
        // A run that is paused already may be for another reason; one that has
        // never run has nothing stored but its input.
        if let Some(reason) = obstacle(registry, run) {
            let brain = format!("brain '{}'", run.brain);
            let why = if reason.contains(&brain) { reason } else { format!("{brain}: {reason}") };
            let stuck = self.stuck.entry(why).or_default();
            stuck.count += 1;
            if stuck.runs.len() < NAMED {
                stuck.runs.push(run.id);
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
pub(super) async fn of_store(context: &Context, registry: &Registry, store: &Opened) -> Result<Parked> {
    let filter = RunFilter { statuses: ACTIVE.to_vec(), ..RunFilter::default() };
    let (mut parked, mut before) = (Parked { looked_at: Some(0), ..Parked::default() }, None);
    loop {
        let page = store.runs(Scope::default(), &filter, before, PAGE).await;
        let page = page.map_err(|error| store::store_error(&error))?;
        page.items.iter().for_each(|record| parked.look(registry, &record.run));
        tell(context, &parked);
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    context.ui.progress("");
    Ok(parked)
}

/// Looks at every run of a server that has not ended.
pub(super) async fn ask(context: &Context, client: &Client, registry: &Registry) -> Result<Parked> {
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
                parked.look(registry, &run);
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
