//! One webhook's verification, made ready at the start.

use std::collections::BTreeMap;
use std::fmt;

use crate::Received;
use crate::record::{Keyring, Scheme, Verification};
use px_core::{DeliveryId, StoredFile, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::handshake::{self, HandshakeReply};
use super::url::UrlView;
use super::{
    BodyError, Content, Element, FormData, IdError, Refusal, atlassian, body, custom, delivery, form_data,
    mailgun, signature, token, twilio, unverified,
};

/// A record together with its keys, ready to verify.
pub struct Prepared {
    verification: Verification,
    verify_token: Option<SecretString>,
    /// The proofs that count, none of which is without a secret. Empty if nobody
    /// has to prove anything.
    proofs: Vec<Proof>,
}

/// One of the proofs by which a sender is believed.
struct Proof {
    check: Check,
    /// Number of secrets before the first of this proof's.
    keys_before: usize,
}

/// Checks of a scheme, with everything computed that does not depend on the
/// request.
enum Check {
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
    /// Which of the record's proofs it was.
    proof: usize,
}

impl Verified {
    pub(super) const fn unverified() -> Self {
        Self { key_index: None, timestamp: None, proof: 0 }
    }

    pub(super) const fn by(key_index: usize, timestamp: Option<Timestamp>) -> Self {
        Self { key_index: Some(key_index), timestamp, proof: 0 }
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
        let own = (verification.secret.as_deref(), None, &verification.scheme);
        let others = verification.also.iter().map(|other| {
            let variable = other.secret.as_deref();
            (variable.or(verification.secret.as_deref()), variable, &other.scheme)
        });
        let mut proofs = Vec::new();
        let mut keys_before = 0;
        // Proofs under one secret share its numbers, or the second would name a
        // secret that nobody has configured.
        let mut numbered: BTreeMap<&str, usize> = BTreeMap::new();
        for (variable, of, scheme) in std::iter::once(own).chain(others) {
            let empty = Keyring::empty();
            let keys = keyring.of(of).unwrap_or(&empty);
            // also without a secret, so that a bad record never starts
            let check = Check::new(scheme, variable.unwrap_or_default(), keys)?;
            if let Some(check) = check.filter(|_| !keys.keys().is_empty()) {
                let first = *numbered.entry(variable.unwrap_or_default()).or_insert_with(|| {
                    let first = keys_before;
                    keys_before += keys.keys().len();
                    first
                });
                proofs.push(Proof { check, keys_before: first });
            }
        }
        Ok(Self { verify_token: keyring.verify_token().cloned(), verification, proofs })
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
        !self.proofs.is_empty()
    }

    /// Decides whether `received` comes from whom it should. The window is
    /// checked against `received.at`. A refusal costs the same work with the
    /// keys whatever its cause, so its time tells nothing about them.
    ///
    /// # Errors
    /// A [`Refusal`] with the cause.
    pub fn verify(&self, received: &Received, urls: &UrlView) -> Result<Verified, Refusal> {
        if self.proofs.is_empty() {
            return unverified::verify(received, urls, self.verification.secret.as_deref());
        }
        let mut refused: Option<Refusal> = None;
        for (place, proof) in self.proofs.iter().enumerate() {
            match proof.check.verify(received, urls) {
                Ok(verified) => {
                    let key_index = verified.key_index.map(|index| index + proof.keys_before);
                    return Ok(Verified { key_index, proof: place, ..verified });
                }
                // A proof that is there and wrong says more than one that is missing.
                Err(refusal) => match &refused {
                    Some(Refusal::Missing(_)) | None if !matches!(refusal, Refusal::Missing(_)) => {
                        refused = Some(refusal);
                    }
                    Some(_) => {}
                    None => refused = Some(refusal),
                },
            }
        }
        Err(refused.unwrap_or(Refusal::NoActiveKey))
    }

    /// Returns false if the head of a request, whose body need not be there, shows that
    /// [`verify`](Self::verify) is going to refuse it: by a password, by a signature that is
    /// missing or has not its form, or since it would have to come from this machine. It
    /// tells nothing that a stranger does not know: no key is asked but for a password.
    #[must_use]
    pub fn may_be_believed(&self, head: &Received, urls: &UrlView) -> bool {
        if self.proofs.is_empty() {
            return self.verify(head, urls).is_ok();
        }
        self.proofs.iter().any(|proof| match &proof.check {
            Check::Token(check) => check.verify(head).is_ok(),
            Check::Signature(check) => check.shape.is_presented(&head.headers),
            Check::Twilio(_) => head.headers.contains_key(&twilio::SIGNATURE),
            Check::Atlassian(check) => check.verify(head).is_ok(),
            // In the body, or wherever users' code looks.
            Check::Mailgun(_) | Check::Custom(_) => true,
        })
    }

    /// Returns whether [`verify`](Self::verify) calls a function of the user's, which may
    /// block.
    #[must_use]
    pub fn asks_users_code(&self) -> bool {
        self.proofs.iter().any(|proof| matches!(proof.check, Check::Custom(_)))
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

    /// Reads the body.
    ///
    /// # Errors
    /// If the body does not have the declared form.
    pub fn parse(&self, received: &Received) -> Result<Content, BodyError> {
        body::parse(&self.verification, received)
    }

    /// Makes the payload of a form with files, which are those of a delivery.
    ///
    /// # Errors
    /// It has not what the record says, or its files have no place in it.
    pub fn form_content(
        &self,
        form: FormData,
        delivery: DeliveryId,
        files: &[StoredFile],
    ) -> Result<Content, BodyError> {
        form_data::content(&self.verification, form, delivery, files)
    }

    /// Answers a handshake that came as a verified delivery. `None` for every
    /// other body.
    #[must_use]
    pub fn handshake(&self, verified: &Verified, body: &Value) -> Option<HandshakeReply> {
        let mac = |token: &[u8]| match self.proofs.get(verified.proof)? {
            Proof { check: Check::Signature(check), keys_before } => {
                check.hex_mac(verified.key_index?.checked_sub(*keys_before)?, token)
            }
            Proof { .. } => None,
        };
        handshake::answer(self.verification.handshake.as_ref()?, body, mac)
    }

    /// The events in a body: the body itself, or the elements of the record's
    /// batch, or of an array whose content type says that it is one. A batch of
    /// the record that is no array is one event.
    #[must_use]
    pub fn events<'a>(&'a self, body: &'a Content) -> Vec<Element<'a>> {
        body.elements(self.verification.batch.as_deref())
    }

    /// The values of [`events`](Self::events), without copying them.
    #[must_use]
    pub fn into_events(&self, body: Content) -> Vec<Value> {
        body.into_values(self.verification.batch.as_deref())
    }

    /// The provider's id of an event, by which repetitions are recognised. At
    /// most [`MAX_ID_BYTES`](super::MAX_ID_BYTES) bytes: a longer one is
    /// replaced by its hash. `event` is one of [`events`](Self::events).
    ///
    /// # Errors
    /// There is an id, and it is neither text nor number.
    pub fn delivery_id(&self, received: &Received, event: Element<'_>) -> Result<Option<String>, IdError> {
        delivery::id(&self.verification.dedup, received, event)
    }

    /// The provider's name for the kind of an event; as bounded as
    /// [`delivery_id`](Self::delivery_id).
    #[must_use]
    pub fn event_type(&self, received: &Received, event: Element<'_>) -> Option<String> {
        delivery::kind(&self.verification.event_type, received, event)
    }
}

impl Check {
    /// Makes a scheme ready; `None` for one that proves nothing.
    fn new(scheme: &Scheme, variable: &str, keyring: &Keyring) -> Result<Option<Self>, Error> {
        Ok(Some(match scheme {
            Scheme::Unverified => return Ok(None),
            Scheme::Signature(record) => {
                Self::Signature(Box::new(signature::Check::new(record, variable, keyring)?))
            }
            Scheme::Twilio => Self::Twilio(Box::new(twilio::Check::new(variable, keyring)?)),
            Scheme::Mailgun { tolerance_secs } => {
                Self::Mailgun(Box::new(mailgun::Check::new(*tolerance_secs, variable, keyring)?))
            }
            Scheme::AtlassianJwt => Self::Atlassian(Box::new(atlassian::Check::new(variable, keyring)?)),
            Scheme::Token(place) => Self::Token(Box::new(token::Check::new(place, variable, keyring)?)),
            Scheme::Custom(custom) => Self::Custom(Box::new(custom::Check::new(custom, variable, keyring)?)),
        }))
    }

    fn verify(&self, received: &Received, urls: &UrlView) -> Result<Verified, Refusal> {
        match self {
            Self::Signature(check) => check.verify(received),
            Self::Twilio(check) => check.verify(received, urls),
            Self::Mailgun(check) => check.verify(received),
            Self::Token(check) => check.verify(received),
            Self::Atlassian(check) => check.verify(received),
            Self::Custom(check) => check.verify(received),
        }
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
