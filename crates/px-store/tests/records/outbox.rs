//! The reads of hooks and of what is on its way to them. When a delivery is due
//! is a field of it, and no record of its own.

use std::collections::BTreeMap;
use std::sync::Arc;

use px_core::hook::Hook;
use px_core::{CallbackId, HookId, Scope, Timestamp};
use px_store::outbox::{
    Attempt, Callback, CallbackFilter, Due, Endpoint, HookSet, MAX_HOOKS, OutboxStore, Render,
};
use px_store::{Error, Page, Read, Versioned};

use super::{Maps, Records, page};

impl Maps {
    /// Deliveries that are due, by lane and time.
    pub(super) fn due(&self) -> BTreeMap<(u64, Timestamp, CallbackId), Due> {
        let due = self.callback.values().filter_map(Callback::due_row);
        due.map(|due| ((due.lane, due.due, due.id), due)).collect()
    }
}

impl OutboxStore for Records {
    fn hook_set(&self, scope: Scope) -> Result<Arc<HookSet>, Error> {
        self.hooks.hook_set(self.hints.hook_changes(), || {
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

    fn callback(&self, scope: Scope, id: CallbackId) -> Read<'_, Option<Callback>> {
        self.read(scope, |maps| maps.callback.get(&id).cloned())
    }

    fn callbacks<'a>(
        &'a self,
        scope: Scope,
        filter: &'a CallbackFilter,
        before: Option<[u8; 16]>,
        limit: usize,
    ) -> Read<'a, Page<Callback>> {
        let fits = |callback: &Callback| {
            (filter.fits(callback) && filter.since.is_none_or(|since| callback.created_at >= since))
                .then(|| callback.clone())
        };
        self.read(scope, |maps| page(&maps.callback, (before, limit, false), CallbackId::to_bytes, fits))
    }

    fn attempts(&self, scope: Scope, id: CallbackId, after: u32, limit: usize) -> Read<'_, Vec<Attempt>> {
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
