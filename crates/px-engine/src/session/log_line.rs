//! The line that the log gets of a commit, for whoever follows a server at the level `debug`.

use px_core::Run;

/// A line about a commit.
pub(super) enum LogLine {
    None,
    Step { step: String, begins: bool, ends: bool },
}

impl LogLine {
    /// The line about a commit with which a step of this run begins, or ends, or both.
    pub(super) fn of(run: &Run, begins: bool, ends: bool) -> Self {
        if !tracing::enabled!(tracing::Level::DEBUG) || !(begins || ends) {
            return Self::None;
        }
        let step = run.frame().map(|frame| frame.step.clone()).unwrap_or_default();
        Self::Step { step, begins, ends }
    }

    pub(super) fn write(self) {
        match self {
            Self::None => {}
            Self::Step { step, begins, ends: false } if begins => tracing::debug!(step, "the step runs"),
            Self::Step { step, .. } => tracing::debug!(step, "the step has run"),
        }
    }
}
