//! `[limits]` of the configuration: what the whole process takes in at once.
//! What one webhook takes is in `[webhooks.<slug>]`.
//!
//! | key | default | what |
//! |---|---|---|
//! | `max_connections` | 16384 | connections at once; at the bound the one that waits for longest is closed |
//! | `max_streams` | 4096, at most a quarter of `max_connections` | streams of events at once (503); one API token or address has half of them |
//! | `idle_timeout_secs` | 60 | how long a connection may wait for a request |
//! | `head_timeout_secs` | 10 | how long the head of a request may take |
//! | `max_head_bytes` | 65536 | the head of a request (431), and what a connection buffers |
//! | `max_headers` | 80 | header lines of a webhook request (431) |
//! | `max_batch_events` | 2000 | events that one webhook request may bring (422) |
//! | `max_in_flight` | 4096 | webhook requests inside at once (503) |
//! | `reserved_in_flight` | 512 | of these, kept for providers that never send again |
//! | `max_in_flight_per_address` | 1024 | of these, from one address |
//! | `max_held_bytes` | 256 MiB | bodies of webhook requests in memory at once (503) |
//! | `max_spilled_bytes` | 1 GiB | forms with files on the disk at once, while they come (503) |
//! | `max_addresses` | 8192 | addresses whose rate is remembered |
//! | `max_concurrent_steps` | 512 | steps that run at once; more wait for their turn |
//! | `max_state_bytes` | 4 MiB | the state of a run that grew, and what else a step hands over to be kept |
//! | `max_kv_value_bytes` | 64 KiB | a value that outlives runs |
//! | `max_kv_keys` | 10000 | such values of one brain |
//! | `max_stalled` | 16 | threads that are written off to steps and handlers that never yield |
//! | `max_rejected_per_minute` | 60 | records that rejected requests of one webhook leave in a minute |
//! | `max_rejected_per_minute_per_address` | 10 | of these, from one address |

use std::time::Duration;

use px_engine::Limits as StepLimits;
use px_inbound::{GateLimits, RejectionLimits};
use px_pool::Limits as PoolLimits;
use px_server::{ConnectionLimits, StreamLimits};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// File descriptors that are kept for the store, for callbacks and the like; half
/// of them all where there are few.
const OWN_FILES: u64 = 512;

/// With fewer file descriptors px does not start.
const MIN_FILES: u64 = 128;

/// The greatest `max_concurrent_steps`.
const MAX_CONCURRENT_STEPS: usize = 1_000_000;

/// The least and the greatest `max_state_bytes`: a commit holds a state several times.
const MIN_STATE_BYTES: usize = 1_024;
const MAX_STATE_BYTES: usize = 64 * 1024 * 1024;

/// The greatest `max_kv_value_bytes`: values are read and written whole, by every run that wants them.
const MAX_KV_VALUE_BYTES: usize = 4 * 1024 * 1024;

/// The greatest `max_batch_events`: all of them are accepted in one commit.
const MAX_BATCH_EVENTS: usize = 20_000;

/// The greatest `max_stalled`.
const MAX_STALLED: usize = 1_024;

/// `[limits]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Limits {
    max_connections: usize,
    max_streams: Option<usize>,
    idle_timeout_secs: u64,
    head_timeout_secs: u64,
    max_head_bytes: usize,
    pub(crate) max_headers: usize,
    pub(crate) max_batch_events: usize,
    max_in_flight: usize,
    reserved_in_flight: usize,
    max_in_flight_per_address: usize,
    max_held_bytes: usize,
    max_spilled_bytes: u64,
    max_addresses: usize,
    pub(crate) max_concurrent_steps: usize,
    pub(crate) max_state_bytes: usize,
    max_kv_value_bytes: usize,
    max_kv_keys: u64,
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
            max_streams: None,
            idle_timeout_secs: connections.idle.as_secs(),
            head_timeout_secs: connections.head.as_secs(),
            max_head_bytes: connections.head_bytes,
            max_headers: 80,
            max_batch_events: px_inbound::USUAL_BATCH_EVENTS,
            max_in_flight: gate.in_flight,
            reserved_in_flight: gate.reserved,
            max_in_flight_per_address: gate.in_flight_per_address,
            max_held_bytes: gate.body_bytes,
            max_spilled_bytes: gate.spilled_bytes,
            max_addresses: gate.addresses,
            max_concurrent_steps: StepLimits::default().max_concurrent_steps,
            max_state_bytes: StepLimits::default().max_state_bytes,
            max_kv_value_bytes: StepLimits::default().max_kv_value_bytes,
            max_kv_keys: StepLimits::default().max_kv_keys,
            max_stalled: PoolLimits::default().max_stalled,
            max_rejected_per_minute: rejections.per_webhook,
            max_rejected_per_minute_per_address: rejections.per_sender,
        }
    }
}

