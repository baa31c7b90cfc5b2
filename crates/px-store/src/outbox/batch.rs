//! The outbox's part of a commit: hooks, deliveries, attempts and endpoints
//! that change together with everything else in the batch, or not at all.

use px_core::{CallbackId, HookId};

use super::delivery::{Attempt, Callback, Due, Endpoint};
use px_core::hook::Hook;

/// A change of a hook.
#[derive(Debug, Clone, PartialEq)]
pub struct HookWrite {
    /// The hook as it is to be.
    pub hook: Hook,
    /// The version that was read; 0 if it is new.
    pub expected: u64,
    /// The new version, never used before.
    pub version: u64,
}

/// A change of a delivery.
#[derive(Debug, Clone, PartialEq)]
pub struct CallbackWrite {
    /// The delivery as it is to be; its version is the one that was read, 0 if it is new.
    pub callback: Callback,
    /// Its due row until now, if there was one.
    pub was_due: Option<Due>,
}

impl CallbackWrite {
    /// A new delivery.
    #[must_use]
    pub const fn new(callback: Callback) -> Self {
        Self { callback, was_due: None }
    }

    /// A change of a delivery that was read.
    #[must_use]
    pub fn change(read: &Callback, change: impl FnOnce(&mut Callback)) -> Self {
        let mut callback = read.clone();
        change(&mut callback);
        Self { callback, was_due: read.due_row() }
    }
}

/// Changes of the outbox.
#[derive(Debug, Clone, Default)]
pub struct OutboxBatch {
    /// Hooks.
    pub hooks: Vec<HookWrite>,
    /// Deliveries.
    pub callback: Vec<CallbackWrite>,
    /// Deliveries that are not kept any longer, with their attempts.
    pub removed: Vec<Callback>,
    /// Attempts.
    pub attempts: Vec<(CallbackId, Attempt)>,
    /// Endpoints; one that is well ([`Endpoint::is_well`]) is forgotten.
    pub endpoints: Vec<Endpoint>,
}

/// Row of the outbox that has changed since it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutboxConflict {
    /// A hook.
    Hook(HookId),
    /// A delivery.
    Callback(CallbackId),
}
