//! Faults of commits, and the operations that a test can hold up.

use std::sync::Arc;

use px_store::{Admission, Batch, BoxFuture, Error, Outcome, Store};

use crate::faulty::FaultyStore;

/// Fault that a test plans for a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing was written; the caller is told so.
    Refused,
    /// The disk has no room: nothing was written, and the store says so until a
    /// commit that meets no fault.
    Full,
    /// It takes this long, on tokio's clock.
    Slow(std::time::Duration),
    /// Nothing was written, and the process is dead from here on.
    DiesBefore,
    /// It is durable, and the process is dead from here on.
    DiesAfter,
}

/// Operation on a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// A read, by the name of the store's method.
    Read(&'static str),
    /// A commit.
    Commit,
}

pub(crate) type Gate = Box<dyn Fn(Access) -> BoxFuture<'static, ()> + Send + Sync>;

/// A commit that was handed over and waits at the gate.
pub(crate) type Submitted = BoxFuture<'static, ()>;

pub(crate) type Detour = Box<
    dyn Fn(&Arc<dyn Store>, Batch, Admission) -> BoxFuture<'static, Result<Outcome, Error>> + Send + Sync,
>;

pub(crate) type Observer = Box<dyn Fn(&Batch) -> Option<Box<dyn FnOnce() + Send>> + Send + Sync>;

pub(crate) type Plan = Arc<dyn Fn(u64, &Batch) -> Option<Fault> + Send + Sync>;

impl std::fmt::Debug for FaultyStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FaultyStore").field("commits", &self.commits()).finish_non_exhaustive()
    }
}

impl FaultyStore {
    /// Returns true if the process is dead, after which it changes nothing in the store.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        *self.dead.borrow()
    }

    /// Resolves when the process is dead.
    pub async fn death(&self) {
        // The sender lives as long as `self`.
        let _ = self.dead.subscribe().wait_for(|dead| *dead).await;
    }
}
