//! `decide`: what follows from a command, given a run. The refusals are the
//! rule book; nothing else in px says what may happen to a run when.

use std::sync::Arc;

use json_patch::{Patch, diff};
use serde_json::Value;

use crate::event::{Event, EventBody, Failure, FailureKind, Given, StepStatus};
use crate::id::WaitId;
use crate::key::EndedBy;
use crate::run::command::{After, Command, Response, Start, StepOutcome, Then};
use crate::run::state::{Run, RunStatus};
use crate::time::Timestamp;
use crate::wait::{Collected, Wait, WaitMode};

/// How many answers by hand a run keeps for waits to come.
const MAX_KEPT_ANSWERS: usize = 16;

/// What is to be committed, and what follows from the commit.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Decision {
    /// New entries of the log, in order.
    pub events: Vec<Event>,
    /// What the entries mean for keys, timers and the engine. Everything here
    /// can be derived again from what is stored.
    pub effects: Vec<Effect>,
}

/// Something that belongs to the same commit as the events.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// The run is ready: its current step is to be run.
    RunStep,
    /// The run is not ready any more.
    Park,
    /// A wait enters its keys, and takes what is queued there.
    OpenWait(Arc<Wait>),
    /// A wait leaves its keys.
    CloseWait {
        /// The wait.
        wait: Arc<Wait>,
        /// The registration that an event answered, if one did.
        answered: Option<u32>,
        /// What ended it.
        by: EndedBy,
    },
    /// At this time the wait ends by itself.
    ArmTimer {
        /// The wait.
        wait: WaitId,
        /// When.
        due: Timestamp,
    },
    /// That time does not matter any more.
    DisarmTimer {
        /// The wait.
        wait: WaitId,
        /// When it would have been.
        due: Timestamp,
    },
    /// At this time the failed step is tried again.
    ArmRetry {
        /// When.
        due: Timestamp,
    },
    /// That time does not matter any more.
    DisarmRetry {
        /// When it would have been.
        due: Timestamp,
    },
    /// A paused run goes on with open waits: they take what was queued meanwhile (RULES 9).
    DrainWaits,
    /// The run has ended: the keys that it owns or waited on are let go (RULES 4, 5).
    Ended,
}

/// Why a command does not fit a run. Asking again does not help unless the
/// run changes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The run exists already.
    #[error("the run has already started")]
    AlreadyStarted,
    /// The run has ended, or was never started.
    #[error("the run is not active, it is {}", .0.as_str())]
    NotActive(RunStatus),
    /// The run is in a status that does not take this command.
    #[error("the run is {}", .0.as_str())]
    WrongStatus(RunStatus),
    /// No such wait is open: something else ended it first.
    #[error("the wait is over")]
    WaitOver,
    /// The wait has this response already: the same registration, or the same
    /// sender where it wants different ones (RULES 8).
    #[error("the wait has this response already")]
    NotDistinct,
    /// The run is paused; the event stays queued (RULES 9).
    #[error("the run is paused")]
    Paused,
    /// The wait has no deadline that has passed.
    #[error("the wait is not due")]
    NotDue,
    /// The run holds as many answers by hand as it may.
    #[error("the run holds {MAX_KEPT_ANSWERS} answers that no wait has taken yet")]
    TooManyAnswers,
    /// No step of the run is under way.
    #[error("no step is under way")]
    NoStep,
    /// The effect was already made under this name (RULES 15).
    #[error("`once` was called twice with the name '{0}' in one execution of a step")]
    OnceTwice(String),
    /// A state or a response is no JSON object (RULES 34).
    #[error("{0} must be a JSON object")]
    NotAnObject(&'static str),
}

/// Decides what a command does to a run.
///
/// # Errors
/// Refuses what does not fit the run's status; nothing has happened then.
pub fn decide(run: &Run, command: Command, now: Timestamp) -> Result<Decision, Refusal> {
    let mut log = Log { run, now, decision: Decision::default(), progress: run.progress.clone() };
    match command {
        Command::Start(start) => log.start(*start)?,
        Command::BeginStep { index } => log.begin_step(index)?,
        Command::RecordOnce { name, value } => log.record_once(name, value)?,
        Command::ReturnStep(outcome) => log.return_step(*outcome)?,
        Command::FailStep { error, retry_at } => log.fail_step(error, retry_at)?,
        Command::Retry => log.retry()?,
        Command::Respond(response) => log.respond(*response)?,
        Command::TimeOut { wait } => log.time_out(wait, now)?,
        // As if its time had come, however far off that is.
        Command::EndWait { wait } => log.time_out(wait, Timestamp::from_millis(u64::MAX))?,
        Command::Answer { response } => log.answer(response)?,
        Command::Cancel { reason } => log.cancel(reason)?,
        Command::Pause { reason } => log.pause(reason)?,
        Command::Halt { reason } => log.halt(reason)?,
        Command::Resume => log.resume()?,
        Command::Fail { error } => {
            log.active()?;
            log.end_with(EventBody::BrainError { error }, EndedBy::Cancel);
        }
    }
    Ok(log.decision)
}