impl Limits {
    /// Returns all that is wrong with the bounds, and between them.
    pub(crate) fn mistakes(&self) -> Vec<Error> {
        let mut mistakes = Vec::new();
        let mut bad = |is_bad: bool, what: &str, hint: &str| {
            if is_bad {
                mistakes.push(Error::usage(format!("[limits]: {what}")).hint(hint));
            }
        };
        let is_narrow = self.max_connections <= self.max_in_flight;
        bad(
            is_narrow,
            "max_connections has to be greater than max_in_flight",
            "requests never lose their connection to a newcomer, so there have to be more connections",
        );
        let both = |streams: usize| self.max_in_flight.saturating_add(streams);
        bad(
            !is_narrow && self.max_streams.is_some_and(|streams| self.max_connections <= both(streams)),
            "max_connections has to be greater than max_in_flight and max_streams together",
            "a stream holds its connection, and so does a webhook request",
        );
        bad(
            self.reserved_in_flight >= self.max_in_flight,
            "reserved_in_flight leaves nothing of max_in_flight",
            "it is the part that only providers that never send again may use",
        );
        bad(
            self.max_head_bytes < 8 * 1024,
            "max_head_bytes is less than 8192",
            "heads of that size are usual",
        );
        bad(
            !(1..=MAX_BATCH_EVENTS).contains(&self.max_batch_events),
            &format!("max_batch_events is {}", self.max_batch_events),
            &format!("from 1 to {MAX_BATCH_EVENTS} can be taken; the events of a request share one commit"),
        );
        bad(
            self.max_stalled > MAX_STALLED,
            &format!("max_stalled is more than {MAX_STALLED}"),
            "each is a thread that computes or blocks for ever: mend the step that the log names instead",
        );
        bad(
            self.max_concurrent_steps > MAX_CONCURRENT_STEPS,
            &format!("max_concurrent_steps is more than {MAX_CONCURRENT_STEPS}"),
            "each step that runs holds its state in memory; more wait for their turn",
        );
        bad(
            !(MIN_STATE_BYTES..=MAX_STATE_BYTES).contains(&self.max_state_bytes),
            &format!("max_state_bytes is {}", self.max_state_bytes),
            &format!(
                "from {MIN_STATE_BYTES} to {MAX_STATE_BYTES} can be kept; each commit of a run writes its state"
            ),
        );
        bad(
            !(1..=MAX_KV_VALUE_BYTES).contains(&self.max_kv_value_bytes),
            &format!("max_kv_value_bytes is {}", self.max_kv_value_bytes),
            &format!("from 1 to {MAX_KV_VALUE_BYTES} can be kept; each write of a value writes all of it"),
        );
        for (name, is_zero) in self.zeros() {
            bad(is_zero, &format!("{name} is 0"), "nothing could be done then");
        }
        mistakes
    }

    /// The same bounds, lowered together as far as the process may open files, and
    /// what to say if that is less than was asked for.
    ///
    /// # Errors
    /// The process may open too few.
    pub(crate) fn fitted(self) -> Result<(Self, Option<String>)> {
        self.fitted_to(open_files())
    }

