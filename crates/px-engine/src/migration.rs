//! Stored states that a lower version of their brain left: which frames of a run
//! hold one, and what brings it over. All of them are brought over in one commit,
//! before anything else of the run is run, so that a crash leaves all or none, and
//! only if each is one that its step can take: a run that is paused since a migration
//! is missing keeps its version, so that the next deploy can bring one.
//! The user's code is called on the thread of whoever asks; the executor asks on the pool.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use px_core::Run;
use px_core::run::{ItemResult, MigratedFrame};
use px_pool::panic_text;
use px_sdk::{Body, MigrationPath, StateType, StepDef};
use serde_json::Value;

use crate::position::{Around, Level};

/// The sentence about migrations that did not return.
#[must_use]
pub fn hung_migration(within: Duration) -> String {
    format!("the stored state could not be migrated: a migration did not return within {within:?}")
}

/// A stored state that is to be brought over, and how.
pub(crate) struct Stale {
    depth: u32,
    /// Title of the frame's brain.
    brain: String,
    /// Name of the step that takes the state.
    step: String,
    /// The type of state that it takes.
    takes: StateType,
    /// Versions of the brain whose migration it is.
    from: u32,
    to: u32,
    /// Version of the frame's own brain now.
    version: u32,
    state: Value,
    how: How,
    items: Vec<ItemResult>,
    /// What brings the results of items over, if anything does.
    of_items: Option<MigrationPath>,
}

enum How {
    /// A newer version of the brain left it: there is no way down.
    Newer,
    /// No migration is declared: the state is taken as it is.
    AsItIs,
    /// The step that takes it says.
    OfStep(Box<StepDef>),
    /// Migrations of its type say.
    OfType(MigrationPath),
}

/// What takes the state of a frame.
pub(crate) struct Taker<'a> {
    /// The step that takes it; `None` if it is the result of a nested brain.
    step: Option<&'a StepDef>,
    pub(crate) title: &'a str,
    pub(crate) state: StateType,
    /// True if the state is the input of the frame's brain.
    is_input: bool,
}

/// Returns what takes the state of a frame: its step, or what comes behind its pipeline. `None` if nobody reads
/// the state any more.
pub(crate) fn taker<'a>(levels: &[Level<'a>], run: &Run, at: usize) -> Option<Taker<'a>> {
    // The state around a part is replaced by what the part leaves; one that a guard ended with is a result.
    let is_replaced = run.frames.get(at + 1).is_some_and(|inner| inner.part.is_some());
    run.frames.get(at).filter(|frame| !frame.halted && !is_replaced)?;
    let level = levels.get(at)?;
    match &level.found {
        Some(found) => Some(Taker { is_input: is_at_input(run, at), ..Taker::of(found.step) }),
        None => behind(levels, at),
    }
}

/// Returns true if a frame has not completed its first step, as the run knows its steps: what it holds is the
/// input of its brain. The first turn of a loop, and the arm of a branch, that a brain begins with hold it too.
fn is_at_input(run: &Run, at: usize) -> bool {
    let Some(frame) = run.frames.get(at) else { return false };
    let steps = if at == 0 { &run.steps } else { &frame.steps };
    let is_first = steps.first().is_some_and(|first| first.title == frame.step) && frame.iteration == 0;
    is_first && (frame.part.is_none() || at.checked_sub(1).is_some_and(|outer| is_at_input(run, outer)))
}

/// What takes the last state of a pipeline that is through.
fn behind<'a>(levels: &[Level<'a>], at: usize) -> Option<Taker<'a>> {
    let outer = at.checked_sub(1)?;
    let found = levels.get(outer)?.found.as_ref()?;
    match levels.get(at)?.around? {
        Around::Brain(nested) => Some(Taker { step: None, state: nested.result, ..Taker::of(found.step) }),
        Around::Repeat(_) => Some(Taker::of(found.step)),
        Around::Arm => match found.next() {
            Some(next) => Some(Taker::of(next)),
            None => behind(levels, outer),
        },
    }
}

impl<'a> Taker<'a> {
    fn of(step: &'a StepDef) -> Self {
        Self { step: Some(step), title: &step.info.title, state: step.state, is_input: false }
    }
}

