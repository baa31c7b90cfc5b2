//! Times of the tries of a callback, and the end of them. Pure: the time follows from a policy, the number
//! of tries so far, and a random number that the caller draws.

use std::time::Duration;

use px_core::hook::RetryPolicy;

/// A delay is spread by this many thousandths to either side, so that what
/// failed together does not come back together (docs/hooks.md).
pub(crate) const JITTER_PER_MILLE: u64 = 200;

/// A throw of the dice: where in its bounds something falls, from 0 to 1,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Jitter(u16);

impl Jitter {
    /// In the middle of the bounds.
    #[cfg(test)]
    pub(crate) const NONE: Self = Self(500);

    /// From any number.
    #[must_use]
    pub(crate) const fn of(random: u64) -> Self {
        Self((random % 1_001) as u16)
    }

    /// A throw with randomness that nobody can guess.
    #[must_use]
    pub(crate) fn random() -> Self {
        let mut bytes = [0; 8];
        px_core::random_bytes(&mut bytes);
        Self::of(u64::from_be_bytes(bytes))
    }

    /// A duration within ±20 % of this one.
    #[must_use]
    pub(crate) fn around(self, middle: Duration) -> Duration {
        let millis = u64::try_from(middle.as_millis()).unwrap_or(u64::MAX);
        let width = millis / 1_000 * 2 * JITTER_PER_MILLE + millis % 1_000 * 2 * JITTER_PER_MILLE / 1_000;
        let from = millis.saturating_sub(width / 2);
        let within = u128::from(width) * u128::from(self.0) / 1_000;
        Duration::from_millis(from.saturating_add(u64::try_from(within).unwrap_or(u64::MAX)))
    }
}

/// Returns how many tries a policy allows, the first one included.
#[must_use]
pub fn tries(policy: &RetryPolicy) -> u32 {
    match policy {
        RetryPolicy::List { delays_ms } => u32::try_from(delays_ms.len()).unwrap_or(u32::MAX).max(1),
        RetryPolicy::Exponential { attempts, .. } => (*attempts).max(1),
    }
}

/// Returns how long after the try before it the next one comes, without its spread;
/// `used` tries have failed so far. None if there is no next one.
#[must_use]
pub fn delay(policy: &RetryPolicy, used: u32) -> Option<Duration> {
    if used >= tries(policy) {
        return None;
    }
    let millis = match policy {
        RetryPolicy::List { delays_ms } => delays_ms.get(used as usize).copied().unwrap_or(0),
        RetryPolicy::Exponential { base_ms, factor, max_ms, .. } => {
            let Some(power) = used.checked_sub(1) else { return Some(Duration::ZERO) };
            grown(*base_ms, *factor, power, *max_ms)
        }
    };
    Some(Duration::from_millis(millis))
}

/// `base · factor^power`, at most `max`. A factor that is no number, or below
/// one, does not grow.
fn grown(base: u64, factor: f64, power: u32, max: u64) -> u64 {
    let factor = if factor.is_finite() { factor.max(1.0) } else { 1.0 };
    let power = i32::try_from(power.min(1_000)).unwrap_or(1_000);
    let grown = base as f64 * factor.powi(power);
    grown.clamp(0.0, max as f64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn preset(name: &str) -> RetryPolicy {
        RetryPolicy::preset(name).unwrap()
    }

    fn table(policy: &RetryPolicy) -> Vec<u64> {
        (0..).map_while(|used| delay(policy, used)).map(|delay| delay.as_secs()).collect()
    }

    #[test]
    fn hooks_4_every_preset_has_its_table() {
        let (minute, hour) = (60, 3_600);
        let standard =
            [0, 5, 5 * minute, 30 * minute, 2 * hour, 5 * hour, 10 * hour, 14 * hour, 20 * hour, 24 * hour];
        assert_eq!(table(&preset("standard")), standard);
        assert_eq!(table(&preset("forge")), [0, 1, 5, 30, 60]);
        assert_eq!(table(&preset("rdev")), [0, 5, 10]);
        assert_eq!(table(&preset("lazyagent")), [0, 1, 5, 30]);
        assert_eq!(table(&preset("none")), [0]);
        let exponential =
            |factor| RetryPolicy::Exponential { base_ms: 2_000, factor, max_ms: 60_000, attempts: 8 };
        assert_eq!(table(&exponential(3.0)), [0, 2, 6, 18, 54, 60, 60, 60]);
        assert_eq!(table(&exponential(f64::NAN)), [0, 2, 2, 2, 2, 2, 2, 2]);
        assert_eq!(delay(&exponential(1e300), 7), Some(Duration::from_secs(60)));
    }

    #[test]
    fn hooks_4_jitter_is_within_20_percent_and_reaches_both_bounds() {
        for policy in RetryPolicy::PRESETS.map(preset) {
            for used in 0..tries(&policy) {
                let middle = delay(&policy, used).unwrap();
                let (low, high) = (middle * 4 / 5, middle * 6 / 5);
                for n in 0..=1_000 {
                    let at = Jitter::of(n).around(middle);
                    assert!(low <= at && at <= high, "{middle:?} became {at:?}");
                }
                assert_eq!(Jitter::of(0).around(middle), low);
                assert_eq!(Jitter::of(1_000).around(middle), high);
                assert_eq!(Jitter::NONE.around(middle), middle);
            }
        }
        let drawn: std::collections::BTreeSet<u16> = (0..64).map(|_| Jitter::random().0).collect();
        assert!(drawn.len() > 16, "the dice are no constant");
    }
}
