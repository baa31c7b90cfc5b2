//! The reads of hooks and of what is on its way to them. When a delivery is due
//! is a field of it, and no record of its own.

use std::collections::BTreeMap;
use std::sync::Arc;

use px_core::hook::Hook;
use px_core::{HookId, OutgoingId, Scope, Timestamp};
use px_store::outbox::{
    Attempt, Book, Due, Endpoint, MAX_HOOKS, OutboxStore, Outgoing, OutgoingFilter, Render,
};
use px_store::{Error, Page, Read, Versioned};

use super::{Maps, Records, page};

impl Maps {
    /// What is due, by lane and time.
    pub(super) fn due(&self) -> BTreeMap<(u64, Timestamp, OutgoingId), Due> {
        let due = self.outgoing.values().filter_map(Outgoing::due_row);
        due.map(|due| ((due.lane, due.due, due.id), due)).collect()
    }
}

impl OutboxStore for Records {
    fn book(&self, scope: Scope) -> Result<Arc<Book>, Error> {
        self.hooks.book(self.hints.hook_changes(), || {
            let mut state = self.lock();
            let hooks = state.scopes.entry(scope).or_default().hooks.values();
            let told = hooks.filter(|hook| !hook.record.is_own() && hook.record.deleted_at.is_none());
            Ok(told.take(MAX_HOOKS).cloned().collect())
        })
    }

    fn render_with(&self, render: Arc<dyn Render>) {
        self.hooks.render_with(render);
    }

    fn hook(&self, scope: Scope, hook: HookId) -> Read<'_, Option<Versioned<Hook>>> {
        self.read(scope, |maps| maps.hooks.get(&hook).cloned())
    }

    fn outgoing(&self, scope: Scope, id: OutgoingId) -> Read<'_, Option<Outgoing>> {
        self.read(scope, |maps| maps.outgoing.get(&id).cloned())
    }

    fn outgoings<'a>(
        &'a self,
        scope: Scope,
        filter: &'a OutgoingFilter,
        before: Option<[u8; 16]>,
        limit: usize,
    ) -> Read<'a, Page<Outgoing>> {
        let fits = |outgoing: &Outgoing| {
            (filter.fits(outgoing) && filter.since.is_none_or(|since| outgoing.created_at >= since))
                .then(|| outgoing.clone())
        };
        self.read(scope, |maps| page(&maps.outgoing, (before, limit), OutgoingId::to_bytes, fits))
    }

    fn attempts(&self, scope: Scope, id: OutgoingId, after: u32, limit: usize) -> Read<'_, Vec<Attempt>> {
        self.read(scope, |maps| {
            let of_it = maps.attempts.iter().filter(|((of, number), _)| *of == id && *number > after);
            of_it.take(limit).map(|(_, attempt)| attempt.clone()).collect()
        })
    }

    fn due_in_lane(
        &self,
        scope: Scope,
        lane: u64,
        after: Option<Due>,
        until: Timestamp,
        limit: usize,
    ) -> Read<'_, Vec<Due>> {
        self.read(scope, |maps| {
            let due = maps.due().into_values();
            due.filter(|due| due.lane == lane && due.due <= until)
                .filter(|due| after.is_none_or(|after| (due.due, due.id) > (after.due, after.id)))
                .take(limit)
                .collect()
        })
    }

    fn next_lane(&self, scope: Scope, after: Option<u64>) -> Read<'_, Option<Due>> {
        self.read(scope, |maps| {
            maps.due().into_values().find(|due| after.is_none_or(|after| due.lane > after))
        })
    }

    fn endpoint(&self, scope: Scope, lane: u64) -> Read<'_, Option<Endpoint>> {
        self.read(scope, |maps| maps.endpoints.get(&lane).cloned())
    }
}
