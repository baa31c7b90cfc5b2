//! `apply`: what an entry of the log means for a run. Live execution and
//! replay after a crash both go through here, so what is stored is always
//! what the log says.

use json_patch::patch;

use crate::event::{Event, EventBody, Given, Inner, KeptAnswer, Position, StepStatus};
use crate::key::KeyId;
use crate::run::decide::decode_progress;
use crate::run::state::{Frame, ItemResult, OnceValue, Run, RunStatus};

/// An event that cannot follow on what the run is: a damaged log, or a fault in px.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("event {seq} ({event}) of {run} cannot follow: {why}")]
pub struct IllegalEvent {
    run: String,
    seq: u64,
    event: &'static str,
    why: String,
}

/// The run after an event. The run before it is left as it is.
///
/// # Errors
/// The event does not follow on this run.
pub fn apply(run: &Run, event: &Event) -> Result<Run, IllegalEvent> {
    let mut next = run.clone();
    next.apply(event)?;
    Ok(next)
}

impl Run {
    /// Like [`apply`](fn@apply), in place. After an error the run is not to be used.
    ///
    /// # Errors
    /// The event does not follow on this run.
    pub fn apply(&mut self, event: &Event) -> Result<(), IllegalEvent> {
        self.try_apply(event).map_err(|why| IllegalEvent {
            run: self.id.to_string(),
            seq: event.seq,
            event: event.event.name(),
            why,
        })
    }

    fn try_apply(&mut self, event: &Event) -> Result<(), String> {
        if event.seq != self.seq + 1 {
            return Err(format!("the log ends at {}", self.seq));
        }
        match (self.status, &event.event) {
            (RunStatus::Pending, EventBody::BrainStart { .. }) if self.seq == 0 => self.begin(event),
            // A failing step reports its status after `brain:error`.
            (RunStatus::Error, EventBody::StepStatus { steps, inner }) => {
                self.set_progress(steps, inner.as_ref())?;
            }
            (_, EventBody::Rerun { position }) if self.seq > 0 => self.go_back(position),
            (status, _) if self.seq == 0 || status.is_terminal() => {
                return Err(format!("the run is {}", status.as_str()));
            }
            (_, EventBody::StepStatus { steps, inner }) => self.set_progress(steps, inner.as_ref())?,
            (RunStatus::Pending, EventBody::Admitted) => self.status = RunStatus::Running,
            (_, EventBody::Awaited { .. }) => self.awaited = true,
            (_, EventBody::Migrated { step, version, patch, depth, items }) if self.is_executable() => {
                self.migrate(*depth, step, *version, patch, items)?;
            }
            (RunStatus::Running, EventBody::InnerStart { .. }) if self.in_step => self.enter(event),
            (RunStatus::Running, EventBody::InnerComplete { halted, .. }) if self.frames.len() > 1 => {
                let frame = self.frames.last_mut().filter(|frame| frame.is_through());
                frame.ok_or("the nested brain is not through")?.halted = *halted;
            }
            (RunStatus::Running, EventBody::StepStart { step, attempt, iteration, .. }) => {
                let frame = self.frames.last_mut().ok_or("there is no frame")?;
                if frame.step != *step || frame.iteration != *iteration {
                    return Err(format!(
                        "the run is at step '{}', iteration {}",
                        frame.step, frame.iteration
                    ));
                }
                frame.attempt = *attempt;
                self.in_step = true;
                self.retry_at = None;
                self.started_at.get_or_insert(event.at);
            }
            (RunStatus::Running, EventBody::StepOnce { iteration, name, value, item, .. })
                if self.in_step =>
            {
                self.once.push(OnceValue {
                    depth: self.depth(),
                    iteration: *iteration,
                    name: name.clone(),
                    value: value.clone(),
                    item: *item,
                });
            }
            (RunStatus::Running, EventBody::StepEmit { .. }) if self.in_step => {}
            (RunStatus::Waiting, EventBody::StepEmit { .. }) if self.reminding.is_some() => {}
            (RunStatus::Waiting, EventBody::StepOnce { iteration, name, value, .. }) => {
                self.reminder_has_made(*iteration, name, value)?;
            }
            (RunStatus::Waiting, EventBody::Reminder(turn)) => self.take_turn(turn)?,
            (RunStatus::Running, EventBody::ItemComplete { index, result, .. }) if self.in_step => {
                self.items.push(ItemResult { index: *index, result: result.clone() });
            }
            (RunStatus::Running, EventBody::StepComplete { halted: true, .. }) if !self.in_step => {}
            (RunStatus::Running, EventBody::StepComplete { step, patch, next, given, labels, .. })
                if self.in_step || self.leaves_brain() =>
            {
                self.complete_step(step, patch, next.as_deref(), given.as_ref())?;
                self.labels.extend(labels.clone());
            }
            (RunStatus::Running, EventBody::StepRetry { due_at, .. }) if self.in_step => {
                self.in_step = false;
                self.retry_at = Some(*due_at);
            }
            (RunStatus::Running, EventBody::WaitOpened { wait }) if !self.in_step => {
                for registration in &wait.registrations {
                    if !self.waited_on.contains(&registration.key) {
                        self.waited_on.push(registration.key.clone());
                    }
                }
                self.waits.push(wait.clone());
                self.status = RunStatus::Waiting;
            }
            (RunStatus::Waiting, EventBody::WaitAnswered { wait, given, open: true, .. }) => {
                let open = self.waits.iter_mut().find(|open| open.id == *wait);
                open.ok_or_else(|| format!("{wait} is not open"))?.streamed(given.index);
                self.given = Some(given.clone());
                self.status = RunStatus::Running;
            }
            (RunStatus::Running, EventBody::WaitAgain { wait }) if !self.in_step => {
                self.wait(wait.id).ok_or_else(|| format!("{} is not open", wait.id))?;
                self.status = RunStatus::Waiting;
            }
            (RunStatus::Running, EventBody::WaitClosed { wait }) => self.remove_wait(*wait)?,
            (RunStatus::Waiting | RunStatus::Running, EventBody::WaitAnswered { wait, given, kept, .. }) => {
                if given.key.is_none() {
                    self.forget_kept(kept.unwrap_or(KeptAnswer::Taken(0)));
                }
                self.end_wait(*wait, given.clone())?;
            }
            (RunStatus::Waiting, EventBody::WaitCollected { wait, collected, .. }) => {
                let open = self.waits.iter_mut().find(|open| open.id == *wait);
                open.ok_or_else(|| format!("{wait} is not open"))?.collected.push(collected.clone());
            }
            (RunStatus::Waiting | RunStatus::Running, EventBody::WaitTimedOut { wait }) => {
                let collected = self.wait(*wait).map(|wait| wait.collected.clone()).unwrap_or_default();
                self.end_wait(*wait, Given { collected, ..Given::timed_out() })?;
            }
            (RunStatus::Running, EventBody::AnswerKept { response }) => {
                self.kept_answers.push(response.clone());
            }
            (RunStatus::Running, EventBody::PauseRequested { reason }) => {
                self.pause_requested = true;
                self.reason.clone_from(reason);
            }
            (RunStatus::Running | RunStatus::Waiting, EventBody::BrainPaused { reason }) => {
                self.status = RunStatus::Paused;
                self.pause_requested = false;
                self.reason.clone_from(reason);
            }
            (RunStatus::Paused, EventBody::BrainResumed) => {
                // A stream is open while its step has a response to work on.
                let works = self.waits.is_empty() || self.given.is_some();
                self.status = if works { RunStatus::Running } else { RunStatus::Waiting };
                self.reason = None;
                self.retry_at = None;
            }
            (RunStatus::Running, EventBody::BrainComplete) => self.end(RunStatus::Complete, event),
            (_, EventBody::BrainCancelled { reason }) => {
                self.end(RunStatus::Cancelled, event);
                self.reason.clone_from(reason);
            }
            (_, EventBody::BrainError { error }) => {
                self.end(RunStatus::Error, event);
                self.error = Some(error.clone());
            }
            (status, _) => {
                return Err(format!("the run is {}, in a step: {}", status.as_str(), self.in_step));
            }
        }
        if self.status != RunStatus::Waiting {
            // Whatever ended the wait, or holds it, cuts its reminder short.
            self.reminding = None;
        }
        if event.event.is_brain_level() {
            event.event.name().clone_into(&mut self.last_event);
        }
        self.seq = event.seq;
        Ok(())
    }

