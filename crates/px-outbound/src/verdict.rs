//! Meaning of an attempt's end for its callback: pure. The rules are in
//! docs/hooks.md; nothing else in px says what is tried again.

use std::time::Duration;

use px_core::Timestamp;
use px_core::hook::RetryPolicy;

use crate::backoff::{self, Jitter};
use crate::http_date;

/// A receiver may ask for this much patience at most.
pub(crate) const MAX_RETRY_AFTER: Duration = Duration::from_hours(24);

/// End of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    /// The receiver answered.
    Answered {
        /// With this status.
        status: u16,
        /// And asked to be left alone until then.
        retry_after: Option<Timestamp>,
    },
    /// Nobody answered: DNS, TLS, the connection, or time.
    Unreachable,
    /// px did not send it: the address is refused, or it cannot be signed.
    Refused,
}

/// Consequence for the callback.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The receiver took it, and no more is sent.
    Delivered,
    /// It is tried again at a time.
    Retry {
        /// Time of the next try.
        at: Timestamp,
        /// True if that is the receiver's choice.
        asked: bool,
    },
    /// It is dead: kept, listed, and delivered again only by hand.
    Dead(Cause),
    /// It is dead, and its hook takes no more.
    Gone,
}

/// Reason that a callback is dead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The retries of its policy are used up.
    Spent,
    /// The receiver refused it for good.
    Permanent,
}

impl Verdict {
    /// Returns whether the receiver took it.
    #[must_use]
    pub(crate) const fn is_success(self) -> bool {
        matches!(self, Self::Delivered)
    }
}

impl End {
    /// Returns whether the endpoint is well, as far as this attempt tells. A
    /// refusal of one message is an answer like another: only those that speak
    /// of the endpoint itself, or of its load, count against it.
    #[must_use]
    pub(crate) const fn is_healthy(&self) -> bool {
        match self {
            Self::Answered { status, .. } => {
                matches!(status, 200..=299 | 400..=499) && !matches!(status, 408 | 425 | 429)
            }
            Self::Unreachable | Self::Refused => false,
        }
    }
}

/// Judges an attempt that began with `used` tries of the schedule used up and
/// ended at `now`.
#[must_use]
pub(crate) fn judge(policy: &RetryPolicy, used: u32, end: &End, now: Timestamp, jitter: Jitter) -> Verdict {
    let asked = match end {
        End::Answered { status: 200..=299, .. } => return Verdict::Delivered,
        End::Answered { status: 410, .. } => return Verdict::Gone,
        // A redirect is a failure and is never followed; the receiver may mend it.
        // A status above 599 is none of HTTP's classes and is read as 5xx (RFC 9110, section 15).
        End::Answered { status: 300..=399 | 408 | 425 | 429 | 500.., retry_after } => *retry_after,
        End::Answered { .. } => return Verdict::Dead(Cause::Permanent),
        // A policy may be mended as well as a receiver.
        End::Unreachable | End::Refused => None,
    };
    let Some(delay) = backoff::delay(policy, used + 1) else { return Verdict::Dead(Cause::Spent) };
    let planned = now.after(jitter.around(delay));
    let asked = asked.map(|at| at.min(now.after(MAX_RETRY_AFTER))).filter(|at| *at > planned);
    Verdict::Retry { at: asked.unwrap_or(planned), asked: asked.is_some() }
}