    fn fitted_to(self, files: Option<u64>) -> Result<(Self, Option<String>)> {
        let Some(files) = files else { return Ok((self, None)) };
        if files < MIN_FILES {
            let text = format!("this process may open {files} files, and px needs {MIN_FILES} at least");
            return Err(Error::usage(text).hint("raise the limit: ulimit -n, LimitNOFILE="));
        }
        let room = files - OWN_FILES.min(files / 2);
        let room = usize::try_from(room).unwrap_or(usize::MAX);
        if room >= self.max_connections {
            return Ok((self, None));
        }
        let in_flight = self.max_in_flight.min(room / 2);
        let fitted = Self {
            max_connections: room,
            max_streams: Some(self.streams().streams.min(room / 4)),
            max_in_flight: in_flight,
            reserved_in_flight: self.reserved_in_flight.min(in_flight / 8),
            max_in_flight_per_address: self.max_in_flight_per_address.min(in_flight),
            ..self.clone()
        };
        let warning = format!(
            "this process may open {files} files, so at most {room} connections are served at once instead of \
             {}, {in_flight} webhook requests instead of {}, and {} streams instead of {}: raise the limit \
             (ulimit -n, LimitNOFILE=)",
            self.max_connections,
            self.max_in_flight,
            fitted.streams().streams,
            self.streams().streams,
        );
        Ok((fitted, Some(warning)))
    }

    /// Bounds that may not be 0, and whether they are.
    fn zeros(&self) -> [(&'static str, bool); 9] {
        [
            ("idle_timeout_secs", self.idle_timeout_secs == 0),
            ("head_timeout_secs", self.head_timeout_secs == 0),
            ("max_streams", self.max_streams == Some(0)),
            ("max_headers", self.max_headers == 0),
            ("max_in_flight_per_address", self.max_in_flight_per_address == 0),
            ("max_held_bytes", self.max_held_bytes == 0),
            ("max_spilled_bytes", self.max_spilled_bytes == 0),
            ("max_concurrent_steps", self.max_concurrent_steps == 0),
            ("max_stalled", self.max_stalled == 0),
        ]
    }

    /// The bounds of connections.
    pub(crate) fn connections(&self) -> ConnectionLimits {
        ConnectionLimits {
            connections: self.max_connections,
            idle: Duration::from_secs(self.idle_timeout_secs),
            head: Duration::from_secs(self.head_timeout_secs),
            head_bytes: self.max_head_bytes,
        }
    }

    /// The bound of streams: what is configured, else what leaves room for requests.
    pub(crate) fn streams(&self) -> StreamLimits {
        let room = self.max_connections.saturating_sub(self.max_in_flight + 1).max(1);
        let usual = StreamLimits::beside(self.max_connections).streams.min(room);
        StreamLimits { streams: self.max_streams.unwrap_or(usual) }
    }

    /// The bounds of the gate.
    pub(crate) fn gate(&self) -> GateLimits {
        GateLimits {
            in_flight: self.max_in_flight,
            reserved: self.reserved_in_flight,
            in_flight_per_address: self.max_in_flight_per_address,
            body_bytes: self.max_held_bytes,
            spilled_bytes: self.max_spilled_bytes,
            addresses: self.max_addresses,
        }
    }

    /// The bounds of the threads that users' code runs on.
    pub(crate) fn pool(&self) -> PoolLimits {
        PoolLimits { max_stalled: self.max_stalled, ..PoolLimits::default() }
    }

    /// The bounds of steps.
    pub(crate) fn steps(&self) -> StepLimits {
        StepLimits {
            max_concurrent_steps: self.max_concurrent_steps,
            max_state_bytes: self.max_state_bytes,
            max_kv_value_bytes: self.max_kv_value_bytes,
            max_kv_keys: self.max_kv_keys,
            ..StepLimits::default()
        }
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
             max_in_flight = 50\nreserved_in_flight = 5\nmax_in_flight_per_address = 6\nmax_held_bytes = 7\nmax_spilled_bytes = 70\n\
             max_addresses = 8\nmax_state_bytes = 5000\nmax_kv_value_bytes = 600\nmax_kv_keys = 70\nmax_batch_events = 11\nmax_stalled = 4\nmax_concurrent_steps = 3\nmax_rejected_per_minute = 9\nmax_rejected_per_minute_per_address = 3",
        );
        assert!(some.mistakes().is_empty());
        assert_eq!(
            some.connections(),
            ConnectionLimits {
                connections: 100,
                idle: Duration::from_secs(1),
                head: Duration::from_secs(2),
                head_bytes: 9_000,
            }
        );
        let gate = GateLimits {
            in_flight: 50,
            reserved: 5,
            in_flight_per_address: 6,
            body_bytes: 7,
            spilled_bytes: 70,
            addresses: 8,
        };
        assert_eq!(some.gate(), gate);
        assert_eq!((some.pool().max_stalled, some.max_concurrent_steps, some.max_state_bytes), (4, 3, 5000));
        assert_eq!((some.steps().max_kv_value_bytes, some.steps().max_kv_keys), (600, 70));
        assert_eq!((some.max_batch_events, limits("").max_batch_events), (11, 2_000));
        assert_eq!(some.rejections(), RejectionLimits { per_webhook: 9, per_sender: 3 });
        for (text, part) in [
            ("max_connections = 4096", "max_connections has to be greater"),
            ("reserved_in_flight = 4096", "leaves nothing"),
            ("max_streams = 20000", "max_in_flight and max_streams together"),
            ("max_streams = 0", "max_streams is 0"),
            ("max_head_bytes = 100", "8192"),
            ("head_timeout_secs = 0", "head_timeout_secs is 0"),
            ("max_state_bytes = 10", "max_state_bytes is 10"),
            ("max_state_bytes = 1000000000", "max_state_bytes is 1000000000"),
            ("max_kv_value_bytes = 0", "max_kv_value_bytes is 0"),
            ("max_kv_value_bytes = 4194305", "max_kv_value_bytes is 4194305"),
            ("max_batch_events = 0", "max_batch_events is 0"),
            ("max_batch_events = 20001", "max_batch_events is 20001"),
            ("max_stalled = 0", "max_stalled is 0"),
            ("max_stalled = 2000", "more than 1024"),
            ("max_concurrent_steps = 1000001", "more than 1000000"),
        ] {
            let mistakes = limits(text).mistakes();
            assert!(mistakes.len() == 1 && mistakes[0].message.contains(part), "{text}: {mistakes:?}");
        }
        assert_eq!(limits("max_stalled = 0\nmax_head_bytes = 1\nmax_connections = 1").mistakes().len(), 3);
    }

