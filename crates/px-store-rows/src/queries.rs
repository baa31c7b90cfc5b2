//! Reads of more than one row: a run's log, and lists that are filtered, newest
//! first, by way of the posting lists or of the table itself. Each looks at a
//! bounded number of rows.

use bytes::Bytes;
use px_core::{DeliveryId, Event, RunId, RunStatus, Scope};
use px_store::{Delivery, DeliveryFilter, Error, LogTail, Page, RunFilter, RunRecord, Table};

use crate::apart;
use crate::delivery_row::from_delivery_value;
use crate::embedded::Embedded;
use crate::layout;
use crate::rows::{Backing, Order, RowKey};
use crate::run_row::from_run_row;

/// Maximum number of rows that one page of a filtered list looks at.
pub(crate) const SCAN_LIMIT: usize = 2_000;

impl<B: Backing> Embedded<B> {
    pub(crate) fn record<T>(
        &self,
        row: &[u8],
        parse: impl Fn(&Bytes) -> Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        self.backing().get(row)?.map(|value| parse(&value)).transpose()
    }

    /// A run of its row, with the values that lie apart.
    pub(crate) fn run_of(&self, scope: Scope, row: &Bytes) -> Result<RunRecord, Error> {
        from_run_row(row, &apart::reader(self.backing(), scope))
    }

    /// A delivery of its row, likewise.
    pub(crate) fn delivery_of(&self, scope: Scope, row: &Bytes) -> Result<Delivery, Error> {
        from_delivery_value(row, &apart::reader(self.backing(), scope))
    }

