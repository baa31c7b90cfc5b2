//! Decision to give a hook up, which is pure. Days of nothing but failure disable a hook, and the other
//! hooks are told.

use std::time::Duration;

use px_core::Timestamp;
use px_core::hook::{Disabled, DisabledBy, Hook};

use crate::verdict::Verdict;

/// So long nothing but failure disables a hook (docs/hooks.md).
pub(crate) const GIVEN_UP_AFTER: Duration = Duration::from_hours(5 * 24);

/// Returns what an attempt changes about its hook; none if nothing.
#[must_use]
pub(crate) fn after(hook: &Hook, verdict: Verdict, now: Timestamp) -> Option<Hook> {
    let mut next = hook.clone();
    match verdict {
        Verdict::Delivered => next.failing_since = None,
        Verdict::Gone => next.disabled = next.disabled.or(Some(Disabled { by: DisabledBy::Gone, at: now })),
        Verdict::Retry { .. } | Verdict::Dead(_) => {
            let since = *next.failing_since.get_or_insert(now);
            if now.since(since) >= GIVEN_UP_AFTER {
                next.disabled = next.disabled.or(Some(Disabled { by: DisabledBy::Failing, at: now }));
            }
        }
    }
    (next != *hook).then_some(next)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::Cause;
    use px_core::HookId;
    use px_core::hook::Source;

    #[test]
    fn hooks_4_five_days_of_nothing_but_failure_disable_it_and_one_success_starts_anew() {
        let day = |days: u64| Timestamp::from_millis(days * 86_400_000);
        let fails = Verdict::Dead(Cause::Spent);
        let hook = Hook::new(HookId::from_bytes([1; 16]), "https://example.org", Source::Api, day(0));
        assert_eq!(after(&hook, Verdict::Delivered, day(1)), None, "nothing to write");
        let ailing = after(&hook, fails, day(1)).unwrap();
        assert_eq!(ailing.failing_since, Some(day(1)));
        assert_eq!(after(&ailing, fails, day(5)), None, "not yet, and nothing to write");
        let given_up = after(&ailing, fails, day(6)).unwrap();
        assert_eq!(given_up.disabled, Some(Disabled { by: DisabledBy::Failing, at: day(6) }));
        assert!(given_up.listens(), "what happens meanwhile is kept for it");
        let well = after(&ailing, Verdict::Delivered, day(4)).unwrap();
        assert_eq!(well.failing_since, None);
        assert_eq!(after(&well, fails, day(6)).unwrap().disabled, None);
        let gone = after(&hook, Verdict::Gone, day(1)).unwrap();
        assert_eq!(gone.disabled.map(|disabled| disabled.by), Some(DisabledBy::Gone));
    }
}
