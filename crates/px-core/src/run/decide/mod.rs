//! `decide`: what follows from a command, given a run. The refusals are the
//! rule book; nothing else in px says what may happen to a run when.

mod control;
mod inner;
mod remind;
mod step;
mod wait;

pub use wait::takes_response;

use std::sync::Arc;

use serde_json::Value;

use crate::event::{Event, EventBody, Inner, StepInfo, StepStatus};
use crate::id::WaitId;
use crate::key::{EndedBy, KeyId};
use crate::run::command::Command;
use crate::run::state::{Run, RunStatus};
use crate::time::Timestamp;
use crate::wait::Wait;

/// Maximum number of answers by hand that a run keeps for later waits.
const MAX_KEPT_ANSWERS: usize = 16;

/// Entries of the log that are to be committed, and everything that follows from them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Decision {
    /// New entries of the log, in order.
    pub events: Vec<Event>,
    /// Consequences for keys, timers and the engine. All of them can be derived again from the rows that
    /// are stored.
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
        /// Cause of its end.
        by: EndedBy,
    },
    /// Sets the timer that ends the wait unanswered.
    ArmTimer {
        /// The wait.
        wait: WaitId,
        /// Time of the deadline.
        due: Timestamp,
    },
    /// Removes the timer of a wait that ended before its deadline.
    DisarmTimer {
        /// The wait.
        wait: WaitId,
        /// Time of the deadline that is removed.
        due: Timestamp,
    },
    /// Sets the timer of a wait's reminders, of which there is one.
    ArmReminder {
        /// The wait.
        wait: WaitId,
        /// Time of the reminder that is due first.
        due: Timestamp,
    },
    /// Removes the timer of a wait's reminders.
    DisarmReminder {
        /// The wait.
        wait: WaitId,
        /// Time of the reminder that was due first.
        due: Timestamp,
    },
    /// Sets the timer of the next attempt of a failed step.
    ArmRetry {
        /// Time of the attempt.
        due: Timestamp,
    },
    /// Removes the timer of a retry that is not needed any more.
    DisarmRetry {
        /// Time of the attempt that is not made.
        due: Timestamp,
    },
    /// The run asks for its turn: it begins at once or waits in order.
    AskSlot(KeyId),
    /// A run goes on with waits that were open all the time: they take what
    /// was queued meanwhile (docs/rules.md#9).
    DrainWaits,
    /// The run has ended: the keys that it owns or waited on are let go (docs/rules.md#4, #5).
    Ended,
}

/// Reason that a command does not fit a run. The same command is refused again until the run changes.
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
    /// sender where it wants different ones (docs/rules.md#8).
    #[error("the wait has this response already")]
    NotDistinct,
    /// The run is paused; the event stays queued (docs/rules.md#9).
    #[error("the run is paused")]
    Paused,
    /// The run is busy with the stream's response before; the event stays queued.
    #[error("the run is busy with the response before")]
    Busy,
    /// The wait has no deadline that has passed.
    #[error("the wait is not due")]
    NotDue,
    /// Another reminder of the run is under way.
    #[error("another reminder is under way")]
    Reminding,
    /// No reminder of the run is under way.
    #[error("no reminder is under way")]
    NoReminder,
    /// The run holds as many answers by hand as it may.
    #[error("the run holds {MAX_KEPT_ANSWERS} answers that no wait has taken yet")]
    TooManyAnswers,
    /// No step of the run is under way.
    #[error("no step is under way")]
    NoStep,
    /// The effect was already made under this name (docs/rules.md#15).
    #[error("`once` was called twice with the name '{0}' in one execution of a step")]
    OnceTwice(String),
    /// The item is done already.
    #[error("item {0} is done already")]
    ItemTwice(u32),
    /// No nested brain is through.
    #[error("no nested brain is through")]
    NotInside,
    /// A state or a response is no JSON object (docs/rules.md#34).
    #[error("{0} must be a JSON object")]
    NotAnObject(&'static str),
}

