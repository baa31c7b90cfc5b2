//! Runs that were just written and are about to be read: a run that a webhook
//! made ready is taken up by the engine a moment later, and need not be parsed
//! for that. It is no cache of stored rows: an entry is used only for the very
//! bytes that a read gave, so it cannot be stale.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use px_core::{RunId, Scope};
use px_store::RunRecord;

/// Maximum number of runs that are kept: those that are ready and not claimed yet.
const LIMIT: usize = 1_024;

/// Maximum size of a row that is kept, bytes: parsing a larger one is not what
/// its run waits for.
const LARGEST: usize = 16 * 1024;

/// Records beside the rows that they were written as.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    runs: Mutex<HashMap<(Scope, RunId), (Bytes, RunRecord)>>,
}

impl Recent {
    /// Keeps a record. If there are too many, all older ones are forgotten.
    pub(crate) fn keep(&self, scope: Scope, row: Bytes, record: RunRecord) {
        if row.len() > LARGEST {
            return;
        }
        let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        if runs.len() >= LIMIT {
            runs.clear();
        }
        runs.insert((scope, record.run.id), (row, record));
    }

    /// The record of a row that was read, once, if it was kept.
    pub(crate) fn take(&self, scope: Scope, run: RunId, row: &Bytes) -> Option<RunRecord> {
        let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        let (kept, record) = runs.remove(&(scope, run))?;
        // Equal bytes are the same record, whoever wrote them.
        (kept == *row).then_some(record)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use px_core::Run;
    use px_store::LogTail;

    use super::*;

    fn record(id: u8) -> RunRecord {
        let run = Run::vacant(RunId::from_bytes([id; 16]));
        RunRecord { run: Arc::new(run), tail: LogTail::default() }
    }

    fn take(recent: &Recent, id: u8, row: &Bytes) -> Option<RunRecord> {
        recent.take(Scope::default(), RunId::from_bytes([id; 16]), row)
    }

    #[test]
    fn the_bytes_that_were_written_give_the_record_once() {
        let (recent, row) = (Recent::default(), Bytes::from(vec![1, 2, 3]));
        recent.keep(Scope::default(), row.clone(), record(1));
        assert_eq!(take(&recent, 1, &row.clone()), Some(record(1)));
        assert_eq!(take(&recent, 1, &row), None, "it was taken");
    }

    #[test]
    fn other_bytes_or_another_place_is_another_record() {
        let (recent, row) = (Recent::default(), Bytes::from(vec![1, 2, 3]));
        recent.keep(Scope::default(), row.clone(), record(1));
        assert_eq!(take(&recent, 1, &Bytes::from(vec![1, 2, 4])), None);
        recent.keep(Scope::default(), row.clone(), record(1));
        assert_eq!(take(&recent, 1, &row.slice(..2)), None);
        recent.keep(Scope::default(), row.clone(), record(1));
        assert_eq!(recent.take(Scope(7), RunId::from_bytes([1; 16]), &row), None);
        assert_eq!(take(&recent, 1, &Bytes::from(vec![1, 2, 3])), Some(record(1)), "unpacked anew");
    }

    #[test]
    fn it_is_bounded_in_number_and_in_bytes() {
        let recent = Recent::default();
        let large = Bytes::from(vec![0; LARGEST + 1]);
        recent.keep(Scope::default(), large.clone(), record(1));
        assert_eq!(take(&recent, 1, &large), None);
        let row = Bytes::from(vec![1]);
        for n in 0..=u16::try_from(LIMIT).unwrap() {
            recent.keep(Scope(n), row.clone(), record(1));
        }
        assert!(recent.runs.lock().unwrap().len() <= LIMIT);
    }
}
