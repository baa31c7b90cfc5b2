//! The figures of secrets.

use px_metrics::{Counter, Kind, Metric};

/// Reads of secrets.
pub(crate) static READS: Counter = Counter::new();

/// The figures of this crate.
pub const METRICS: &[Metric] = &[Metric {
    name: "px_secret_reads_total",
    help: "Reads of secrets by steps, handlers, verifications and hooks.",
    kind: Kind::Counter(&READS),
}];
