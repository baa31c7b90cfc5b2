//! Position of a run within the brains of this binary.

use px_core::Run;
use px_sdk::{Body, BrainDef, Nested, Registry, StepDef};

/// The next thing that a run does.
pub(crate) enum Position<'a> {
    /// A step of the innermost brain.
    Step(Found<'a>),
    /// The innermost brain is through: the step around it takes its result.
    Leave(Found<'a>, &'a Nested),
}

/// A step, in the brain that has it.
pub(crate) struct Found<'a> {
    pub(crate) brain: &'a BrainDef,
    pub(crate) step: &'a StepDef,
    pub(crate) index: u32,
}

impl Found<'_> {
    /// The step behind this one.
    pub(crate) fn next(&self) -> Option<&StepDef> {
        self.brain.steps.get(self.index as usize + 1)
    }
}

/// Follows the run's position through the brains; the reason, if it leads nowhere.
pub(crate) fn find<'a>(registry: &'a Registry, run: &Run) -> Result<Position<'a>, String> {
    let first = run.frames.first().ok_or("the run has no position")?;
    let mut brain: &BrainDef = registry
        .brain(&first.brain)
        .ok_or_else(|| format!("brain '{}' is not in this binary any more", first.brain))?;
    let (last, around) = run.frames.split_last().ok_or("the run has no position")?;
    let mut nested = None;
    for (frame, inner) in around.iter().zip(run.frames.iter().skip(1)) {
        let found = step_of(brain, &frame.step)?;
        let Body::Brain(body) = &found.step.body else {
            return Err(format!("step '{}' of brain '{}' is no brain any more", frame.step, frame.brain));
        };
        if body.brain.title != inner.brain {
            return Err(format!(
                "step '{}' of brain '{}' is another brain than '{}' now",
                frame.step, frame.brain, inner.brain
            ));
        }
        brain = &body.brain;
        nested = Some((found, body));
    }
    match nested {
        Some((found, body)) if last.is_through() => Ok(Position::Leave(found, body)),
        _ => step_of(brain, &last.step).map(Position::Step),
    }
}

fn step_of<'a>(brain: &'a BrainDef, name: &str) -> Result<Found<'a>, String> {
    brain
        .steps
        .iter()
        .enumerate()
        .find(|(_, step)| step.is_called(name))
        .map(|(index, step)| Found { brain, step, index: u32::try_from(index).unwrap_or(u32::MAX) })
        .ok_or_else(|| format!("step '{name}' is not in brain '{}' any more", brain.title))
}
