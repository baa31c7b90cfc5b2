//! Options of a step beside its code: how often it is tried,
//! how long it may take.

use std::time::Duration;

/// Retry of a step that failed: exponential backoff with a jitter
/// of a fifth either way. Retries are rows with a due time; they survive
/// restarts, and a crash uses none up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    attempts: u32,
    base: Duration,
    cap: Duration,
}

impl Retry {
    /// So many attempts in all, the first included: after one second, two,
    /// four, up to five minutes.
    #[must_use]
    pub const fn attempts(attempts: u32) -> Self {
        Self { attempts, base: Duration::from_secs(1), cap: Duration::from_secs(300) }
    }

    /// The pause before the second attempt; each further one is twice as long.
    #[must_use]
    pub const fn base(self, base: Duration) -> Self {
        Self { base, ..self }
    }

    /// The longest pause.
    #[must_use]
    pub const fn cap(self, cap: Duration) -> Self {
        Self { cap, ..self }
    }

    /// The pause after attempt `failed` (from 1), or `None` if it was the
    /// last. `dice` is any number; it only decides the jitter.
    #[must_use]
    pub fn pause(&self, failed: u32, dice: u64) -> Option<Duration> {
        if failed >= self.attempts {
            return None;
        }
        let doubled =
            self.base.saturating_mul(1_u32.checked_shl(failed.saturating_sub(1)).unwrap_or(u32::MAX));
        let pause = doubled.min(self.cap);
        // 80 to 120 per cent, so that what failed together does not come back together.
        let percent = 80 + u32::try_from(dice % 41).unwrap_or(20);
        Some(pause.saturating_mul(percent) / 100)
    }
}

/// A step's options. By default one attempt, and no limit in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StepOptions {
    /// The retries after a failure; none: the first failure ends the run.
    pub retry: Option<Retry>,
    /// Time that one attempt may take.
    pub timeout: Option<Duration>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_cap_within_a_fifth() {
        let retry = Retry::attempts(6).base(Duration::from_secs(10)).cap(Duration::from_secs(60));
        for (failed, seconds) in [(1, 10), (2, 20), (3, 40), (4, 60), (5, 60)] {
            for dice in 0..100 {
                let pause = retry.pause(failed, dice).unwrap().as_millis();
                assert!((seconds * 800..=seconds * 1200).contains(&pause), "{failed}: {pause}");
            }
        }
        assert_eq!(retry.pause(6, 0), None);
        assert_eq!(Retry::attempts(1).pause(1, 0), None);
        assert!(Retry::attempts(u32::MAX).pause(500, 7).is_some());
    }
}
