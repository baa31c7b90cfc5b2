//! Reminders of a wait: code that runs at a time while the wait stays open. The wait
//! holds how far each of them is; the log has an entry for each turn that begins and ends.
//!
//! A turn that others cut short, by an answer to a stream or a pause for example, stays
//! due and keeps the effects that it has made, as a step does over a crash.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::event::Failure;
use crate::id::WaitId;
use crate::run::OnceValue;
use crate::time::Timestamp;
use crate::wait::Wait;

/// One reminder of an open wait.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reminder {
    /// Its name, unique among those of its step.
    pub name: String,
    /// The step that asked for it, and that opened the wait.
    pub step: String,
    /// The turn of that step, from 0; part of the keys of what the reminder does.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub iteration: u32,
    /// Milliseconds between two turns; none for a reminder that has one turn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every_ms: Option<u64>,
    /// Maximum number of its turns.
    pub at_most: u32,
    /// Number of the turn that is under way or comes next, from 1.
    pub nth: u32,
    /// Time of that turn, or of its next attempt; none if no turn comes any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Timestamp>,
    /// Number of attempts at that turn that have failed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub failed: u32,
    /// Number of times that a binary had the turn before it and could not run it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub postponed: u32,
    /// Side effects that the turn has made and that are not made again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub once: Vec<OnceValue>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// The reminder of a run that is under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reminding {
    /// Its wait.
    pub wait: WaitId,
    /// Its name.
    pub name: String,
}

/// Progress of one turn of a reminder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReminderProgress {
    /// Its code is under way.
    Running,
    /// Its code has returned.
    Complete,
    /// It failed and is tried again.
    Retrying,
    /// It failed for good, or could not run; the wait goes on without it.
    Error,
    /// The binary could not run it, and another one may: it is looked at again.
    Postponed,
}

impl ReminderProgress {
    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Complete => "complete",
            Self::Retrying => "retrying",
            Self::Error => "error",
            Self::Postponed => "postponed",
        }
    }
}

/// Entry of the log about one turn of a reminder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReminderTurn {
    /// The wait.
    pub wait: WaitId,
    /// The step that asked for the reminder.
    pub step: String,
    /// Name of the reminder.
    pub name: String,
    /// Number of the turn, from 1.
    pub nth: u32,
    /// The attempt at this turn, from 1.
    pub attempt: u32,
    /// Progress of the turn.
    pub progress: ReminderProgress,
    /// Error of the attempt, if it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Failure>,
    /// Time of the next attempt or of the next turn; none if nothing comes any more, or
    /// while the turn is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Timestamp>,
    /// The steps around the step, outermost first, by `/`: see [`Run::path`](crate::Run::path).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

/// End of an attempt at a reminder's turn.
#[derive(Debug, Clone, PartialEq)]
pub enum ReminderEnd {
    /// Its code has returned.
    Complete,
    /// It failed, and is tried again at this time.
    Retry(Failure, Timestamp),
    /// It failed for good, or could not run: the next turn comes when it is due.
    GiveUp(Failure),
    /// A later version of the brain does not have it any more: no turn comes.
    Gone(Failure),
    /// This binary cannot run it, and another one may. The turn stays to come, and no attempt is used up.
    Postpone(Failure),
}

impl Reminder {
    /// Name of its current turn in the keys and entries of what it does: `nudge`, or
    /// `nudge[2]` where there are several.
    #[must_use]
    pub fn turn(&self) -> String {
        turn_of(&self.name, self.every_ms.map(|_| self.nth))
    }

    /// The attempt at its current turn, from 1. One that a crash or an event cut short is not counted.
    #[must_use]
    pub const fn attempt(&self) -> u32 {
        self.failed.saturating_add(1)
    }

    /// Time of the turn after the current one, as of `now`: in the future, whatever fell due
    /// while nobody was there to run it.
    #[must_use]
    pub(crate) fn after_this(&self, opened_at: Timestamp, now: Timestamp) -> Option<Timestamp> {
        let every = self.every_ms.filter(|_| self.nth < self.at_most)?.max(1);
        let passed = now.as_millis().saturating_sub(opened_at.as_millis()) / every;
        let until = every.saturating_mul(passed.saturating_add(1));
        Some(opened_at.after(Duration::from_millis(until)))
    }

