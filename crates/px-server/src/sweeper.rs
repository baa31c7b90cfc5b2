//! Sweeps the inbox now and then: what is too old or too many is forgotten,
//! piece by piece, each piece one small commit that gives way to deliveries.

use std::time::Duration;

use px_inbound::{Retention, Swept};
use px_store::cluster::Duty;
use tokio::sync::watch;

use crate::app::Shared;

/// Time that it rests when there is nothing to forget, or the store is busy.
const IDLE_INTERVAL: Duration = Duration::from_secs(60);

/// Time that it rests between two pieces.
const BETWEEN_BATCHES: Duration = Duration::from_millis(20);

/// Prepares the inbox, and sweeps it until the end is asked for.
pub(crate) async fn run(app: Shared, retention: Retention, mut closing: watch::Receiver<bool>) {
    tokio::select! {
        prepared = app.stage.prepare() => {
            if let Err(error) = prepared {
                tracing::warn!(%error, "the inbox could not be prepared; the first webhook tries it again");
            }
        }
        _ = closing.wait_for(|closing| *closing) => return,
    }
    loop {
        // One member of the cluster sweeps for all.
        let swept = if app.is_on_duty(Duty::Inbox) {
            app.stage.sweep(&retention).await
        } else {
            Ok(Swept::default())
        };
        let pause = match swept {
            Ok(swept) => {
                if swept.forgotten + swept.emptied > 0 {
                    tracing::debug!(?swept, "the inbox was swept");
                }
                if swept.more { BETWEEN_BATCHES } else { IDLE_INTERVAL }
            }
            Err(error) => {
                tracing::warn!(%error, "the inbox could not be swept; it is tried again");
                IDLE_INTERVAL
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = closing.wait_for(|closing| *closing) => return,
        }
    }
}
