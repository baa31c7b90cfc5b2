//! The report of an audit: counts of records, and each rule that one of them breaks.

use std::collections::BTreeMap;

use px_core::RunStatus;
use serde::Serialize;

use crate::model::InboxState;
use crate::outbox::CallbackState;

/// Maximum number of violations that a report keeps; more are only counted.
pub const KEPT_VIOLATIONS: usize = 1_000;

macro_rules! rules {
    ($($name:ident, $code:literal, $says:literal;)+) => {
        /// A rule that something in a store breaks.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Rule {
            $(#[doc = $says] $name,)+
        }

        impl Rule {
            /// Every rule.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// The short name, for tables and scripts.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)+ }
            }

            /// The violation in words.
            #[must_use]
            pub const fn says(self) -> &'static str {
                match self { $(Self::$name => $says,)+ }
            }
        }
    };
}

rules! {
    Unreadable, "unreadable-row", "a row is not what was written";
    LogGap, "log-gap", "a run's log has a gap, or an entry twice";
    LogIllegal, "log-illegal", "a run's log has an entry that cannot follow";
    RunDiffers, "run-differs", "a run is not what its log says";
    LogOrphan, "log-without-run", "a piece of a log belongs to no run";
    LogPieces, "log-pieces-apart", "the pieces of a log do not join up";
    ValueOrphan, "value-without-run", "a large value belongs to no run";
    RunUnlisted, "run-unlisted", "a run is missing from a list that should show it";
    WaitNotInKey, "wait-not-in-key", "an open wait is unknown to a key that it waits on";
    WaitWithoutTimer, "wait-without-timer", "a wait has a deadline and no timer";
    ReminderWithoutTimer, "reminder-without-timer", "a reminder of a wait is to come and has no timer";
    RetryWithoutTimer, "retry-without-timer", "a step is to be tried again and neither a timer nor work says so";
    RunWithoutWork, "run-without-work", "a run is running and is not ready for the engine";
    EndedWithWaits, "ended-with-waits", "a run has ended and still waits";
    OwnerNotInKey, "owner-not-in-key", "a run owns a key that does not know it";
    TurnNotInKey, "turn-not-in-key", "a run takes turns at a place that does not know it";
    EndUnheard, "end-unheard", "a run waits for the end of a run that has ended";
    StartUnaccounted, "start-unaccounted", "a run was started by an event that no delivery says did so";
    ResponseFromNowhere, "response-from-nowhere", "a run took a response from an event that no delivery has";
    ResponseUnaccounted, "response-unaccounted", "a run took a response from an event whose delivery does not say so";
    ConsumedTwice, "event-consumed-twice", "an event was taken twice";
    ResumedWithoutResponse, "resumed-without-response", "an event counts as taken, and its run's log has no such response";
    StartedWithoutRun, "started-without-run", "an event counts as having started a run, and there is no such run";
    QueuedWithoutRow, "queued-without-row", "an event counts as queued, and is in no queue";
    DuplicateOfNothing, "duplicate-of-nothing", "an event counts as a duplicate, and its original is not there";
    LateWithoutRun, "late-without-run", "an event counts as late, and the run that it missed is not there";
    EventTwice, "event-twice", "two deliveries hold one event";
    EventOrphan, "event-without-delivery", "an event lies apart from a delivery that does not have it";
    DeliveryUnlisted, "delivery-unlisted", "a delivery is missing from a list that should show it";
    DedupMissing, "dedup-missing", "a provider's id is not remembered, so a repetition would count as new";
    DedupToNowhere, "dedup-to-nowhere", "a provider's id points to a delivery that does not have it";
    SetAsideToNowhere, "set-aside-to-nowhere", "a provider's id points to an event in quarantine that is not there";
    KeyOrphan, "key-orphan", "a key has a record that says nothing";
    StrayWait, "stray-wait-in-key", "a key holds a wait that no run has open";
    OwnerGone, "owner-gone", "a key's owner does not exist";
    OwnerEnded, "owner-ended", "a key's owner has ended";
    OwnerElsewhere, "owner-elsewhere", "a key's owner does not own it";
    LineCount, "line-count", "a key's counts or heads are not those of its line";
    LineWithoutKey, "line-without-key", "somebody waits in the line of a key that has no record";
    WaiterUnfound, "waiter-unfound", "somebody in a line is not found there";
    StrayPlace, "stray-place", "somebody is found at a place of a line where nobody is";
    StrayTurn, "stray-turn-in-key", "a place where runs take turns holds one that does not";
    QueueCount, "queue-count", "a key's count, head or next place is not that of its queue";
    QueueWithoutKey, "queue-without-key", "an event is queued on a key that has no record";
    QueueRowStray, "queue-row-stray", "a queue holds an event whose delivery does not say so";
    QueuedWithoutTimer, "queued-without-timer", "a queued event has an end and no timer";
    EventMissesWait, "event-misses-wait", "an event is queued beside an open wait that should have taken it";
    StrayWork, "stray-work", "work is ready for a run that is not running";
    StrayTimer, "stray-timer", "a timer is set for what is over";
    StartKeyToNowhere, "start-key-to-nowhere", "an idempotency key points to a run that is not there";
    HookWithoutRun, "hook-without-run", "a hook belongs to a run that is not there";
    CallbackWithoutHook, "outgoing-without-hook", "a delivery goes to a hook that is not there";
    CallbackWithoutRun, "outgoing-without-run", "a delivery tells of a run that is not there";
    CallbackUndue, "outgoing-undue", "a delivery is pending and not due, or due and not pending";
    CallbackGap, "outgoing-gap", "the deliveries of a run to a hook are not numbered without a gap";
    CallbackUnlisted, "outgoing-unlisted", "a delivery of the outbox is missing from a list that should show it";
    StrayDue, "stray-due", "something is due that no pending delivery says is";
    AttemptMissing, "attempt-missing", "a delivery counts an attempt that is not there";
    StrayAttempt, "stray-attempt", "an attempt belongs to no delivery";
    KvCount, "kv-count", "the number of values that a brain has is not that of its record";
    KvWithoutBrain, "kv-without-brain", "a brain has values and no record that counts them";
}