    /// Time at which a turn that this binary cannot run is looked at again: a minute from now, then ever
    /// later, and each day at last, so that the log of a run that nobody can remind stays short.
    #[must_use]
    pub(crate) fn looked_at_again(&self, now: Timestamp) -> Timestamp {
        const FIRST: Duration = Duration::from_mins(1);
        const LAST: Duration = Duration::from_hours(24);
        now.after(FIRST.saturating_mul(1_u32.checked_shl(self.postponed).unwrap_or(u32::MAX)).min(LAST))
    }

    /// Changes it as an entry of the log says.
    pub(crate) fn turned(&mut self, turn: &ReminderTurn) {
        match turn.progress {
            ReminderProgress::Running => {}
            ReminderProgress::Retrying => {
                self.failed = self.failed.saturating_add(1);
                self.due = turn.next;
            }
            ReminderProgress::Postponed => {
                self.postponed = self.postponed.saturating_add(1);
                self.due = turn.next;
            }
            ReminderProgress::Complete | ReminderProgress::Error => {
                self.nth = self.nth.saturating_add(1);
                (self.failed, self.postponed) = (0, 0);
                self.due = turn.next;
                self.once.clear();
            }
        }
    }
}

/// Name of a turn in keys and entries: with its number, if its reminder has several.
#[must_use]
pub fn turn_of(name: &str, nth: Option<u32>) -> String {
    nth.map_or_else(|| name.to_owned(), |nth| format!("{name}[{nth}]"))
}

impl Wait {
    /// Returns its reminder of this name.
    #[must_use]
    pub fn reminder(&self, name: &str) -> Option<&Reminder> {
        self.reminders.iter().find(|reminder| reminder.name == name)
    }

    /// Returns the time at which the first of its reminders is due. The wait has one timer for all of them.
    #[must_use]
    pub fn next_reminder(&self) -> Option<Timestamp> {
        self.reminders.iter().filter_map(|reminder| reminder.due).min()
    }

    /// Returns the reminder that is due first, if its time has come.
    #[must_use]
    pub(crate) fn due_reminder(&self, now: Timestamp) -> Option<&Reminder> {
        let due = self.reminders.iter().filter(|reminder| reminder.due.is_some_and(|due| due <= now));
        due.min_by_key(|reminder| reminder.due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reminder(nth: u32, at_most: u32) -> Reminder {
        Reminder {
            name: "nudge".into(),
            step: "ask".into(),
            iteration: 0,
            every_ms: Some(100),
            at_most,
            nth,
            due: None,
            failed: 0,
            postponed: 0,
            once: Vec::new(),
        }
    }

    #[test]
    fn what_nobody_can_run_is_looked_at_ever_more_seldom() {
        let at = Timestamp::from_millis;
        let minutes = |postponed| {
            let again = Reminder { postponed, ..reminder(1, 1) }.looked_at_again(at(1_000));
            (again.as_millis() - 1_000) / 60_000
        };
        let seen: Vec<u64> = [0, 1, 2, 10, 11, 40, u32::MAX].map(minutes).into();
        assert_eq!(seen, [1, 2, 4, 1_024, 1_440, 1_440, 1_440]);
    }

    #[test]
    fn the_next_turn_lies_in_the_future_on_the_grid_of_the_opening() {
        let at = Timestamp::from_millis;
        for (now, next) in [(1_000, 1_100), (1_099, 1_100), (1_100, 1_200), (1_101, 1_200), (9_950, 10_000)] {
            assert_eq!(reminder(1, 3).after_this(at(1_000), at(now)), Some(at(next)), "{now}");
        }
        // The clock was set back since.
        assert_eq!(reminder(1, 3).after_this(at(1_000), at(900)), Some(at(1_100)));
        assert_eq!(reminder(3, 3).after_this(at(1_000), at(1_300)), None, "the third was the last");
        let once = Reminder { every_ms: None, ..reminder(1, 1) };
        assert_eq!(once.after_this(at(1_000), at(1_300)), None);
    }

    #[test]
    fn a_turn_is_named_with_its_number_where_there_are_several() {
        assert_eq!(reminder(2, 3).turn(), "nudge[2]");
        assert_eq!(Reminder { every_ms: None, ..reminder(1, 1) }.turn(), "nudge");
    }
}
