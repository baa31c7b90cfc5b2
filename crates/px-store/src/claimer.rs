//! Runs that are born claimed: a commit that makes a run ready gives it to the
//! process that commits, if that one has a place for it. The run then needs no
//! commit and no read of its own to be claimed.
//!
//! The reservation belongs to the commit and not to its caller. The store tells
//! of the claim when the commit is durable ([`crate::Hint::Claimed`]), and the
//! claimer begins then. A conflict gives the places back. A caller that goes away
//! before it knows gives them back too, and loses nothing: the row names this
//! member, and the claimer takes up each such row that it has no executor for.

use std::sync::Arc;

use px_core::RunId;

use crate::batch::RunRecord;
use crate::model::Work;

/// The part of this process that can execute runs.
pub trait Claimer: Send + Sync + 'static {
    /// Returns false if there is certainly no place now, so that nothing needs to be
    /// made ready for [`Claimer::reserve`].
    fn has_room(&self) -> bool;

    /// Reserves a place for a run that a commit is about to make ready under
    /// this fence. Returns the member that is to own it; `None` if there is no
    /// place, or if this process could not run it.
    fn reserve(&self, fence: u64, work: &Work, record: RunRecord) -> Option<u64>;

    /// Says that the commit is durable.
    fn keep(&self, run: RunId, fence: u64);

    /// Gives a place back whose commit did not happen, or of which nobody knows.
    fn give_back(&self, run: RunId, fence: u64);
}

/// The places that are reserved for the runs of one commit.
#[must_use = "dropping it gives the places back"]
pub struct Reservations {
    claimer: Option<Arc<dyn Claimer>>,
    runs: Vec<(RunId, u64)>,
}

impl std::fmt::Debug for Reservations {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reservations").field("runs", &self.runs).finish_non_exhaustive()
    }
}

impl Reservations {
    /// The reservations of a commit that claims nothing.
    pub const fn none() -> Self {
        Self { claimer: None, runs: Vec::new() }
    }

    pub(crate) fn of(claimer: &Arc<dyn Claimer>) -> Self {
        Self { claimer: Some(Arc::clone(claimer)), runs: Vec::new() }
    }

    pub(crate) fn add(&mut self, run: RunId, fence: u64) {
        self.runs.push((run, fence));
    }

    /// The commit is durable: the runs begin.
    pub fn committed(mut self) {
        let Some(claimer) = &self.claimer else { return };
        for (run, fence) in self.runs.drain(..) {
            claimer.keep(run, fence);
        }
    }
}

impl Drop for Reservations {
    fn drop(&mut self) {
        let Some(claimer) = &self.claimer else { return };
        for (run, fence) in self.runs.drain(..) {
            claimer.give_back(run, fence);
        }
    }
}

/// The value of a commit, with the places of the runs that the commit makes ready:
/// what a conflict loop holds until it knows the outcome.
#[derive(Debug)]
#[must_use = "dropping it gives the places back"]
pub struct BornClaimed<T> {
    value: T,
    places: Reservations,
}

impl<T> BornClaimed<T> {
    pub(crate) const fn new(value: T, places: Reservations) -> Self {
        Self { value, places }
    }

    /// A value without a commit.
    pub const fn none(value: T) -> Self {
        Self { value, places: Reservations::none() }
    }

    /// The commit is durable: the runs begin. Returns the value.
    pub fn committed(self) -> T {
        self.places.committed();
        self.value
    }
}
