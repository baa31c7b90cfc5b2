//! Dates of HTTP: pure. RFC 9110, section 5.6.7, lets senders write one form
//! and has recipients read three.

use px_core::{Date, Timestamp};

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Reads an IMF-fixdate, an RFC 850 date, or one as C's `asctime` writes it.
/// None for anything else. The name of the day has to be one, and is not
/// compared with the date.
pub(crate) fn read(text: &str, now: Timestamp) -> Option<Timestamp> {
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let (day, month, year, clock) = match *words.as_slice() {
        // Thu, 15 Jan 2026 10:30:00 GMT
        [name, day, month, year, clock, "GMT"] if is_short_day(name.strip_suffix(',')?) => {
            (number(day, 2)?, month, number(year, 4)?, clock)
        }
        // Thursday, 15-Jan-26 10:30:00 GMT
        [name, date, clock, "GMT"] if is_long_day(name.strip_suffix(',')?) => {
            let mut parts = date.splitn(3, '-');
            let (day, month, year) = (parts.next()?, parts.next()?, parts.next()?);
            (number(day, 2)?, month, of_two_digits(number(year, 2)?, now), clock)
        }
        // Thu Jan 15 10:30:00 2026, the day of the month padded with a space
        [name, month, day, clock, year] if is_short_day(name) => {
            (day.parse::<u64>().ok()?, month, number(year, 4)?, clock)
        }
        _ => return None,
    };
    let month = i64::try_from(MONTHS.iter().position(|name| *name == month)?).ok()? + 1;
    let mut clock = clock.splitn(3, ':');
    let mut next = || number(clock.next()?, 2);
    let (hour, minute, second) = (next()?, next()?, next()?);
    if day == 0 || day > 31 || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let date = Date { year: i64::try_from(year).ok()?, month, day: i64::try_from(day).ok()? };
    let days = u64::try_from(date.days()).ok()?;
    Some(Timestamp::from_millis((((days * 24 + hour) * 60 + minute) * 60 + second) * 1_000))
}

/// The number that exactly so many digits write.
fn number(text: &str, digits: usize) -> Option<u64> {
    let fits = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
    fits.then(|| text.parse().ok()).flatten()
}

/// A year of two digits that would be more than fifty years ahead is the last
/// past one with the same digits (RFC 9110, section 5.6.7).
fn of_two_digits(digits: u64, now: Timestamp) -> u64 {
    let this = year_of(now);
    let year = this - this % 100 + digits;
    match year {
        _ if year > this + 50 => year - 100,
        // The next century is nearer than this one's beginning.
        _ if year + 50 <= this => year + 100,
        _ => year,
    }
}

fn year_of(at: Timestamp) -> u64 {
    Date::of_days((at.as_secs() / 86_400).cast_signed()).year.unsigned_abs()
}

fn is_short_day(name: &str) -> bool {
    ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"].contains(&name)
}

fn is_long_day(name: &str) -> bool {
    ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"].contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 1994-11-06 08:49:37, the example of RFC 9110.
    const EXAMPLE: u64 = 784_111_777;

    fn now() -> Timestamp {
        // 2026-01-15
        Timestamp::from_millis(1_768_473_000_000)
    }

    #[test]
    fn rfc_9110_all_three_forms_are_read() {
        for text in
            ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"]
        {
            assert_eq!(read(text, now()).map(Timestamp::as_secs), Some(EXAMPLE), "{text}");
        }
        assert_eq!(read("Sun Nov 16 08:49:37 1994", now()).map(Timestamp::as_secs), Some(EXAMPLE + 864_000));
    }

    #[test]
    fn a_year_of_two_digits_is_at_most_fifty_years_ahead() {
        let year = |digits: u64| of_two_digits(digits, now());
        assert_eq!([year(26), year(76), year(77), year(99), year(0)], [2026, 2076, 1977, 1999, 2000]);
        let in_1999 = Timestamp::from_millis(940_000_000_000);
        assert_eq!([of_two_digits(0, in_1999), of_two_digits(50, in_1999)], [2000, 1950]);
        for (secs, expected) in [
            (0, 1970),
            (951_782_400, 2000),
            (1_767_225_599, 2025),
            (1_767_225_600, 2026),
            (4_107_542_399, 2100),
        ] {
            assert_eq!(year_of(Timestamp::from_millis(secs * 1_000)), expected, "{secs}");
        }
    }

    #[test]
    fn nonsense_is_no_date() {
        for text in [
            "",
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 06 Nov 1994 08:49:37 UTC",
            "Sun, 6 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 94 08:49:37 GMT",
            "Sun, 06 Nov 1994 8:49:37 GMT",
            "Xyz, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 24:49:37 GMT",
            "Sunday, 32-Nov-94 08:49:37 GMT",
            "Sun Nov 6 08:49:37 94",
            "Sun Nev 6 08:49:37 1994",
            "Sun, 06 Nov 1969 08:49:37 GMT",
            "Sun, \u{664}6 Nov 1994 08:49:37 GMT",
        ] {
            assert_eq!(read(text, now()), None, "{text}");
        }
    }
}
