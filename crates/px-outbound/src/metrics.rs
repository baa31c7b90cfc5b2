//! The figures of the way out.

use px_metrics::{Counter, Histogram, Kind, Metric};

/// Attempts that the receiver took.
pub(crate) static DELIVERED: Counter = Counter::new();
/// Attempts that it did not.
pub(crate) static FAILED: Counter = Counter::new();

/// Duration of attempts.
pub(crate) static ATTEMPT: Histogram = Histogram::of_times();

/// The figures of this stage.
pub const METRICS: &[Metric] = &[
    Metric {
        name: "px_hook_attempts_total",
        help: "Attempts to deliver to hooks, by how they ended.",
        kind: Kind::Counters("outcome", &[("delivered", &DELIVERED), ("failed", &FAILED)]),
    },
    Metric {
        name: "px_hook_attempt_seconds",
        help: "What an attempt to deliver to a hook took.",
        kind: Kind::Times(&ATTEMPT),
    },
];
