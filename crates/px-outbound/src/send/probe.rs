//! A probe that somebody asks for. An open breaker leaves its endpoint alone for up to an hour, and whoever has
//! mended the receiver and sends a callback again knows better. An operator puts the end of the pause into the
//! endpoint's row, with the commit that makes the callback due; the member that has the lane finds it there.

use px_core::Timestamp;
use px_store::Error;
use px_store::outbox::{Breaker, Endpoint};

use super::SenderContext;
use super::lane::Lane;

/// The state of a lane's endpoint that lets one request out now; `None` if nothing holds it back.
pub(crate) async fn allowed(
    parts: &SenderContext,
    lane: u64,
    now: Timestamp,
) -> Result<Option<Endpoint>, Error> {
    let kept = parts.store.outbox().endpoint(parts.scope, lane).await?;
    Ok(kept.and_then(|endpoint| match endpoint.breaker {
        Breaker::Open { until, times } if until > now => {
            Some(Endpoint { lane, breaker: Breaker::Open { until: now, times }, ..endpoint })
        }
        _ => None,
    }))
}

/// Ends the pause of a lane's breaker if somebody asked for that.
///
/// The lane knows better than its row but for this: the row of an older pause has another number of times, and
/// nobody else ends the same pause earlier.
pub(super) async fn heard(
    parts: &SenderContext,
    id: u64,
    lane: &mut Lane,
    now: Timestamp,
) -> Result<(), Error> {
    let Breaker::Open { until, times } = lane.health.breaker else { return Ok(()) };
    if until <= now {
        return Ok(());
    }
    let kept = parts.store.outbox().endpoint(parts.scope, id).await?;
    if let Some(Endpoint { breaker: Breaker::Open { until: asked, times: of }, .. }) = kept
        && of == times
        && asked < until
    {
        lane.health.breaker = Breaker::Open { until: asked, times };
    }
    Ok(())
}
