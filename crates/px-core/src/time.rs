//! Points in time, as the run log, the wire and the timers keep them:
//! milliseconds since 1970-01-01 UTC.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Milliseconds since the Unix epoch. Arithmetic saturates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The epoch itself.
    pub const EPOCH: Self = Self(0);

    /// From milliseconds since the epoch.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the epoch.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Whole seconds since the epoch.
    #[must_use]
    pub const fn as_secs(self) -> u64 {
        self.0 / 1000
    }

    /// This point, later by `duration`.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)))
    }

    /// This point, earlier by `duration`; the epoch at the earliest.
    #[must_use]
    pub fn before(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)))
    }

    /// Returns the time from `earlier` to this; zero if this is not after it.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Timestamp {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Millis".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let description = "Milliseconds since 1970-01-01 UTC";
        schemars::json_schema!({ "type": "integer", "minimum": 0, "description": description })
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // RFC 3339 in UTC.
        let (days, rest) = (self.0 / 86_400_000, self.0 % 86_400_000);
        let Date { year, month, day } = Date::of_days(days.cast_signed());
        let (hour, minute) = (rest / 3_600_000, rest / 60_000 % 60);
        let (second, milli) = (rest / 1000 % 60, rest % 1000);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
    }
}

/// A day of the proleptic Gregorian calendar. The arithmetic is Howard Hinnant's
/// ("chrono-Compatible Low-Level Date Algorithms"), in which years begin in March:
/// the day that only some years have is their last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date {
    /// The year; 0 is the one before 1.
    pub year: i64,
    /// The month, from 1.
    pub month: i64,
    /// The day of the month, from 1.
    pub day: i64,
}

impl Date {
    /// The days from year 0's March to 1970.
    const TO_EPOCH: i64 = 719_468;
    /// The days of 400 years.
    const OF_ERA: i64 = 146_097;

    /// The date so many days after 1970-01-01. `days` is within 10^15 of it.
    #[must_use]
    pub const fn of_days(days: i64) -> Self {
        let days = days + Self::TO_EPOCH;
        let (era, of_era) = (days.div_euclid(Self::OF_ERA), days.rem_euclid(Self::OF_ERA));
        let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year + year / 4 - year / 100);
        let since_march = (5 * of_year + 2) / 153;
        let day = of_year - (153 * since_march + 2) / 5 + 1;
        let month = if since_march < 10 { since_march + 3 } else { since_march - 9 };
        let of_next = if month <= 2 { 1 } else { 0 };
        Self { year: era * 400 + year + of_next, month, day }
    }

    /// The days from 1970-01-01 to this, which is at most 10^12 years from it. A day
    /// that its month does not have is one of the next month.
    #[must_use]
    pub const fn days(self) -> i64 {
        let year = if self.month > 2 { self.year } else { self.year - 1 };
        let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
        let of_year = (153 * ((self.month + 9) % 12) + 2) / 5 + self.day - 1;
        era * Self::OF_ERA + of_era * 365 + of_era / 4 - of_era / 100 + of_year - Self::TO_EPOCH
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_rfc_3339() {
        assert_eq!(Timestamp::EPOCH.to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(Timestamp::from_millis(951_782_400_123).to_string(), "2000-02-29T00:00:00.123Z");
        assert_eq!(Timestamp::from_millis(1_768_473_000_007).to_string(), "2026-01-15T10:30:00.007Z");
    }

    #[test]
    fn dates_and_days_are_each_others_inverse_and_follow_each_other() {
        let mut before = Date { year: 1599, month: 12, day: 31 };
        let first = before.days() + 1;
        // Through all kinds of centuries, and past the epoch.
        for days in first..first + 2 * Date::OF_ERA {
            let date = Date::of_days(days);
            assert_eq!(date.days(), days, "{date:?}");
            let is_next = match (date.month, date.day) {
                (1, 1) => (date.year, before.month, before.day) == (before.year + 1, 12, 31),
                (_, 1) => (date.year, date.month) == (before.year, before.month + 1),
                _ => Date { day: date.day - 1, ..date } == before,
            };
            assert!(is_next, "{before:?}, {date:?}");
            before = date;
        }
        assert_eq!(before, Date { year: 2399, month: 12, day: 31 });
        for (days, year, month, day) in [
            (0, 1970, 1, 1),
            (-1, 1969, 12, 31),
            (11_016, 2000, 2, 29),
            (-719_468, 0, 3, 1),
            (47_540, 2100, 2, 28),
        ] {
            assert_eq!(Date::of_days(days), Date { year, month, day }, "{days}");
        }
        assert_eq!(
            Date { year: 2100, month: 2, day: 29 }.days(),
            Date { year: 2100, month: 3, day: 1 }.days()
        );
    }

    #[test]
    fn arithmetic_saturates() {
        let late = Timestamp::from_millis(u64::MAX);
        assert_eq!(late.after(Duration::from_secs(1)), late);
        assert_eq!(Timestamp::EPOCH.since(late), Duration::ZERO);
        assert_eq!(Timestamp::EPOCH.before(Duration::from_secs(1)), Timestamp::EPOCH);
        assert_eq!(Timestamp::from_millis(5_000).before(Duration::from_secs(1)).as_millis(), 4_000);
    }
}