/// Decides what a command does to a run.
///
/// # Errors
/// Refuses what does not fit the run's status; nothing has happened then.
pub fn decide(run: &Run, command: Command, now: Timestamp) -> Result<Decision, Refusal> {
    let mut log = Log { run, now, decision: Decision::default(), levels: levels(run) };
    match command {
        Command::Start(start) => log.start(*start)?,
        Command::BeginStep { index } => log.begin_step(index)?,
        Command::RecordOnce { name, value, item } => log.record_once(name, value, item)?,
        Command::RecordItem { index, total, item, result } => log.record_item(index, total, item, result)?,
        Command::Emit { name, data, durable } => log.emit(name, data, durable)?,
        Command::EnterBrain { brain, initial_state } => log.enter_brain(*brain, initial_state)?,
        Command::EnterPart(entered) => log.enter_part(*entered)?,
        Command::PassBranch { arm, state, after, passed } => log.pass_branch(arm, &state, &after, passed)?,
        Command::LeaveBrain { state, after } => log.leave_brain(&state, &after)?,
        Command::Migrate(frames) => log.migrate(frames)?,
        Command::ReturnStep(outcome) => log.return_step(*outcome)?,
        Command::FailStep { error, retry_at } => log.fail_step(error, retry_at)?,
        Command::Retry => log.retry()?,
        Command::Respond(response) => log.respond(*response)?,
        Command::TimeOut { wait } => log.time_out(wait, now)?,
        Command::Remind { wait } => log.remind(wait)?,
        Command::EndReminder(end) => log.end_reminder(end)?,
        // As if its time had come, however far off that is.
        Command::EndWait { wait } => log.time_out(wait, Timestamp::from_millis(u64::MAX))?,
        Command::Answer { response, place } => log.answer(response, place)?,
        Command::Cancel { reason } => log.cancel(reason)?,
        Command::Pause { reason } => log.pause(reason)?,
        Command::Halt { reason } => log.halt(reason)?,
        Command::Resume => log.resume()?,
        Command::Admit => log.admit()?,
        Command::Await { by } => log.awaited(by)?,
        Command::Rerun(position) => log.rerun(*position)?,
        Command::Fail { error } => {
            log.active()?;
            log.end_with(EventBody::BrainError { error }, EndedBy::Cancel);
            log.fail_steps();
        }
    }
    Ok(log.decision)
}

/// The statuses of the steps of each brain that the run is inside of.
fn levels(run: &Run) -> Vec<Vec<StepStatus>> {
    let inner = run.frames.iter().skip(1).map(|frame| frame.progress.clone());
    std::iter::once(run.progress.clone()).chain(inner).collect()
}

struct Log<'a> {
    run: &'a Run,
    now: Timestamp,
    decision: Decision,
    levels: Vec<Vec<StepStatus>>,
}

impl Log<'_> {
    fn push(&mut self, event: EventBody) {
        let seq = self.run.seq + self.decision.events.len() as u64 + 1;
        self.decision.events.push(Event { seq, at: self.now, event });
    }

    fn effect(&mut self, effect: Effect) {
        self.decision.effects.push(effect);
    }

    /// Returns the level of the innermost brain of the position, from 0.
    fn level(&self) -> usize {
        self.levels.len().saturating_sub(1)
    }

    /// The nested brain at a level, for events that say whose steps they mean.
    fn inner(&self, level: usize) -> Option<Inner> {
        let frame = self.run.frames.get(level).filter(|_| level > 0)?;
        Some(Inner {
            path: self.path(level).unwrap_or_default(),
            titles: frame.steps.iter().map(|step| step.title.clone()).collect(),
            depth: u32::try_from(level).unwrap_or(u32::MAX),
        })
    }

    /// The steps around the brain at a level.
    fn path(&self, level: usize) -> Option<String> {
        self.run.path_at(level)
    }

    /// The steps of the brain at a level.
    fn steps_at(&self, level: usize) -> &[StepInfo] {
        match self.run.frames.get(level) {
            Some(frame) if level > 0 => &frame.steps,
            _ => &self.run.steps,
        }
    }

    /// Writes `step:status` if the step of this level is not in this status yet (docs/rules.md#31).
    fn step_status(&mut self, level: usize, step: &str, status: StepStatus) {
        let place = self.steps_at(level).iter().position(|info| info.title == step);
        let Some(progress) = self.levels.get_mut(level) else { return };
        let Some(place) = place.and_then(|at| progress.get_mut(at)) else { return };
        if *place != status {
            *place = status;
            self.push_status(level);
        }
    }

    fn push_status(&mut self, level: usize) {
        let steps = self.levels.get(level).map(|progress| encode_progress(progress)).unwrap_or_default();
        let inner = self.inner(level);
        self.push(EventBody::StepStatus { steps, inner });
    }

    fn active(&self) -> Result<(), Refusal> {
        active(self.run)
    }
}

fn active(run: &Run) -> Result<(), Refusal> {
    if run.seq == 0 || run.status.is_terminal() {
        return Err(Refusal::NotActive(run.status));
    }
    Ok(())
}

fn check_response(response: Option<&Value>) -> Result<(), Refusal> {
    match response {
        Some(value) if !value.is_object() => Err(Refusal::NotAnObject("a response")),
        _ => Ok(()),
    }
}

pub(crate) fn encode_progress(progress: &[StepStatus]) -> String {
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

pub(crate) fn decode_progress(letters: &str) -> Option<Vec<StepStatus>> {
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
