//! Works on bulk jobs, some runs at a time, as long as this process has the duty: at once when
//! one is started here, and soon when another process has started one or died in one.

use std::time::Duration;

use px_store::cluster::Duty;
use tokio::sync::watch;

use crate::app::Shared;

/// Time that it rests where no job is known here, or the store is busy.
const IDLE_INTERVAL: Duration = Duration::from_secs(5);

/// Works until the end is asked for.
pub(crate) async fn run(app: Shared, mut closing: watch::Receiver<bool>) {
    loop {
        let is_mine = app.is_on_duty(Duty::Upkeep);
        let worked = tokio::select! {
            worked = work(&app, is_mine) => worked,
            // What is under way is done again at the next start, and counted then.
            _ = closing.wait_for(|closing| *closing) => return,
        };
        if worked {
            continue;
        }
        tokio::select! {
            () = app.bulk_started.notified() => {}
            () = tokio::time::sleep(IDLE_INTERVAL) => {}
            _ = closing.wait_for(|closing| *closing) => return,
        }
    }
}

/// Returns whether there was something to do, and may be more.
async fn work(app: &Shared, is_mine: bool) -> bool {
    if !is_mine {
        return false;
    }
    match app.parts.work_on_bulk().await {
        Ok(worked) => worked,
        Err(error) => {
            tracing::warn!(%error, "a bulk job could not go on; it is tried again");
            false
        }
    }
}
