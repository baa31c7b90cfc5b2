//! Decisions about commands from outside: start, take a turn, cancel, pause, resume, go back.

use super::{Effect, Log, Refusal, encode_progress};
use crate::event::{EventBody, Failure, FailureKind, Position, StepInfo, StepStatus};
use crate::id::RunId;
use crate::key::{EndedBy, KeyId};
use crate::run::command::Start;
use crate::run::state::RunStatus;

impl Log<'_> {
    pub(super) fn start(&mut self, start: Start) -> Result<(), Refusal> {
        if self.run.seq != 0 {
            return Err(Refusal::AlreadyStarted);
        }
        if !start.initial_state.is_object() {
            return Err(Refusal::NotAnObject("the initial state"));
        }
        let pending = vec![StepStatus::Pending; start.steps.len()];
        let empty = start.steps.is_empty();
        let slot = start.slot.filter(|_| !empty && start.bad_options.is_none());
        let start_steps = start.steps.clone();
        self.push(EventBody::BrainStart {
            brain: start.brain,
            description: start.description,
            brain_version: start.version,
            initial_state: start.initial_state,
            options: start.options,
            steps: start.steps,
            cause: start.cause,
            request_id: start.request_id,
            traceparent: start.traceparent,
            owns: start.owns,
            slot: slot.clone(),
            labels: start.labels,
            test: start.test,
        });
        self.push(EventBody::StepStatus { steps: encode_progress(&pending), inner: None });
        if let Some(position) = start.position {
            let steps = encode_progress(&progress_at(&start_steps, &position.step));
            self.push(EventBody::Rerun { position });
            self.push(EventBody::StepStatus { steps, inner: None });
        }
        if let Some(message) = start.bad_options {
            let error =
                Failure { kind: FailureKind::Engine, name: "InvalidOptions".into(), message, stack: None };
            self.push(EventBody::BrainError { error });
            self.effect(Effect::Ended);
        } else if empty {
            self.push(EventBody::BrainComplete);
            self.effect(Effect::Ended);
        } else {
            self.begin_in_turn(slot);
        }
        Ok(())
    }

    fn begin_in_turn(&mut self, slot: Option<KeyId>) {
        match slot {
            Some(slot) => self.effect(Effect::AskSlot(slot)),
            None => self.effect(Effect::RunStep),
        }
    }

    pub(super) fn admit(&mut self) -> Result<(), Refusal> {
        self.active()?;
        if self.run.status != RunStatus::Pending {
            return Err(Refusal::WrongStatus(self.run.status));
        }
        self.push(EventBody::Admitted);
        self.effect(Effect::RunStep);
        Ok(())
    }

    pub(super) fn awaited(&mut self, by: RunId) -> Result<(), Refusal> {
        self.active()?;
        self.push(EventBody::Awaited { by });
        Ok(())
    }

    pub(super) fn rerun(&mut self, position: Position) -> Result<(), Refusal> {
        let status = self.run.status;
        if self.run.seq == 0 || matches!(status, RunStatus::Running | RunStatus::Pending) {
            return Err(Refusal::WrongStatus(status));
        }
        if !position.state.is_object() {
            return Err(Refusal::NotAnObject("a step's state"));
        }
        let steps = encode_progress(&progress_at(&self.run.steps, &position.step));
        let slot = self.run.slot.clone().filter(|_| status.is_terminal());
        self.push(EventBody::Rerun { position });
        self.push(EventBody::StepStatus { steps, inner: None });
        self.close_waits(EndedBy::Cancel);
        if let Some(due) = self.run.retry_at {
            self.effect(Effect::DisarmRetry { due });
        }
        self.begin_in_turn(slot);
        Ok(())
    }

    pub(super) fn cancel(&mut self, reason: Option<String>) -> Result<(), Refusal> {
        self.active()?;
        self.end_with(EventBody::BrainCancelled { reason }, EndedBy::Cancel);
        Ok(())
    }

    pub(super) fn pause(&mut self, reason: Option<String>) -> Result<(), Refusal> {
        if self.run.status == RunStatus::Pending {
            return Err(Refusal::WrongStatus(RunStatus::Pending));
        }
        // Its executor may have begun the step without having said so yet.
        if self.run.status == RunStatus::Running && self.run.retry_at.is_none() {
            if self.run.pause_requested {
                return Err(Refusal::WrongStatus(RunStatus::Running));
            }
            self.push(EventBody::PauseRequested { reason });
            return Ok(());
        }
        self.halt(reason)
    }

    pub(super) fn halt(&mut self, reason: Option<String>) -> Result<(), Refusal> {
        self.active()?;
        if matches!(self.run.status, RunStatus::Paused | RunStatus::Pending) {
            return Err(Refusal::WrongStatus(self.run.status));
        }
        self.push(EventBody::BrainPaused { reason });
        if let Some(due) = self.run.retry_at {
            self.effect(Effect::DisarmRetry { due });
        }
        self.effect(Effect::Park);
        Ok(())
    }

    pub(super) fn resume(&mut self) -> Result<(), Refusal> {
        if self.run.status != RunStatus::Paused {
            return Err(Refusal::WrongStatus(self.run.status));
        }
        self.push(EventBody::BrainResumed);
        if self.run.waits.is_empty() || self.run.given.is_some() {
            self.effect(Effect::RunStep);
        } else {
            // Events that came first are applied before a deadline that passed
            // meanwhile: their receipt is the older fact (docs/rules.md#9).
            self.effect(Effect::DrainWaits);
        }
        Ok(())
    }

    pub(super) fn end_with(&mut self, event: EventBody, by: EndedBy) {
        self.push(event);
        self.close_waits(by);
        if let Some(due) = self.run.retry_at {
            self.effect(Effect::DisarmRetry { due });
        }
        self.effect(Effect::Park);
        self.effect(Effect::Ended);
    }
}

/// Returns the progress of all steps of a run that goes on at one of them.
fn progress_at(steps: &[StepInfo], step: &str) -> Vec<StepStatus> {
    let at = steps.iter().position(|info| info.title == step).unwrap_or(0);
    (0..steps.len())
        .map(|index| if index < at { StepStatus::Complete } else { StepStatus::Pending })
        .collect()
}
