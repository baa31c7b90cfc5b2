//! Position of a run within the brains of this binary.

use px_core::Run;
use px_core::event::Part;
use px_core::run::{After, Frame};
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

impl<'a> Found<'a> {
    /// The step behind this one.
    pub(crate) fn next(&self) -> Option<&'a StepDef> {
        self.brain.steps.get(self.index as usize + 1)
    }

    /// Where a run goes on behind this step, `level` frames inside the outermost.
    pub(crate) fn after(&self, run: &Run, level: usize) -> After {
        self.next().map_or(After::End, |next| After::Step(name_in(run, level, next)))
    }
}

/// The name by which a run knows a step: one that has got another since keeps its old one there, so that its
/// status, its keys and a rerun find it.
fn name_in(run: &Run, level: usize, step: &StepDef) -> String {
    let known = if level == 0 { Some(&run.steps) } else { run.frames.get(level).map(|frame| &frame.steps) };
    let known = known.into_iter().flatten().find(|known| step.is_called(&known.title));
    known.map_or_else(|| step.info.title.clone(), |known| known.title.clone())
}

/// One frame of a run, in the brains of this binary.
pub(crate) struct Level<'a> {
    /// The brain, or the part of one, that the frame runs.
    pub(crate) brain: &'a BrainDef,
    /// Step of the frame; `None` if the pipeline is through.
    pub(crate) found: Option<Found<'a>>,
    /// Relation to the step around it; `None` for the run's own brain.
    pub(crate) around: Option<Around<'a>>,
}

/// Follows the frames of a run through the brains, outermost first, at least one; the reason, if they lead
/// nowhere.
pub(crate) fn levels<'a>(registry: &'a Registry, run: &Run) -> Result<Vec<Level<'a>>, String> {
    let first = run.frames.first().ok_or("the run has no position")?;
    let mut brain: &BrainDef = registry
        .brain(&first.brain)
        .ok_or_else(|| format!("brain '{}' is not in this binary any more", first.brain))?;
    let mut levels = Vec::with_capacity(run.frames.len());
    let mut around = None;
    for (frame, inner) in run.frames.iter().zip(run.frames.iter().skip(1)) {
        let found = step_of(brain, &frame.step)?;
        let (pipeline, inner_around) = inside(&found.step.body, frame, inner)?;
        levels.push(Level { brain, found: Some(found), around });
        (brain, around) = (pipeline, Some(inner_around));
    }
    let last = run.frame().ok_or("the run has no position")?;
    let is_through = last.is_through() && around.is_some();
    let found = if is_through { None } else { Some(step_of(brain, &last.step)?) };
    levels.push(Level { brain, found, around });
    Ok(levels)
}

impl<'a> Position<'a> {
    /// The position that the levels of a run lead to; the reason, if they lead nowhere.
    pub(crate) fn of(mut levels: Vec<Level<'a>>) -> Result<Self, String> {
        let last = levels.pop().ok_or("the run has no position")?;
        if let Some(found) = last.found {
            return Ok(Self::Step(found));
        }
        let outer = levels.pop().and_then(|outer| outer.found);
        let (found, around) = outer.zip(last.around).ok_or("the run has no position")?;
        Ok(Self::Leave(found, around))
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
            Some(_) => Err(format!(
                "the run is in arm '{name}' of step '{step}', and that has no steps any more in brain '{brain}'"
            )),
            None => Err(format!(
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