    pub(crate) fn read_events(
        &self,
        scope: Scope,
        run: RunId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Event>, Error> {
        let Some(record) = self.record(&layout::run_row(scope, run), |row| self.run_of(scope, row))? else {
            return Ok(Vec::new());
        };
        let mut events = Vec::new();
        if after + 1 < record.tail.first_seq {
            // The chunk that holds `after + 1` is the last one that begins at or below it.
            let below = self.backing().range(
                &layout::log_row(scope, run, 0),
                &layout::log_row(scope, run, after.saturating_add(2)),
                Order::Descending,
                1,
            )?;
            let mut from = below
                .into_iter()
                .next()
                .map_or_else(|| layout::log_row(scope, run, 0), |(row, _)| row.into());
            let to = layout::log_row(scope, run, u64::MAX);
            while events.len() < limit {
                let chunks = self.backing().range(&from, &to, Order::Ascending, 8)?;
                let Some((last, _)) = chunks.last() else { break };
                from = RowKey::from_slice(last);
                from.push(0);
                for (row, lines) in &chunks {
                    let lines = apart::whole_lines(lines, &apart::reader(self.backing(), scope))?;
                    let piece = LogTail { first_seq: layout::place_of(row)?, lines, ..LogTail::default() };
                    for event in piece.entries(after, limit - events.len()) {
                        events.push(event?);
                    }
                }
            }
        }
        let rest = limit - events.len();
        for event in record.tail.entries(after, rest) {
            events.push(event?);
        }
        Ok(events)
    }

    /// The ids of candidates for a list, newest first: from the posting lists
    /// if there are any for the filter, else from the table itself.
    pub(crate) fn candidates(
        &self,
        scope: Scope,
        table: Table,
        lists: &[RowKey],
        before: Option<[u8; 16]>,
    ) -> Result<Vec<[u8; 16]>, Error> {
        if lists.is_empty() {
            let (from, end) = layout::table_range(scope, table);
            let to = before.map_or(end, |before| layout::id_row(scope, table, before));
            let rows = self.backing().range(&from, &to, Order::Descending, SCAN_LIMIT)?;
            return rows.iter().map(|(row, _)| layout::id_of(row)).collect();
        }
        let mut ids = Vec::new();
        for list in lists {
            ids.extend(self.backing().postings(list, before, SCAN_LIMIT)?);
        }
        ids.sort_unstable_by(|a, b| b.cmp(a));
        ids.dedup();
        // Each list gave its newest, so the newest of all are right up to the limit.
        ids.truncate(SCAN_LIMIT);
        Ok(ids)
    }

    pub(crate) fn page<T>(
        ids: &[[u8; 16]],
        limit: usize,
        mut fits: impl FnMut([u8; 16]) -> Result<Option<T>, Error>,
        past: impl Fn(&T) -> bool,
    ) -> Result<Page<T>, Error> {
        let mut items = Vec::new();
        let mut last = None;
        for id in ids {
            if items.len() == limit {
                return Ok(Page { items, next: last });
            }
            last = Some(*id);
            if let Some(item) = fits(*id)? {
                if past(&item) {
                    return Ok(Page { items, next: None });
                }
                items.push(item);
            }
        }
        let more = ids.len() >= SCAN_LIMIT;
        Ok(Page { items, next: if more { last } else { None } })
    }

    pub(crate) fn list_runs(
        &self,
        scope: Scope,
        filter: &RunFilter,
        before: Option<[u8; 16]>,
        limit: usize,
    ) -> Result<Page<RunRecord>, Error> {
        let brain = filter.brain.as_deref();
        let mut extra = Vec::new();
        let mut lists = Vec::new();
        for status in &filter.statuses {
            if *status == RunStatus::Running {
                // Running runs are those with a row of work; they enter no list,
                // since hardly any stays one for long.
                let (from, to) = layout::table_range(scope, Table::Work);
                for (row, _) in self.backing().range(&from, &to, Order::Descending, SCAN_LIMIT)? {
                    extra.push(layout::id_of(&row)?);
                }
            } else {
                lists.push(layout::runs_by_status(scope, brain, *status));
            }
        }
        if filter.statuses.is_empty()
            && let Some(brain) = brain
        {
            lists.push(layout::runs_by_brain(scope, brain));
        }
        let mut ids = if lists.is_empty() && !filter.statuses.is_empty() {
            Vec::new()
        } else {
            self.candidates(scope, Table::Run, &lists, before)?
        };
        if !extra.is_empty() {
            ids.extend(extra.into_iter().filter(|id| before.is_none_or(|before| *id < before)));
            ids.sort_unstable_by(|a, b| b.cmp(a));
            ids.dedup();
        }
        let fits = |id: [u8; 16]| {
            let row = layout::run_row(scope, RunId::from_bytes(id));
            let record = self.record(&row, |row| self.run_of(scope, row))?;
            Ok(record.filter(|record| {
                (filter.statuses.is_empty() || filter.statuses.contains(&record.run.status))
                    && brain.is_none_or(|brain| record.run.brain == brain)
            }))
        };
        Self::page(&ids, limit, fits, |record| {
            filter.since.is_some_and(|since| record.run.created_at < since)
        })
    }

    pub(crate) fn list_deliveries(
        &self,
        scope: Scope,
        filter: &DeliveryFilter,
        before: Option<[u8; 16]>,
        limit: usize,
    ) -> Result<Page<Delivery>, Error> {
        // One list suffices: the narrowest; the rest is checked at the row.
        let lists: Vec<_> = if let Some(identifier) = &filter.identifier {
            vec![layout::deliveries_by_identifier(scope, identifier)]
        } else if let Some(state) = filter.state {
            vec![layout::deliveries_by_state(scope, state)]
        } else if let Some(slug) = &filter.slug {
            vec![layout::deliveries_by_slug(scope, slug)]
        } else {
            Vec::new()
        };
        let ids = self.candidates(scope, Table::Delivery, &lists, before)?;
        let fits = |id: [u8; 16]| {
            let row = layout::delivery_row(scope, DeliveryId::from_bytes(id));
            let delivery = self.record(&row, |row| self.delivery_of(scope, row))?;
            Ok(delivery.filter(|delivery| {
                filter.slug.as_ref().is_none_or(|slug| delivery.slug == *slug)
                    && filter
                        .state
                        .is_none_or(|state| delivery.events.iter().any(|event| event.state == state))
                    && filter.identifier.as_ref().is_none_or(|identifier| {
                        delivery.events.iter().any(|event| event.identifier.as_ref() == Some(identifier))
                    })
            }))
        };
        Self::page(&ids, limit, fits, |delivery| {
            filter.since.is_some_and(|since| delivery.received_at < since)
        })
    }
}
