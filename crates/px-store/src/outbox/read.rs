//! The reads of the outbox.

use std::sync::Arc;

use px_core::{CallbackId, HookId, RunId, Scope, Timestamp};

use super::delivery::{Attempt, Callback, CallbackState, Due, Endpoint};
use super::hook_set::{HookSet, Render};
use crate::error::Error;
use crate::model::Versioned;
use crate::store::{Page, Read};
use px_core::hook::Hook;

/// Filter of a list of callbacks. Everything that is set must fit.
#[derive(Debug, Clone, Default)]
pub struct CallbackFilter {
    /// The hook.
    pub hook: Option<HookId>,
    /// The run.
    pub run: Option<RunId>,
    /// The state of the callbacks.
    pub state: Option<CallbackState>,
    /// Time before which none was created.
    pub since: Option<Timestamp>,
}

impl CallbackFilter {
    /// Returns true if a delivery is of this hook, of this run and in this state. Its age
    /// is not asked: a list ends at the first one that is too old.
    #[must_use]
    pub fn fits(&self, callback: &Callback) -> bool {
        self.hook.is_none_or(|hook| callback.hook == hook)
            && self.run.is_none_or(|run| callback.run == Some(run))
            && self.state.is_none_or(|state| callback.state == state)
    }
}

/// The reads of a store that concern hooks. Writes are part of
/// [`Batch`](crate::Batch).
pub trait OutboxStore: Send + Sync {
    /// The hooks that are told of many runs: a snapshot that the store keeps at
    /// hand, so that a draft asks for it without waiting. It has every change
    /// that this process committed and was told of. A store that other processes
    /// write to may be behind them here, and refuses a commit that told fewer
    /// hooks than there are.
    ///
    /// # Errors
    /// They have changed and could not be read.
    fn hook_set(&self, scope: Scope) -> Result<Arc<HookSet>, Error>;

    /// Sets how bodies are made from here on.
    fn render_with(&self, render: Arc<dyn Render>);

    /// A hook, of many runs or of one.
    fn hook(&self, scope: Scope, hook: HookId) -> Read<'_, Option<Versioned<Hook>>>;

    /// A delivery, with its body.
    fn callback(&self, scope: Scope, id: CallbackId) -> Read<'_, Option<Callback>>;

    /// Deliveries, newest first; like [`Store::runs`](crate::Store::runs).
    fn callbacks<'a>(
        &'a self,
        scope: Scope,
        filter: &'a CallbackFilter,
        before: Option<[u8; 16]>,
        limit: usize,
    ) -> Read<'a, Page<Callback>>;

    /// The attempts of a delivery after a number, oldest first, at most `limit`.
    fn attempts(&self, scope: Scope, id: CallbackId, after: u32, limit: usize) -> Read<'_, Vec<Attempt>>;

    /// Rows of a lane that are due at `until`, behind a row, soonest first, at most `limit`.
    fn due_in_lane(
        &self,
        scope: Scope,
        lane: u64,
        after: Option<Due>,
        until: Timestamp,
        limit: usize,
    ) -> Read<'_, Vec<Due>>;

    /// The soonest due row of the next lane behind this one that has any.
    fn next_lane(&self, scope: Scope, after: Option<u64>) -> Read<'_, Option<Due>>;

    /// The record of an endpoint.
    fn endpoint(&self, scope: Scope, lane: u64) -> Read<'_, Option<Endpoint>>;
}
