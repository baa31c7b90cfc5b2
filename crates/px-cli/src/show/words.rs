//! Times and durations as columns and lines of the terminal have them, and as
//! people type them. The others are px-api's.

use std::time::Duration;

use px_core::Timestamp;

pub(crate) use px_api::words::{count, duration, labels, moment, parse_since, time};

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
}