impl Serialize for Rule {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// Rule that is broken.
    pub code: Rule,
    /// The violation in words.
    pub message: String,
    /// Ids of the records that it concerns, by their kinds.
    pub ids: BTreeMap<&'static str, String>,
}

/// The number of rows of each kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// Runs, by status.
    pub runs: BTreeMap<RunStatus, u64>,
    /// Entries of all logs.
    pub log_entries: u64,
    /// Pieces of logs beside their runs.
    pub log_pieces: u64,
    /// Large values of runs that lie apart.
    pub values: u64,
    /// Open waits of runs.
    pub waits: u64,
    /// Deliveries.
    pub deliveries: u64,
    /// Events of deliveries, by state.
    pub events: BTreeMap<InboxState, u64>,
    /// Providers' ids.
    pub dedups: u64,
    /// Keys.
    pub keys: u64,
    /// Waits and turns in the lines of keys.
    pub waiters: u64,
    /// Events in queues.
    pub queued: u64,
    /// Ready runs.
    pub work: u64,
    /// Timers, by kind.
    pub timers: BTreeMap<&'static str, u64>,
    /// Idempotency keys of starts.
    pub start_keys: u64,
    /// Hooks, those of single runs among them.
    pub hooks: u64,
    /// Deliveries of the outbox, by state.
    pub callback: BTreeMap<CallbackState, u64>,
    /// Rows that say when a callback is due.
    pub due: u64,
    /// Attempts to deliver.
    pub attempts: u64,
    /// Endpoints of hooks.
    pub endpoints: u64,
    /// Deliveries that were forgotten.
    pub forgotten: u64,
    /// API tokens.
    pub tokens: u64,
    /// Values that outlive runs.
    pub kv: u64,
    /// Secrets.
    pub secrets: u64,
}

/// The findings of an audit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The number of rows of each kind.
    pub counts: Counts,
    /// Number of violations of each rule.
    pub broken: BTreeMap<Rule, u64>,
    /// The first [`KEPT_VIOLATIONS`].
    pub violations: Vec<Violation>,
}

impl Report {
    /// Returns true if nothing is wrong.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.broken.is_empty()
    }

    /// Returns the number of violations, kept or not.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.broken.values().sum()
    }

    /// Returns the number of runs.
    #[must_use]
    pub fn runs(&self) -> u64 {
        self.counts.runs.values().sum()
    }

    pub(super) fn violation(
        &mut self,
        code: Rule,
        detail: &str,
        ids: impl IntoIterator<Item = (&'static str, String)>,
    ) {
        *self.broken.entry(code).or_default() += 1;
        if self.violations.len() < KEPT_VIOLATIONS {
            let message =
                if detail.is_empty() { code.says().to_owned() } else { format!("{}: {detail}", code.says()) };
            self.violations.push(Violation { code, message, ids: ids.into_iter().collect() });
        }
    }
}
