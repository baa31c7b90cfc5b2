//! Histograms of how often values of some size came: a count for each bound, fixed at compile
//! time, so that an observation is a search and two additions.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Maximum number of bounds of a histogram.
const MAX_BOUNDS: usize = 18;

/// Bounds for times, microseconds.
const TIMES: [u64; 17] = [
    100,
    250,
    500,
    1_000,
    2_500,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    10_000_000,
    60_000_000,
    600_000_000,
];

/// Bounds for sizes, bytes.
const SIZES: [u64; 10] =
    [256, 1_024, 4_096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 16_777_216, 67_108_864];

/// Number of times that values of some size were observed.
#[derive(Debug)]
pub struct Histogram {
    pub(crate) bounds: &'static [u64],
    // One more for what is above every bound.
    buckets: [AtomicU64; MAX_BOUNDS + 1],
    sum: AtomicU64,
}

impl Histogram {
    /// A histogram of durations.
    #[must_use]
    pub const fn of_times() -> Self {
        Self::with(&TIMES)
    }

    /// A histogram of sizes in bytes.
    #[must_use]
    pub const fn of_sizes() -> Self {
        Self::with(&SIZES)
    }

    const fn with(bounds: &'static [u64]) -> Self {
        assert!(bounds.len() <= MAX_BOUNDS);
        Self { bounds, buckets: [const { AtomicU64::new(0) }; MAX_BOUNDS + 1], sum: AtomicU64::new(0) }
    }

    /// A time was observed.
    pub fn observe(&self, time: Duration) {
        self.record(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    }

    /// A size was observed.
    pub fn record(&self, value: u64) {
        let place = self.bounds.partition_point(|bound| *bound < value);
        if let Some(bucket) = self.buckets.get(place) {
            bucket.fetch_add(1, Relaxed);
        }
        self.sum.fetch_add(value, Relaxed);
    }

    /// The counts as they are now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let mut counts = [0; MAX_BOUNDS + 1];
        for (count, bucket) in counts.iter_mut().zip(&self.buckets) {
            *count = bucket.load(Relaxed);
        }
        Snapshot { bounds: self.bounds, counts }
    }

    /// Returns how many values there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().map(|bucket| bucket.load(Relaxed)).sum()
    }

    /// Sum of the values.
    pub(crate) fn sum(&self) -> u64 {
        self.sum.load(Relaxed)
    }

    /// Counts per bucket, the last one for what is above every bound.
    pub(crate) fn counts(&self) -> impl Iterator<Item = u64> {
        self.buckets.iter().take(self.bounds.len() + 1).map(|bucket| bucket.load(Relaxed))
    }
}

/// Counts of a histogram at one time, or of the time between two of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Snapshot {
    bounds: &'static [u64],
    counts: [u64; MAX_BOUNDS + 1],
}

impl Snapshot {
    /// The counts of what came after an earlier snapshot of the same histogram.
    #[must_use]
    pub fn since(mut self, earlier: &Self) -> Self {
        for (count, before) in self.counts.iter_mut().zip(earlier.counts) {
            *count = count.saturating_sub(before);
        }
        self
    }

    /// Number of values.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The value below which so many in a thousand are, taken to be spread evenly between
    /// two bounds; `None` if there are no values. What is above every bound counts as the
    /// last bound.
    #[must_use]
    pub fn quantile(&self, per_mille: u64) -> Option<u64> {
        let count = self.count();
        let wanted = u128::from(count) * u128::from(per_mille.min(1_000));
        let (mut below, mut from) = (0_u128, 0_u64);
        for (bound, here) in self.bounds.iter().zip(self.counts) {
            let next = below + u128::from(here) * 1_000;
            if here > 0 && next >= wanted {
                let part = (wanted - below) * u128::from(bound - from) / (u128::from(here) * 1_000);
                return Some(from + u64::try_from(part).unwrap_or_default());
            }
            (below, from) = (next, *bound);
        }
        (count > 0).then(|| self.bounds.last().copied().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn quantiles_are_of_what_came_between_two_looks() {
        static TIMES: Histogram = Histogram::of_times();
        TIMES.observe(Duration::from_secs(3_000));
        let before = TIMES.snapshot();
        assert_eq!(before.quantile(500), Some(600_000_000), "above every bound");
        for _ in 0..99 {
            TIMES.observe(Duration::from_micros(900));
        }
        TIMES.observe(Duration::from_millis(40));
        let minute = TIMES.snapshot().since(&before);
        assert_eq!(minute.count(), 100);
        let half = minute.quantile(500).unwrap();
        assert!((500..1_000).contains(&half), "{half}");
        assert_eq!(minute.quantile(990), Some(1_000));
        let most = minute.quantile(1_000).unwrap();
        assert_eq!(most, 50_000);
        assert_eq!(minute.since(&minute).quantile(500), None);
    }
}
