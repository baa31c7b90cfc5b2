//! Position of a run within the brains of this binary.

use px_core::Run;
use px_core::event::Part;
use px_core::run::Frame;
use px_sdk::{Body, BrainDef, Nested, Registry, Repeated, StepDef};

/// The next thing that a run does.
pub(crate) enum Position<'a> {
    /// A step of the innermost brain.
    Step(Found<'a>),
    /// The innermost pipeline is through: the step around it takes its result.
    Leave(Found<'a>, Around<'a>),
}

/// A step with a pipeline inside it.
#[derive(Clone, Copy)]
pub(crate) enum Around<'a> {
    /// Another brain.
    Brain(&'a Nested),
    /// A loop.
    Repeat(&'a Repeated),
    /// A branch.
    Arm,
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
        let (inside, around) = inside(&found.step.body, frame, inner)?;
        brain = inside;
        nested = Some((found, around));
    }
    match nested {
        Some((found, around)) if last.is_through() => Ok(Position::Leave(found, around)),
        _ => step_of(brain, &last.step).map(Position::Step),
    }
}

/// The pipeline inside a step that a run is in.
fn inside<'a>(body: &'a Body, frame: &Frame, inner: &Frame) -> Result<(&'a BrainDef, Around<'a>), String> {
    let (step, brain) = (&frame.step, &frame.brain);
    match (body, &inner.part) {
        (Body::Brain(nested), None) if nested.brain.title == inner.brain => {
            Ok((&nested.brain, Around::Brain(nested)))
        }
        (Body::Brain(_), None) => {
            Err(format!("step '{step}' of brain '{brain}' is another brain than '{}' now", inner.brain))
        }
        (Body::Repeat(repeated), Some(Part::Turn)) => Ok((&repeated.turn, Around::Repeat(repeated))),
        (Body::Branch(branched), Some(Part::Arm(name))) => match branched.arm(name) {
            Some(arm) if !arm.steps.steps.is_empty() => Ok((&arm.steps, Around::Arm)),
            _ => Err(format!(
                "the run is in arm '{name}' of step '{step}', and that is not in brain '{brain}' any more"
            )),
        },
        (_, None) => Err(format!("step '{step}' of brain '{brain}' is no brain any more")),
        (_, Some(Part::Turn)) => Err(format!("step '{step}' of brain '{brain}' is no loop any more")),
        (_, Some(Part::Arm(_))) => Err(format!("step '{step}' of brain '{brain}' is no branch any more")),
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
