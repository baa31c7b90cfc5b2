//! The figures of the engine.

use px_metrics::{Counter, Histogram, Kind, Metric};

/// Time that a step's code took, whether it succeeded or not.
pub(crate) static STEP: Histogram = Histogram::of_times();

/// Attempts at a step that returned.
pub(crate) static RETURNED: Counter = Counter::new();
/// Attempts at a step that failed.
pub(crate) static FAILED: Counter = Counter::new();

/// Attempts at turns of reminders that returned.
pub(crate) static REMINDED: Counter = Counter::new();
/// Attempts at turns of reminders that failed.
pub(crate) static NOT_REMINDED: Counter = Counter::new();

/// Runs that the commit which made them ready gave to this process.
pub(crate) static BORN_CLAIMED: Counter = Counter::new();
/// Ready runs that this process claimed by a commit of its own.
pub(crate) static CLAIMED: Counter = Counter::new();

/// Time from a timer's due time to the moment it rang.
pub(crate) static TIMER_LATE: Histogram = Histogram::of_times();

/// Commits that changed the number of values of a brain which has nearly as many as it may.
pub(crate) static KV_NEARLY_FULL: Counter = Counter::new();

/// The figures of this stage.
pub const METRICS: &[Metric] = &[
    Metric {
        name: "px_step_seconds",
        help: "What the code of a step took, each attempt by itself.",
        kind: Kind::Times(&STEP),
    },
    Metric {
        name: "px_step_attempts_total",
        help: "Attempts at steps, by how they ended.",
        kind: Kind::Counters("outcome", &[("returned", &RETURNED), ("failed", &FAILED)]),
    },
    Metric {
        name: "px_reminders_total",
        help: "Attempts at turns of reminders, by how they ended; one that the end of its wait cut short is not counted.",
        kind: Kind::Counters("outcome", &[("returned", &REMINDED), ("failed", &NOT_REMINDED)]),
    },
    Metric {
        name: "px_claims_total",
        help: "Ready runs that were taken up, by how they were claimed.",
        kind: Kind::Counters("way", &[("born", &BORN_CLAIMED), ("claimed", &CLAIMED)]),
    },
    Metric {
        name: "px_runs_ended_total",
        help: "Runs that came to an end or were paused, by brain and outcome; brains beyond 256 are counted as 'other'.",
        kind: Kind::Family(&crate::outcomes::ENDED),
    },
    Metric {
        name: "px_timer_late_seconds",
        help: "How long after it was due a timer rang.",
        kind: Kind::Times(&TIMER_LATE),
    },
    Metric {
        name: "px_kv_nearly_full_total",
        help: "Commits that changed the number of values of a brain which has 80 % of limits.max_kv_keys or more.",
        kind: Kind::Counter(&KV_NEARLY_FULL),
    },
];
