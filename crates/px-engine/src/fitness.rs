//! Fitness of a parked run for this binary. The engine checks it before a step runs, and `px check` checks
//! it of every run before a binary is served.

use std::collections::BTreeMap;

use px_core::Run;
use px_core::run::ItemResult;
use px_core::wait::Registration;
use px_sdk::{Body, Registry};

use crate::bounds::too_large;
use crate::migration::{Stale, stale, taker, unfit};
use crate::position::{Level, levels};
use crate::shared::Limits;

/// Returns the reason for which a run that has not ended could not go on with the brains and webhooks of
/// this registry: its step is gone, or a stored state or its response does not fit. The engine would pause it
/// for this reason. `None` if it can go on. Runs the user's migrations on the calling thread: the engine itself
/// runs them on the pool. Nothing is written. `limits` are those of the engine that would serve it.
#[must_use]
pub fn obstacle(registry: &Registry, limits: &Limits, run: &Run) -> Option<String> {
    misfit(registry, limits, run).err()
}

fn misfit(registry: &Registry, limits: &Limits, run: &Run) -> Result<(), String> {
    let levels = levels(registry, run)?;
    same_response(registry, run)?;
    let (mut brought, mut items) = (BTreeMap::new(), run.items.clone());
    let frames = stale(&levels, run).into_iter().map(Stale::bring).collect::<Result<Vec<_>, _>>()?;
    if let Some(why) = too_large(limits, run, &frames) {
        return Err(why);
    }
    for frame in frames {
        brought.insert(frame.depth as usize, frame.state);
        if !frame.items.is_empty() {
            items = frame.items;
        }
    }
    for (at, frame) in run.frames.iter().enumerate() {
        let Some(taker) = taker(&levels, run, at) else { continue };
        let state = brought.get(&at).unwrap_or(&frame.state);
        taker.state.fits(state).map_err(|why| unfit(taker.title, &why))?;
    }
    fit_items(&levels, &items)
}

/// Checks that the results of a list's items that are there are ones that their step can take.
fn fit_items(levels: &[Level<'_>], items: &[ItemResult]) -> Result<(), String> {
    let step = levels.last().and_then(|level| level.found.as_ref()).map(|found| found.step);
    let Some((step, Body::Map(map))) = step.map(|step| (step, &step.body)) else { return Ok(()) };
    let result = &map.result;
    items.iter().try_for_each(|item| {
        let title = &step.info.title;
        result.fits(&item.result).map_err(|why| {
            format!("the stored result of item {} does not fit step '{title}': {why}", item.index)
        })
    })
}

/// Returns the reason for which an event for an open wait does not let its run go on with the webhooks of this
/// registry, a sentence for people: the webhook is gone, or gives another response.
#[must_use]
pub fn unanswerable(registry: &Registry, registration: &Registration) -> Option<String> {
    if registration.key.is_between_runs() {
        return None;
    }
    let slug = &registration.key.slug;
    match registry.response_fingerprint(slug) {
        None => Some(format!(
            "Webhook '{slug}' is not in the server's binary any more: an event there is answered 503, which its sender \
             tries again, until a binary with it is served."
        )),
        Some(now) if now != registration.schema => Some(format!(
            "Webhook '{slug}' gives another response now than when the run began to wait: an event there is kept, and \
             pauses the run, until a binary with the old response is served."
        )),
        Some(_) => None,
    }
}

/// Checks that the response for the step has the schema that it had when the wait was opened
/// (docs/rules.md#14).
pub(crate) fn same_response(registry: &Registry, run: &Run) -> Result<(), String> {
    let given = run.given.as_ref();
    let Some((key, then)) = given.and_then(|given| given.key.as_ref().zip(given.schema)) else {
        return Ok(());
    };
    match registry.response_fingerprint(&key.slug) {
        Some(now) if now != then => Err(format!(
            "response changed: webhook '{}' gives another response than when the run began to wait for it",
            key.slug
        )),
        _ => Ok(()),
    }
}
