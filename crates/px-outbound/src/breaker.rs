//! The breaker of an endpoint: pure. It counts what the endpoint does, not what
//! a delivery does (docs/hooks.md), and says how many requests may be under
//! way. While it is open deliveries are parked where they are: none is dropped,
//! and none uses up a try.

use std::time::Duration;

use px_core::Timestamp;
use px_store::outbox::Breaker;

use crate::backoff::Jitter;

/// Number of failures in a row that open a breaker.
pub const OPENS_AFTER: u32 = 5;
/// Time that a breaker stays open the first time.
pub const FIRST_PAUSE: Duration = Duration::from_secs(60);
/// Longest time that a breaker stays open; the time doubles up to it.
pub const LONGEST_PAUSE: Duration = Duration::from_hours(1);
/// A ramp that is this wide is over: the hook's own limit counts again.
pub(crate) const RAMP_ENDS_AT: u32 = 16;

/// Health of an endpoint, as its breaker knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Health {
    /// Failures since the last success.
    pub(crate) failures: u32,
    /// The breaker.
    pub(crate) breaker: Breaker,
}

/// Permission to send to an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gate {
    /// So many at once, at most; `u32::MAX` leaves it to the hook.
    Width(u32),
    /// Nothing until then.
    Parked(Timestamp),
}

impl Health {
    /// Returns what may go out at `now`. An open breaker whose time has come lets one
    /// through: the probe.
    #[must_use]
    pub(crate) fn gate(&self, now: Timestamp) -> Gate {
        match self.breaker {
            Breaker::Closed => Gate::Width(u32::MAX),
            Breaker::Open { until, .. } if until > now => Gate::Parked(until),
            Breaker::Open { .. } => Gate::Width(1),
            Breaker::Ramp { width, .. } => Gate::Width(width),
        }
    }

    /// The health after an attempt that began at `began` and ended at `now`, and
    /// that told whether the endpoint is well.
    #[must_use]
    pub(crate) fn after(self, healthy: bool, began: Timestamp, now: Timestamp, jitter: Jitter) -> Self {
        if healthy { self.after_success(began) } else { self.after_failure(began, now, jitter) }
    }

    fn after_success(self, began: Timestamp) -> Self {
        let breaker = match self.breaker {
            Breaker::Closed => Breaker::Closed,
            // It began before the pause and was slow: no probe.
            Breaker::Open { until, .. } if began < until => self.breaker,
            Breaker::Open { times, .. } => Breaker::Ramp { width: 2, times },
            Breaker::Ramp { width, .. } if width >= RAMP_ENDS_AT => Breaker::Closed,
            Breaker::Ramp { width, times } => Breaker::Ramp { width: width.saturating_mul(2), times },
        };
        Self { failures: 0, breaker }
    }

    fn after_failure(self, began: Timestamp, now: Timestamp, jitter: Jitter) -> Self {
        let failures = self.failures.saturating_add(1);
        let open = |times: u32| Breaker::Open { until: now.after(jitter.around(pause(times))), times };
        let breaker = match self.breaker {
            Breaker::Closed if failures >= OPENS_AFTER => open(1),
            Breaker::Closed => Breaker::Closed,
            // What was under way when it opened fails late; it is no probe.
            Breaker::Open { until, .. } if began < until => self.breaker,
            Breaker::Open { times, .. } | Breaker::Ramp { times, .. } => open(times.saturating_add(1)),
        };
        Self { failures, breaker }
    }
}

/// Returns how long it stays open the `times`th time in a row.
fn pause(times: u32) -> Duration {
    FIRST_PAUSE.saturating_mul(1 << times.saturating_sub(1).min(16)).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    fn failed(health: Health, times: u32, now: Timestamp) -> Health {
        (0..times).fold(health, |health, _| health.after(false, now, now, Jitter::NONE))
    }

    #[test]
    fn hooks_4_five_failures_in_a_row_open_it_and_a_success_between_does_not() {
        let health = failed(Health::default(), 4, at(0));
        assert_eq!(health.gate(at(0)), Gate::Width(u32::MAX));
        let mended = failed(health.after(true, at(0), at(0), Jitter::NONE), 4, at(0));
        assert_eq!(mended.gate(at(0)), Gate::Width(u32::MAX), "in a row");
        let open = failed(health, 1, at(0));
        assert_eq!(open.gate(at(59)), Gate::Parked(at(60)));
        for n in 0..=1_000 {
            let Gate::Parked(until) = health.after(false, at(0), at(0), Jitter::of(n)).gate(at(0)) else {
                panic!("it is open");
            };
            assert!(at(48) <= until && until <= at(72), "{until}");
        }
    }

    #[test]
    fn hooks_4_open_probe_ramp_closed() {
        let open = failed(Health::default(), OPENS_AFTER, at(0));
        assert_eq!(open.gate(at(60)), Gate::Width(1), "one probe");
        let mut health = open.after(true, at(60), at(61), Jitter::NONE);
        for width in [2, 4, 8, 16] {
            assert_eq!(health.gate(at(61)), Gate::Width(width));
            health = health.after(true, at(61), at(61), Jitter::NONE);
        }
        assert_eq!(health, Health::default(), "closed");
    }

    #[test]
    fn hooks_4_each_failed_probe_doubles_the_pause_up_to_an_hour_and_it_re_arms() {
        let mut health = failed(Health::default(), OPENS_AFTER, at(0));
        let mut now = at(0);
        for seconds in [60, 120, 240, 480, 960, 1_920, 3_600, 3_600, 3_600] {
            let Gate::Parked(until) = health.gate(now) else { panic!("{health:?} is open") };
            assert_eq!(until.since(now).as_secs(), seconds);
            now = until;
            assert_eq!(health.gate(now), Gate::Width(1));
            health = health.after(false, now, now, Jitter::NONE);
        }
        let ramp = health.after(true, now.after(LONGEST_PAUSE), now, Jitter::NONE);
        assert_eq!(ramp.gate(now), Gate::Width(2));
        let again = ramp.after(false, now, now, Jitter::NONE);
        assert!(matches!(again.breaker, Breaker::Open { times: 11, .. }), "a failure on the ramp opens it");
    }

    #[test]
    fn what_was_under_way_when_it_opened_neither_lengthens_nor_ends_the_pause() {
        let open = failed(Health::default(), OPENS_AFTER, at(10));
        let late = open.after(false, at(5), at(20), Jitter::NONE);
        assert_eq!(late.gate(at(20)), open.gate(at(20)));
        assert_eq!(open.after(true, at(5), at(20), Jitter::NONE).gate(at(20)), open.gate(at(20)));
    }
}
