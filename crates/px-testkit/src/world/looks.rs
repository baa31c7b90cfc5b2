//! Looks at what a world has stored.

use std::sync::Arc;

use px_core::{Event, KvChange, KvId, Run, RunId, RunStatus, Scope, Timestamp};
use px_store::audit::{Report, audit};
use px_store::{Delivery, DeliveryFilter, Store};
use serde_json::Value;

use super::World;
use crate::error::WorldError;

impl World {
    /// The parts of the engine, for what px-server asks of them.
    #[must_use]
    pub const fn parts(&self) -> &px_engine::Parts {
        &self.parts
    }

    /// A run as it is stored.
    ///
    /// # Errors
    /// The store fails.
    pub async fn run(&self, run: RunId) -> Result<Option<Run>, WorldError> {
        Ok(self.rows.run(Scope::default(), run).await?.map(|record| Arc::unwrap_or_clone(record.run)))
    }

    /// The status of a run; pending if there is none.
    ///
    /// # Errors
    /// The store fails.
    pub async fn status(&self, run: RunId) -> Result<RunStatus, WorldError> {
        Ok(self.run(run).await?.map_or(RunStatus::Pending, |run| run.status))
    }

    /// The state of a run; null if there is none.
    ///
    /// # Errors
    /// The store fails.
    pub async fn state(&self, run: RunId) -> Result<Value, WorldError> {
        Ok(self.run(run).await?.map_or(Value::Null, |run| run.state().clone()))
    }

    /// A value that outlives runs, if there is one.
    ///
    /// # Errors
    /// The store fails.
    pub async fn kv(&self, id: &KvId) -> Result<Option<Value>, WorldError> {
        Ok(self.rows.kv().value(Scope::default(), id).await?.map(|read| read.record.value))
    }

    /// Writes or removes a value that outlives runs.
    ///
    /// # Errors
    /// The store fails, or the process dies.
    pub async fn change_kv(&self, id: &KvId, change: &KvChange) -> Result<(), WorldError> {
        self.alive(self.parts.change_kv(id, change)).await??;
        Ok(())
    }

    /// The log of a run.
    ///
    /// # Errors
    /// The store fails.
    pub async fn log(&self, run: RunId) -> Result<Vec<Event>, WorldError> {
        Ok(self.rows.events(Scope::default(), run, 0, usize::MAX / 2).await?)
    }

    /// The first time up to this one at which something is due that has not rung.
    pub(crate) async fn next_due(&self, until: Timestamp) -> Result<Option<Timestamp>, WorldError> {
        let due = self.rows.due(Scope::default(), until, None, 1).await?;
        Ok(due.first().map(|timer| timer.due))
    }

    /// Every delivery in the inbox, oldest first.
    ///
    /// # Errors
    /// The store fails.
    pub async fn inbox(&self) -> Result<Vec<Delivery>, WorldError> {
        let mut deliveries = Vec::new();
        let mut before = None;
        loop {
            let filter = DeliveryFilter::default();
            let page = self.rows.deliveries(Scope::default(), &filter, before, 500).await?;
            deliveries.extend(page.items);
            before = page.next;
            if before.is_none() {
                deliveries.reverse();
                return Ok(deliveries);
            }
        }
    }

    /// Audits the whole store, as `px audit` does.
    ///
    /// # Errors
    /// The store fails. What is wrong in it is in the report.
    pub async fn audit(&self) -> Result<Report, WorldError> {
        Ok(audit(&*self.rows, Scope::default(), &mut |_| {}).await?)
    }

    /// The store below the faults.
    #[must_use]
    pub fn rows(&self) -> &Arc<dyn Store> {
        &self.rows
    }
}
