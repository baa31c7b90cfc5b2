//! The one write: an event, and that it was seen.

use std::future::Future;

use crate::Event;

/// Novelty of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    /// It was stored just now, at this position, from 1.
    First(u64),
    /// An event of this id was stored before, durably.
    Duplicate,
}

/// The event could not be stored. The sender is answered 503 and tries again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the event could not be stored: {0}")]
pub struct Unavailable(pub String);

/// Storage of events, each once.
///
/// The contract that makes a receiver safe: checking the id, marking it and
/// storing the event are one atomic step, and the returned future is ready
/// only when that step is durable. A mark that is made before the event is
/// stored loses the event at a crash; a check that is apart from the mark lets
/// two copies through. What fails leaves no mark.
pub trait Seen: Send + Sync + 'static {
    /// Stores `event`, unless one of its id is stored.
    fn record(&self, event: Event) -> impl Future<Output = Result<Recorded, Unavailable>> + Send;
}
