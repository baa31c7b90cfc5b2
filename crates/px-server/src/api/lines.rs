//! Runs that wait before another one: the line of a key, as a run that is shown has it.

use px_api::Turn;
use px_core::key::{Waiter, WaiterId};
use px_core::{KeyId, RunId, WaitId};

use crate::app::Shared;
use crate::error::ApiError;

/// Number of the runs named that an event would go to first.
const MAX_AHEAD: usize = 10;

/// Number of waiters that are read at once.
const PAGE: usize = 1_000;

/// The oldest of those that stand before a wait at a key, and the number of all
/// of them.
pub(super) async fn ahead(app: &Shared, key: &KeyId, wait: WaitId) -> Result<(Vec<RunId>, u64), ApiError> {
    let line = app.store().key(app.parts.scope, key).await?.record.line;
    let mut ahead = Vec::new();
    let (mut count, mut from) = (0, line.head);
    loop {
        let page = app.store().waiters(app.parts.scope, key, None, from, PAGE).await?;
        let Some((last, _)) = page.last() else { return Ok((ahead, count)) };
        from = last + 1;
        for (_, waiter) in page {
            if matches!(waiter.id(), WaiterId::Wait(other, _) if other == wait) {
                return Ok((ahead, count));
            }
            count += 1;
            if ahead.len() < MAX_AHEAD {
                ahead.push(waiter.run());
            }
        }
    }
}

/// The runs whose turn it is, and those that come before a run that waits for its own.
pub(super) async fn turn(app: &Shared, slot: &KeyId, run: RunId) -> Result<Turn, ApiError> {
    let line = app.store().key(app.parts.scope, slot).await?.record.line;
    let (mut turn, mut from) = (Turn { under_way: Vec::new(), ahead: Vec::new() }, line.head);
    loop {
        let page = app.store().waiters(app.parts.scope, slot, None, from, PAGE).await?;
        let Some((last, _)) = page.last() else { return Ok(turn) };
        from = last + 1;
        for (place, waiter) in page {
            match waiter {
                Waiter::Turn(other) if other == run => return Ok(turn),
                Waiter::Turn(other) if place < line.admitted => turn.under_way.push(other),
                Waiter::Turn(other) => turn.ahead.push(other),
                Waiter::Wait(_) => {}
            }
        }
    }
}
