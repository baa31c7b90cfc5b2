//! Hooks as they are kept: where events go, which ones, how they are signed and
//! how often they are tried. It owns the records and what they match; it knows
//! no HTTP, makes no signature and cannot read a secret: those are opaque
//! encrypted bytes here.

use std::time::Duration;

use px_core::lifecycle::Kind;
use px_core::{HookId, RunId, Timestamp};
use serde::{Deserialize, Serialize};

use super::pattern::glob_fits;
use super::retry::RetryPolicy;

/// How the body of a delivery looks (HOOKS section 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// px's own.
    #[default]
    Px,
    /// CloudEvents 1.0, structured JSON.
    CloudEvents,
    /// `event_type, agent_id, request_id, seq, timestamp, is_final, payload`.
    Forge,
    /// `event, timestamp, data`.
    Rdev,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 4] = [Self::Px, Self::CloudEvents, Self::Forge, Self::Rdev];

    /// The word in the configuration and on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Px => "px",
            Self::CloudEvents => "cloudevents",
            Self::Forge => "forge",
            Self::Rdev => "rdev",
        }
    }

    /// The format of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.as_str() == name)
    }
}

/// How a request is signed (HOOKS section 3), with the names of the headers
/// where those can be chosen.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(tag = "mode", rename_all = "kebab-case")]
pub enum Signing {
    /// Standard Webhooks, HMAC: `v1,`.
    #[default]
    Standard,
    /// Standard Webhooks, Ed25519: `v1a,`.
    StandardAsymmetric,
    /// As GitHub does: `X-Hub-Signature-256`.
    Github,
    /// A timestamp header, and a signature over `timestamp.body`.
    Timestamped {
        /// The header of the timestamp, `X-Px-Timestamp` by default.
        timestamp_header: String,
        /// The header of the signature, `X-Px-Signature` by default.
        signature_header: String,
    },
    /// As Stripe does: `t=…,v1=…` in one header.
    Stripe {
        /// That header, `Stripe-Signature` by default.
        header: String,
    },
}

impl Signing {
    /// The word in the configuration and on the wire.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::StandardAsymmetric => "standard-asymmetric",
            Self::Github => "github",
            Self::Timestamped { .. } => "timestamped",
            Self::Stripe { .. } => "stripe",
        }
    }

    /// The mode of this name, with the default names of its headers.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "standard" => Self::Standard,
            "standard-asymmetric" => Self::StandardAsymmetric,
            "github" => Self::Github,
            "timestamped" => Self::Timestamped {
                timestamp_header: "X-Px-Timestamp".into(),
                signature_header: "X-Px-Signature".into(),
            },
            "stripe" => Self::Stripe { header: "Stripe-Signature".into() },
            _ => return None,
        })
    }
}

/// A secret that only the sender's key can read: nonce and ciphertext.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sealed(pub Vec<u8>);

impl std::fmt::Debug for Sealed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sealed({} bytes)", self.0.len())
    }
}

/// A secret that was replaced and signs beside its successor for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OldSecret {
    /// The secret.
    pub secret: Sealed,
    /// When it stops signing.
    pub until: Timestamp,
}

/// What a hook signs with.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Secrets {
    /// The newest one; without any, nothing is signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<Sealed>,
    /// Those in their grace period, newest first, at most [`Secrets::MAX_OLD`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub old: Vec<OldSecret>,
}

impl Secrets {
    /// How many old secrets may sign beside the current one.
    pub const MAX_OLD: usize = 10;
    /// How long an old secret goes on signing unless somebody says otherwise.
    pub const DEFAULT_GRACE: Duration = Duration::from_hours(24);
    /// How long it may go on at most.
    pub const MAX_GRACE: Duration = Duration::from_hours(7 * 24);

    /// Makes `next` the current secret; the one before it signs on for `grace`.
    pub fn rotate(&mut self, next: Sealed, now: Timestamp, grace: Duration) {
        self.old.retain(|old| old.until > now);
        if let Some(secret) = self.current.replace(next).filter(|_| !grace.is_zero()) {
            self.old.insert(0, OldSecret { secret, until: now.after(grace.min(Self::MAX_GRACE)) });
        }
        self.old.truncate(Self::MAX_OLD);
    }

