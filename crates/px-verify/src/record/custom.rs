//! A verifier in the user's own code, for what no record can say. It is given
//! the request and one secret at a time, so that several secrets, their
//! rotation and their expiry work as for everybody else.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use px_core::Timestamp;
use serde::{Serialize, Serializer};
use subtle::ConstantTimeEq as _;

use super::{Scheme, Verification};
use crate::Received;

/// Reason that a verifier does not believe a request. Every one is answered 401; the sender is told less
/// than the operator. The texts are for the operator and must quote neither the request nor a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// This header is not there, or several times.
    #[error("the header `{0}` is missing")]
    Missing(&'static str),
    /// Something does not have its form.
    #[error("{0}")]
    Malformed(&'static str),
    /// The request names a key that is not the given one.
    #[error("the request names a key that is not configured")]
    UnknownKey,
    /// The proof of the sender does not hold.
    #[error("the proof does not fit the secret")]
    Invalid,
    /// It was sent too long before its receipt.
    #[error("the timestamp is {0:?} before the time of receipt")]
    TooOld(Duration),
    /// It is said to be sent after its receipt.
    #[error("the timestamp is {0:?} after the time of receipt")]
    TooNew(Duration),
}

type Check = dyn Fn(&Received, &str) -> Result<(), Refused> + Send + Sync;

/// A verifier in code, as [`custom`] makes it.
#[derive(Clone)]
pub struct Custom {
    check: Arc<Check>,
    headers: Vec<String>,
}

impl Custom {
    /// Asks it about a request and one secret.
    ///
    /// # Errors
    /// Its refusal.
    pub fn check(&self, received: &Received, secret: &str) -> Result<(), Refused> {
        (self.check)(received, secret)
    }

    /// The headers that prove the sender, which the inbox does not keep.
    #[must_use]
    pub fn headers(&self) -> &[String] {
        &self.headers
    }
}

impl fmt::Debug for Custom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Custom").field("headers", &self.headers).finish_non_exhaustive()
    }
}

impl PartialEq for Custom {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.check, &other.check) && self.headers == other.headers
    }
}

impl Eq for Custom {}

/// Only that it is code; no configuration can hold it.
impl Serialize for Custom {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("in code")
    }
}

/// A verifier of your own, for what [`hmac`](crate::providers::hmac) and its builder
/// methods cannot say. `secret` names the environment variable; `check` is
/// given the request and the secret, and is asked once for each secret that
/// counts (`NAME`, `NAME_PREVIOUS`, those of `px.toml`).
///
/// Compare with [`equal`], or the time that it takes tells how much of a guess
/// was right. A panic refuses the request.
///
/// ```
/// use px_verify::Received;
/// use px_verify::record::{Refused, custom, equal, within};
/// use std::time::Duration;
///
/// /// `X-Door: <unix seconds>/<the word>`, at most a minute old.
/// fn door(received: &Received, word: &str) -> Result<(), Refused> {
///     let door = received.header("x-door").ok_or(Refused::Missing("x-door"))?;
///     let (at, given) = door.split_once('/').ok_or(Refused::Malformed("x-door has no slash"))?;
///     let at = at.parse().map_err(|_| Refused::Malformed("x-door has no time"))?;
///     if !equal(given.as_bytes(), word.as_bytes()) {
///         return Err(Refused::Invalid);
///     }
///     within(at, received.at, Duration::from_secs(60))
/// }
///
/// let verification = custom("DOOR_WORD", door).secret_header("x-door").dedup_header("x-visit");
/// assert_eq!(verification.provider, "custom");
/// ```
#[must_use]
pub fn custom(
    secret: &str,
    check: impl Fn(&Received, &str) -> Result<(), Refused> + Send + Sync + 'static,
) -> Verification {
    let custom = Custom { check: Arc::new(check), headers: Vec::new() };
    Verification::new("custom", Some(secret), Scheme::Custom(custom))
}

impl Verification {
    /// A header that proves the sender to a [`custom`] verifier: the inbox
    /// keeps its name and not its value.
    #[must_use]
    pub fn secret_header(mut self, name: impl Into<String>) -> Self {
        match &mut self.scheme {
            Scheme::Custom(custom) => custom.headers.push(name.into()),
            _ => self.misapplied.push("secret_header"),
        }
        self
    }
}

/// Returns whether two texts are equal, in a time that tells nothing about where they
/// differ. It tells whether they have one length.
#[must_use]
pub fn equal(a: &[u8], b: &[u8]) -> bool {
    a.ct_eq(b).into()
}

/// Returns whether a request that was sent at `sent_secs` (seconds since 1970) was
/// received at most `tolerance` later, or earlier.
///
/// # Errors
/// [`Refused::TooOld`] and [`Refused::TooNew`].
pub fn within(sent_secs: u64, received_at: Timestamp, tolerance: Duration) -> Result<(), Refused> {
    let sent = Timestamp::from_millis(sent_secs.saturating_mul(1_000));
    let (age, ahead) = (received_at.since(sent), sent.since(received_at));
    if age > tolerance {
        return Err(Refused::TooOld(age));
    }
    if ahead > tolerance {
        return Err(Refused::TooNew(ahead));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_equal_or_not() {
        assert!(equal(b"", b"") && equal(b"abc", b"abc"));
        assert!(!equal(b"abc", b"abd") && !equal(b"abc", b"ab") && !equal(b"", b"a"));
    }

    #[test]
    fn both_sides_of_a_window_are_checked() {
        let (at, minute) = (Timestamp::from_millis(1_000_000_000), Duration::from_secs(60));
        assert_eq!(within(1_000_000 - 60, at, minute), Ok(()));
        assert_eq!(within(1_000_000 + 60, at, minute), Ok(()));
        assert_eq!(within(1_000_000 - 61, at, minute), Err(Refused::TooOld(Duration::from_secs(61))));
        assert_eq!(within(1_000_000 + 61, at, minute), Err(Refused::TooNew(Duration::from_secs(61))));
        assert!(matches!(within(u64::MAX, at, minute), Err(Refused::TooNew(_))));
    }

    #[test]
    fn a_record_in_code_is_shown_and_not_read() {
        let record = custom("S", |_, _| Ok(())).secret_header("X-Proof");
        assert_eq!(serde_json::to_value(&record).unwrap()["scheme"]["custom"], "in code");
        assert!(serde_json::from_str::<Scheme>(r#"{"custom":"in code"}"#).is_err());
        assert_eq!(crate::providers::github("S").secret_header("x").misapplied(), ["secret_header"]);
        assert_eq!(record, record.clone());
        assert_ne!(record, custom("S", |_, _| Ok(())).secret_header("X-Proof"));
    }
}
