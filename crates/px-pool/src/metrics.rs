//! Figures of the pool.

use px_metrics::{Counter, Kind, Metric};

/// Polls that took longer than the bound after which a thread is replaced.
pub(crate) static BLOCKED: Counter = Counter::new();

/// Executions that were dropped while their poll did not return.
pub(crate) static WRITTEN_OFF: Counter = Counter::new();

/// The figures that only grow. How many stall now is asked of
/// [`Pool::stalled`](crate::Pool::stalled).
pub const METRICS: &[Metric] = &[
    Metric {
        name: "px_blocked_polls_total",
        help: "Polls of steps and handlers that did not yield for 100 ms.",
        kind: Kind::Counter(&BLOCKED),
    },
    Metric {
        name: "px_written_off_total",
        help: "Executions that ended, by their timeout or a cancel, while their code did not yield.",
        kind: Kind::Counter(&WRITTEN_OFF),
    },
];
