//! Fitness of a parked run for this binary. The engine checks it before a step runs, and `px check` checks
//! it of every run before a binary is served.

use std::panic::AssertUnwindSafe;

use px_core::Run;
use px_pool::panic_text;
use px_sdk::Registry;
use serde_json::Value;

use crate::position::{Around, Found, Position, find};

/// Returns the reason for which a run that has not ended could not go on with the brains and webhooks of
/// this registry: its step is gone, or its state or its response does not fit. The engine would pause it
/// for this reason. `None` if it can go on.
#[must_use]
pub fn obstacle(registry: &Registry, run: &Run) -> Option<String> {
    let place = match find(registry, run) {
        Ok(place) => place,
        Err(reason) => return Some(reason),
    };
    if let Err(reason) = same_response(registry, run) {
        return Some(reason);
    }
    // The end of a turn is looked at as the step that the loop is.
    let (Position::Step(found) | Position::Leave(found, Around::Repeat(_))) = place else { return None };
    if run.frame()?.halted {
        return None;
    }
    let state = match migrated(run, &found) {
        Some(Ok(state)) => state,
        Some(Err(reason)) => return Some(reason),
        None => run.frame()?.state.clone(),
    };
    let step = &found.step.info.title;
    found.step.fits(&state).err().map(|why| format!("the stored state does not fit step '{step}': {why}"))
}

/// Returns true if another version of the brain left the state, so that it has to be migrated. The state
/// in which a guard ended a part is the brain's last one, and stays what it is.
pub(crate) fn is_to_be_migrated(run: &Run, found: &Found<'_>) -> bool {
    run.frame().is_some_and(|frame| !frame.halted && frame.version != found.brain.version)
}

/// A state that another version of the brain left, as this one expects it; why
/// there is none; `None` if it is of this version. Runs the user's migration on
/// the calling thread: the engine itself runs it on the pool.
fn migrated(run: &Run, found: &Found<'_>) -> Option<Result<Value, String>> {
    let frame = run.frame().filter(|_| is_to_be_migrated(run, found))?;
    let code = || found.step.migrate(frame.version, frame.state.clone());
    let why = match std::panic::catch_unwind(AssertUnwindSafe(code)) {
        Ok(Ok(state)) => return Some(Ok(state)),
        Ok(Err(error)) => error.message().to_owned(),
        Err(panic) => panic_text(&*panic),
    };
    Some(Err(not_migrated(&found.step.info.title, frame.version, found.brain.version, &why)))
}

/// The reason of a run that is paused because its state was not migrated.
pub(crate) fn not_migrated(step: &str, from: u32, to: u32, why: &str) -> String {
    format!("the state for step '{step}' could not be migrated from version {from} to {to}: {why}")
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
