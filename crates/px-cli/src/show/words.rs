//! Times and durations as columns and lines of the terminal have them, and as
//! people type them. The others are px-api's.

use std::time::Duration;

use px_core::Timestamp;

pub(crate) use px_api::words::{count, duration, labels, moment, time};

/// Returns how long ago something was, as a column of a table has it: in its largest
/// unit.
pub(crate) fn age(duration: Duration) -> String {
    match duration.as_secs() {
        seconds @ ..60 => format!("{seconds}s"),
        seconds @ ..3_600 => format!("{}m", seconds / 60),
        seconds @ ..86_400 => format!("{}h", seconds / 3_600),
        seconds => format!("{}d", seconds / 86_400),
    }
}

/// The time that is left, as a column of a table has it: in at most two units.
pub(crate) fn left(at: Timestamp, now: Timestamp) -> String {
    if at <= now {
        return "due".to_owned();
    }
    let seconds = at.since(now).as_secs();
    match seconds {
        0..60 => format!("{seconds}s left"),
        60..3_600 => format!("{}m left", seconds / 60),
        3_600..86_400 => format!("{}h left", seconds / 3_600),
        _ => format!("{}d {}h left", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}

/// A short time to the millisecond, and a longer one in words.
pub(crate) fn took(time: Duration) -> String {
    if time < Duration::from_secs(1) { format!("{} ms", time.as_millis()) } else { duration(time) }
}

/// A text of at most so many characters; the end that is left out is marked.
pub(crate) fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or(text)),
        None => text.to_owned(),
    }
}

/// The time of day to the second.
pub(crate) fn second_of_day(at: Timestamp) -> String {
    let time = time_of_day(at);
    time.split('.').next().unwrap_or(&time).to_owned()
}

/// The time of day to the millisecond.
pub(crate) fn time_of_day(at: Timestamp) -> String {
    let text = at.to_string();
    text.split_once('T').map_or(text.clone(), |(_, rest)| rest.trim_end_matches('Z').to_owned())
}

/// A point in time as somebody types it: epoch milliseconds, or how long ago
/// (`90s`, `15m`, `2h`, `3d`).
pub(crate) fn parse_since(text: &str, now: Timestamp) -> Option<Timestamp> {
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
    fn ages() {
        for (seconds, expected) in [(0, "0s"), (59, "59s"), (119, "1m"), (86_399, "23h"), (200_000, "2d")] {
            assert_eq!(age(Duration::from_secs(seconds)), expected);
        }
    }

    #[test]
    fn times_of_day() {
        let now = Timestamp::from_millis(1_768_473_000_007);
        assert_eq!(time_of_day(now), "10:30:00.007");
    }

    #[test]
    fn since() {
        let now = Timestamp::from_millis(10_000_000);
        assert_eq!(parse_since("15m", now), Some(Timestamp::from_millis(9_100_000)));
        assert_eq!(parse_since("77", now), Some(Timestamp::from_millis(77)));
        assert_eq!(parse_since("9d", now), Some(Timestamp::EPOCH));
        for junk in ["", "m", "1w", "-1h", "1.5h", "é"] {
            assert_eq!(parse_since(junk, now), None, "{junk}");
        }
    }
}
