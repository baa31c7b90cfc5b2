//! Reminders of a run's waits: as the API shows them, and in words.

#![expect(missing_docs, reason = "a field whose name says it all has no description in the document either")]

use std::time::Duration;

use px_core::{Timestamp, reminder};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Detail, Event, Run, words};

/// Code that runs while a wait is open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct Reminder {
    pub name: String,
    /// The turn that is under way or comes next, from 1; those before it are over.
    pub nth: u32,
    /// Maximum number of its turns.
    pub at_most: u32,
    /// Milliseconds between two turns, if there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub every: Option<u64>,
    /// Time at which the turn or its next attempt is due; absent if no turn comes any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_at: Option<Timestamp>,
    /// Attempts at this turn that have failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed: Option<u32>,
    /// True while its code is under way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub running: Option<bool>,
}

impl From<&reminder::Reminder> for Reminder {
    fn from(reminder: &reminder::Reminder) -> Self {
        Self {
            name: reminder.name.clone(),
            nth: reminder.nth,
            at_most: reminder.at_most,
            every: reminder.every_ms,
            next_at: reminder.due,
            failed: (reminder.failed > 0).then_some(reminder.failed),
            running: None,
        }
    }
}

impl Reminder {
    /// Describes what it has done and what comes, in a few words behind its name.
    #[must_use]
    pub fn in_words(&self, now: Timestamp) -> String {
        let turns = match self.every {
            Some(every) => {
                let every = words::duration(Duration::from_millis(every));
                format!(", {} of at most {}, every {every}", self.nth, self.at_most)
            }
            None => String::new(),
        };
        let again = self.failed.map_or(String::new(), |_| ", once more after a failure".to_owned());
        match self.next_at {
            _ if self.running == Some(true) => format!("runs now{turns}"),
            Some(at) if at <= now => format!("is due now{turns}{again}"),
            Some(at) => format!("comes at {}{turns}{again}", words::moment(at, now)),
            None => match self.nth.saturating_sub(1) {
                0 | 1 => "is over, and comes no more".to_owned(),
                over => format!("is over after {}", words::count(over.into(), "turn")),
            },
        }
    }
}

/// Sentences about the reminders of a run's waits, of which `events` is the end of the log.
pub(crate) fn sentences(run: &Run, events: &[Event], now: Timestamp) -> Vec<String> {
    let of_waits = run.waiting_for.iter().flat_map(|wait| wait.reminders.iter().flatten());
    let sentence = |reminder: &Reminder| {
        let name = &reminder.name;
        format!("Reminder '{name}' {}.{}", reminder.in_words(now), failure(events, name))
    };
    of_waits.map(sentence).collect()
}

/// The error of the last attempt at a reminder, if it failed.
fn failure(events: &[Event], of: &str) -> String {
    let last = events.iter().rev().find_map(|event| match event.detail() {
        Detail::Reminder { name, nth, error, .. } if name == of => Some((nth, error)),
        _ => None,
    });
    match last {
        Some((nth, Some(error))) => format!(" Turn {nth} of it failed: {}.", error.in_words()),
        _ => String::new(),
    }
}