/// Returns the stored states of a run that are to be brought over before it goes on.
pub(crate) fn stale(levels: &[Level<'_>], run: &Run) -> Vec<Stale> {
    (0..levels.len()).filter_map(|at| stale_at(levels, run, at)).collect()
}

fn stale_at(levels: &[Level<'_>], run: &Run, at: usize) -> Option<Stale> {
    let taker = taker(levels, run, at)?;
    let (level, frame) = (levels.get(at)?, run.frames.get(at)?);
    let version = level.brain.version;
    let is_stale = frame.version != version;
    let (how, from, to) = match taker.step {
        _ if frame.version > version => (How::Newer, frame.version, version),
        Some(step) if is_stale && step.migrates() => {
            (How::OfStep(Box::new(step.clone())), frame.version, version)
        }
        _ => match path(levels, run, at, &taker.state, taker.is_input) {
            Some((path, from, to)) => (How::OfType(path), from, to),
            None => (How::AsItIs, frame.version, version),
        },
    };
    let of_items = match taker.step.map(|step| &step.body) {
        Some(Body::Map(map)) if !run.items.is_empty() && at + 1 == levels.len() => {
            path(levels, run, at, &map.result, false)
        }
        _ => None,
    };
    let is_due = is_stale || matches!(how, How::OfType(_)) || of_items.is_some();
    is_due.then(|| Stale {
        depth: u32::try_from(at).unwrap_or(u32::MAX),
        brain: level.brain.title.clone(),
        step: taker.title.to_owned(),
        takes: taker.state,
        from,
        to,
        version,
        state: frame.state.clone(),
        how,
        items: if of_items.is_some() { run.items.clone() } else { Vec::new() },
        of_items: of_items.map(|(path, ..)| path),
    })
}

/// The migrations that lead to a type from what a frame stored, with the versions: those of its own brain, else
/// those of the nearest brain around it that was of a lower version when it was stored.
fn path(
    levels: &[Level<'_>],
    run: &Run,
    at: usize,
    to: &StateType,
    is_input: bool,
) -> Option<(MigrationPath, u32, u32)> {
    // Of the frames of one brain the innermost counts: those around it may have been left behind.
    let is_innermost = |owner: usize| {
        owner == at || matches!(levels.get(owner + 1).and_then(|inner| inner.around), Some(Around::Brain(_)))
    };
    (0..=at).rev().filter(|owner| is_innermost(*owner)).find_map(|owner| {
        let (level, frame) = (levels.get(owner)?, run.frames.get(owner)?);
        let at_input = is_input && (owner == at || run.frames.get(at)?.part.is_some());
        let path = level.brain.migrations.path(to, frame.version, at_input)?;
        Some((path, frame.version, level.brain.version))
    })
}

impl Stale {
    /// Runs the user's code, on this thread; the reason, if that leads to no state.
    pub(crate) fn bring(self) -> Result<MigratedFrame, String> {
        let Self { depth, brain, step, takes, from, to, version, state, how, items, of_items } = self;
        if matches!(how, How::Newer) {
            return Err(format!(
                "the state for step '{step}' is of version {from} of brain '{brain}', and this binary has version \
                 {version}: serve a binary with version {from} or a newer one, then resume the run"
            ));
        }
        let code = AssertUnwindSafe(move || {
            let state = match how {
                How::AsItIs | How::Newer => state,
                How::OfStep(step) => step.migrate(from, state)?,
                How::OfType(path) => path.state(state)?,
            };
            let items = items.into_iter().map(|item| {
                let result = of_items.as_ref().map(|path| path.item(item.result.clone())).transpose()?;
                Ok(ItemResult { index: item.index, result: result.unwrap_or(item.result) })
            });
            let fit = takes.fits(&state);
            Ok((state, fit, items.collect::<px_sdk::Result<_>>()?))
        });
        let why = match std::panic::catch_unwind(code) {
            Ok(Ok((state, Ok(()), items))) => return Ok(MigratedFrame { depth, version, state, items }),
            Ok(Ok((_, Err(why), _))) => return Err(unfit(&step, &why)),
            Ok(Err(error)) => px_sdk::Error::message(&error).to_owned(),
            Err(panic) => panic_text(&*panic),
        };
        Err(format!("the state for step '{step}' could not be migrated from version {from} to {to}: {why}"))
    }
}

/// The sentence about a state that its step cannot take.
pub(crate) fn unfit(step: &str, why: &str) -> String {
    format!("the stored state does not fit step '{step}': {why}")
}
