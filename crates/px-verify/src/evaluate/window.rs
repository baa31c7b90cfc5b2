//! Strict timestamps, and the window around the time of receipt.

use std::time::Duration;

use crate::record::TimeUnit;
use px_core::Timestamp;

use super::{Place, Refusal, json};

/// More digits than this are no timestamp; 15 digits of milliseconds reach
/// the year 33,658.
const MAX_DIGITS: usize = 15;

/// Reads a decimal integer: digits only, no sign, no leading zero, no white
/// space, no fraction, no `Infinity`.
pub(super) fn integer(text: &str) -> Option<u64> {
    let plain = (1..=MAX_DIGITS).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_digit())
        && (text.len() == 1 || !text.starts_with('0'));
    if plain { text.parse().ok() } else { None }
}

/// The point in time that a number stands for.
pub(super) fn point(number: u64, unit: TimeUnit) -> Timestamp {
    Timestamp::from_millis(match unit {
        TimeUnit::Millis => number,
        _ => number.saturating_mul(1000),
    })
}

/// Returns whether `sent` is within `tolerance` of `received`, both ways. A distance
/// of exactly the tolerance is accepted.
pub(super) fn check(sent: Timestamp, received: Timestamp, tolerance: Duration) -> Result<(), Refusal> {
    let (age, ahead) = (received.since(sent), sent.since(received));
    if age > tolerance {
        Err(Refusal::TooOld { age, tolerance })
    } else if ahead > tolerance {
        Err(Refusal::TooNew { ahead, tolerance })
    } else {
        Ok(())
    }
}

/// The timestamp at `pointer` of a body whose signature is right. A string of
/// digits is read like a number, since some providers send one.
pub(super) fn in_body(pointer: &str, unit: TimeUnit, body: &[u8]) -> Result<Timestamp, Refusal> {
    let place = || Place::Field(pointer.to_owned());
    let value = json::strict(body).map_err(|_| Refusal::malformed(Place::Body, "it is not JSON"))?;
    let found = value.pointer(pointer).ok_or_else(|| Refusal::Missing(place()))?;
    let number = found.as_u64().or_else(|| found.as_str().and_then(integer));
    number
        .map(|number| point(number, unit))
        .ok_or_else(|| Refusal::malformed(place(), "it is no plain integer"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_integers_are_timestamps() {
        assert_eq!(integer("1531420618"), Some(1_531_420_618));
        assert_eq!(integer("0"), Some(0));
        for text in [
            "",
            "-1",
            "+1",
            " 1",
            "1 ",
            "1.0",
            "1e9",
            "Infinity",
            "NaN",
            "01",
            "0x10",
            "١",
            "9999999999999999",
        ] {
            assert_eq!(integer(text), None, "{text}");
        }
    }

    #[test]
    fn the_window_is_closed_on_both_sides() {
        let (tolerance, receipt) = (Duration::from_secs(300), Timestamp::from_millis(10_000_000));
        let at =
            |millis: u64| check(Timestamp::from_millis(millis), receipt, tolerance).map_err(|r| r.class());
        assert_eq!(at(9_700_000), Ok(()));
        assert_eq!(at(9_699_999), Err("too_old"));
        assert_eq!(at(10_300_000), Ok(()));
        assert_eq!(at(10_300_001), Err("too_new"));
        assert_eq!(
            check(point(u64::MAX, TimeUnit::Seconds), receipt, tolerance).map_err(|r| r.class()),
            Err("too_new")
        );
    }
}
