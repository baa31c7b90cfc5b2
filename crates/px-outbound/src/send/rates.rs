//! Rates of hooks: the time at which each may have its next request.

use std::collections::HashMap;
use std::time::Duration;

use px_core::{HookId, Timestamp};

/// A rate allows so much at once after a pause.
const BURST: Duration = Duration::from_millis(100);

/// Number of hooks from which on those are forgotten whose rate holds nothing back any more.
const REMEMBERED: usize = 1_024;

/// Time at which each hook's rate allows the next request, microseconds since the epoch.
#[derive(Debug, Default)]
pub(super) struct Rates {
    next: HashMap<HookId, u64>,
    /// Number of hooks at which the map is looked through. It grows with those that are found to be busy,
    /// so that a look through all of them is paid for by as many new ones.
    look_at: usize,
}

impl Rates {
    /// Counts a request to a hook that may have so many a second.
    pub(super) fn count(&mut self, hook: HookId, per_second: u32, now: Timestamp) {
        let now = now.as_millis().saturating_mul(1_000);
        if self.next.len() >= self.look_at.max(REMEMBERED) {
            // A time that has passed says the same as none.
            self.next.retain(|_, next| *next > now);
            self.look_at = self.next.len().saturating_mul(2);
        }
        let next = self.next.entry(hook).or_insert(0);
        *next = (*next).max(now) + 1_000_000 / u64::from(per_second.max(1));
    }

    /// Returns the time before which a hook gets no request.
    pub(super) fn not_before(&self, hook: HookId) -> Timestamp {
        let allowed = self.next.get(&hook).copied().unwrap_or(0);
        let burst = u64::try_from(BURST.as_micros()).unwrap_or(0);
        Timestamp::from_millis(allowed.saturating_sub(burst) / 1_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hook(n: u64) -> HookId {
        let mut id = [0; 16];
        id[8..].copy_from_slice(&n.to_be_bytes());
        HookId::from_bytes(id)
    }

    #[test]
    fn hooks_that_come_and_go_are_forgotten_and_busy_ones_are_not() {
        let mut rates = Rates::default();
        let at = Timestamp::from_millis;
        // One request in a hundred seconds would be less than the least rate; a hundred at once are as good.
        for _ in 0..100 {
            rates.count(hook(0), 1, at(1_000));
        }
        for n in 1..100_000 {
            rates.count(hook(n), 10, at(1_000 + n));
            assert!(rates.next.len() <= 2 * REMEMBERED, "{} at {n}", rates.next.len());
        }
        assert_eq!(rates.not_before(hook(0)), at(1_000 + 100_000 - 100), "it has its requests behind it");
        assert_eq!(rates.not_before(hook(1)), at(0));
    }

    #[test]
    fn a_rate_spreads_requests_after_a_short_burst() {
        let mut rates = Rates::default();
        let at = Timestamp::from_millis;
        let mut sent = 0;
        for now in 10_000..11_000 {
            while rates.not_before(hook(1)) <= at(now) {
                rates.count(hook(1), 50, at(now));
                sent += 1;
            }
        }
        assert!((50..=56).contains(&sent), "{sent} in the first second");
    }
}
