//! Retry policy of a hook, as it is stored, and the policies that have a name. Only the sender knows which
//! answers lead to another attempt.

use serde::{Deserialize, Serialize};

/// Delays between the attempts of a callback. The first entry is the delay before the first attempt; each
/// delay is spread by ±20 %, so that callbacks that failed together are not retried together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum RetryPolicy {
    /// A list of delays: one before each try.
    List {
        /// The delays, milliseconds.
        delays_ms: Vec<u64>,
    },
    /// `base · factor^n`, at most `max`, so many tries.
    Exponential {
        /// The delay before the second try, milliseconds; the first goes at once.
        base_ms: u64,
        /// Factor from one delay to the next.
        factor: f64,
        /// No delay is longer, milliseconds.
        max_ms: u64,
        /// Number of attempts in all, the first one included.
        attempts: u32,
    },
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self::preset("standard").unwrap_or(Self::List { delays_ms: vec![0] })
    }
}

impl RetryPolicy {
    /// The names of [`RetryPolicy::preset`].
    pub const PRESETS: [&'static str; 5] = ["standard", "forge", "rdev", "lazyagent", "none"];

    /// A schedule by its name.
    #[must_use]
    pub fn preset(name: &str) -> Option<Self> {
        const SECOND: u64 = 1_000;
        const MINUTE: u64 = 60 * SECOND;
        const HOUR: u64 = 60 * MINUTE;
        let delays_ms = match name {
            "standard" => vec![
                0,
                5 * SECOND,
                5 * MINUTE,
                30 * MINUTE,
                2 * HOUR,
                5 * HOUR,
                10 * HOUR,
                14 * HOUR,
                20 * HOUR,
                24 * HOUR,
            ],
            "forge" => vec![0, SECOND, 5 * SECOND, 30 * SECOND, 60 * SECOND],
            "rdev" => vec![0, 5 * SECOND, 10 * SECOND],
            "lazyagent" => vec![0, SECOND, 5 * SECOND, 30 * SECOND],
            "none" => vec![0],
            _ => return None,
        };
        Some(Self::List { delays_ms })
    }
}
