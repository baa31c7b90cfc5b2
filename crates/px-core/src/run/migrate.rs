//! `brain:migrated` as [`apply`](super::apply()) has it: a stored state becomes one of
//! another version of its brain.

use json_patch::{Patch, patch};

use crate::run::state::{ItemResult, Run};

impl Run {
    /// Replaces the state of the frame at a depth, the innermost one if none is said, and results of items.
    pub(super) fn migrate(
        &mut self,
        depth: Option<u32>,
        step: &str,
        version: u32,
        changes: &Patch,
        items: &[ItemResult],
    ) -> Result<(), String> {
        let at = depth.map_or(self.frames.len().saturating_sub(1), |depth| depth as usize);
        let frame = self.frames.get_mut(at).ok_or_else(|| format!("there is no frame at depth {at}"))?;
        if frame.step != step {
            return Err(format!("the run is at step '{}'", frame.step));
        }
        patch(&mut frame.state, changes).map_err(|error| format!("the patch does not fit: {error}"))?;
        frame.version = version;
        for item in items {
            let stored = self.items.iter_mut().find(|stored| stored.index == item.index);
            let stored = stored.ok_or_else(|| format!("item {} has no result", item.index))?;
            stored.result.clone_from(&item.result);
        }
        Ok(())
    }
}
