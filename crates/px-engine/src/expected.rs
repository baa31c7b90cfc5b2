//! Waits that are older than their brain expects (`.expect(..)`). Nothing of it is stored: it follows from the
//! position of a run that waits and from what this binary says.

use std::time::Duration;

use px_core::{Run, RunStatus, Timestamp};
use px_sdk::Registry;

use crate::position::levels;

/// The open wait of a run, and the time within which its brain expects an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected {
    /// Time at which the wait was opened.
    pub since: Timestamp,
    /// Time within which the answer is expected.
    pub within: Duration,
}

impl Expected {
    /// Returns whether the answer should have come by now.
    #[must_use]
    pub fn is_late(self, now: Timestamp) -> bool {
        self.since.after(self.within) < now
    }
}

/// Time within which the answer is expected that a run waits for, if its brain says so. Nobody is expected to
/// answer a run that is paused, or one that only sleeps.
#[must_use]
pub fn expected(registry: &Registry, run: &Run) -> Option<Expected> {
    if run.status != RunStatus::Waiting {
        return None;
    }
    let awaits = run.waits.iter().filter(|wait| !wait.registrations.is_empty());
    let since = awaits.map(|wait| wait.opened_at).min()?;
    // The run is at the step that takes the answer, directly behind the one that opened the wait.
    let at = levels(registry, run).ok()?.pop()?.found?;
    let before = usize::try_from(at.index).ok()?.checked_sub(1)?;
    let within = at.brain.steps.get(before)?.expect?;
    Some(Expected { since, within })
}