    fn begin(&mut self, event: &Event) {
        let EventBody::BrainStart {
            brain,
            description,
            brain_version,
            initial_state,
            options,
            steps,
            cause,
            request_id,
            traceparent,
            owns,
            slot,
            labels,
            test,
        } = &event.event
        else {
            return;
        };
        self.status = if slot.is_some() { RunStatus::Pending } else { RunStatus::Running };
        self.slot.clone_from(slot);
        self.brain.clone_from(brain);
        self.description.clone_from(description);
        self.options = options.clone();
        self.steps.clone_from(steps);
        self.progress = vec![StepStatus::Pending; steps.len()];
        self.cause = cause.clone();
        self.test.clone_from(test);
        self.request_id.clone_from(request_id);
        self.traceparent.clone_from(traceparent);
        self.owns.clone_from(owns);
        self.labels.clone_from(labels);
        self.created_at = event.at;
        self.frames = vec![Frame {
            brain: brain.clone(),
            version: *brain_version,
            step: steps.first().map(|step| step.title.clone()).unwrap_or_default(),
            iteration: 0,
            attempt: 0,
            state: initial_state.clone(),
            item: None,
            steps: Vec::new(),
            progress: Vec::new(),
            halted: false,
            part: None,
        }];
    }

    /// Goes into a nested brain.
    fn enter(&mut self, event: &Event) {
        let EventBody::InnerStart { brain, brain_version, initial_state, steps, part, .. } = &event.event
        else {
            return;
        };
        self.in_step = false;
        // The outer step's response is used up by the state that the nested brain begins with.
        self.given = None;
        self.frames.push(Frame {
            brain: brain.clone(),
            version: *brain_version,
            step: steps.first().map(|step| step.title.clone()).unwrap_or_default(),
            iteration: 0,
            attempt: 0,
            state: initial_state.clone(),
            item: None,
            progress: vec![StepStatus::Pending; steps.len()],
            steps: steps.clone(),
            halted: false,
            part: part.clone(),
        });
    }

