//! The reads of hooks and of their callbacks, over rows.

use std::sync::Arc;

use px_core::hook::{Hook, Source};
use px_core::{CallbackId, HookId, RunId, Scope, Timestamp};
use px_store::outbox::{
    Attempt, Callback, CallbackFilter, CallbackState, Due, Endpoint, HookSet, MAX_HOOKS, OutboxStore, Render,
};
use px_store::{Epoch, Error, Page, Read, Table, Versioned};

use super::rows;
use crate::embedded::{Embedded, ready};
use crate::layout;
use crate::queries::{SCAN_LIMIT, Slice, page_of};
use crate::rows::{Backing, Order, RowKey};

impl<B: Backing> Embedded<B> {
    fn read_hooks(&self, scope: Scope) -> Result<Vec<Versioned<Hook>>, Error> {
        let (mut from, to) = rows::hooks(scope);
        let mut hooks: Vec<Versioned<Hook>> = Vec::new();
        loop {
            let found = self.backing().range(&from, &to, Order::Ascending, MAX_HOOKS)?;
            for (_, value) in &found {
                // Runs must go on beside a hook that cannot be read.
                hooks.extend(self.passed_over(rows::hook_of(value).map(Some))?);
            }
            // Deleted ones are kept for their deliveries, and take nobody's place.
            hooks.retain(|hook| hook.record.deleted_at.is_none());
            match found.last() {
                Some((last, _)) if found.len() == MAX_HOOKS && hooks.len() < MAX_HOOKS => {
                    from = RowKey::from_slice(last);
                    from.push(0);
                }
                _ => return Ok(hooks),
            }
        }
    }

    fn read_hook(&self, scope: Scope, id: HookId) -> Result<Option<Versioned<Hook>>, Error> {
        for own in [false, true] {
            if let Some(value) = self.backing().get(&rows::hook_row(scope, own, id))? {
                return rows::hook_of(&value).map(Some);
            }
        }
        Ok(None)
    }

    fn read_callback(&self, scope: Scope, id: CallbackId) -> Result<Option<Callback>, Error> {
        let value = self.backing().get(&rows::callback_row(scope, id))?;
        value.map(|value| rows::from_callback_value(&value)).transpose()
    }

    /// The deliveries of a run, by way of the run's row, which has an entry for each hook.
    fn of_run(
        &self,
        scope: Scope,
        run: RunId,
        hook: Option<HookId>,
        before: Option<[u8; 16]>,
    ) -> Result<Vec<[u8; 16]>, Error> {
        let Some(value) = self.backing().get(&layout::run_row(scope, run))? else { return Ok(Vec::new()) };
        let record = self.run_of(scope, &value)?;
        let mut ids = Vec::new();
        for (told, (_, last)) in record.tail.told().map(|told| &told.last).into_iter().flatten() {
            if hook.is_some_and(|hook| hook != *told) {
                continue;
            }
            let mut next = Some(*last);
            while let Some(id) = next
                && ids.len() < SCAN_LIMIT
            {
                next = self.read_callback(scope, id)?.and_then(|callback| callback.prev);
                if before.is_none_or(|before| id.to_bytes() < before) {
                    ids.push(id.to_bytes());
                }
            }
        }
        ids.sort_unstable_by(|a, b| b.cmp(a));
        Ok(ids)
    }

