//! Reminders of a wait: one begins at its time and ends, while the wait stays open. Whatever else the run
//! is asked meanwhile is decided as if no reminder were there.

use serde_json::Value;

use super::wait::can_take;
use super::{Effect, Log, Refusal};
use crate::event::EventBody;
use crate::id::WaitId;
use crate::reminder::{Reminder, ReminderEnd, ReminderProgress, ReminderTurn};
use crate::run::state::RunStatus;
use crate::wait::Wait;

impl Log<'_> {
    pub(super) fn remind(&mut self, id: WaitId) -> Result<(), Refusal> {
        self.active()?;
        let run = self.run;
        let wait = run.wait(id).ok_or(Refusal::WaitOver)?;
        can_take(run)?;
        if wait.deadline.is_some_and(|due| due <= self.now) {
            // Both fell due while nobody rang: nobody is to be reminded of what is over.
            return self.time_out(id, self.now);
        }
        if run.reminding.is_some() {
            return Err(Refusal::Reminding);
        }
        let reminder = wait.due_reminder(self.now).ok_or(Refusal::NotDue)?;
        let turn = self.turn(wait, reminder, ReminderProgress::Running);
        self.push(EventBody::Reminder(Box::new(turn)));
        self.effect(Effect::RunStep);
        Ok(())
    }

    pub(super) fn end_reminder(&mut self, end: ReminderEnd) -> Result<(), Refusal> {
        self.active()?;
        let run = self.run;
        let (wait, reminder) = run.reminder_under_way().ok_or(Refusal::NoReminder)?;
        let next = reminder.after_this(wait.opened_at, self.now);
        let (progress, error, next) = match end {
            ReminderEnd::Complete => (ReminderProgress::Complete, None, next),
            ReminderEnd::Retry(error, due) => (ReminderProgress::Retrying, Some(error), Some(due)),
            ReminderEnd::GiveUp(error) => (ReminderProgress::Error, Some(error), next),
            ReminderEnd::Gone(error) => (ReminderProgress::Error, Some(error), None),
            ReminderEnd::Postpone(error) => {
                (ReminderProgress::Postponed, Some(error), Some(reminder.looked_at_again(self.now)))
            }
        };
        let turn = ReminderTurn { error, next, ..self.turn(wait, reminder, progress) };
        let mut after = wait.clone();
        if let Some(ended) = after.reminders.iter_mut().find(|one| one.name == reminder.name) {
            ended.turned(&turn);
        }
        self.push(EventBody::Reminder(Box::new(turn)));
        self.effect(Effect::Park);
        // Those of other waits may have rung meanwhile, for nothing.
        for open in run.waits.iter().map(|open| if open.id == after.id { &after } else { open }) {
            self.arm_reminders(open);
        }
        Ok(())
    }

    /// Sets the timer of a wait's reminders, if one is still to come.
    pub(super) fn arm_reminders(&mut self, wait: &Wait) {
        if let Some(due) = wait.next_reminder() {
            self.effect(Effect::ArmReminder { wait: wait.id, due });
        }
    }

    fn turn(&self, wait: &Wait, reminder: &Reminder, progress: ReminderProgress) -> ReminderTurn {
        ReminderTurn {
            wait: wait.id,
            step: reminder.step.clone(),
            name: reminder.name.clone(),
            nth: reminder.nth,
            attempt: reminder.attempt(),
            progress,
            error: None,
            next: None,
            path: self.run.path(),
        }
    }

    /// The reminder that is under way, if the run waits.
    fn reminder(&self) -> Option<&Reminder> {
        let (_, reminder) = self.run.reminder_under_way()?;
        (self.run.status == RunStatus::Waiting).then_some(reminder)
    }

    /// Records a side effect of the reminder that is under way. False if none is.
    pub(super) fn remind_once(&mut self, name: &str, value: &Value) -> Result<bool, Refusal> {
        let Some(reminder) = self.reminder() else { return Ok(false) };
        if reminder.once.iter().any(|made| made.name == name) {
            return Err(Refusal::OnceTwice(name.to_owned()));
        }
        let (step, iteration) = (reminder.turn(), reminder.iteration);
        let path = Some(self.run.path_inside(&reminder.step));
        let (name, value) = (name.to_owned(), value.clone());
        self.push(EventBody::StepOnce { step, iteration, name, value, item: None, path });
        Ok(true)
    }

    /// Name and path of what reports progress: the step that is under way, or the reminder.
    pub(super) fn reporter(&self) -> Result<(String, Option<String>), Refusal> {
        match self.reminder() {
            Some(reminder) => Ok((reminder.turn(), Some(self.run.path_inside(&reminder.step)))),
            None => Ok((self.running_step()?.to_owned(), self.run.path())),
        }
    }
}
