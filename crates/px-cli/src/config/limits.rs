//! `[limits]` of the configuration: what the whole process takes in at once.
//! What one webhook takes is in `[webhooks.<slug>]`.
//!
//! | key | default | what |
//! |---|---|---|
//! | `max_connections` | 16384 | connections at once; at the bound the one that waits for longest is closed |
//! | `idle_timeout_secs` | 60 | how long a connection may wait for a request |
//! | `head_timeout_secs` | 10 | how long the head of a request may take |
//! | `max_head_bytes` | 65536 | the head of a request (431), and what a connection buffers |
//! | `max_headers` | 80 | header lines of a webhook request (431) |
//! | `max_in_flight` | 4096 | webhook requests inside at once (503) |
//! | `reserved_in_flight` | 512 | of these, kept for providers that never send again |
//! | `max_in_flight_per_address` | 1024 | of these, from one address |
//! | `max_held_bytes` | 256 MiB | bodies of webhook requests in memory at once (503) |
//! | `max_addresses` | 8192 | addresses whose rate is remembered |
//! | `max_concurrent_steps` | 512 | steps that run at once; more wait for their turn |
//! | `max_stalled` | 16 | threads that are written off to steps and handlers that never yield |
//! | `max_rejected_per_minute` | 60 | records that rejected requests of one webhook leave in a minute |
//! | `max_rejected_per_minute_per_address` | 10 | of these, from one address |

use std::time::Duration;

use px_engine::Limits as StepLimits;
use px_inbound::{GateLimits, RejectionLimits};
use px_pool::Limits as PoolLimits;
use px_server::ConnectionLimits;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// File descriptors that are kept for the store and the like.
const OWN_FILES: u64 = 512;

/// The greatest `max_concurrent_steps`.
const MAX_CONCURRENT_STEPS: usize = 1_000_000;

/// The greatest `max_stalled`.
const MAX_STALLED: usize = 1_024;

/// `[limits]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Limits {
    max_connections: usize,
    idle_timeout_secs: u64,
    head_timeout_secs: u64,
    max_head_bytes: usize,
    pub(crate) max_headers: usize,
    max_in_flight: usize,
    reserved_in_flight: usize,
    max_in_flight_per_address: usize,
    max_held_bytes: usize,
    max_addresses: usize,
    pub(crate) max_concurrent_steps: usize,
    max_stalled: usize,
    max_rejected_per_minute: u32,
    max_rejected_per_minute_per_address: u32,
}

impl Default for Limits {
    fn default() -> Self {
        let (connections, gate) = (ConnectionLimits::default(), GateLimits::default());
        let rejections = RejectionLimits::default();
        Self {
            max_connections: connections.connections,
            idle_timeout_secs: connections.idle.as_secs(),
            head_timeout_secs: connections.head.as_secs(),
            max_head_bytes: connections.head_bytes,
            max_headers: 80,
            max_in_flight: gate.in_flight,
            reserved_in_flight: gate.reserved,
            max_in_flight_per_address: gate.in_flight_per_address,
            max_held_bytes: gate.body_bytes,
            max_addresses: gate.addresses,
            max_concurrent_steps: StepLimits::default().max_concurrent_steps,
            max_stalled: PoolLimits::default().max_stalled,
            max_rejected_per_minute: rejections.per_webhook,
            max_rejected_per_minute_per_address: rejections.per_sender,
        }
    }
}

impl Limits {
    /// Returns whether the bounds fit each other.
    pub(crate) fn check(&self) -> Result<()> {
        let bad = |what: &str, hint: &str| Err(Error::usage(format!("[limits]: {what}")).hint(hint));
        if self.max_connections <= self.max_in_flight {
            return bad(
                "max_connections has to be greater than max_in_flight",
                "requests never lose their connection to a newcomer, so there have to be more connections",
            );
        }
        if self.reserved_in_flight >= self.max_in_flight {
            return bad(
                "reserved_in_flight leaves nothing of max_in_flight",
                "it is the part that only providers that never send again may use",
            );
        }
        if self.max_head_bytes < 8 * 1024 {
            return bad("max_head_bytes is less than 8192", "heads of that size are usual");
        }
        let zeros = [
            ("idle_timeout_secs", self.idle_timeout_secs == 0),
            ("head_timeout_secs", self.head_timeout_secs == 0),
            ("max_headers", self.max_headers == 0),
            ("max_in_flight_per_address", self.max_in_flight_per_address == 0),
            ("max_held_bytes", self.max_held_bytes == 0),
            ("max_concurrent_steps", self.max_concurrent_steps == 0),
            ("max_stalled", self.max_stalled == 0),
        ];
        if self.max_stalled > MAX_STALLED {
            return bad(
                &format!("max_stalled is more than {MAX_STALLED}"),
                "each is a thread that computes or blocks for ever: mend the step that the log names instead",
            );
        }
        if self.max_concurrent_steps > MAX_CONCURRENT_STEPS {
            return bad(
                &format!("max_concurrent_steps is more than {MAX_CONCURRENT_STEPS}"),
                "each step that runs holds its state in memory; more wait for their turn",
            );
        }
        match zeros.into_iter().find(|(_, is_zero)| *is_zero) {
            Some((name, _)) => bad(&format!("{name} is 0"), "nothing could be done then"),
            None => Ok(()),
        }
    }