    /// Returns true if the nested brain has ended and the step around it is to be completed.
    fn leaves_brain(&self) -> bool {
        self.frames.len() > 1 && self.frame().is_some_and(Frame::is_through)
    }

    /// Goes back to a step, or begins at one.
    fn go_back(&mut self, position: &Position) {
        let ended = self.status.is_terminal();
        let waits_for_turn = self.slot.is_some() && (ended || self.status == RunStatus::Pending);
        self.status = if waits_for_turn { RunStatus::Pending } else { RunStatus::Running };
        self.frames.truncate(1);
        if let Some(frame) = self.frames.first_mut() {
            frame.step.clone_from(&position.step);
            frame.state = position.state.clone();
            frame.version = position.version;
            (frame.iteration, frame.attempt, frame.item) = (0, 0, None);
        }
        self.given.clone_from(&position.given);
        self.waits.clear();
        self.once.clear();
        self.items.clear();
        self.kept_answers.clear();
        self.in_step = false;
        self.pause_requested = false;
        (self.reason, self.retry_at, self.error, self.completed_at) = (None, None, None, None);
        if ended {
            // Its keys were let go when it ended.
            self.owns = None;
            self.waited_on.clear();
            self.awaited = false;
        }
    }

    fn set_progress(&mut self, steps: &str, inner: Option<&Inner>) -> Result<(), String> {
        let progress = decode_progress(steps).ok_or_else(|| format!("unknown status in '{steps}'"))?;
        let (known, place) = match inner {
            None => (&self.steps, &mut self.progress),
            Some(inner) => {
                let frame = self.frames.get_mut(inner.depth as usize);
                let frame = frame.ok_or_else(|| format!("there is no brain at depth {}", inner.depth))?;
                (&frame.steps, &mut frame.progress)
            }
        };
        if progress.len() != known.len() {
            return Err(format!("{} statuses for {} steps", progress.len(), known.len()));
        }
        *place = progress;
        Ok(())
    }

    fn complete_step(
        &mut self,
        step: &str,
        changes: &json_patch::Patch,
        next: Option<&str>,
        given: Option<&Given>,
    ) -> Result<(), String> {
        let left = if self.leaves_brain() { self.frames.pop() } else { None };
        let frame = self.frames.last_mut().ok_or("there is no frame")?;
        if let Some(part) = left.filter(|left| left.part.is_some()) {
            // Its last state is the state of the brain around it, and of the version that left it.
            frame.version = part.version;
        }
        if frame.step != step {
            return Err(format!("the run is at step '{}'", frame.step));
        }
        patch(&mut frame.state, changes).map_err(|error| format!("the patch does not fit: {error}"))?;
        if next == Some(step) {
            frame.iteration += 1;
        } else {
            frame.iteration = 0;
            next.unwrap_or_default().clone_into(&mut frame.step);
        }
        frame.attempt = 0;
        self.given = given.cloned();
        self.once.clear();
        self.items.clear();
        self.in_step = false;
        Ok(())
    }

    fn remove_wait(&mut self, wait: crate::id::WaitId) -> Result<(), String> {
        let before = self.waits.len();
        self.waits.retain(|open| open.id != wait);
        if self.waits.len() < before { Ok(()) } else { Err(format!("{wait} is not open")) }
    }

    fn forget_kept(&mut self, kept: KeptAnswer) {
        if let KeptAnswer::Taken(at) = kept
            && at < self.kept_answers.len()
        {
            self.kept_answers.remove(at);
        }
    }

    fn end_wait(&mut self, wait: crate::id::WaitId, given: Given) -> Result<(), String> {
        self.remove_wait(wait)?;
        self.given = Some(given);
        self.status = RunStatus::Running;
        Ok(())
    }

    fn end(&mut self, status: RunStatus, event: &Event) {
        self.status = status;
        self.reason = None;
        self.waits.clear();
        self.once.clear();
        self.items.clear();
        self.kept_answers.clear();
        self.given = None;
        self.in_step = false;
        self.pause_requested = false;
        self.retry_at = None;
        self.completed_at = Some(event.at);
    }

    /// Replays a whole log.
    ///
    /// # Errors
    /// The first event that does not follow on those before it.
    pub fn replay<'a>(
        id: crate::id::RunId,
        events: impl IntoIterator<Item = &'a Event>,
    ) -> Result<Self, IllegalEvent> {
        let mut run = Self::vacant(id);
        for event in events {
            run.apply(event)?;
        }
        Ok(run)
    }

    /// The keys whose records must hear of this run's end.
    pub fn keys_at_end(&self) -> impl Iterator<Item = &KeyId> {
        self.owns.iter().chain(self.waited_on.iter().filter(|key| Some(*key) != self.owns.as_ref()))
    }
}
