//! Reads of more than one row: a run's log, and lists that are filtered, newest
//! first, by way of the posting lists or of the table itself. Each looks at a
//! bounded number of rows.

use bytes::Bytes;
use px_core::{DeliveryId, Event, RunId, RunStatus, Scope};
use px_store::{
    Delivery, DeliveryFilter, Epoch, Error, InboxState, LogTail, Page, RunFilter, RunRecord, Table,
};

use crate::apart;
use crate::embedded::Embedded;
use crate::event_row::whole_delivery;
use crate::layout;
use crate::rows::{Backing, Order, RowKey};
use crate::run_row::{from_run_row, log_of_row};

/// Maximum number of rows that one page of a filtered list looks at.
pub(crate) const SCAN_LIMIT: usize = 2_000;

/// Rows that a page looks at where every row fits: one more than it shows says
/// whether there is another page.
pub(crate) fn page_of(limit: usize) -> usize {
    limit.saturating_add(1).min(SCAN_LIMIT)
}

/// Lists in which every row of a table is, but for runs whose step is under way.
fn every_list(scope: Scope, table: Table) -> Vec<RowKey> {
    match table {
        Table::Run => {
            RunStatus::ALL.iter().map(|status| layout::runs_by_status(scope, None, *status)).collect()
        }
        Table::Delivery => {
            InboxState::ALL.iter().map(|state| layout::deliveries_by_state(scope, *state)).collect()
        }
        _ => Vec::new(),
    }
}

/// A part of a list: what lies beyond an id in an order, at most so many.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slice {
    pub(crate) beyond: Option<[u8; 16]>,
    pub(crate) order: Order,
    pub(crate) most: usize,
}

impl Slice {
    /// The rows of a table of ids that are in it: `from <= row < to`.
    fn of_table(self, scope: Scope, table: Table) -> (RowKey, RowKey) {
        let (from, to) = layout::table_range(scope, table);
        match (self.order, self.beyond) {
            (_, None) => (from, to),
            (Order::Descending, Some(before)) => (from, layout::id_row(scope, table, before)),
            (Order::Ascending, Some(after)) => (layout::behind(layout::id_row(scope, table, after)), to),
        }
    }

    /// Puts ids of several lists in order, each once, and leaves as many as there may be.
    fn put_in_order(self, ids: &mut Vec<[u8; 16]>) {
        ids.sort_unstable();
        if self.order == Order::Descending {
            ids.reverse();
        }
        ids.dedup();
        ids.truncate(self.most);
    }
}

impl<B: Backing> Embedded<B> {
    pub(crate) fn record<T>(
        &self,
        row: &[u8],
        parse: impl Fn(&Bytes) -> Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        self.backing().get(row)?.map(|value| parse(&value)).transpose()
    }

    pub(crate) fn read_epoch(&self, scope: Scope, epoch: Epoch) -> Result<u64, Error> {
        match epoch {
            Epoch::Hooks if self.backing().is_exclusive() => {
                return Ok(self.backing().hints().hook_changes());
            }
            // Who changes them knows it.
            Epoch::Tokens | Epoch::Secrets if self.backing().is_exclusive() => return Ok(0),
            Epoch::Hooks | Epoch::Tokens | Epoch::Secrets | Epoch::Slot(_) => {}
        }
        let row = self.backing().get(&layout::epoch_row(scope, epoch))?;
        Ok(row.and_then(|row| row.first_chunk::<8>().copied()).map_or(0, u64::from_be_bytes))
    }

    /// The first `limit` rows of a range that can be read: work behind a damaged row does
    /// not wait for it.
    pub(crate) fn readable<T>(
        &self,
        mut from: RowKey,
        to: &[u8],
        limit: usize,
        parse: impl Fn(&[u8], &Bytes) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        let mut read = Vec::new();
        loop {
            let asked = limit - read.len();
            let rows = self.backing().range(&from, to, Order::Ascending, asked)?;
            for (row, value) in &rows {
                read.extend(self.passed_over(parse(row, value).map(Some))?);
            }
            match rows.last() {
                Some((last, _)) if rows.len() == asked && read.len() < limit => {
                    from = RowKey::from_slice(last);
                    from.push(0);
                }
                _ => return Ok(read),
            }
        }
    }

    /// A run of its row, with the values that lie apart.
    pub(crate) fn run_of(&self, scope: Scope, row: &Bytes) -> Result<RunRecord, Error> {
        from_run_row(row, &apart::reader(self.backing(), scope))
    }

