//! The sender: due rows become attempts. Due work is rows, never sleeping
//! tasks; each endpoint has a lane of its own, so that no neighbour suffers.
//!
//! There is no row for a claim. A pending delivery stays due until the commit
//! of an attempt's end, and one process has its lane: what was under way when it
//! died is due when the next one has the lane, and nothing else is sent twice.
//! Where several processes share a store, lanes are divided among them by slots,
//! and an attempt's end demands the epoch of the slot.

mod attempt;
mod held;
mod job;
mod lane;
mod prepare;
mod probe;
mod rates;
mod scheduler;
mod sender;
mod sweep;

use std::sync::Arc;
use std::time::Duration;

use px_core::{Clock, Ids, Scope};
use px_secrets::{KeyParts, Redaction};
use px_store::cluster::Cluster;
use px_store::{Contended, RoundError, Store};

use crate::guard::Policy;
use crate::transport::Transport;
use crate::vault::Vault;

pub use held::release_held;
pub(crate) use held::{closed, is_open};
pub use job::{Job, Report};
pub(crate) use prepare::signer;
pub(crate) use probe::allowed as probe_allowed;
pub use scheduler::Scheduler;
pub use sender::Sender;
pub use sweep::{Retention, sweep};

/// Context of the sender. Cheap to clone.
#[derive(Clone)]
pub struct SenderContext {
    /// Store of all records.
    pub store: Arc<dyn Store>,
    /// Source of the time.
    pub clock: Arc<dyn Clock>,
    /// Source of ids.
    pub ids: Arc<Ids>,
    /// Scope whose callbacks it sends.
    pub scope: Scope,
    /// The processes that send with this one.
    pub cluster: Arc<dyn Cluster>,
    /// Vault of secrets at rest.
    pub vault: Vault,
    /// Takes secrets out of what is sent.
    pub redaction: Redaction,
    /// Way in which requests leave.
    pub transport: Arc<dyn Transport>,
    /// Policy of their targets, unless a hook says more.
    pub policy: Policy,
}

impl SenderContext {
    /// The parts of it that seal and open.
    #[must_use]
    pub(crate) fn key_parts(&self) -> KeyParts {
        KeyParts {
            store: Arc::clone(&self.store),
            clock: Arc::clone(&self.clock),
            ids: Arc::clone(&self.ids),
            scope: self.scope,
            vault: self.vault.clone(),
        }
    }
}

impl std::fmt::Debug for SenderContext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SenderContext").field("scope", &self.scope).finish_non_exhaustive()
    }
}

/// The sender's bounds.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// So many requests are under way at once, to all endpoints together.
    pub max_in_flight: usize,
    /// Interval at which due rows are looked for that no hint told of.
    pub poll: Duration,
    /// Time that what came to rest is kept.
    pub retention: Retention,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_in_flight: 1_024, poll: Duration::from_secs(1), retention: Retention::default() }
    }
}

/// Failure of the store while sending. Receivers fail in attempt records.
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

impl From<Contended> for Error {
    fn from(contended: Contended) -> Self {
        Self::TooManyRounds(contended.rounds)
    }
}

impl RoundError for Error {}
