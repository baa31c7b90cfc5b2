//! The list that runs with several labels are looked for in. Labels are posting lists, one for each name and value;
//! what the other labels and the rest of a filter say is asked of the runs.
//!
//! Tested in the suite of every store, and by the rows that are read in `px-server/tests/lists.rs`.

use px_core::Scope;
use px_store::Error;

use crate::embedded::Embedded;
use crate::layout;
use crate::queries::Slice;
use crate::rows::{Backing, RowKey};

/// Number of runs of each label that are counted to find the label that few have.
const LABELS_PROBED: usize = 256;

impl<B: Backing> Embedded<B> {
    /// The list of one of these labels: the one with the fewest runs, as far as a look at the first of
    /// each tells. The rest is asked of the runs.
    pub(crate) fn list_of_labels(
        &self,
        scope: Scope,
        labels: &[(String, String)],
        slice: Slice,
    ) -> Result<Option<RowKey>, Error> {
        let mut lists = labels.iter().map(|(name, value)| layout::runs_by_label(scope, name, value));
        if labels.len() < 2 {
            return Ok(lists.next());
        }
        let mut shortest = None;
        for list in lists {
            let length = self.backing().postings(&list, slice.beyond, slice.order, LABELS_PROBED)?.len();
            if shortest.as_ref().is_none_or(|(fewest, _)| length < *fewest) {
                shortest = Some((length, list));
            }
        }
        Ok(shortest.map(|(_, list)| list))
    }
}
