//! One webhook's verification, made ready at the start.

use std::fmt;

use crate::Received;
use crate::record::{Keyring, Scheme, Verification};
use px_core::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::handshake::{self, HandshakeReply};
use super::url::UrlView;
use super::{
    BodyError, Refusal, atlassian, body, custom, delivery, mailgun, signature, token, twilio, unverified,
};

/// A record together with its keys, ready to verify.
pub struct Prepared {
    verification: Verification,
    verify_token: Option<SecretString>,
    check: Check,
}

/// Checks of a scheme, with everything computed that does not depend on the
/// request.
enum Check {
    Unverified,
    Signature(Box<signature::Check>),
    Twilio(Box<twilio::Check>),
    Mailgun(Box<mailgun::Check>),
    Atlassian(Box<atlassian::Check>),
    Token(Box<token::Check>),
    Custom(Box<custom::Check>),
}

/// Result of a verification. Only this crate makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verified {
    /// Index of the secret of the keyring that matched; `None` on an unverified webhook.
    pub key_index: Option<usize>,
    /// Time at which the provider says that it sent the request, where that is signed.
    pub timestamp: Option<Timestamp>,
}

impl Verified {
    pub(super) const fn unverified() -> Self {
        Self { key_index: None, timestamp: None }
    }

    pub(super) const fn by(key_index: usize, timestamp: Option<Timestamp>) -> Self {
        Self { key_index: Some(key_index), timestamp }
    }

    /// Returns whether a secret matched. False for this machine on an unverified
    /// webhook.
    #[must_use]
    pub const fn is_authenticated(&self) -> bool {
        self.key_index.is_some()
    }
}

