//! `step:reminder` as [`apply`](super::apply()) has it, and what a reminder does while its run waits.

use serde_json::Value;

use crate::reminder::{Reminder, ReminderProgress, ReminderTurn, Reminding};
use crate::run::state::{OnceValue, Run};

impl Run {
    /// A turn of a reminder begins or ends.
    pub(super) fn take_turn(&mut self, turn: &ReminderTurn) -> Result<(), String> {
        let begins = turn.progress == ReminderProgress::Running;
        let this = Reminding { wait: turn.wait, name: turn.name.clone() };
        if begins == self.reminding.is_some() || (!begins && self.reminding.as_ref() != Some(&this)) {
            return Err(format!("reminder '{}' is {}under way", turn.name, if begins { "" } else { "not " }));
        }
        let wait = self.waits.iter_mut().find(|wait| wait.id == turn.wait);
        let wait = wait.ok_or_else(|| format!("{} is not open", turn.wait))?;
        let reminder = wait.reminders.iter_mut().find(|reminder| reminder.name == turn.name);
        let reminder = reminder.filter(|reminder| reminder.nth == turn.nth && reminder.due.is_some());
        let reminder =
            reminder.ok_or_else(|| format!("no turn {} of reminder '{}' comes", turn.nth, turn.name))?;
        reminder.turned(turn);
        self.reminding = begins.then_some(this);
        Ok(())
    }

    /// The reminder that is under way has made a side effect.
    pub(super) fn reminder_has_made(
        &mut self,
        iteration: u32,
        name: &str,
        value: &Value,
    ) -> Result<(), String> {
        let depth = self.depth();
        let reminder = self.reminder_mut().ok_or("no reminder is under way")?;
        let (name, value) = (name.to_owned(), value.clone());
        reminder.once.push(OnceValue { depth, iteration, name, value, item: None });
        Ok(())
    }

    fn reminder_mut(&mut self) -> Option<&mut Reminder> {
        let Reminding { wait, name } = self.reminding.as_ref()?;
        let wait = self.waits.iter_mut().find(|open| open.id == *wait)?;
        wait.reminders.iter_mut().find(|reminder| reminder.name == *name)
    }

    /// The steps around a step of the innermost brain, that one included: the path of its reminders.
    #[must_use]
    pub fn path_inside(&self, step: &str) -> String {
        self.path().map_or_else(|| step.to_owned(), |around| format!("{around}/{step}"))
    }
}
