//! Hooks as they are kept: where events go, which ones, how they are signed and
//! how often they are tried. It owns the records and what they match; it knows
//! no HTTP, makes no signature and cannot read a secret: those are opaque
//! encrypted bytes here.

mod format;
mod pattern;
mod retry;
mod secrets;
mod signing;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::id::{HookId, RunId};
use crate::lifecycle::Kind;
use crate::time::Timestamp;

pub use format::Format;
pub use pattern::glob_fits;
pub use retry::RetryPolicy;
pub use secrets::{OldSecret, Sealed, Secrets};
pub use signing::Signing;

/// Origin of a hook; it decides who may change the hook, and which runs it is told of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "run", rename_all = "snake_case")]
pub enum Source {
    /// The `webhookUrl` of one run.
    Run(RunId),
    /// `[[hooks]]` in `px.toml`.
    Config,
    /// `POST /hooks`.
    Api,
}

/// Reason that a hook takes no callbacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DisabledBy {
    /// Somebody said so: nothing is kept for it meanwhile.
    Operator,
    /// Its receiver answered 410.
    Gone,
    /// Days of nothing but failure.
    Failing,
}

/// Record of a hook that takes no callbacks: the reason, and the time since which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disabled {
    /// Reason that the hook is disabled.
    pub by: DisabledBy,
    /// Time since which it is disabled.
    pub at: Timestamp,
}

/// An outbound endpoint, and everything that decides what it is sent and how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hook {
    /// Its id.
    pub id: HookId,
    /// A name for people; unique among configured hooks.
    pub name: String,
    /// URL that requests are sent to: http or https, without credentials.
    pub url: String,
    /// Types of events, exact or globs such as `run.*`; empty means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<String>,
    /// Titles of brains, exact or globs; empty means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub brains: Vec<String>,
    /// Format of bodies.
    #[serde(default)]
    pub format: Format,
    /// Signature scheme of requests.
    #[serde(default)]
    pub signing: Signing,
    /// Secrets that requests are signed with.
    #[serde(default)]
    pub secrets: Secrets,
    /// Delays between the attempts of a callback.
    #[serde(default)]
    pub retry: RetryPolicy,
    /// Headers that every request carries; a value may be a password.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, Sealed)>,
    /// A whole attempt may take this long, milliseconds.
    pub timeout_ms: u64,
    /// So many requests to its endpoint may be under way at once.
    pub max_in_flight: u32,
    /// At most so many requests a second; none means no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_per_second: Option<u32>,
    /// One delivery of a run at a time, in the order of `seq`.
    #[serde(default)]
    pub ordered: bool,
    /// True if requests may go to private and loopback addresses. Others refuse these, since whoever can
    /// set a URL could otherwise make px call services of its own network.
    #[serde(default)]
    pub allow_private: bool,
    /// Set while the hook takes no callbacks: the reason, and the time since which.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled: Option<Disabled>,
    /// Time since which every attempt has failed; none if the last one did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing_since: Option<Timestamp>,
    /// Set when it was deleted: it is kept until nothing refers to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_at: Option<Timestamp>,
    /// Origin of the hook.
    pub source: Source,
    /// Time of its creation.
    pub created_at: Timestamp,
}

impl Hook {
    /// Maximum time of one attempt unless the hook says otherwise.
    pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
    /// Maximum number of requests under way to an endpoint unless the hook says otherwise.
    pub const DEFAULT_IN_FLIGHT: u32 = 16;

    /// A hook with every choice left at its default.
    #[must_use]
    pub fn new(id: HookId, url: impl Into<String>, source: Source, now: Timestamp) -> Self {
        Self {
            id,
            name: String::new(),
            url: url.into(),
            events: Vec::new(),
            brains: Vec::new(),
            format: Format::default(),
            signing: Signing::default(),
            secrets: Secrets::default(),
            retry: RetryPolicy::default(),
            headers: Vec::new(),
            timeout_ms: 10_000,
            max_in_flight: Self::DEFAULT_IN_FLIGHT,
            rate_per_second: None,
            ordered: matches!(source, Source::Run(_)),
            allow_private: false,
            disabled: None,
            failing_since: None,
            deleted_at: None,
            source,
            created_at: now,
        }
    }

    /// Returns true if the hook is told of one run only. That run's record names it, and it is not among
    /// the hooks that everybody's events are matched with.
    #[must_use]
    pub const fn is_own(&self) -> bool {
        matches!(self.source, Source::Run(_))
    }

    /// Returns true if events are kept for the hook. A deleted hook gets none, nor does one that was
    /// disabled by hand; a hook that px disabled gets them later, when it is enabled again.
    #[must_use]
    pub fn listens(&self) -> bool {
        self.deleted_at.is_none() && self.disabled.is_none_or(|disabled| disabled.by != DisabledBy::Operator)
    }

    /// Returns true if the hook's filters let an event of this type and brain pass. An event that belongs
    /// to no brain passes a filter on brains only if that filter is empty.
    #[must_use]
    pub fn matches(&self, kind: Kind, brain: Option<&str>) -> bool {
        let named = |globs: &[String], name: &str| globs.iter().any(|glob| glob_fits(glob, name));
        (self.events.is_empty() || named(&self.events, kind.as_str()))
            && (self.brains.is_empty() || brain.is_some_and(|brain| named(&self.brains, brain)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_and_brains_take_names_and_globs_and_empty_means_all() {
        let id = HookId::from_bytes([1; 16]);
        let mut hook = Hook::new(id, "https://example.org", Source::Api, Timestamp::EPOCH);
        assert!(hook.matches(Kind::StepStarted, Some("chat")));
        hook.events = vec!["run.*".into(), "step.retrying".into()];
        assert!(hook.matches(Kind::RunFailed, Some("chat")));
        assert!(hook.matches(Kind::StepRetrying, Some("chat")));
        assert!(!hook.matches(Kind::StepStarted, Some("chat")));
        hook.brains = vec!["customer-*".into()];
        assert!(!hook.matches(Kind::RunFailed, Some("chat")));
        assert!(hook.matches(Kind::RunFailed, Some("customer-feedback")));
        assert!(!hook.matches(Kind::RunFailed, None));
    }
}
