//! The figures of the journal.

use px_metrics::{Histogram, Kind, Metric};

/// Time that one record took, from the write to the end of its sync.
pub(crate) static SYNC: Histogram = Histogram::of_times();

/// The bytes of one record: a group of commits.
pub(crate) static GROUP: Histogram = Histogram::of_sizes();

/// The figures of this store.
pub const METRICS: &[Metric] = &[
    Metric {
        name: "px_store_sync_seconds",
        help: "What the write and the sync of a group of commits took.",
        kind: Kind::Times(&SYNC),
    },
    Metric {
        name: "px_store_group_bytes",
        help: "The bytes that a group of commits added to the journal.",
        kind: Kind::Sizes(&GROUP),
    },
];
