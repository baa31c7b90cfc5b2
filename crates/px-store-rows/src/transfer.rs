//! Carrying a whole store elsewhere: its rows as they are, table by table, and
//! taking such rows into a store that is empty. Lists are derived, so they are
//! not carried but made anew. Versions are unique in time, so rows keep theirs.
//!
//! This file refuses to know where rows come from or go to.

use bytes::Bytes;
use px_core::Scope;
use px_store::audit::TABLES;
use px_store::{Admission, Error, Table};

use crate::embedded::Embedded;
use crate::layout;
use crate::rows::{Backing, Check, Expect, Order, RowBatch, RowKey, RowOp, RowOutcome};
use crate::scan;

/// Bytes of rows that are taken in by one commit; one row may have more.
const BATCH_BYTES: usize = 4 * 1024 * 1024;

/// A row as it is stored: its key and its value.
pub type RawRow = (Vec<u8>, Bytes);

/// The letter by which a table is known on disk and in an export.
#[must_use]
pub const fn letter_of(table: Table) -> char {
    layout::letter(table) as char
}

/// The table of this letter.
#[must_use]
pub fn table_of(letter: char) -> Option<Table> {
    TABLES.into_iter().find(|table| letter_of(*table) == letter)
}

impl<B: Backing> Embedded<B> {
    /// At most `limit` rows of a table, those after the row of this key.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn raw_rows(
        &self,
        scope: Scope,
        table: Table,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<RawRow>, Error> {
        let (start, end) = layout::table_range(scope, table);
        let from = after.map_or(start, |last| [last, &[0]].concat().into());
        self.backing().range(&from, &end, Order::Ascending, limit)
    }

    /// Returns true if there is no row of this scope.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn is_empty(&self, scope: Scope) -> Result<bool, Error> {
        for table in TABLES {
            if !self.raw_rows(scope, table, None, 1)?.is_empty() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Takes rows in, durably, with the lists by which they are found.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if a row is not one of this table, or is there
    /// already; those before it may have been taken in.
    pub async fn take_in(&self, scope: Scope, table: Table, rows: Vec<RawRow>) -> Result<(), Error> {
        if table == Table::SetAside {
            self.set_asides().end();
        }
        let (mut batch, mut bytes) = (RowBatch::default(), 0);
        for (key, value) in rows {
            let row = scan::read(self.backing(), scope, table, &key, &value)?;
            bytes += key.len() + value.len();
            for (list, id, _) in scan::listed(scope, &row) {
                batch.ops.push(RowOp::Post { list, id });
            }
            let key = RowKey::from_vec(key);
            batch.checks.push(Check { key: key.clone(), expect: Expect::Absent });
            batch.ops.push(RowOp::Put { key, value });
            if bytes >= BATCH_BYTES {
                self.take(std::mem::take(&mut batch)).await?;
                bytes = 0;
            }
        }
        if batch.ops.is_empty() { Ok(()) } else { self.take(batch).await }
    }

    async fn take(&self, batch: RowBatch) -> Result<(), Error> {
        match self.backing().submit(batch, Admission::Wait).await? {
            RowOutcome::Committed { .. } => Ok(()),
            RowOutcome::Conflict { .. } => Err(Error::Corrupt("a row is there already".into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_table_has_a_letter_of_its_own() {
        for table in TABLES {
            assert_eq!(table_of(letter_of(table)), Some(table), "{}", letter_of(table));
        }
        assert!(TABLES.iter().all(|table| letter_of(*table) != 'n'), "that is the letter of epochs");
    }
}
