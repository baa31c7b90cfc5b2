//! The figures of the way in.

use px_metrics::{Counter, Histogram, Kind, Metric};
use px_store::InboxState;

static RESUMED: Counter = Counter::new();
static STARTED: Counter = Counter::new();
static QUEUED: Counter = Counter::new();
static COLLECTED: Counter = Counter::new();
static DUPLICATE: Counter = Counter::new();
static IGNORED: Counter = Counter::new();
static LATE: Counter = Counter::new();
static EXPIRED: Counter = Counter::new();
static QUARANTINED: Counter = Counter::new();
static REJECTED: Counter = Counter::new();

/// From the whole request to its answer, of deliveries that are durable.
pub static ACK: Histogram = Histogram::of_times();

/// The figures of this stage.
pub const METRICS: &[Metric] = &[
    Metric {
        name: "px_inbox_events_total",
        help: "Events that entered the inbox since the start, by the state they were given.",
        kind: Kind::Counters(
            "state",
            &[
                (InboxState::Resumed.as_str(), &RESUMED),
                (InboxState::Started.as_str(), &STARTED),
                (InboxState::Queued.as_str(), &QUEUED),
                (InboxState::Collected.as_str(), &COLLECTED),
                (InboxState::Duplicate.as_str(), &DUPLICATE),
                (InboxState::Ignored.as_str(), &IGNORED),
                (InboxState::Late.as_str(), &LATE),
                (InboxState::Expired.as_str(), &EXPIRED),
                (InboxState::Quarantined.as_str(), &QUARANTINED),
                (InboxState::Rejected.as_str(), &REJECTED),
            ],
        ),
    },
    Metric {
        name: "px_webhook_ack_seconds",
        help: "From the whole webhook request to its answer, of deliveries that were stored.",
        kind: Kind::Times(&ACK),
    },
];

/// Counts an event that entered the inbox in this state.
pub(crate) fn entered(state: InboxState) {
    let counter = match state {
        InboxState::Resumed => &RESUMED,
        InboxState::Started => &STARTED,
        InboxState::Queued => &QUEUED,
        InboxState::Collected => &COLLECTED,
        InboxState::Duplicate => &DUPLICATE,
        InboxState::Ignored => &IGNORED,
        InboxState::Late => &LATE,
        InboxState::Expired => &EXPIRED,
        InboxState::Quarantined => &QUARANTINED,
        InboxState::Rejected => &REJECTED,
    };
    counter.increment();
}
