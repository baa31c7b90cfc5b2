//! Retention: deliveries that came to rest are removed when they are old enough.

use std::time::Duration;

use px_store::outbox::{Callback, CallbackState, OutboxBatch};
use px_store::{Admission, Batch, Row, Table};

use super::{Error, SenderContext};

/// Number of rows that are looked at, and removed, at once.
const PAGE: usize = 64;

/// Time that deliveries are kept after they came to rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Those that were delivered or discarded.
    pub delivered: Duration,
    /// Those that are dead: they can be delivered again as long as they are kept.
    pub dead: Duration,
}

impl Default for Retention {
    fn default() -> Self {
        Self { delivered: Duration::from_hours(7 * 24), dead: Duration::from_hours(30 * 24) }
    }
}

/// Removes what is old enough, with its attempts; says how many.
///
/// # Errors
/// The store could not be read or written.
pub async fn sweep(parts: &SenderContext, retention: Retention) -> Result<usize, Error> {
    let now = parts.clock.now();
    let shortest = retention.delivered.min(retention.dead);
    let mut after = None;
    let mut removed = 0;
    loop {
        let page = parts.store.scan(parts.scope, Table::Callback, after.as_ref(), PAGE).await?;
        let mut young = false;
        let old: Vec<Callback> = page
            .rows
            .into_iter()
            .filter_map(|row| match row {
                Row::Callback(callback) => Some(*callback),
                _ => None,
            })
            .inspect(|callback| young |= now.since(callback.created_at) < shortest)
            .filter(|callback| {
                let kept = match callback.state {
                    CallbackState::Delivered | CallbackState::Discarded => retention.delivered,
                    CallbackState::Dead => retention.dead,
                    CallbackState::Pending | CallbackState::Held => return false,
                };
                now.since(callback.since) >= kept
            })
            .collect();
        if !old.is_empty() {
            let many = old.len();
            let outbox = OutboxBatch { removed: old, ..OutboxBatch::default() };
            // A conflict leaves them to the next time.
            let batch = Batch { scope: parts.scope, outbox, ..Batch::default() };
            if let px_store::Outcome::Committed { .. } = parts.store.commit(batch, Admission::Wait).await? {
                removed += many;
            }
        }
        // Ids sort by creation: what comes after a young one is young.
        after = page.next.filter(|_| !young);
        if after.is_none() {
            return Ok(removed);
        }
    }
}
