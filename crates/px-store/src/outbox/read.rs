//! What can be asked of the outbox.

use std::sync::Arc;

use px_core::{HookId, OutgoingId, RunId, Scope, Timestamp};

use super::book::{Book, Render};
use super::delivery::{Attempt, Due, Endpoint, Outgoing, OutgoingState};
use crate::error::Error;
use crate::model::Versioned;
use crate::store::{Page, Read};
use px_core::hook::Hook;

/// Which deliveries a list shows. Everything that is set must fit.
#[derive(Debug, Clone, Default)]
pub struct OutgoingFilter {
    /// The hook.
    pub hook: Option<HookId>,
    /// The run.
    pub run: Option<RunId>,
    /// Where they stand.
    pub state: Option<OutgoingState>,
    /// Not created before this.
    pub since: Option<Timestamp>,
}

impl OutgoingFilter {
    /// Whether a delivery is of this hook, of this run and in this state. Its age
    /// is not asked: a list ends at the first one that is too old.
    #[must_use]
    pub fn fits(&self, outgoing: &Outgoing) -> bool {
        self.hook.is_none_or(|hook| outgoing.hook == hook)
            && self.run.is_none_or(|run| outgoing.run == Some(run))
            && self.state.is_none_or(|state| outgoing.state == state)
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
    fn book(&self, scope: Scope) -> Result<Arc<Book>, Error>;

    /// Sets how bodies are made from here on.
    fn render_with(&self, render: Arc<dyn Render>);

    /// A hook, of many runs or of one.
    fn hook(&self, scope: Scope, hook: HookId) -> Read<'_, Option<Versioned<Hook>>>;

    /// A delivery, with its body.
    fn outgoing(&self, scope: Scope, id: OutgoingId) -> Read<'_, Option<Outgoing>>;

    /// Deliveries, newest first; like [`Store::runs`](crate::Store::runs).
    fn outgoings<'a>(
        &'a self,
        scope: Scope,
        filter: &'a OutgoingFilter,
        before: Option<[u8; 16]>,
        limit: usize,
    ) -> Read<'a, Page<Outgoing>>;

    /// The attempts of a delivery after a number, oldest first, at most `limit`.
    fn attempts(&self, scope: Scope, id: OutgoingId, after: u32, limit: usize) -> Read<'_, Vec<Attempt>>;

    /// What is due at `until` in a lane, behind a row, soonest first, at most `limit`.
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

    /// What is kept of an endpoint.
    fn endpoint(&self, scope: Scope, lane: u64) -> Read<'_, Option<Endpoint>>;
}
