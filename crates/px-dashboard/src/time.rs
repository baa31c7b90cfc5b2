//! Times as people read them: how long ago in lists, to the millisecond in logs, and always with
//! the exact time in UTC for programs and in the reader's zone on hover.

use std::time::Duration;

use maud::{Markup, html};
use px_api::Timestamp;

use crate::Session;
use crate::number::SPACE;

/// How long ago something was, or how far away it is: `3 h`, `in 2 d 4 h`.
pub(crate) fn ago(at: Timestamp, who: &Session) -> Markup {
    let text = if at > who.now {
        format!("in{SPACE}{}", short(at.since(who.now)))
    } else {
        largest(who.now.since(at))
    };
    element(at, who, &text)
}

/// The time that is left until a deadline: `2 d 4 h left`, `due`.
pub(crate) fn left(at: Timestamp, who: &Session) -> Markup {
    remaining(at, who, "left")
}

/// The same below a heading that says it.
pub(crate) fn until(at: Timestamp, who: &Session) -> Markup {
    remaining(at, who, "")
}

fn remaining(at: Timestamp, who: &Session, word: &str) -> Markup {
    if at <= who.now {
        return element(at, who, "due");
    }
    let left = short(at.since(who.now));
    element(at, who, &if word.is_empty() { left } else { format!("{left}{SPACE}{word}") })
}

/// The time of day to the millisecond.
pub(crate) fn of_day(at: Timestamp, who: &Session) -> Markup {
    let (_, time) = fields(at, who);
    element(at, who, &time)
}

/// Date and time to the second, with the zone.
pub(crate) fn exact(at: Timestamp, who: &Session) -> Markup {
    let (date, time) = fields(at, who);
    let time = time.split('.').next().unwrap_or(&time);
    element(at, who, &format!("{date} {time} {}", who.zone.name()))
}

fn element(at: Timestamp, who: &Session, text: &str) -> Markup {
    let (date, time) = fields(at, who);
    html! { time datetime=(at) title={ (date) " " (time) " " (who.zone.name()) } { (text) } }
}

/// Date and time of day in the reader's zone.
fn fields(at: Timestamp, who: &Session) -> (String, String) {
    let text = who.zone.shifted(at).to_string();
    let (date, time) = text.split_once('T').unwrap_or((&text, ""));
    (date.to_owned(), time.trim_end_matches('Z').to_owned())
}

/// A duration in its largest unit.
pub(crate) fn largest(duration: Duration) -> String {
    match duration.as_secs() {
        seconds @ ..60 => format!("{seconds}{SPACE}s"),
        seconds @ ..3_600 => format!("{}{SPACE}m", seconds / 60),
        seconds @ ..86_400 => format!("{}{SPACE}h", seconds / 3_600),
        seconds => format!("{}{SPACE}d", seconds / 86_400),
    }
}

/// A duration in at most two units: `53 ms`, `1.2 s`, `2 d 4 h`.
pub(crate) fn short(duration: Duration) -> String {
    let pair = |first: u64, unit: &str, second: u64, smaller: &str| match second {
        0 => format!("{first}{SPACE}{unit}"),
        second => format!("{first}{SPACE}{unit} {second}{SPACE}{smaller}"),
    };
    match (duration.as_secs(), duration.as_millis()) {
        (0, millis) => format!("{millis}{SPACE}ms"),
        (seconds @ ..10, millis) if millis % 1_000 >= 100 => {
            format!("{seconds}.{}{SPACE}s", millis % 1_000 / 100)
        }
        (seconds @ ..60, _) => format!("{seconds}{SPACE}s"),
        (seconds @ ..3_600, _) => pair(seconds / 60, "m", seconds % 60, "s"),
        (seconds @ ..86_400, _) => pair(seconds / 3_600, "h", seconds % 3_600 / 60, "m"),
        (seconds, _) => pair(seconds / 86_400, "d", seconds % 86_400 / 3_600, "h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_at_most_two_units() {
        for (millis, expected) in [
            (53, "53 ms"),
            (1_230, "1.2 s"),
            (61_000, "1 m 1 s"),
            (7_200_000, "2 h"),
            (187_200_000, "2 d 4 h"),
        ] {
            assert_eq!(short(Duration::from_millis(millis)).replace(SPACE, " "), expected);
        }
        assert_eq!(largest(Duration::from_secs(90_000)).replace(SPACE, " "), "1 d");
    }
}
