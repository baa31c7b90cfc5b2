//! Results that no commit can keep.

use px_core::run::Command;

use super::{Session, SessionError};

impl Session {
    /// Pauses the run after a commit that will never be made, since a rule of runs refuses it or it is more
    /// than the store takes: another execution of the step would come to the same, effects included.
    ///
    /// # Errors
    /// The error itself, where the next commit may be made.
    pub(crate) async fn halt_unkept(&mut self, error: SessionError) -> Result<(), SessionError> {
        let Some(why) = error.unkept() else { return Err(error) };
        self.begin = None;
        if !self.refresh().await? {
            return Ok(());
        }
        let step = self.record.run.frame().map(|frame| frame.step.as_str()).unwrap_or_default();
        let reason = format!("what step '{step}' came to cannot be recorded: {why}");
        tracing::error!(run = %self.run, "{reason}; the run is paused");
        self.commit(Some(Command::Halt { reason: Some(reason) })).await.map(drop)
    }
}
