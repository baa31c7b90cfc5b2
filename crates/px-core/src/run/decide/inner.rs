//! Pipelines inside a step: a nested brain, an arm of a branch, a turn of a loop.
//! Each is entered, runs in a frame of its own, and is left.

use json_patch::{Patch, diff};
use serde_json::Value;

use super::step::Completed;
use super::{Effect, Log, Refusal, encode_progress};
use crate::event::{EventBody, Inner, Part, StepStatus};
use crate::label::Labels;
use crate::run::command::{After, BrainInfo, EnteredPart, PassedArm};
use crate::run::state::RunStatus;

impl Log<'_> {
    pub(super) fn enter_brain(&mut self, brain: BrainInfo, initial_state: Value) -> Result<(), Refusal> {
        self.enter(brain, initial_state, None)?;
        self.go_on();
        Ok(())
    }

    /// An arm is chosen by this entry of the log: whoever runs it after a crash is inside it already.
    pub(super) fn enter_part(&mut self, entered: EnteredPart) -> Result<(), Refusal> {
        let branch = self.running_step()?.to_owned();
        self.enter(entered.brain, entered.initial_state, Some(entered.part))?;
        self.pass_over_arms(&branch, entered.passed);
        self.go_on();
        Ok(())
    }

    fn enter(&mut self, brain: BrainInfo, initial_state: Value, part: Option<Part>) -> Result<(), Refusal> {
        self.running_step()?;
        if !initial_state.is_object() {
            return Err(Refusal::NotAnObject("the initial state of a nested brain"));
        }
        // The types allow no stream here; a stored log might.
        self.close_streams();
        let depth = self.run.depth() + 1;
        let titles = brain.steps.iter().map(|step| step.title.clone()).collect();
        let steps = encode_progress(&vec![StepStatus::Pending; brain.steps.len()]);
        let path = self.path_inside(part.as_ref());
        self.push(EventBody::InnerStart {
            brain: brain.title,
            description: brain.description,
            brain_version: brain.version,
            initial_state,
            steps: brain.steps,
            depth,
            part,
        });
        self.push(EventBody::StepStatus { steps, inner: Some(Inner { path, titles, depth }) });
        Ok(())
    }

    /// The path of what runs inside the current step.
    fn path_inside(&self, part: Option<&Part>) -> String {
        let step = self.run.frame().map(|frame| frame.name_around(part)).unwrap_or_default();
        match self.run.path() {
            Some(around) => format!("{around}/{step}"),
            None => step,
        }
    }

    pub(super) fn leave_brain(&mut self, state: &Value, after: &After) -> Result<(), Refusal> {
        if self.run.status != RunStatus::Running {
            return Err(Refusal::WrongStatus(self.run.status));
        }
        let [.., outer, inner] = self.run.frames.as_slice() else { return Err(Refusal::NotInside) };
        if !inner.is_through() {
            return Err(Refusal::NotInside);
        }
        if !state.is_object() {
            return Err(Refusal::NotAnObject("a step's state"));
        }
        let (patch, step) = (diff(&outer.state, state), outer.step.clone());
        let arm = inner.part.as_ref().and_then(Part::arm).map(str::to_owned);
        self.levels.pop();
        self.complete(&step, patch, after, Completed { arm, ..Completed::default() });
        self.go_after(&step, after);
        Ok(())
    }

    pub(super) fn pass_branch(
        &mut self,
        arm: String,
        state: &Value,
        after: &After,
        passed: Vec<PassedArm>,
    ) -> Result<(), Refusal> {
        let step = self.running_step()?.to_owned();
        if !state.is_object() {
            return Err(Refusal::NotAnObject("a step's state"));
        }
        let before = self.run.frame().map_or(&Value::Null, |frame| &frame.state);
        let patch = diff(before, state);
        self.complete(&step, patch, after, Completed { arm: Some(arm), ..Completed::default() });
        self.pass_over_arms(&step, passed);
        self.go_after(&step, after);
        Ok(())
    }

    fn go_after(&mut self, step: &str, after: &After) {
        match after {
            After::End => self.finish(false),
            After::Halt => {
                self.pass_over_the_rest(step);
                self.finish(true);
            }
            After::Step(_) | After::Same => self.go_on(),
        }
    }

    /// The steps of the arms that were not taken are not run.
    fn pass_over_arms(&mut self, branch: &str, passed: Vec<PassedArm>) {
        for PassedArm { arm, steps } in passed {
            let inside = format!("{branch}/{arm}");
            let path = match self.run.path() {
                Some(around) => format!("{around}/{inside}"),
                None => inside,
            };
            for step in steps {
                self.push_passed(step, Some(path.clone()));
            }
        }
    }

    /// A guard ends its brain: what comes behind it is not run.
    pub(super) fn pass_over_the_rest(&mut self, guard: &str) {
        let level = self.level();
        let path = self.path(level);
        let steps = self.steps_at(level);
        let rest: Vec<_> = steps.iter().skip_while(|step| step.title != guard).skip(1).cloned().collect();
        let from = steps.len() - rest.len();
        for passed in rest {
            self.push_passed(passed.title, path.clone());
        }
        let Some(progress) = self.levels.get_mut(level) else { return };
        if progress.len() > from {
            progress.iter_mut().skip(from).for_each(|status| *status = StepStatus::Halted);
            self.push_status(level);
        }
    }

    fn push_passed(&mut self, step: String, path: Option<String>) {
        let patch = Patch::default();
        let (next, given, arm, labels) = (None, None, None, Labels::new());
        self.push(EventBody::StepComplete { step, patch, next, given, halted: true, arm, labels, path });
    }

    /// The pipeline of the innermost brain is through.
    pub(super) fn finish(&mut self, halted: bool) {
        let level = self.level();
        if let Some(frame) = self.run.frames.get(level).filter(|_| level > 0) {
            let depth = u32::try_from(level).unwrap_or(u32::MAX);
            let (brain, part) = (frame.brain.clone(), frame.part.clone());
            self.push(EventBody::InnerComplete { brain, halted, depth, part });
            // The step around it takes the result in a commit of its own.
            self.go_on();
        } else {
            self.push(EventBody::BrainComplete);
            self.effect(Effect::Park);
            self.effect(Effect::Ended);
        }
    }
}
