//! The processes that serve one store at the same time, and what each of them
//! may do alone.
//!
//! A **member** is one process from its start to its end. It holds a lease that
//! it renews about once a second; the rows of ready runs name the member whose
//! executor has the run. Three rules keep two members from running one step:
//!
//! 1. A row with another owner is never taken, however old it is.
//! 2. Only a **takeover** frees such a row: the owner is no member any more. It
//!    gives the row a new fence and counts a death. A member stops being one by
//!    [`Cluster::leave`], or by [`Cluster::end`] once its lease is over.
//! 3. Each commit of a step demands the row's fence, so a member that was taken
//!    over while it stood still can commit none of its later work.
//!
//! The lease decides how soon work goes on elsewhere and never whether a commit
//! is right: that is the fence's to say, whatever the clocks do. Leases are
//! compared with the cluster's clock alone.
//!
//! Lanes of callbacks, timers and duties are shared out as **slots**. A slot has
//! one owner at a time, and an epoch that changes with the owner; what must not
//! happen twice demands the epoch in its commit.
//!
//! An embedded store has one member. The lock of its directory proves that every
//! other owner is dead, so its takeover happens at the open and waits for no
//! lease, and all slots are its own without a row or a check: [`OneMember`].
//! [`MemoryCluster`] is for tests: several members over one memory store.

mod memory;
mod slot;

use std::collections::BTreeSet;

use crate::epoch::{Epoch, EpochWrite};
use crate::error::Error;
use crate::store::Read;

pub use memory::{MemoryCluster, MemoryMember};
pub use slot::{Duty, LANE_SLOTS, Slot, TIMER_SLOTS};

/// Digest of a configuration: equal digests, equal configurations. The default is
/// that of a configuration which nobody knows, and equals no other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ConfigDigest(pub [u8; 32]);

/// A process that serves the store.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Member {
    /// The owner in the rows that it claims.
    pub id: u64,
    /// The titles of the brains that it can run.
    pub brains: BTreeSet<String>,
    /// The webhooks that it answers.
    pub slugs: BTreeSet<String>,
    /// Digest of the hooks that it is configured with: none is deleted as long as
    /// members differ in it.
    pub hooks: ConfigDigest,
}

/// The right to act for a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlotRight {
    /// There is nobody else, so there is nothing to demand.
    Alone,
    /// Held under this epoch; commits that must not happen twice demand it.
    Epoch(u64),
}

impl SlotRight {
    /// Returns the precondition for a commit that must not happen twice.
    #[must_use]
    pub const fn demand(self, slot: Slot) -> Option<EpochWrite> {
        match self {
            Self::Alone => None,
            Self::Epoch(epoch) => Some(EpochWrite::demand(Epoch::Slot(slot), epoch)),
        }
    }
}

/// The view of one member of a cluster.
pub trait Cluster: Send + Sync + 'static {
    /// This member's id. No other process has ever had it.
    fn me(&self) -> u64;

    /// Returns true if other processes may serve the store at the same time.
    fn is_shared(&self) -> bool;

    /// Renews this member's lease. Returns the members whose lease is over and
    /// which this one may end: none as long as its own lease has not been renewed
    /// without a gap for the length of a lease, so that after an outage of the
    /// store nobody is ended who could not renew either.
    ///
    /// # Errors
    /// [`Error::Fenced`] if others have ended this member; the process must stop.
    fn beat(&self) -> Read<'_, Vec<u64>>;

    /// Everybody who has joined and was not ended, this member included. A
    /// member whose lease is over is still one.
    ///
    /// # Errors
    /// The cluster could not be read.
    fn members(&self) -> Read<'_, Vec<Member>>;

    /// Ends a member whose lease is over. False if it has renewed it meanwhile.
    ///
    /// # Errors
    /// The cluster could not be read or written.
    fn end(&self, member: u64) -> Read<'_, bool>;

    /// Ends this member, which has given back what it had: nobody has to wait for
    /// its lease.
    ///
    /// # Errors
    /// The cluster could not be written; then others wait for the lease.
    fn leave(&self) -> Read<'_, ()>;

    /// The right to act for a slot, as of the last [`Cluster::beat`]; `None` if
    /// another member has it.
    fn slot(&self, slot: Slot) -> Option<SlotRight>;
}

/// The only member of an embedded store.
#[derive(Debug, Clone, Copy)]
pub struct OneMember(u64);

impl OneMember {
    /// A process that has the store alone, under an id that no start ever had.
    #[must_use]
    pub const fn new(me: u64) -> Self {
        Self(me)
    }
}

fn ready<'a, T: Send + 'a>(value: T) -> Read<'a, T> {
    Box::pin(std::future::ready(Ok::<_, Error>(value)))
}

impl Cluster for OneMember {
    fn me(&self) -> u64 {
        self.0
    }

    fn is_shared(&self) -> bool {
        false
    }

    fn beat(&self) -> Read<'_, Vec<u64>> {
        ready(Vec::new())
    }

    fn members(&self) -> Read<'_, Vec<Member>> {
        ready(vec![Member { id: self.0, ..Member::default() }])
    }

    fn end(&self, member: u64) -> Read<'_, bool> {
        ready(member != self.0)
    }

    fn leave(&self) -> Read<'_, ()> {
        ready(())
    }

    fn slot(&self, _: Slot) -> Option<SlotRight> {
        Some(SlotRight::Alone)
    }
}