struct Log<'a> {
    run: &'a Run,
    now: Timestamp,
    decision: Decision,
    progress: Vec<StepStatus>,
}

impl Log<'_> {
    fn push(&mut self, event: EventBody) {
        let seq = self.run.seq + self.decision.events.len() as u64 + 1;
        self.decision.events.push(Event { seq, at: self.now, event });
    }

    fn effect(&mut self, effect: Effect) {
        self.decision.effects.push(effect);
    }

    /// Writes `step:status` if `step` is not in this status yet (RULES 31).
    fn step_status(&mut self, step: &str, status: StepStatus) {
        let Some(place) = self.run.step_index(step).and_then(|at| self.progress.get_mut(at)) else {
            return;
        };
        if *place != status {
            *place = status;
            self.push(EventBody::StepStatus { steps: letters(&self.progress) });
        }
    }

    fn active(&self) -> Result<(), Refusal> {
        if self.run.seq == 0 || self.run.status.is_terminal() {
            return Err(Refusal::NotActive(self.run.status));
        }
        Ok(())
    }

    fn start(&mut self, start: Start) -> Result<(), Refusal> {
        if self.run.seq != 0 {
            return Err(Refusal::AlreadyStarted);
        }
        if !start.initial_state.is_object() {
            return Err(Refusal::NotAnObject("the initial state"));
        }
        let pending = vec![StepStatus::Pending; start.steps.len()];
        let empty = start.steps.is_empty();
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
        });
        self.push(EventBody::StepStatus { steps: letters(&pending) });
        if let Some(message) = start.bad_options {
            let error =
                Failure { kind: FailureKind::Engine, name: "InvalidOptions".into(), message, stack: None };
            self.push(EventBody::BrainError { error });
            self.effect(Effect::Ended);
        } else if empty {
            self.push(EventBody::BrainComplete);
            self.effect(Effect::Ended);
        } else {
            self.effect(Effect::RunStep);
        }
        Ok(())
    }

    fn running_step(&self) -> Result<&str, Refusal> {
        match (self.run.status, self.run.frame()) {
            (RunStatus::Running, Some(frame)) if self.run.in_step => Ok(&frame.step),
            (RunStatus::Running, _) => Err(Refusal::NoStep),
            (status, _) => Err(Refusal::WrongStatus(status)),
        }
    }

    fn begin_step(&mut self, index: u32) -> Result<(), Refusal> {
        if self.run.status != RunStatus::Running {
            return Err(Refusal::WrongStatus(self.run.status));
        }
        let run = self.run;
        let frame = run.frame().ok_or(Refusal::NoStep)?;
        // A step that begins again after a crash keeps its attempt: only a
        // failure that the step itself reported uses one up (RULES 36).
        let attempt = if run.in_step { frame.attempt.max(1) } else { frame.attempt + 1 };
        let (step, iteration) = (frame.step.clone(), frame.iteration);
        self.push(EventBody::StepStart { step: step.clone(), index, attempt, iteration });
        self.step_status(&step, StepStatus::Running);
        Ok(())
    }

    fn record_once(&mut self, name: String, value: Value) -> Result<(), Refusal> {
        let step = self.running_step()?.to_owned();
        if self.run.once_value(&name).is_some() {
            return Err(Refusal::OnceTwice(name));
        }
        let iteration = self.run.frame().map_or(0, |frame| frame.iteration);
        self.push(EventBody::StepOnce { step, iteration, name, value });
        Ok(())
    }

    fn return_step(&mut self, outcome: StepOutcome) -> Result<(), Refusal> {
        let step = self.running_step()?.to_owned();
        if !outcome.state.is_object() {
            return Err(Refusal::NotAnObject("a step's state"));
        }
        let before = self.run.frame().map_or(&Value::Null, |frame| &frame.state);
        let patch: Patch = diff(before, &outcome.state);
        let next = match &outcome.after {
            After::Step(next) => Some(next.clone()),
            After::Same => Some(step.clone()),
            After::End => None,
        };
        let (given, wait) = match outcome.then {
            Then::Go => (None, None),
            Then::Given(given) => {
                check_response(given.response.as_ref())?;
                (Some(given), None)
            }
            Then::Wait(wait) => (None, Some(wait)),
        };
        self.push(EventBody::StepComplete { step: step.clone(), patch, next, given, halted: false });
        if outcome.after != After::Same {
            self.step_status(&step, StepStatus::Complete);
        }
        if outcome.after == After::End {
            self.push(EventBody::BrainComplete);
            self.effect(Effect::Park);
            self.effect(Effect::Ended);
            return Ok(());
        }
        let listens =
            wait.as_ref().is_some_and(|wait| !wait.registrations.is_empty() && wait.mode == WaitMode::Any);
        let kept = self.run.kept_answers.first().filter(|_| listens && !self.run.pause_requested);
        if let (Some(wait), Some(answer)) = (&wait, kept) {
            // Answered before it was asked: the wait opens and ends here.
            let given = Given::by_hand(answer.clone());
            self.push(EventBody::WaitOpened { wait: wait.clone() });
            self.push(EventBody::WaitAnswered { wait: wait.id, given, event: None, delivery: None });
            self.effect(Effect::RunStep);
        } else if let Some(wait) = wait {
            self.push(EventBody::WaitOpened { wait: wait.clone() });
            if let Some(due) = wait.deadline {
                self.effect(Effect::ArmTimer { wait: wait.id, due });
            }
            if self.run.pause_requested {
                self.push(EventBody::BrainPaused { reason: self.run.reason.clone() });
            }
            self.effect(Effect::Park);
            // A run that pauses here takes what is queued when it resumes.
            self.effect(Effect::OpenWait(Arc::new(wait)));
        } else if self.run.pause_requested {
            self.push(EventBody::BrainPaused { reason: self.run.reason.clone() });
            self.effect(Effect::Park);
        } else {
            self.effect(Effect::RunStep);
        }
        Ok(())
    }

    fn fail_step(&mut self, error: Failure, retry_at: Option<Timestamp>) -> Result<(), Refusal> {
        let step = self.running_step()?.to_owned();
        let Some(due) = retry_at else {
            self.push(EventBody::BrainError { error });
            self.step_status(&step, StepStatus::Error);
            self.close_waits(EndedBy::Cancel);
            self.effect(Effect::Park);
            self.effect(Effect::Ended);
            return Ok(());
        };
        let attempt = self.run.frame().map_or(1, |frame| frame.attempt);
        self.push(EventBody::StepRetry { step, attempt, error, due_at: due });
        self.effect(Effect::Park);
        if self.run.pause_requested {
            self.push(EventBody::BrainPaused { reason: self.run.reason.clone() });
        } else {
            self.effect(Effect::ArmRetry { due });
        }
        Ok(())
    }

    fn retry(&mut self) -> Result<(), Refusal> {
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

    fn respond(&mut self, response: Response) -> Result<(), Refusal> {
        self.active()?;
        let wait = self.run.wait(response.wait).ok_or(Refusal::WaitOver)?;
        if self.run.status == RunStatus::Paused {
            return Err(Refusal::Paused);
        }
        check_response(Some(&response.response))?;
        if !wait.is_distinct(response.index, &response.response) {
            return Err(Refusal::NotDistinct);
        }
        let by_webhook = response.key.is_some();
        let answered = by_webhook.then_some(response.index);
        let one = Collected { index: response.index, response: response.response };
        if wait.have() + 1 < wait.need() {
            self.push(EventBody::WaitCollected {
                wait: response.wait,
                collected: one,
                key: response.key,
                event: response.event,
                delivery: response.delivery,
                have: wait.have() + 1,
                need: wait.need(),
            });
            return Ok(());
        }
        let registration = wait.registrations.get(one.index as usize).filter(|_| by_webhook);
        let collected = match wait.mode {
            WaitMode::Any => Vec::new(),
            _ => wait.collected.iter().cloned().chain([one.clone()]).collect(),
        };
        self.push(EventBody::WaitAnswered {
            wait: response.wait,
            given: Given {
                index: one.index,
                response: Some(one.response),
                schema: registration.map(|registration| registration.schema),
                key: response.key,
                collected,
            },
            event: response.event,
            delivery: response.delivery,
        });
        self.close_wait(wait, answered, if answered.is_some() { EndedBy::Event } else { EndedBy::Cancel });
        self.effect(Effect::RunStep);
        Ok(())
    }

    fn answer(&mut self, response: Value) -> Result<(), Refusal> {
        self.active()?;
        check_response(Some(&response))?;
        // A sleep listens to nothing, not even to an answer by hand.
        let listening = self.run.waits.iter().find(|wait| !wait.registrations.is_empty());
        match (self.run.status, listening) {
            (RunStatus::Waiting, Some(wait)) => {
                let wait = wait.id;
                let (index, key, event, delivery) = (0, None, None, None);
                self.respond(Response { wait, index, key, event, delivery, response })
            }
            (RunStatus::Running, _) if self.run.kept_answers.len() >= MAX_KEPT_ANSWERS => {
                Err(Refusal::TooManyAnswers)
            }
            (RunStatus::Running, _) => {
                self.push(EventBody::AnswerKept { response });
                Ok(())
            }
            (status, _) => Err(Refusal::WrongStatus(status)),
        }
    }

    fn time_out(&mut self, id: WaitId, at: Timestamp) -> Result<(), Refusal> {
        self.active()?;
        let wait = self.run.wait(id).ok_or(Refusal::WaitOver)?;
        if self.run.status == RunStatus::Paused {
            return Err(Refusal::Paused);
        }
        if wait.deadline.is_none_or(|due| due > at) {
            return Err(Refusal::NotDue);
        }
        self.push(EventBody::WaitTimedOut { wait: id });
        self.close_wait(wait, None, EndedBy::Timeout);
        self.effect(Effect::RunStep);
        Ok(())
    }

    fn cancel(&mut self, reason: Option<String>) -> Result<(), Refusal> {
        self.active()?;
        self.end_with(EventBody::BrainCancelled { reason }, EndedBy::Cancel);
        Ok(())
    }

    fn pause(&mut self, reason: Option<String>) -> Result<(), Refusal> {
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

    fn halt(&mut self, reason: Option<String>) -> Result<(), Refusal> {
        self.active()?;
        if self.run.status == RunStatus::Paused {
            return Err(Refusal::WrongStatus(RunStatus::Paused));
        }
        self.push(EventBody::BrainPaused { reason });
        if let Some(due) = self.run.retry_at {
            self.effect(Effect::DisarmRetry { due });
        }
        self.effect(Effect::Park);
        Ok(())
    }

    fn resume(&mut self) -> Result<(), Refusal> {
        if self.run.status != RunStatus::Paused {
            return Err(Refusal::WrongStatus(self.run.status));
        }
        self.push(EventBody::BrainResumed);
        if self.run.waits.is_empty() {
            self.effect(Effect::RunStep);
        } else {
            // Events that came first are applied before a deadline that passed
            // meanwhile: their receipt is the older fact (RULES 9).
            self.effect(Effect::DrainWaits);
        }
        Ok(())
    }

    fn end_with(&mut self, event: EventBody, by: EndedBy) {
        self.push(event);
        self.close_waits(by);
        if let Some(due) = self.run.retry_at {
            self.effect(Effect::DisarmRetry { due });
        }
        self.effect(Effect::Park);
        self.effect(Effect::Ended);
    }

    fn close_waits(&mut self, by: EndedBy) {
        let run = self.run;
        for wait in &run.waits {
            self.close_wait(wait, None, by);
        }
    }

    fn close_wait(&mut self, wait: &Wait, answered: Option<u32>, by: EndedBy) {
        if let Some(due) = wait.deadline {
            self.effect(Effect::DisarmTimer { wait: wait.id, due });
        }
        self.effect(Effect::CloseWait { wait: Arc::new(wait.clone()), answered, by });
    }
}

fn check_response(response: Option<&Value>) -> Result<(), Refusal> {
    match response {
        Some(value) if !value.is_object() => Err(Refusal::NotAnObject("a response")),
        _ => Ok(()),
    }
}

pub(crate) fn letters(progress: &[StepStatus]) -> String {
    progress
        .iter()
        .map(|status| match status {
            StepStatus::Pending => 'p',
            StepStatus::Running => 'r',
            StepStatus::Complete => 'c',
            StepStatus::Error => 'e',
            StepStatus::Halted => 'h',
        })
        .collect()
}

pub(crate) fn from_letters(letters: &str) -> Option<Vec<StepStatus>> {
    letters
        .chars()
        .map(|letter| {
            Some(match letter {
                'p' => StepStatus::Pending,
                'r' => StepStatus::Running,
                'c' => StepStatus::Complete,
                'e' => StepStatus::Error,
                'h' => StepStatus::Halted,
                _ => return None,
            })
        })
        .collect()
}
