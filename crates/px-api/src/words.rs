//! Times, durations and counts as people read them.

use std::time::Duration;

use px_core::Timestamp;

/// A duration in at most two units: `3 days`, `2 hours 5 minutes`, `0.4 seconds`.
#[must_use]
pub fn duration(duration: Duration) -> String {
    const UNITS: [(u64, &str); 4] = [(86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")];
    let seconds = duration.as_secs();
    if seconds < 10 {
        let tenths = duration.as_millis() / 100;
        return match tenths % 10 {
            0 => count(seconds, "second"),
            tenth => format!("{seconds}.{tenth} seconds"),
        };
    }
    // Rounded to the smaller unit, so that three days are not "2 days 23 hours"
    // a moment after they began.
    let unit = match seconds {
        86_400.. => 3_600,
        3_600.. => 60,
        _ => 1,
    };
    let mut rest = (duration + Duration::from_millis(unit * 500)).as_secs() / unit * unit;
    let mut parts = Vec::new();
    for (size, name) in UNITS {
        let number = rest / size;
        rest %= size;
        if number > 0 {
            parts.push(count(number, name));
        } else if !parts.is_empty() {
            break;
        }
        if parts.len() == 2 {
            break;
        }
    }
    parts.join(" ")
}

/// `1 brain`, `2 brains`.
#[must_use]
pub fn count(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

/// A point in time and how far away it is: `2026-01-15 10:30:00 UTC (5 minutes ago)`.
#[must_use]
pub fn moment(at: Timestamp, now: Timestamp) -> String {
    let far = if at > now {
        format!("in {}", duration(at.since(now)))
    } else {
        format!("{} ago", duration(now.since(at)))
    };
    format!("{} ({far})", time(at))
}

/// A point in time to the second.
#[must_use]
pub fn time(at: Timestamp) -> String {
    let text = at.to_string();
    let (date, rest) = text.split_once('T').unwrap_or((&text, ""));
    format!("{date} {} UTC", rest.split('.').next().unwrap_or(rest))
}

/// Labels as people write them: `customer=7, order=o2`.
#[must_use]
pub fn labels(labels: &px_core::Labels) -> String {
    labels.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(", ")
}

/// Reads a point in time as somebody types it: epoch milliseconds, or how long ago
/// (`90s`, `15m`, `2h`, `3d`). `None` for any other text.
#[must_use]
pub fn parse_since(text: &str, now: Timestamp) -> Option<Timestamp> {
    let text = text.trim();
    if let Ok(millis) = text.parse::<u64>() {
        return Some(Timestamp::from_millis(millis));
    }
    let split = text.char_indices().next_back()?.0;
    let (number, unit) = text.split_at(split);
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    let millis = number.parse::<u64>().ok()?.checked_mul(seconds)?.checked_mul(1000)?;
    Some(Timestamp::from_millis(now.as_millis().saturating_sub(millis)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (millis, expected) in [
            (0, "0 seconds"),
            (430, "0.4 seconds"),
            (1_000, "1 second"),
            (9_900, "9.9 seconds"),
            (59_999, "1 minute"),
            (60_000, "1 minute"),
            (3_900_000, "1 hour 5 minutes"),
            (3_601_000, "1 hour"),
            (259_200_000, "3 days"),
            (259_199_000, "3 days"),
            (257_000_000, "2 days 23 hours"),
            (3_599_000, "59 minutes 59 seconds"),
        ] {
            assert_eq!(duration(Duration::from_millis(millis)), expected, "{millis}");
        }
    }

    #[test]
    fn moments() {
        let now = Timestamp::from_millis(1_768_473_000_007);
        assert_eq!(moment(now, now), "2026-01-15 10:30:00 UTC (0 seconds ago)");
        let later = now.after(Duration::from_secs(120));
        assert_eq!(moment(later, now), "2026-01-15 10:32:00 UTC (in 2 minutes)");
    }

    #[test]
    fn points_in_time_as_they_are_typed() {
        let now = Timestamp::from_millis(10_000_000);
        assert_eq!(parse_since("15m", now), Some(Timestamp::from_millis(9_100_000)));
        assert_eq!(parse_since("77", now), Some(Timestamp::from_millis(77)));
        assert_eq!(parse_since("9d", now), Some(Timestamp::EPOCH));
        for junk in ["", "m", "1w", "-1h", "1.5h", "é"] {
            assert_eq!(parse_since(junk, now), None, "{junk}");
        }
    }
}
