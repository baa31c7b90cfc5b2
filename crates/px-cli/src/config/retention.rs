//! `[retention]` of the configuration: how long inbox and outbox keep what.
//!
//! | key | default | what |
//! |---|---|---|
//! | `deliveries_days` | 30 | a delivery, and what is remembered under its ids if that is not longer |
//! | `max_payloads_per_webhook` | 100000 | deliveries of one webhook that keep headers, payload and responses |
//! | `quarantined_days` | | a delivery that is set aside; until it is replayed, if nothing is said |
//! | `rejected_days` | 7 | the record of a request whose sender was not verified |
//! | `max_rejected` | 10000 | how many of these there are |
//! | `max_file_bytes` | | bytes of the files of all deliveries; beyond, the oldest go that no run may read |
//! | `callbacks_days` | 7 | an outbound delivery that came to its end, with its attempts |
//! | `dead_callbacks_days` | 30 | one that is dead, and can be sent again as long as it is kept |
//!
//! The record of a provider says how long its ids are remembered at least:
//! `remember_secs`, a week by default.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::Error;

const DAY_SECS: u64 = 24 * 60 * 60;

/// `[retention]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Retention {
    deliveries_days: u64,
    max_payloads_per_webhook: usize,
    quarantined_days: Option<u64>,
    rejected_days: u64,
    max_rejected: usize,
    max_file_bytes: Option<u64>,
    callbacks_days: u64,
    dead_callbacks_days: u64,
}

impl Default for Retention {
    fn default() -> Self {
        let defaults = px_inbound::Retention::default();
        let callbacks = px_outbound::Retention::default();
        Self {
            deliveries_days: defaults.deliveries.as_secs() / DAY_SECS,
            max_payloads_per_webhook: defaults.payloads,
            quarantined_days: defaults.quarantined.map(|kept| kept.as_secs() / DAY_SECS),
            rejected_days: defaults.rejected.as_secs() / DAY_SECS,
            max_rejected: defaults.rejections,
            max_file_bytes: defaults.file_bytes,
            callbacks_days: callbacks.delivered.as_secs() / DAY_SECS,
            dead_callbacks_days: callbacks.dead.as_secs() / DAY_SECS,
        }
    }
}

impl Retention {
    /// Returns whether the times make sense.
    pub(crate) fn mistakes(&self) -> impl Iterator<Item = Error> {
        let days = [
            ("deliveries_days", Some(self.deliveries_days)),
            ("quarantined_days", self.quarantined_days),
            ("callbacks_days", Some(self.callbacks_days)),
            ("dead_callbacks_days", Some(self.dead_callbacks_days)),
        ];
        days.into_iter().filter(|(_, days)| *days == Some(0)).map(|(key, _)| {
            Error::usage(format!("[retention]: {key} is 0"))
                .hint("a delivery is at least kept for a day, so that an operator can look at it")
        })
    }

    /// Returns what the sweeps go by.
    pub(crate) fn sweeps(&self) -> px_inbound::Retention {
        let days = |days: u64| Duration::from_secs(days.saturating_mul(DAY_SECS));
        px_inbound::Retention {
            deliveries: days(self.deliveries_days),
            payloads: self.max_payloads_per_webhook,
            quarantined: self.quarantined_days.map(days),
            rejected: days(self.rejected_days),
            rejections: self.max_rejected,
            file_bytes: self.max_file_bytes,
        }
    }
}

impl Retention {
    /// Returns what the sweeps of the outbox go by.
    pub(crate) fn callbacks(&self) -> px_outbound::Retention {
        let days = |days: u64| Duration::from_secs(days.saturating_mul(DAY_SECS));
        px_outbound::Retention { delivered: days(self.callbacks_days), dead: days(self.dead_callbacks_days) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_said_is_the_default_and_every_key_counts() {
        assert_eq!(Retention::default().sweeps(), px_inbound::Retention::default());
        assert_eq!(Retention::default().callbacks(), px_outbound::Retention::default());
        let text = "deliveries_days = 2\nmax_payloads_per_webhook = 3\nquarantined_days = 5\nrejected_days = 1\nmax_rejected = 4\nmax_file_bytes = 7\n\
                    callbacks_days = 6\ndead_callbacks_days = 9";
        let some: Retention = toml::from_str(text).unwrap();
        let day = Duration::from_hours(24);
        let expected = px_inbound::Retention {
            deliveries: 2 * day,
            payloads: 3,
            quarantined: Some(5 * day),
            rejected: day,
            rejections: 4,
            file_bytes: Some(7),
        };
        assert_eq!(some.sweeps(), expected);
        let expected = px_outbound::Retention { delivered: 6 * day, dead: 9 * day };
        assert_eq!(some.callbacks(), expected);
        assert_eq!(some.mistakes().count(), 0);
        for zero in ["deliveries_days = 0", "quarantined_days = 0", "callbacks_days = 0"] {
            assert_eq!(toml::from_str::<Retention>(zero).unwrap().mistakes().count(), 1, "{zero}");
        }
    }
}