    fn list_callbacks(
        &self,
        scope: Scope,
        filter: &CallbackFilter,
        before: Option<[u8; 16]>,
        limit: usize,
    ) -> Result<Page<Callback>, Error> {
        let of_run = match (filter.run, filter.hook) {
            (Some(run), hook) => Some((run, hook)),
            (None, Some(id)) => match self.read_hook(scope, id)?.map(|hook| hook.record.source) {
                Some(Source::Run(run)) => Some((run, Some(id))),
                _ => None,
            },
            (None, None) => None,
        };
        let is_all = filter.hook.is_none() && filter.run.is_none() && filter.state.is_none();
        let most = if is_all { page_of(limit) } else { SCAN_LIMIT };
        let ids = if let Some((run, hook)) = of_run {
            self.of_run(scope, run, hook, before)?
        } else {
            let lists: Vec<_> = match (filter.hook, filter.state) {
                (Some(hook), Some(state @ (CallbackState::Dead | CallbackState::Held))) => {
                    vec![rows::of_state(scope, hook, state)]
                }
                (Some(hook), _) => vec![rows::of_hook(scope, hook)],
                (None, _) => Vec::new(),
            };
            let slice = Slice { beyond: before, order: Order::Descending, most };
            self.candidates(scope, Table::Callback, &lists, slice)?
        };
        let fits = |id: [u8; 16]| {
            let found = self.passed_over(self.read_callback(scope, CallbackId::from_bytes(id)))?;
            Ok(found.filter(|callback| filter.fits(callback)))
        };
        Self::page(&ids, limit, most, fits, |callback| {
            filter.since.is_some_and(|since| callback.created_at < since)
        })
    }
}

impl<B: Backing> OutboxStore for Embedded<B> {
    fn hook_set(&self, scope: Scope) -> Result<Arc<HookSet>, Error> {
        let epoch = self.read_epoch(scope, Epoch::Hooks)?;
        self.hooks().hook_set(epoch, || self.read_hooks(scope))
    }

    fn render_with(&self, render: Arc<dyn Render>) {
        self.hooks().render_with(render);
    }

    fn hook(&self, scope: Scope, hook: HookId) -> Read<'_, Option<Versioned<Hook>>> {
        ready(self.read_hook(scope, hook))
    }

    fn callback(&self, scope: Scope, id: CallbackId) -> Read<'_, Option<Callback>> {
        ready(self.read_callback(scope, id))
    }

    fn callbacks<'a>(
        &'a self,
        scope: Scope,
        filter: &'a CallbackFilter,
        before: Option<[u8; 16]>,
        limit: usize,
    ) -> Read<'a, Page<Callback>> {
        ready(self.list_callbacks(scope, filter, before, limit))
    }

    fn attempts(&self, scope: Scope, id: CallbackId, after: u32, limit: usize) -> Read<'_, Vec<Attempt>> {
        let from = rows::attempt_row(scope, id, after.saturating_add(1));
        let mut to = rows::attempt_row(scope, id, u32::MAX);
        to.push(0);
        let found = self.backing().range(&from, &to, Order::Ascending, limit);
        ready(found.and_then(|found| found.iter().map(|(_, value)| layout::from_json(value)).collect()))
    }

    fn due_in_lane(
        &self,
        scope: Scope,
        lane: u64,
        after: Option<Due>,
        until: Timestamp,
        limit: usize,
    ) -> Read<'_, Vec<Due>> {
        let from = after.map_or_else(
            || rows::lane_row(scope, lane),
            |after| {
                let mut row = rows::due_row(scope, &after);
                row.push(0);
                row
            },
        );
        let to = rows::lane_due_row(scope, lane, Timestamp::from_millis(until.as_millis().saturating_add(1)));
        let found = self.backing().range(&from, &to, Order::Ascending, limit);
        ready(
            found
                .and_then(|found| found.iter().map(|(row, value)| rows::due_of(scope, row, value)).collect()),
        )
    }

    fn next_lane(&self, scope: Scope, after: Option<u64>) -> Read<'_, Option<Due>> {
        let (start, end) = layout::table_range(scope, Table::Due);
        let from = match after.map(|lane| lane.checked_add(1)) {
            None => start,
            Some(Some(lane)) => rows::lane_row(scope, lane),
            // There is no lane behind the last one.
            Some(None) => return ready(Ok(None)),
        };
        let found = self.backing().range(&from, &end, Order::Ascending, 1);
        ready(
            found.and_then(|found| {
                found.first().map(|(row, value)| rows::due_of(scope, row, value)).transpose()
            }),
        )
    }

    fn endpoint(&self, scope: Scope, lane: u64) -> Read<'_, Option<Endpoint>> {
        let row = rows::endpoint_row(scope, lane);
        let found = self.backing().get(&row);
        ready(found.and_then(|value| value.map(|value| rows::endpoint_of(&row, &value)).transpose()))
    }
}
