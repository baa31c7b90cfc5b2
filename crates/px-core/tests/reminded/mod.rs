//! Reminders of the waits in random commands, and the timers that are set for them.

#![allow(unreachable_pub, reason = "a module of a test")]

use std::collections::BTreeSet;

use px_core::event::{Failure, FailureKind};
use px_core::reminder::Reminder;
use px_core::run::Effect;
use px_core::{Run, Timestamp, WaitId};

pub fn failure() -> Failure {
    Failure { kind: FailureKind::Step, name: "E".into(), message: "m".into(), stack: None }
}

/// Up to two reminders of a wait that is opened now.
pub fn reminders(now: Timestamp, dice: u16) -> Vec<Reminder> {
    let reminder = |name: &str, every_ms: Option<u64>, at_most| Reminder {
        name: name.into(),
        step: "one".into(),
        iteration: 0,
        every_ms,
        at_most,
        nth: 1,
        due: Some(Timestamp::from_millis(now.as_millis() + u64::from(dice % 11))),
        failed: 0,
        postponed: 0,
        once: Vec::new(),
    };
    [reminder("once", None, 1), reminder("often", Some(5), 3)]
        .into_iter()
        .take(usize::from(dice % 3))
        .collect()
}

/// Timers of waits' reminders.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Timers(BTreeSet<(WaitId, Timestamp)>);

impl Timers {
    /// Those that a run should have while it waits and no reminder is under way.
    pub fn of(run: &Run) -> Self {
        Self(run.waits.iter().filter_map(|wait| Some((wait.id, wait.next_reminder()?))).collect())
    }

    /// Sets and removes timers as a draft does, and as one that rings is removed.
    pub fn follow(&mut self, run: &Run, rung: Option<WaitId>, effects: &[Effect]) {
        self.0.retain(|(wait, _)| Some(*wait) != rung);
        for effect in effects {
            match effect {
                Effect::ArmReminder { wait, due } => drop(self.0.insert((*wait, *due))),
                Effect::DisarmReminder { wait, due } => drop(self.0.remove(&(*wait, *due))),
                Effect::DrainWaits => self.0.extend(Self::of(run).0),
                _ => {}
            }
        }
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