/// Reads a `Retry-After` header: seconds, or an HTTP date (RFC 9110, section
/// 10.2.3) in any of its three forms. Nonsense is as good as none.
#[must_use]
pub(crate) fn retry_after(text: &str, now: Timestamp) -> Option<Timestamp> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        let seconds: u64 = text.parse().unwrap_or(u64::MAX);
        return Some(now.after(Duration::from_secs(seconds)));
    }
    http_date::read(text, now)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000_000);

    fn standard() -> RetryPolicy {
        RetryPolicy::default()
    }

    fn answered(status: u16) -> End {
        End::Answered { status, retry_after: None }
    }

    fn judged(end: &End) -> Verdict {
        judge(&standard(), 0, end, NOW, Jitter::NONE)
    }

    #[test]
    fn hooks_4_only_2xx_is_success() {
        for status in [200, 201, 202, 204, 299] {
            assert_eq!(judged(&answered(status)), Verdict::Delivered);
        }
        for status in [100, 199, 300, 301, 302, 307, 308, 400, 401, 500] {
            assert!(!judged(&answered(status)).is_success(), "{status}");
        }
    }

    #[test]
    fn hooks_6_408_425_and_429_are_tried_again_and_other_4xx_are_not() {
        for status in 400..=499 {
            let verdict = judged(&answered(status));
            match status {
                408 | 425 | 429 => assert!(matches!(verdict, Verdict::Retry { .. }), "{status}"),
                410 => assert_eq!(verdict, Verdict::Gone),
                _ => assert_eq!(verdict, Verdict::Dead(Cause::Permanent), "{status}"),
            }
        }
        for status in [300, 301, 307, 308, 500, 502, 503, 504, 599, 600, 777, 999] {
            assert!(matches!(judged(&answered(status)), Verdict::Retry { .. }), "{status}");
        }
        assert!(matches!(judged(&End::Unreachable), Verdict::Retry { .. }));
        assert!(matches!(judged(&End::Refused), Verdict::Retry { .. }));
    }

    #[test]
    fn rules_57_a_refusal_of_one_message_is_no_illness_of_its_endpoint() {
        let ill = [408, 425, 429, 500, 502, 503, 504, 599, 600, 999, 300, 301, 307, 308, 199];
        for status in 100..=999 {
            let healthy = answered(status).is_healthy();
            match status {
                200..=299 => assert!(healthy, "{status}"),
                400..=499 => assert_eq!(healthy, !ill.contains(&status), "{status}"),
                _ => assert!(!healthy, "{status}"),
            }
        }
        assert!(ill.iter().all(|status| !answered(*status).is_healthy()));
        assert!(!End::Unreachable.is_healthy() && !End::Refused.is_healthy());
    }

    #[test]
    fn hooks_4_the_whole_table_is_walked_and_then_it_is_dead() {
        for name in RetryPolicy::PRESETS {
            let policy = RetryPolicy::preset(name).unwrap();
            let mut at = NOW;
            for used in 0..backoff::tries(&policy) {
                let verdict = judge(&policy, used, &answered(500), at, Jitter::of(u64::from(used) * 97));
                match backoff::delay(&policy, used + 1) {
                    Some(delay) => {
                        let Verdict::Retry { at: next, asked: false } = verdict else {
                            panic!("{verdict:?}")
                        };
                        assert!(next >= at.after(delay * 4 / 5) && next <= at.after(delay * 6 / 5), "{name}");
                        at = next;
                    }
                    None => assert_eq!(verdict, Verdict::Dead(Cause::Spent), "{name} after {used}"),
                }
            }
        }
    }

    #[test]
    fn hooks_4_retry_after_is_honoured_up_to_a_day_and_never_hurries() {
        let asks = |seconds: u64| {
            let retry_after = Some(NOW.after(Duration::from_secs(seconds)));
            judged(&End::Answered { status: 429, retry_after })
        };
        let hour = NOW.after(Duration::from_hours(1));
        assert_eq!(asks(3_600), Verdict::Retry { at: hour, asked: true });
        let day = NOW.after(MAX_RETRY_AFTER);
        assert_eq!(asks(10 * 86_400), Verdict::Retry { at: day, asked: true });
        let planned = NOW.after(Duration::from_secs(5));
        assert_eq!(asks(1), Verdict::Retry { at: planned, asked: false }, "no sooner than planned");
        let spent =
            judge(&standard(), 9, &End::Answered { status: 503, retry_after: Some(hour) }, NOW, Jitter::NONE);
        assert_eq!(spent, Verdict::Dead(Cause::Spent), "and it adds no try");
    }

    #[test]
    fn rfc_9110_retry_after_is_seconds_or_a_date_in_any_of_three_forms() {
        assert_eq!(retry_after("120", NOW), Some(NOW.after(Duration::from_secs(120))));
        for date in
            ["Thu, 15 Jan 2026 10:30:00 GMT", "Thursday, 15-Jan-26 10:30:00 GMT", "Thu Jan 15 10:30:00 2026"]
        {
            let expected = Timestamp::from_millis(1_768_473_000_000);
            assert_eq!(retry_after(date, expected), Some(expected), "{date}");
        }
        assert_eq!(
            retry_after("Tue, 29 Feb 2000 00:00:00 GMT", NOW).map(Timestamp::as_secs),
            Some(951_782_400)
        );
        assert_eq!(retry_after("99999999999999999999", NOW), Some(Timestamp::from_millis(u64::MAX)));
        for nonsense in
            ["", "-1", "soon", "Thu, 15 Jxx 2026 10:30:00 GMT", "Thu, 15 Jan 2026 25:30:00 GMT", "1.5"]
        {
            assert_eq!(retry_after(nonsense, NOW), None, "{nonsense}");
        }
    }
}
