//! A step's execution: it begins, makes side effects, reports, returns or fails.

use json_patch::{Patch, diff};
use serde_json::Value;

use super::{Effect, Log, Refusal, check_response};
use crate::event::{EventBody, Failure, Given, KeptAnswer, StepStatus};
use crate::key::EndedBy;
use crate::label::Labels;
use crate::run::command::{After, MigratedFrame, StepOutcome, TakenAnswer, Then};
use crate::run::state::RunStatus;
use crate::time::Timestamp;
use crate::wait::{Wait, WaitMode};
use std::sync::Arc;

/// What a completed step leaves beside its state.
#[derive(Default)]
pub(super) struct Completed {
    /// A response for the next step.
    pub(super) given: Option<Given>,
    /// The arm that a branch took.
    pub(super) arm: Option<String>,
    /// Labels that it puts on the run.
    pub(super) labels: Labels,
}

impl Log<'_> {
    pub(super) fn running_step(&self) -> Result<&str, Refusal> {
        match (self.run.status, self.run.frame()) {
            (RunStatus::Running, Some(frame)) if self.run.in_step => Ok(&frame.step),
            (RunStatus::Running, _) => Err(Refusal::NoStep),
            (status, _) => Err(Refusal::WrongStatus(status)),
        }
    }

    pub(super) fn begin_step(&mut self, index: u32) -> Result<(), Refusal> {
        if self.run.status != RunStatus::Running {
            return Err(Refusal::WrongStatus(self.run.status));
        }
        let run = self.run;
        let frame = run.frame().filter(|frame| !frame.is_through()).ok_or(Refusal::NoStep)?;
        // A step that begins again after a crash keeps its attempt: only a
        // failure that the step itself reported uses one up (docs/rules.md#36).
        let attempt = if run.in_step { frame.attempt.max(1) } else { frame.attempt + 1 };
        let (step, iteration) = (frame.step.clone(), frame.iteration);
        let path = self.run.path();
        self.push(EventBody::StepStart { step: step.clone(), index, attempt, iteration, path });
        self.step_status(self.level(), &step, StepStatus::Running);
        Ok(())
    }

    pub(super) fn record_once(
        &mut self,
        name: String,
        value: Value,
        item: Option<u32>,
    ) -> Result<(), Refusal> {
        if self.remind_once(&name, &value)? {
            return Ok(());
        }
        let step = self.running_step()?.to_owned();
        if self.run.once_value(item, &name).is_some() {
            return Err(Refusal::OnceTwice(name));
        }
        let iteration = self.run.frame().map_or(0, |frame| frame.iteration);
        let path = self.run.path();
        self.push(EventBody::StepOnce { step, iteration, name, value, item, path });
        Ok(())
    }

    pub(super) fn record_item(
        &mut self,
        index: u32,
        total: u32,
        item: Value,
        result: Value,
    ) -> Result<(), Refusal> {
        let step = self.running_step()?.to_owned();
        if self.run.items.iter().any(|done| done.index == index) {
            return Err(Refusal::ItemTwice(index));
        }
        let done = u32::try_from(self.run.items.len()).unwrap_or(u32::MAX).saturating_add(1);
        let path = self.run.path();
        self.push(EventBody::ItemComplete { step, index, total, done, item, result, path });
        Ok(())
    }

    pub(super) fn emit(&mut self, name: String, data: Value, durable: bool) -> Result<(), Refusal> {
        let (step, path) = self.reporter()?;
        self.push(EventBody::StepEmit { step, name, data, durable, path });
        Ok(())
    }

    pub(super) fn migrate(&mut self, frames: Vec<MigratedFrame>) -> Result<(), Refusal> {
        if !self.run.is_executable() {
            return Err(Refusal::WrongStatus(self.run.status));
        }
        for MigratedFrame { depth, version, state, items } in frames {
            if !state.is_object() {
                return Err(Refusal::NotAnObject("a migrated state"));
            }
            let frame = self.run.frames.get(depth as usize).ok_or(Refusal::NoStep)?;
            let (step, patch) = (frame.step.clone(), diff(&frame.state, &state));
            let depth = (self.run.frames.len() > 1).then_some(depth);
            self.push(EventBody::Migrated { step, version, patch, depth, items });
        }
        Ok(())
    }

    pub(super) fn return_step(&mut self, outcome: StepOutcome) -> Result<(), Refusal> {
        let step = self.running_step()?.to_owned();
        if !outcome.state.is_object() {
            return Err(Refusal::NotAnObject("a step's state"));
        }
        let stream = match outcome.then {
            Then::Stream => Some(self.run.stream().cloned().ok_or(Refusal::WaitOver)?),
            _ => None,
        };
        // One that a type wrote whole, such as `"timedOut"`, is read by that type alone.
        if let Then::Given(given) = &outcome.then
            && !given.whole
        {
            check_response(given.response.as_ref())?;
        }
        let before = self.run.frame().map_or(&Value::Null, |frame| &frame.state);
        let patch: Patch = diff(before, &outcome.state);
        let given = match &outcome.then {
            Then::Given(given) => Some(given.clone()),
            _ => None,
        };
        let how = Completed { given, labels: outcome.labels, ..Completed::default() };
        self.complete(&step, patch, &outcome.after, how);
        if stream.is_none() || outcome.after != After::Same {
            self.close_streams();
        }
        match (outcome.after, outcome.then) {
            (After::End, _) => self.finish(false),
            (After::Halt, _) => {
                self.pass_over_the_rest(&step);
                self.finish(true);
            }
            (_, Then::Wait(wait)) => self.wait(wait, outcome.takes_kept),
            (After::Same, Then::Stream) => self.stay(stream),
            (_, Then::Go | Then::Given(_) | Then::Stream) => self.go_on(),
        }
        Ok(())
    }

    pub(super) fn complete(&mut self, step: &str, patch: Patch, after: &After, how: Completed) {
        let next = match after {
            After::Step(next) => Some(next.clone()),
            After::Same => Some(step.to_owned()),
            After::End | After::Halt => None,
        };
        let level = self.level();
        let path = self.path(level);
        let (step_name, halted) = (step.to_owned(), false);
        let Completed { given, arm, labels } = how;
        self.push(EventBody::StepComplete { step: step_name, patch, next, given, halted, arm, labels, path });
        if *after != After::Same {
            self.step_status(level, step, StepStatus::Complete);
        }
    }

    /// The next step runs at once, unless the run is to pause here (docs/rules.md#35).
    pub(super) fn go_on(&mut self) {
        if self.run.pause_requested {
            self.push(EventBody::BrainPaused { reason: self.run.reason.clone() });
            self.effect(Effect::Park);
        } else {
            self.effect(Effect::RunStep);
        }
    }

    fn wait(&mut self, wait: Wait, takes_kept: Option<TakenAnswer>) {
        let listens = !wait.registrations.is_empty() && wait.mode == WaitMode::Any;
        let takes = takes_kept.filter(|_| listens && !self.run.pause_requested);
        let taken = takes.and_then(|taken| Some((taken, self.run.kept_answers.get(taken.answer)?)));
        if let Some((TakenAnswer { answer: at, index }, answer)) = taken {
            // Answered before it was asked: the wait opens and ends here.
            let place = super::wait::place_by_hand(&wait, index);
            let (id, given) = (wait.id, Given { index, place, ..Given::by_hand(answer.clone()) });
            self.push(EventBody::WaitOpened { wait });
            self.push(EventBody::WaitAnswered {
                wait: id,
                given,
                event: None,
                delivery: None,
                open: false,
                kept: (at > 0).then_some(KeptAnswer::Taken(at)),
                test: None,
            });
            self.effect(Effect::RunStep);
            return;
        }
        self.push(EventBody::WaitOpened { wait: wait.clone() });
        if let Some(due) = wait.deadline {
            self.effect(Effect::ArmTimer { wait: wait.id, due });
        }
        self.arm_reminders(&wait);
        if self.run.pause_requested {
            self.push(EventBody::BrainPaused { reason: self.run.reason.clone() });
        }
        self.effect(Effect::Park);
        // A run that pauses here takes what is queued when it resumes.
        self.effect(Effect::OpenWait(Arc::new(wait)));
    }

    /// The stream goes on: what came while the step ran is taken first, and
    /// only then does a deadline count that passed meanwhile.
    fn stay(&mut self, stream: Option<Wait>) {
        let Some(mut wait) = stream else { return };
        // The entry says what is open; what reminders have remembered is no part of it.
        wait.reminders.iter_mut().for_each(|reminder| reminder.once.clear());
        self.push(EventBody::WaitAgain { wait });
        self.effect(Effect::Park);
        if self.run.pause_requested {
            self.push(EventBody::BrainPaused { reason: self.run.reason.clone() });
        } else {
            self.effect(Effect::DrainWaits);
        }
    }

    pub(super) fn close_streams(&mut self) {
        let run = self.run;
        for wait in run.waits.iter().filter(|wait| wait.mode == WaitMode::Stream) {
            self.push(EventBody::WaitClosed { wait: wait.id });
            self.close_wait(wait, None, EndedBy::Done);
        }
    }

    pub(super) fn fail_step(&mut self, error: Failure, retry_at: Option<Timestamp>) -> Result<(), Refusal> {
        let step = self.running_step()?.to_owned();
        let Some(due) = retry_at else {
            self.push(EventBody::BrainError { error });
            self.fail_steps();
            self.close_waits(EndedBy::Cancel);
            self.effect(Effect::Park);
            self.effect(Effect::Ended);
            return Ok(());
        };
        let attempt = self.run.frame().map_or(1, |frame| frame.attempt);
        let path = self.run.path();
        self.push(EventBody::StepRetry { step, attempt, error, due_at: due, path });
        self.effect(Effect::Park);
        if self.run.pause_requested {
            self.push(EventBody::BrainPaused { reason: self.run.reason.clone() });
        } else {
            self.effect(Effect::ArmRetry { due });
        }
        Ok(())
    }

    /// The step that the run is at has failed, and the steps around it with it.
    pub(super) fn fail_steps(&mut self) {
        for level in (0..=self.level()).rev() {
            let step = self.run.frames.get(level).map(|frame| frame.step.clone()).unwrap_or_default();
            self.step_status(level, &step, StepStatus::Error);
        }
    }

    pub(super) fn retry(&mut self) -> Result<(), Refusal> {
        match (self.run.status, self.run.retry_at) {
            // A retry writes nothing of its own: `step:start` with the next
            // attempt says it. The run only becomes ready.
            (RunStatus::Running, Some(due)) if due <= self.now => {
                self.effect(Effect::RunStep);
                Ok(())
            }
            (RunStatus::Running, _) => Err(Refusal::NotDue),
            (status, _) => Err(Refusal::WrongStatus(status)),
        }
    }
}
