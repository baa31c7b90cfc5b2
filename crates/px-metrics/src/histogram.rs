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