    /// The secrets that sign at `now`, the current one first.
    pub fn signing(&self, now: Timestamp) -> impl Iterator<Item = &Sealed> {
        let old = self.old.iter().filter(move |old| old.until > now).map(|old| &old.secret);
        self.current.iter().chain(old)
    }
}

/// Where a hook comes from (HOOKS section 1).
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

/// Why a hook takes no deliveries.
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

/// Since when and why a hook takes no deliveries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disabled {
    /// Why.
    pub by: DisabledBy,
    /// Since when.
    pub at: Timestamp,
}

/// An outbound endpoint, and everything that decides what it is sent and how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hook {
    /// Its id.
    pub id: HookId,
    /// A name for people; unique among configured hooks.
    pub name: String,
    /// Where requests go: http or https, without credentials.
    pub url: String,
    /// Types of events, exact or globs such as `run.*`; empty means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<String>,
    /// Titles of brains, exact or globs; empty means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub brains: Vec<String>,
    /// How bodies look.
    #[serde(default)]
    pub format: Format,
    /// How requests are signed.
    #[serde(default)]
    pub signing: Signing,
    /// What with.
    #[serde(default)]
    pub secrets: Secrets,
    /// When a failed delivery is tried again.
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
    /// Whether it may go to private and loopback addresses.
    #[serde(default)]
    pub allow_private: bool,
    /// Whether and why it takes no deliveries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled: Option<Disabled>,
    /// Since when every attempt has failed; none if the last one did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing_since: Option<Timestamp>,
    /// Set when it was deleted: it is kept until nothing refers to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_at: Option<Timestamp>,
    /// Where it comes from.
    pub source: Source,
    /// When it was created.
    pub created_at: Timestamp,
}

impl Hook {
    /// How long an attempt may take unless the hook says otherwise.
    pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
    /// How many requests may be under way to an endpoint unless the hook says otherwise.
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

    /// Whether it is told of one run only: then that run knows it, and it is in no
    /// [`Book`](super::Book).
    #[must_use]
    pub const fn is_own(&self) -> bool {
        matches!(self.source, Source::Run(_))
    }

    /// Whether events are written down for it: not once it was deleted, or
    /// disabled by hand; one that px disabled itself gets them when it is
    /// enabled again.
    #[must_use]
    pub fn listens(&self) -> bool {
        self.deleted_at.is_none() && self.disabled.is_none_or(|disabled| disabled.by != DisabledBy::Operator)
    }

    /// Whether it is to be told of this type of event of this brain. An event
    /// that belongs to no brain passes the filter on brains only if there is none.
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

    #[test]
    fn an_old_secret_signs_for_its_grace_period_and_no_longer() {
        let sealed = |byte| Sealed(vec![byte]);
        let now = Timestamp::from_millis(1_000);
        let mut secrets = Secrets { current: Some(sealed(1)), old: Vec::new() };
        secrets.rotate(sealed(2), now, Duration::from_secs(60));
        let at =
            |secrets: &Secrets, at: Timestamp| secrets.signing(at).map(|one| one.0[0]).collect::<Vec<_>>();
        assert_eq!(at(&secrets, now.after(Duration::from_secs(59))), [2, 1]);
        assert_eq!(at(&secrets, now.after(Duration::from_secs(60))), [2]);
        secrets.rotate(sealed(3), now, Duration::ZERO);
        assert_eq!(at(&secrets, now), [3, 1], "no grace, no signature");
        for next in 4..40 {
            secrets.rotate(sealed(next), now, Duration::from_hours(24 * 365));
        }
        assert_eq!(secrets.old.len(), Secrets::MAX_OLD);
        assert_eq!(secrets.signing(now.after(Secrets::MAX_GRACE)).count(), 1, "seven days at most");
        assert_eq!(format!("{:?}", sealed(9)), "Sealed(1 bytes)", "not even the ciphertext is printed");
    }
}
