//! Reads of rows that lie side by side: keys of a webhook, events of a queue, ready runs,
//! timers. Each reads a bounded number of them, and passes over those that are damaged where
//! work behind them must not wait.

use px_core::{KeyId, KeyRecord, RunId, Scope, Timestamp};
use px_store::{Error, QueuedEvent, Table, Timer, Versioned, Work};

use crate::embedded::Embedded;
use crate::layout;
use crate::rows::{Backing, Order};

impl<B: Backing> Embedded<B> {
    pub(crate) fn read_keys(
        &self,
        scope: Scope,
        slug: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(KeyId, Versioned<KeyRecord>)>, Error> {
        let (start, to) = layout::keys_of(scope, slug);
        let from =
            after.map_or(start, |after| layout::behind(layout::key_row(scope, &KeyId::new(slug, after))));
        self.readable(from, &to, limit, |row, value| {
            let (slug, identifier, _) = layout::texts_of(row)?;
            Ok((KeyId::new(slug, identifier), layout::from_key_value(Some(value.clone()))?))
        })
    }

    pub(crate) fn read_queued(
        &self,
        scope: Scope,
        key: &KeyId,
        from: u64,
        limit: usize,
    ) -> Result<Vec<(u64, QueuedEvent)>, Error> {
        let (from, to) = (layout::queue_row(scope, key, from), layout::queue_row(scope, key, u64::MAX));
        let rows = self.backing().range(&from, &to, Order::Ascending, limit)?;
        rows.iter().map(|(row, value)| Ok((layout::place_of(row)?, layout::from_json(value)?))).collect()
    }

    pub(crate) fn read_work(
        &self,
        scope: Scope,
        after: Option<RunId>,
        limit: usize,
    ) -> Result<Vec<(RunId, Versioned<Work>)>, Error> {
        let (start, to) = layout::table_range(scope, Table::Work);
        let from = after.map_or(start, |after| layout::behind(layout::work_row(scope, after)));
        self.readable(from, &to, limit, |row, value| {
            Ok((RunId::from_bytes(layout::id_of(row)?), layout::from_versioned(value)?))
        })
    }

    pub(crate) fn read_due(
        &self,
        scope: Scope,
        until: Timestamp,
        after: Option<&Timer>,
        limit: usize,
    ) -> Result<Vec<Timer>, Error> {
        let from = after.map_or_else(
            || layout::due_row(scope, Timestamp::EPOCH),
            |after| layout::behind(layout::timer_row(scope, after)),
        );
        let to = layout::due_row(scope, Timestamp::from_millis(until.as_millis().saturating_add(1)));
        self.readable(from, &to, limit, |row, value| {
            Ok(Timer { due: layout::due_of(scope, row)?, kind: layout::from_json(value)? })
        })
    }
}