    /// The bounds of connections, as far as the process may open files, and
    /// what to say if that is less than was asked for.
    pub(crate) fn connections(&self) -> (ConnectionLimits, Option<String>) {
        let (connections, warning) = match open_files() {
            Some(files) if files.saturating_sub(OWN_FILES) < self.max_connections as u64 => {
                let most = files.saturating_sub(OWN_FILES).max(64);
                let warning = format!(
                    "this process may open {files} files, so at most {most} connections are served at once \
                     instead of {}: raise the limit (ulimit -n, LimitNOFILE=)",
                    self.max_connections
                );
                (usize::try_from(most).unwrap_or(usize::MAX), Some(warning))
            }
            _ => (self.max_connections, None),
        };
        let limits = ConnectionLimits {
            connections,
            idle: Duration::from_secs(self.idle_timeout_secs),
            head: Duration::from_secs(self.head_timeout_secs),
            head_bytes: self.max_head_bytes,
        };
        (limits, warning)
    }

    /// The bounds of the gate.
    pub(crate) fn gate(&self) -> GateLimits {
        GateLimits {
            in_flight: self.max_in_flight,
            reserved: self.reserved_in_flight,
            in_flight_per_address: self.max_in_flight_per_address,
            body_bytes: self.max_held_bytes,
            addresses: self.max_addresses,
        }
    }

    /// The bounds of the threads that users' code runs on.
    pub(crate) fn pool(&self) -> PoolLimits {
        PoolLimits { max_stalled: self.max_stalled, ..PoolLimits::default() }
    }

    /// The bounds of the records that rejected requests leave.
    pub(crate) fn rejections(&self) -> RejectionLimits {
        RejectionLimits {
            per_webhook: self.max_rejected_per_minute,
            per_sender: self.max_rejected_per_minute_per_address,
        }
    }
}

/// Returns how many files the process may open, raised as far as it may be. `None` for
/// no bound.
fn open_files() -> Option<u64> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(text: &str) -> Limits {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn every_bound_can_be_set_and_those_that_contradict_each_other_are_refused() {
        let some = limits(
            "max_connections = 100\nidle_timeout_secs = 1\nhead_timeout_secs = 2\nmax_head_bytes = 9000\n\
             max_in_flight = 50\nreserved_in_flight = 5\nmax_in_flight_per_address = 6\nmax_held_bytes = 7\n\
             max_addresses = 8\nmax_stalled = 4\nmax_concurrent_steps = 3\nmax_rejected_per_minute = 9\nmax_rejected_per_minute_per_address = 3",
        );
        some.check().unwrap();
        assert_eq!(
            some.connections().0,
            ConnectionLimits {
                connections: 100,
                idle: Duration::from_secs(1),
                head: Duration::from_secs(2),
                head_bytes: 9_000,
            }
        );
        let gate =
            GateLimits { in_flight: 50, reserved: 5, in_flight_per_address: 6, body_bytes: 7, addresses: 8 };
        assert_eq!(some.gate(), gate);
        assert_eq!((some.pool().max_stalled, some.max_concurrent_steps), (4, 3));
        assert_eq!(some.rejections(), RejectionLimits { per_webhook: 9, per_sender: 3 });
        for (text, part) in [
            ("max_connections = 4096", "max_connections has to be greater"),
            ("reserved_in_flight = 4096", "leaves nothing"),
            ("max_head_bytes = 100", "8192"),
            ("head_timeout_secs = 0", "head_timeout_secs is 0"),
            ("max_stalled = 0", "max_stalled is 0"),
            ("max_stalled = 2000", "more than 1024"),
            ("max_concurrent_steps = 1000001", "more than 1000000"),
        ] {
            let error = limits(text).check().unwrap_err();
            assert!(error.message.contains(part), "{}", error.message);
        }
        limits("").check().unwrap();
    }
}
