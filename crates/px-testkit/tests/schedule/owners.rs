//! Watches that no run is taken from a member of the cluster that lives.

use std::sync::{Arc, Mutex};

use px_core::Scope;
use px_store::WorkChange;
use px_store::conformance::block_on;
use px_testkit::World;

/// The first run that was, if one was.
#[derive(Debug, Clone, Default)]
pub struct Robbed(Arc<Mutex<Option<String>>>);

impl Robbed {
    /// Watches what this process commits from here on.
    pub fn watch(&self, world: &World) {
        let Some(cluster) = world.cluster().cloned() else { return };
        let (me, rows, robbed) = (world.me(), Arc::clone(world.rows()), Arc::clone(&self.0));
        world.store().observe(move |batch| {
            // What ends a wait takes the work of its reminder from whoever runs that.
            let taken = batch.work.iter().filter(|work| !work.cuts_short);
            let taken = taken.filter(|work| matches!(work.change, WorkChange::Put(..)));
            let from_the_living = taken.map(|work| work.run).find(|run| {
                let found = block_on(rows.work_of(Scope::default(), *run)).unwrap();
                let owner = found.and_then(|found| found.record.owner);
                owner.is_some_and(|owner| owner != me && cluster.has(owner))
            })?;
            let robbed = Arc::clone(&robbed);
            Some(Box::new(move || {
                let text = format!("{from_the_living} was taken from a member that lives");
                robbed.lock().unwrap().get_or_insert(text);
            }))
        });
    }

    /// # Errors
    /// A run was taken from a member that lives.
    pub fn check(&self) -> Result<(), String> {
        self.0.lock().unwrap().clone().map_or(Ok(()), Err)
    }
}
