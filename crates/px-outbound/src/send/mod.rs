//! The sender: due rows become attempts. Due work is rows, never sleeping
//! tasks; each endpoint has a lane of its own, so that no neighbour suffers.
//!
//! There is no row for a claim. A pending delivery stays due until the commit
//! of an attempt's end, and one process has its lane: what was under way when it
//! died is due when the next one has the lane, and nothing else is sent twice.
//! Where several processes share a store, lanes are divided among them by slots,
//! and an attempt's end demands the epoch of the slot.

mod attempt;
mod desk;
mod lane;
mod prepare;
mod sender;
mod sweep;

use std::sync::Arc;
use std::time::Duration;

use px_core::{Clock, Ids, Scope};
use px_store::Store;
use px_store::cluster::Cluster;

use crate::guard::Policy;
use crate::transport::Transport;
use crate::vault::Vault;

pub use desk::{Desk, Job, Report};
pub(crate) use prepare::signer;
pub use sender::Sender;
pub use sweep::{Retention, sweep};

/// What the sender works with. Cheap to clone.
#[derive(Clone)]
pub struct Parts {
    /// Where everything is kept.
    pub store: Arc<dyn Store>,
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
    /// Where ids come from.
    pub ids: Arc<Ids>,
    /// Whose it is.
    pub scope: Scope,
    /// The processes that send with this one.
    pub cluster: Arc<dyn Cluster>,
    /// Where secrets rest.
    pub vault: Vault,
    /// How requests leave.
    pub transport: Arc<dyn Transport>,
    /// Where they may go unless a hook says more.
    pub policy: Policy,
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parts").field("scope", &self.scope).finish_non_exhaustive()
    }
}

/// The sender's bounds.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// So many requests are under way at once, to all endpoints together.
    pub max_in_flight: usize,
    /// How often due rows are looked for that no hint told of.
    pub poll: Duration,
    /// How long what came to rest is kept.
    pub retention: Retention,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_in_flight: 1_024, poll: Duration::from_secs(1), retention: Retention::default() }
    }
}

/// What failed while sending: the store. Receivers fail in attempt records.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The store could not be read or written.
    #[error(transparent)]
    Store(#[from] px_store::Error),
    /// Others changed the same rows again and again.
    #[error("a delivery changed {0} times while its attempt was recorded")]
    TooManyRounds(u32),
}