    #[test]
    fn streams_are_a_quarter_of_the_connections_and_leave_room_for_requests() {
        let streams = |text: &str| limits(text).streams().streams;
        assert_eq!(streams(""), 4_096);
        assert_eq!(streams("max_connections = 200\nmax_in_flight = 100"), 50);
        assert_eq!(streams("max_connections = 110\nmax_in_flight = 100"), 9);
        assert_eq!(streams("max_connections = 200\nmax_in_flight = 100\nmax_streams = 7"), 7);
        assert_eq!(streams("max_connections = 100000\nmax_in_flight = 100"), 4_096);
    }

    #[test]
    fn all_bounds_are_lowered_together_where_the_process_may_open_few_files() {
        for files in [128, 256, 1_023, 1_024, 4_096, 16_384] {
            let (fitted, warning) = limits("").fitted_to(Some(files)).unwrap();
            assert!(warning.unwrap().contains("streams instead of 4096"), "{files}");
            assert!(fitted.mistakes().is_empty());
            let (connections, gate) = (fitted.connections().connections, fitted.gate());
            assert!(connections as u64 + 64 <= files, "{files}: {connections}");
            assert!(gate.in_flight + fitted.streams().streams < connections, "{files}");
            assert!(gate.reserved < gate.in_flight && gate.in_flight_per_address <= gate.in_flight);
        }
        assert_eq!(limits("").fitted_to(Some(20_000)).unwrap(), (limits(""), None));
        assert_eq!(limits("").fitted_to(None).unwrap(), (limits(""), None));
        assert!(limits("").fitted_to(Some(127)).unwrap_err().message.contains("127 files"));
    }
}
