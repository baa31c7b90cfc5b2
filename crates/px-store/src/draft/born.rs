//! Runs that a draft makes ready and gives to the process that commits it.

use std::sync::Arc;

use px_core::RunId;

use super::Draft;
use crate::batch::{WorkChange, WorkWrite};
use crate::claimer::{BornClaimed, Claimer, Reservations};
use crate::transact::Round;

impl Draft<'_> {
    /// Gives the runs that this draft makes ready to the process that commits it,
    /// as far as that one has places for them: to be called last, and kept until
    /// the outcome of the commit is known.
    pub fn claim_ready(&mut self, claimer: Option<&Arc<dyn Claimer>>) -> Reservations {
        let Some(claimer) = claimer else { return Reservations::none() };
        let mut reservations = Reservations::of(claimer);
        let is_ready = |work: &&WorkWrite| {
            work.expected.is_none() && matches!(&work.change, WorkChange::Put(_, row) if row.owner.is_none())
        };
        let ready: Vec<RunId> = self.work.values().filter(is_ready).map(|work| work.run).collect();
        for run in ready {
            if !claimer.has_room() {
                break;
            }
            let Some(record) = self.after_commit(run) else { continue };
            let Some(WorkChange::Put(fence, row)) = self.work.get_mut(&run).map(|work| &mut work.change)
            else {
                continue;
            };
            let Some(owner) = claimer.reserve(*fence, row, record) else { continue };
            row.owner = Some(owner);
            reservations.add(run, *fence);
        }
        reservations
    }

    /// As [`Draft::into_round`], with the runs that this draft makes ready born
    /// claimed. They begin with [`BornClaimed::committed`].
    pub fn into_claiming_round<T>(
        mut self,
        claimer: Option<&Arc<dyn Claimer>>,
        value: T,
    ) -> Round<BornClaimed<T>> {
        let places = self.claim_ready(claimer);
        self.into_round(BornClaimed::new(value, places))
    }
}
