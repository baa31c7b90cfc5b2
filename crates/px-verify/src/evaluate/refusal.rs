//! Reasons for which a request is not believed: one variant per cause.
//!
//! Every refusal is answered 401. It has two texts. [`Refusal::caller_text`] goes to the sender of the
//! request, names no header, length, key or clock and so helps nobody forge. `Display` is the diagnosis for
//! the operator; it quotes nothing that the sender chose and no secret.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use crate::record::Refused;

use crate::local::Foreign;

/// Reason that a request is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Something that the scheme needs is not there.
    #[error("the {0} is missing")]
    Missing(Place),
    /// A header line that may come once came several times.
    #[error("the {0} came more than once")]
    Duplicate(Place),
    /// Something does not have the documented form.
    #[error("the {place} is malformed: {why}")]
    Malformed {
        /// Part of the request that is malformed.
        place: Place,
        /// Reason.
        why: Cow<'static, str>,
    },
    /// The signature header has the right form, but no version that the
    /// record knows.
    #[error("the {0} has no signature of a version that this webhook checks")]
    UnknownVersion(Place),
    /// The request names a key that is not configured.
    #[error("the {0} names a key that is not configured")]
    UnknownKey(Place),
    /// No pair of key and signature matches.
    #[error(
        "the signature does not match: {signatures} in the {place}, {keys} key(s) tried, {signed_bytes} byte(s) \
         signed over; {hint}"
    )]
    Invalid {
        /// Place of the signatures.
        place: Place,
        /// Number of signatures that were tried.
        signatures: usize,
        /// Number of keys that were tried.
        keys: usize,
        /// Number of bytes the signature was computed over.
        signed_bytes: usize,
        /// Most frequent cause.
        hint: &'static str,
    },
    /// The signature matches, but is older than the window.
    #[error("the timestamp is {age:?} before the time of receipt, the window is {tolerance:?}")]
    TooOld {
        /// Time of receipt less time of sending.
        age: Duration,
        /// The greatest accepted distance.
        tolerance: Duration,
    },
    /// The signature matches, but is from further in the future than the
    /// window.
    #[error("the timestamp is {ahead:?} after the time of receipt, the window is {tolerance:?}")]
    TooNew {
        /// Time of sending less time of receipt.
        ahead: Duration,
        /// The greatest accepted distance.
        tolerance: Duration,
    },
    /// Secrets are configured, and every one has expired.
    #[error("every configured secret has expired")]
    NoActiveKey,
    /// Nobody is believed for now: the reason, which holds no secret.
    #[error("nobody is believed: {0}")]
    Shut(std::sync::Arc<str>),
    /// The user's own verifier does not believe it.
    #[error("{0}")]
    Own(Refused),
    /// The user's own verifier panicked.
    #[error("the webhook's verifier panicked: see the log")]
    Panicked,
    /// There is no secret, and the request does not come from this machine.
    #[error(
        "this webhook is unverified and answers this machine only{}; {}",
        .why.as_ref().map(|why| format!(", and {why}")).unwrap_or_default(),
        .variable.as_ref().map_or_else(
            || "declare how it is verified".to_owned(),
            |variable| format!("set {variable}"),
        )
    )]
    Unverified {
        /// The environment variable that would make it verified.
        variable: Option<String>,
        /// Sign that it comes from elsewhere. `None` for a handshake,
        /// which needs the variable wherever it comes from.
        why: Option<Foreign>,
    },
}

impl Refusal {
    /// The text for whoever sent the request.
    #[must_use]
    pub const fn caller_text(&self) -> &'static str {
        match self {
            Self::Missing(_) | Self::Own(Refused::Missing(_)) => "Signature missing",
            Self::Duplicate(_)
            | Self::Malformed { .. }
            | Self::UnknownVersion(_)
            | Self::Own(Refused::Malformed(_)) => "Signature malformed",
            Self::TooOld { .. }
            | Self::TooNew { .. }
            | Self::Own(Refused::TooOld(_) | Refused::TooNew(_)) => "Timestamp outside the accepted window",
            Self::UnknownKey(_)
            | Self::Invalid { .. }
            | Self::NoActiveKey
            | Self::Shut(_)
            | Self::Own(_)
            | Self::Panicked => "Signature invalid",
            Self::Unverified { .. } => "This webhook accepts no requests from here",
        }
    }

    /// The cause as one word, for rows, spans and metrics.
    #[must_use]
    pub const fn class(&self) -> &'static str {
        match self {
            Self::Missing(_) => "missing",
            Self::Duplicate(_) => "duplicate_header",
            Self::Malformed { .. } => "malformed",
            Self::UnknownVersion(_) => "unknown_version",
            Self::UnknownKey(_) => "unknown_key",
            Self::Invalid { .. } => "invalid",
            Self::TooOld { .. } => "too_old",
            Self::TooNew { .. } => "too_new",
            Self::NoActiveKey | Self::Shut(_) => "no_active_key",
            Self::Own(Refused::Missing(_)) => "missing",
            Self::Own(Refused::Malformed(_)) => "malformed",
            Self::Own(Refused::UnknownKey) => "unknown_key",
            Self::Own(Refused::TooOld(_)) => "too_old",
            Self::Own(Refused::TooNew(_)) => "too_new",
            Self::Own(_) => "invalid",
            Self::Panicked => "verifier_panicked",
            Self::Unverified { .. } => "unverified",
        }
    }

    pub(super) fn malformed(place: Place, why: impl Into<Cow<'static, str>>) -> Self {
        Self::Malformed { place, why: why.into() }
    }
}

/// A place in a request. Its name comes from the record, never from the
/// request.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Place {
    /// A header.
    Header(http::HeaderName),
    /// A query parameter.
    Query(String),
    /// A field of the body, as a JSON pointer.
    Field(String),
    /// The body.
    Body,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header(name) => write!(f, "header `{name}`"),
            Self::Query(name) => write!(f, "query parameter `{name}`"),
            Self::Field(pointer) => write!(f, "body field `{pointer}`"),
            Self::Body => f.write_str("body"),
        }
    }
}
