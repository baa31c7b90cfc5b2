//! Number of things that need somebody, for the title and the icon of every page. It is
//! counted by whoever shows the overview, and by others at most every ten seconds: a page
//! about something else does not wait for it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use px_api::Overview;
use px_core::Timestamp;

use crate::api::overview;
use crate::app::Shared;

/// Time for which a count is good enough for a title.
const GOOD_FOR: Duration = Duration::from_secs(10);

/// The last count.
#[derive(Debug, Default)]
pub(crate) struct Noticed {
    count: AtomicU64,
    /// Time of the count, or of the last one that was begun; milliseconds.
    at: AtomicU64,
}

impl Noticed {
    pub(super) fn set(&self, overview: &Overview) {
        let count = u64::try_from(overview.attention.len()).unwrap_or(u64::MAX);
        self.count.store(count, Ordering::Relaxed);
        self.at.store(overview.at.as_millis(), Ordering::Relaxed);
    }

    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// Returns whether the caller is the one to count anew.
    fn is_mine_to_count(&self, now: Timestamp) -> bool {
        let last = self.at.load(Ordering::Relaxed);
        let is_old = now.since(Timestamp::from_millis(last)) >= GOOD_FOR;
        let swap = |now| self.at.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed);
        is_old && swap(now.as_millis()).is_ok()
    }
}

/// Counts anew beside the request, if it is time. What cannot be read now is counted the
/// next time.
pub(super) fn look_beside(app: &Shared) {
    if app.page.noticed.is_mine_to_count(app.clock().now()) {
        let app = app.clone();
        tokio::spawn(async move {
            if let Ok(Json(now)) = overview::show(State(app.clone())).await {
                app.page.noticed.set(&now);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_many_counts_and_not_too_often() {
        let noticed = Noticed::default();
        let at = |seconds: u64| Timestamp::from_millis(1_767_225_600_000 + seconds * 1_000);
        assert!(noticed.is_mine_to_count(at(0)));
        assert!(!noticed.is_mine_to_count(at(0)) && !noticed.is_mine_to_count(at(9)));
        assert!(noticed.is_mine_to_count(at(10)));
    }
}