    /// A delivery of its row, likewise, and with its events that do.
    pub(crate) fn delivery_of(&self, scope: Scope, row: &Bytes) -> Result<Delivery, Error> {
        whole_delivery(self.backing(), scope, row)
    }

    pub(crate) fn read_events(
        &self,
        scope: Scope,
        run: RunId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Event>, Error> {
        let Some(tail) = self.record(&layout::run_row(scope, run), log_of_row)? else {
            return Ok(Vec::new());
        };
        let mut events = Vec::new();
        if after.saturating_add(1) < tail.first_seq {
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
                    // The values of a piece are not read for nothing.
                    if events.len() == limit {
                        break;
                    }
                    let lines = apart::whole_lines(lines, &apart::reader(self.backing(), scope))?;
                    let piece = LogTail { first_seq: layout::place_of(row)?, lines, ..LogTail::default() };
                    for event in piece.entries(after, limit - events.len()) {
                        events.push(event?);
                    }
                }
            }
        }
        let rest = limit - events.len();
        for event in tail.entries(after, rest) {
            events.push(event?);
        }
        Ok(events)
    }

    /// The ids of the runs that have a row of work: those that are running. They enter
    /// no list, since hardly any stays one for long, but for those that wait for their next attempt.
    fn under_way(&self, scope: Scope, slice: Slice) -> Result<Vec<[u8; 16]>, Error> {
        let (from, to) = slice.of_table(scope, Table::Work);
        let rows = self.backing().range(&from, &to, slice.order, slice.most)?;
        rows.iter().map(|(row, _)| layout::id_of(row)).collect()
    }

    /// The ids of runs of a status, newest first.
    pub(crate) fn ids_of_status(
        &self,
        scope: Scope,
        status: RunStatus,
        before: Option<[u8; 16]>,
        limit: usize,
    ) -> Result<Vec<[u8; 16]>, Error> {
        let slice = Slice { beyond: before, order: Order::Descending, most: limit };
        let list = layout::runs_by_status(scope, None, status);
        let mut ids = self.noted(self.backing().postings(&list, before, Order::Descending, limit))?;
        if status == RunStatus::Running {
            ids.extend(self.noted(self.under_way(scope, slice))?);
            slice.put_in_order(&mut ids);
        }
        Ok(ids)
    }

    /// The ids of candidates for a list, of a slice of it: from the posting lists if there
    /// are any for the filter, else from the table itself. Where a damaged part of the table
    /// is met, it is from the lists of all of it.
    pub(crate) fn candidates(
        &self,
        scope: Scope,
        table: Table,
        lists: &[RowKey],
        slice: Slice,
    ) -> Result<Vec<[u8; 16]>, Error> {
        let all: Vec<RowKey>;
        let (mut lists, mut ids) = (lists, Vec::new());
        if lists.is_empty() {
            let (from, to) = slice.of_table(scope, table);
            match self.noted(self.backing().range(&from, &to, slice.order, slice.most)) {
                Ok(rows) => return rows.iter().map(|(row, _)| layout::id_of(row)).collect(),
                Err(error @ Error::Corrupt(_)) => {
                    all = every_list(scope, table);
                    if all.is_empty() {
                        return Err(error);
                    }
                    lists = &all;
                    if table == Table::Run {
                        ids = self.under_way(scope, slice)?;
                    }
                }
                Err(error) => return Err(error),
            }
        }
        for list in lists {
            ids.extend(self.backing().postings(list, slice.beyond, slice.order, slice.most)?);
        }
        // Each list gave its first ones, so the first of all are right up to the limit.
        slice.put_in_order(&mut ids);
        Ok(ids)
    }

    pub(crate) fn page<T>(
        ids: &[[u8; 16]],
        limit: usize,
        most: usize,
        mut fits: impl FnMut([u8; 16]) -> Result<Option<T>, Error>,
        past: impl Fn(&T) -> bool,
    ) -> Result<Page<T>, Error> {
        let (mut items, mut last, mut looked) = (Vec::new(), None, 0);
        for id in ids {
            if items.len() == limit {
                return Ok(Page { items, next: last, looked });
            }
            last = Some(*id);
            looked += 1;
            if let Some(item) = fits(*id)? {
                if past(&item) {
                    return Ok(Page { items, next: None, looked });
                }
                items.push(item);
            }
        }
        let more = ids.len() >= most;
        Ok(Page { items, next: if more { last } else { None }, looked })
    }

    pub(crate) fn list_runs(
        &self,
        scope: Scope,
        filter: &RunFilter,
        beyond: Option<[u8; 16]>,
        limit: usize,
    ) -> Result<Page<RunRecord>, Error> {
        let order = if filter.oldest_first { Order::Ascending } else { Order::Descending };
        let brain = filter.brain.as_deref();
        let is_listed = brain.is_some() || !filter.statuses.is_empty() || !filter.labels.is_empty();
        let is_filtered = is_listed || filter.looks_inside();
        let most = if is_filtered { SCAN_LIMIT } else { page_of(limit) };
        let slice = Slice { beyond, order, most };
        let mut extra = Vec::new();
        let mut lists = Vec::new();
        // As a rule few have a label, whatever else is asked for.
        lists.extend(self.list_of_labels(scope, &filter.labels, slice)?);
        let statuses = if lists.is_empty() { &filter.statuses[..] } else { &[] };
        for status in statuses {
            if *status == RunStatus::Running {
                extra.extend(self.under_way(scope, slice)?);
            }
            lists.push(layout::runs_by_status(scope, brain, *status));
        }
        if lists.is_empty()
            && filter.statuses.is_empty()
            && let Some(brain) = brain
        {
            lists.push(layout::runs_by_brain(scope, brain));
        }
        let mut ids = self.candidates(scope, Table::Run, &lists, slice)?;
        if !extra.is_empty() {
            ids.extend(extra);
            slice.put_in_order(&mut ids);
        }
        let fits = |id: [u8; 16]| {
            let row = layout::run_row(scope, RunId::from_bytes(id));
            let record = self.passed_over(self.record(&row, |row| self.run_of(scope, row)))?;
            let is_young = |record: &RunRecord| {
                // Of the newest first, one that is older ends the list.
                !filter.oldest_first || filter.since.is_none_or(|since| record.run.created_at >= since)
            };
            Ok(record.filter(|record| filter.fits(&record.run) && is_young(record)))
        };
        Self::page(&ids, limit, most, fits, |record| {
            !filter.oldest_first && filter.since.is_some_and(|since| record.run.created_at < since)
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
        let most = if lists.is_empty() { page_of(limit) } else { SCAN_LIMIT };
        let slice = Slice { beyond: before, order: Order::Descending, most };
        let ids = self.candidates(scope, Table::Delivery, &lists, slice)?;
        let fits = |id: [u8; 16]| {
            let row = layout::delivery_row(scope, DeliveryId::from_bytes(id));
            let delivery = self.passed_over(self.record(&row, |row| self.delivery_of(scope, row)))?;
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
        Self::page(&ids, limit, most, fits, |delivery| {
            filter.since.is_some_and(|since| delivery.received_at < since)
        })
    }
}

#[cfg(test)]
mod tests {
    use px_core::Timestamp;
    use px_store::{Admission, Inspect as _, Store as _, Timer, TimerKind, Work};

    use super::*;
    use crate::memory::MemoryRows;
    use crate::rows::{RowBatch, RowOp};

    async fn put(store: &Embedded<MemoryRows>, key: RowKey, value: &[u8]) {
        let ops = vec![RowOp::Put { key, value: Bytes::copy_from_slice(value) }];
        store.backing().submit(RowBatch { ops, ..RowBatch::default() }, Admission::Wait).await.unwrap();
    }

    #[tokio::test]
    async fn work_and_timers_behind_damaged_rows_are_found_and_the_damage_is_counted() {
        let (store, scope) = (Embedded::new(MemoryRows::new()), Scope::default());
        let run = |n: u8| RunId::from_bytes([n; 16]);
        for n in 0..6 {
            let row = layout::work_row(scope, run(n));
            let whole = layout::versioned(1, &Work::default()).unwrap();
            put(&store, row, if n == 2 { b"no record" } else { &whole }).await;
            let timer =
                Timer { due: Timestamp::from_millis(n.into()), kind: TimerKind::Retry { run: run(n) } };
            let whole = serde_json::to_vec(&timer.kind).unwrap();
            put(&store, layout::timer_row(scope, &timer), if n == 0 { b"{" } else { &whole }).await;
        }
        let work = store.work(scope, None, 3).await.unwrap();
        assert_eq!(work.iter().map(|(run, _)| *run).collect::<Vec<_>>(), [0, 1, 3].map(run), "a full page");
        let rest = store.work(scope, Some(run(3)), 3).await.unwrap();
        assert_eq!(rest.iter().map(|(run, _)| *run).collect::<Vec<_>>(), [4, 5].map(run));
        let due = store.due(scope, Timestamp::from_millis(9), None, 2).await.unwrap();
        assert_eq!(due.iter().map(|timer| timer.due.as_millis()).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(store.stats().damaged_reads, 2);
    }
}
