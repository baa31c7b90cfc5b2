//! Specification of a hook, and its checks: the one place where a URL, a
//! secret, a header and every bound of a hook are checked.

use std::time::Duration;

use px_core::hook::{Format, Hook, RetryPolicy, Secrets, Signing, Source};
use px_core::{HookId, Timestamp};
use secrecy::{ExposeSecret as _, SecretString};

use super::Error;
use crate::guard::{Policy, Target};
use crate::send::SenderContext;
use crate::sign::Signer;
use crate::{backoff, format};

/// An attempt may take this long at most.
const MAX_TIMEOUT: Duration = Duration::from_secs(120);
/// So many requests may be under way to an endpoint at most.
const MAX_IN_FLIGHT: u32 = 256;
/// Maximum number of tries of a retry policy.
const MAX_TRIES: u32 = 50;
/// So many patterns, and headers, a hook may have.
const MAX_LIST: usize = 64;
/// A name, a pattern, a header may be so long.
const MAX_TEXT: usize = 512;

/// Specification of a hook.
#[derive(Debug, Clone)]
pub struct Spec {
    /// A name for people.
    pub name: String,
    /// URL that requests go to.
    pub url: String,
    /// Types of events; empty means all.
    pub events: Vec<String>,
    /// Brains; empty means all.
    pub brains: Vec<String>,
    /// Format of bodies.
    pub format: Format,
    /// Signature of requests.
    pub signing: Signing,
    /// Secret to sign with; none signs nothing.
    pub secret: Option<SecretString>,
    /// Delays between the tries of a callback.
    pub retry: RetryPolicy,
    /// Headers that every request carries.
    pub headers: Vec<(String, SecretString)>,
    /// Time that an attempt may take.
    pub timeout: Duration,
    /// Number that may be under way at once.
    pub max_in_flight: u32,
    /// Number a second.
    pub rate_per_second: Option<u32>,
    /// True if callbacks of one run are sent one at a time, in order.
    pub ordered: bool,
    /// True if private addresses are open.
    pub allow_private: bool,
}

impl Spec {
    /// A hook to this URL with every choice left at its default.
    #[must_use]
    pub fn to(url: impl Into<String>) -> Self {
        Self {
            name: String::new(),
            url: url.into(),
            events: Vec::new(),
            brains: Vec::new(),
            format: Format::default(),
            signing: Signing::default(),
            secret: None,
            retry: RetryPolicy::default(),
            headers: Vec::new(),
            timeout: Hook::DEFAULT_TIMEOUT,
            max_in_flight: Hook::DEFAULT_IN_FLIGHT,
            rate_per_second: None,
            ordered: false,
            allow_private: false,
        }
    }

    /// The hook of one run: ordered, and with everything else at its default
    /// (docs/hooks.md).
    #[must_use]
    pub fn of_run(url: impl Into<String>, secret: Option<SecretString>) -> Self {
        Self { secret, ordered: true, ..Self::to(url) }
    }
}

/// Checks a spec and makes a hook of it, its secrets sealed.
///
/// # Errors
/// What is wrong with it; no text holds a secret.
pub fn validate(
    parts: &SenderContext,
    spec: &Spec,
    id: HookId,
    source: Source,
    now: Timestamp,
) -> Result<Hook, Error> {
    let target = check(&parts.policy, spec)?;
    Ok(Hook {
        name: spec.name.clone(),
        events: spec.events.clone(),
        brains: spec.brains.clone(),
        format: spec.format,
        signing: spec.signing.clone(),
        secrets: Secrets {
            current: spec.secret.as_ref().map(|secret| parts.vault.seal(secret)),
            old: Vec::new(),
        },
        retry: spec.retry.clone(),
        headers: spec.headers.iter().map(|(name, value)| (name.clone(), parts.vault.seal(value))).collect(),
        timeout_ms: u64::try_from(spec.timeout.as_millis()).unwrap_or(u64::MAX),
        max_in_flight: spec.max_in_flight,
        rate_per_second: spec.rate_per_second,
        ordered: spec.ordered,
        allow_private: spec.allow_private,
        // As the URL standard writes it, so that one endpoint is one lane.
        ..Hook::new(id, target.to_string(), source, now)
    })
}

/// Checks all that can be known of a spec without a store: its URL, its events,
/// its bounds, and whether its secret can sign.
///
/// # Errors
/// What is wrong with it first.
pub fn check(policy: &Policy, spec: &Spec) -> Result<Target, Error> {
    let target = Target::parse(&spec.url).map_err(Error::Url)?;
    let policy = if spec.allow_private { policy.clone().with_private(true) } else { policy.clone() };
    target.check(&policy).map_err(Error::Egress)?;
    for (what, list) in [("events", &spec.events), ("brains", &spec.brains)] {
        if list.len() > MAX_LIST || list.iter().any(|text| text.is_empty() || text.len() > MAX_TEXT) {
            return Err(Error::Invalid(format!(
                "{what} takes at most {MAX_LIST} names or patterns of 1 to {MAX_TEXT} bytes"
            )));
        }
    }
    for glob in &spec.events {
        if !px_core::lifecycle::Kind::ALL.iter().any(|kind| px_core::hook::glob_fits(glob, kind.as_str())) {
            return Err(Error::Invalid(format!(
                "'{glob}' fits no type of event; there are {}",
                px_core::lifecycle::Kind::ALL.map(px_core::lifecycle::Kind::as_str).join(", ")
            )));
        }
    }
    bounds(spec)?;
    if let Some(secret) = &spec.secret {
        Signer::new(&spec.signing, std::slice::from_ref(secret))
            .map_err(|error| Error::Invalid(error.to_string()))?;
    }
    for (name, value) in &spec.headers {
        format::custom_header(name, value.expose_secret())
            .map_err(|error| Error::Invalid(error.to_string()))?;
    }
    Ok(target)
}

fn bounds(spec: &Spec) -> Result<(), Error> {
    let refused = |text: String| Err(Error::Invalid(text));
    if spec.name.len() > MAX_TEXT {
        return refused(format!("a name has at most {MAX_TEXT} bytes"));
    }
    if spec.timeout.is_zero() || spec.timeout > MAX_TIMEOUT {
        return refused(format!("the timeout is between 1 ms and {} s", MAX_TIMEOUT.as_secs()));
    }
    if spec.max_in_flight == 0 || spec.max_in_flight > MAX_IN_FLIGHT {
        return refused(format!("max_in_flight is between 1 and {MAX_IN_FLIGHT}"));
    }
    if spec.rate_per_second == Some(0) {
        return refused("a rate is at least 1 a second; disable the hook to send nothing".into());
    }
    if backoff::tries(&spec.retry) > MAX_TRIES {
        return refused(format!("a schedule has at most {MAX_TRIES} tries"));
    }
    if let RetryPolicy::Exponential { factor, .. } = &spec.retry
        && !(factor.is_finite() && (1.0..=100.0).contains(factor))
    {
        return refused("the factor of a schedule is between 1 and 100".into());
    }
    if spec.headers.len() > MAX_LIST {
        return refused(format!("a hook has at most {MAX_LIST} headers"));
    }
    Ok(())
}
