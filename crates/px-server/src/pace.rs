//! The pace of the webhooks that this process answers: what was stored in each second of the
//! last minute, and how long it took. It looks at the histogram of the way in once a second,
//! and costs the way in nothing.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use px_api::WebhookPace;
use px_metrics::Snapshot;
use tokio::sync::watch;

use crate::app::Shared;

/// Interval of the looks.
const INTERVAL: Duration = Duration::from_secs(1);

/// Looks that are remembered: the minute's, and the one before it.
const MAX_LOOKS: usize = 61;

/// Seconds over which the deliveries a second are told.
const RATE_SECONDS: usize = 10;

/// The looks of the last minute, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Pace(Mutex<VecDeque<Snapshot>>);

impl Pace {
    fn note(&self, look: Snapshot) {
        let mut looks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while looks.len() >= MAX_LOOKS {
            looks.pop_front();
        }
        looks.push_back(look);
    }

    /// The pace at a look at the histogram that is newer than all before.
    pub(crate) fn at(&self, now: &Snapshot) -> WebhookPace {
        let looks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let recent: Vec<u64> = looks
            .iter()
            .zip(looks.iter().skip(1))
            .map(|(before, after)| after.since(before).count())
            .collect();
        let last: Vec<u64> = recent.iter().rev().take(RATE_SECONDS).copied().collect();
        let minute = looks.front().map_or(*now, |first| now.since(first));
        #[expect(clippy::cast_precision_loss, reason = "figures for people")]
        let millis = |per_mille| minute.quantile(per_mille).map(|micros| micros as f64 / 1_000.0);
        #[expect(clippy::cast_precision_loss, reason = "figures for people")]
        let per_second = last.iter().sum::<u64>() as f64 / last.len().max(1) as f64;
        WebhookPace {
            total: now.count(),
            per_second,
            recent,
            ack_p50_ms: millis(500),
            ack_p99_ms: millis(990),
        }
    }
}

/// Looks until the end is asked for.
pub(crate) async fn measure(app: Shared, mut closing: watch::Receiver<bool>) {
    loop {
        app.pace.note(px_inbound::ACK.snapshot());
        tokio::select! {
            () = tokio::time::sleep(INTERVAL) => {}
            _ = closing.wait_for(|closing| *closing) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use px_metrics::Histogram;

    use super::*;

    #[test]
    fn the_pace_is_that_of_the_last_seconds() {
        static ACK: Histogram = Histogram::of_times();
        let pace = Pace::default();
        assert_eq!(pace.at(&ACK.snapshot()), WebhookPace::default());
        for second in 0..70_u32 {
            pace.note(ACK.snapshot());
            for _ in 0..second {
                ACK.observe(Duration::from_millis(2));
            }
        }
        pace.note(ACK.snapshot());
        let told = pace.at(&ACK.snapshot());
        assert_eq!((told.total, told.recent.len()), (69 * 70 / 2, 60));
        assert_eq!((told.recent[0], told.recent[59]), (10, 69));
        assert!((told.per_second - 64.5).abs() < 1e-9, "{}", told.per_second);
        let (half, most) = (told.ack_p50_ms.unwrap(), told.ack_p99_ms.unwrap());
        assert!(1.0 <= half && half < most && most <= 2.5, "{half} {most}");
    }
}