/// Reason that a record cannot be used. Found at the start, never at a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A builder method that does not fit the scheme.
    #[error("`.{0}()` has no meaning for this scheme")]
    Misapplied(&'static str),
    /// Not a header name.
    #[error("`{0}` is no header name")]
    Header(String),
    /// The parts of the record contradict each other.
    #[error("{0}")]
    Record(&'static str),
    /// A secret that is no key of this scheme.
    #[error("the secret in {variable} is no key of this scheme: {why}")]
    Key {
        /// The environment variable.
        variable: String,
        /// Reason.
        why: &'static str,
    },
}

impl Prepared {
    /// Makes `verification` ready for the secrets in `keyring`. An empty
    /// keyring gives an unverified webhook.
    ///
    /// # Errors
    /// If the record contradicts itself (a timestamp that is not signed, a
    /// body that is not), or a secret does not have the form of a key.
    pub fn new(verification: Verification, keyring: &Keyring) -> Result<Self, Error> {
        if let Some(method) = verification.misapplied().first() {
            return Err(Error::Misapplied(method));
        }
        let variable = verification.secret.as_deref().unwrap_or_default();
        let check = match &verification.scheme {
            Scheme::Unverified => Check::Unverified,
            // also without a secret, so that a bad record never starts
            Scheme::Signature(record) => {
                Check::Signature(Box::new(signature::Check::new(record, variable, keyring)?))
            }
            Scheme::Twilio => Check::Twilio(Box::new(twilio::Check::new(variable, keyring)?)),
            Scheme::Mailgun { tolerance_secs } => {
                Check::Mailgun(Box::new(mailgun::Check::new(*tolerance_secs, variable, keyring)?))
            }
            Scheme::AtlassianJwt => Check::Atlassian(Box::new(atlassian::Check::new(variable, keyring)?)),
            Scheme::Token(place) => Check::Token(Box::new(token::Check::new(place, variable, keyring)?)),
            Scheme::Custom(custom) => Check::Custom(Box::new(custom::Check::new(custom, variable, keyring)?)),
        };
        let check = if keyring.is_empty() { Check::Unverified } else { check };
        Ok(Self { verify_token: keyring.verify_token().cloned(), verification, check })
    }

    /// The record.
    #[must_use]
    pub const fn verification(&self) -> &Verification {
        &self.verification
    }

    /// Returns whether requests have to prove who sent them. If not, only this machine
    /// is answered.
    #[must_use]
    pub const fn is_verified(&self) -> bool {
        !matches!(self.check, Check::Unverified)
    }

    /// Decides whether `received` comes from whom it should. The window is
    /// checked against `received.at`. A refusal costs the same work with the
    /// keys whatever its cause, so its time tells nothing about them.
    ///
    /// # Errors
    /// A [`Refusal`] with the cause.
    pub fn verify(&self, received: &Received, urls: &UrlView) -> Result<Verified, Refusal> {
        match &self.check {
            Check::Unverified => unverified::verify(received, urls, self.verification.secret.as_deref()),
            Check::Signature(check) => check.verify(received),
            Check::Twilio(check) => check.verify(received, urls),
            Check::Mailgun(check) => check.verify(received),
            Check::Token(check) => check.verify(received),
            Check::Atlassian(check) => check.verify(received),
            Check::Custom(check) => check.verify(received),
        }
    }

    /// Returns whether [`verify`](Self::verify) calls a function of the user's, which may
    /// block.
    #[must_use]
    pub const fn asks_users_code(&self) -> bool {
        matches!(self.check, Check::Custom(_))
    }

    /// Answers a handshake that comes as an unsigned GET. `None` for every
    /// other request.
    ///
    /// # Errors
    /// A [`Refusal`] if the handshake asks for a token and gives a wrong one.
    pub fn greet(&self, received: &Received) -> Option<Result<HandshakeReply, Refusal>> {
        let asked = self.verification.handshake.as_ref()?;
        handshake::greet(asked, self.verify_token.as_ref().map(ExposeSecret::expose_secret), received)
    }

    /// Returns true if deliveries come by this method: by POST, or by GET where
    /// the provider may send them so.
    #[must_use]
    pub fn takes(&self, method: &http::Method) -> bool {
        method == http::Method::POST || (self.verification.takes_get() && method == http::Method::GET)
    }

    /// Answers an `OPTIONS` that asks whether an origin may send
    /// ([`Handshake::Origin`](crate::record::Handshake::Origin)): the origin that may, if it may.
    #[must_use]
    pub fn permits<'a>(&self, headers: &'a http::HeaderMap) -> Option<&'a str> {
        handshake::permitted(self.verification.handshake.as_ref()?, headers)
    }

    /// Makes a JSON value of the body.
    ///
    /// # Errors
    /// If the body does not have the declared form.
    pub fn parse(&self, received: &Received) -> Result<Value, BodyError> {
        body::parse(&self.verification.body, received)
    }

    /// Answers a handshake that came as a verified delivery. `None` for every
    /// other body.
    #[must_use]
    pub fn handshake(&self, verified: &Verified, body: &Value) -> Option<HandshakeReply> {
        let mac = |token: &[u8]| match &self.check {
            Check::Signature(check) => check.hex_mac(verified.key_index?, token),
            _ => None,
        };
        handshake::answer(self.verification.handshake.as_ref()?, body, mac)
    }

    /// The events in a body: the body itself, or the elements of the
    /// record's batch. A batch that is no array is one event.
    #[must_use]
    pub fn events<'a>(&self, body: &'a Value) -> &'a [Value] {
        let batch = self.verification.batch.as_deref().and_then(|pointer| body.pointer(pointer));
        batch.and_then(Value::as_array).map_or(std::slice::from_ref(body), Vec::as_slice)
    }

    /// The provider's id of an event, by which repetitions are recognised. At
    /// most [`MAX_ID_BYTES`](super::MAX_ID_BYTES) bytes: a longer one is
    /// replaced by its hash. `event` is one of [`events`](Self::events).
    #[must_use]
    pub fn delivery_id(&self, received: &Received, event: &Value) -> Option<String> {
        delivery::first(&self.verification.dedup, received, event)
    }

    /// The provider's name for the kind of an event; as bounded as
    /// [`delivery_id`](Self::delivery_id).
    #[must_use]
    pub fn event_type(&self, received: &Received, event: &Value) -> Option<String> {
        delivery::first(&self.verification.event_type, received, event)
    }
}

impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prepared")
            .field("provider", &self.verification.provider)
            .field("verified", &self.is_verified())
            .finish_non_exhaustive()
    }
}
