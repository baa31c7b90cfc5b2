//! Verification of callbacks: the five modes that px signs in, by the same evaluator that
//! px's own webhooks use.
//!
//! It is strict: there is no verifier without a secret, a missing or repeated
//! signature header is refused, and so is a timestamp outside of the
//! tolerance, before or after now.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method};
use px_core::{Clock, SystemClock, Timestamp};
use px_verify::record::{Keyring, Part, Scheme, Signature, Verification};
use px_verify::{Element, PrepareError, Prepared, Received, Refusal, UrlView, providers};
use secrecy::SecretString;
use serde_json::Value;

use crate::Event;

/// Places where px's formats put the event's id into the signed body, in the order in
/// which they are looked at: px and cloudevents, rdev, forge.
const IDS_IN_BODY: [&str; 3] = ["/id", "/data/id", "/payload/id"];

/// Checks callbacks. Made once, with every secret that is valid at the
/// moment: while a secret is being rotated, the new one and the old one.
pub struct Verifier {
    record: Verification,
    keyring: Keyring,
    prepared: Prepared,
    clock: Arc<dyn Clock>,
}

/// Reason that there is no verifier.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Nobody could be told from anybody else.
    #[error("there is no secret to verify with, and callbacks that nobody verifies are refused")]
    NoSecret,
    /// A secret or a header's name that cannot be used.
    #[error(transparent)]
    Unusable(#[from] PrepareError),
}

/// Reason that a callback is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// It is not from whom it should be: answer 401. The text is for the
    /// operator; [`Refusal::caller_text`] is for the caller.
    #[error(transparent)]
    Signature(#[from] Refusal),
    /// It is, but has no id to be deduplicated by: answer 400.
    #[error("the callback has no event id, neither in `webhook-id` or `x-px-event-id` nor in its body")]
    NoId,
}

impl Verifier {
    /// Standard Webhooks, `v1`: secrets are `whsec_` and base64.
    ///
    /// # Errors
    /// Without a secret, or if one has another form.
    pub fn standard(secrets: impl IntoIterator<Item = impl Into<SecretString>>) -> Result<Self, Error> {
        Self::new(providers::standard_webhooks("secret"), secrets)
    }

    /// Standard Webhooks, `v1a`: public keys are `whpk_` and base64.
    ///
    /// # Errors
    /// Without a key, or if one has another form.
    pub fn standard_asymmetric(
        public_keys: impl IntoIterator<Item = impl Into<SecretString>>,
    ) -> Result<Self, Error> {
        Self::new(providers::standard_webhooks_asymmetric("public key"), public_keys)
    }

    /// `X-Hub-Signature-256`, as GitHub does it. It has no timestamp: only the
    /// deduplication stands against a callback that somebody plays again.
    ///
    /// # Errors
    /// Without a secret.
    pub fn github(secrets: impl IntoIterator<Item = impl Into<SecretString>>) -> Result<Self, Error> {
        let mut record = providers::github("secret");
        record.dedup = Vec::new();
        let record = IDS_IN_BODY.into_iter().fold(record, Verification::dedup_pointer);
        Self::new(record.dedup_header("x-px-event-id").dedup_header("x-github-delivery"), secrets)
    }

    /// A timestamp header and `sha256=<hex>`, under the names that the hook
    /// was given: `X-Px-Timestamp` and `X-Px-Signature` unless it says otherwise.
    ///
    /// # Errors
    /// Without a secret, or if a name is no header's.
    pub fn timestamped(
        timestamp_header: &str,
        signature_header: &str,
        secrets: impl IntoIterator<Item = impl Into<SecretString>>,
    ) -> Result<Self, Error> {
        let scheme = Scheme::Signature(Signature::new(signature_header));
        let record = Verification::new("timestamped", Some("secret"), scheme)
            .prefix("sha256=")
            .timestamp_header(timestamp_header)
            .signed([Part::Timestamp, Part::literal("."), Part::Body]);
        let record = IDS_IN_BODY.into_iter().fold(record, Verification::dedup_pointer);
        Self::new(record.dedup_header("x-px-event-id").event_header("x-px-event"), secrets)
    }

    /// `t=…,v1=…` as Stripe does it, in `Stripe-Signature` or in the header
    /// that the hook was given.
    ///
    /// # Errors
    /// Without a secret, or if the name is no header's.
    pub fn stripe(
        header: &str,
        secrets: impl IntoIterator<Item = impl Into<SecretString>>,
    ) -> Result<Self, Error> {
        let mut record = providers::stripe("secret");
        if let Scheme::Signature(signature) = &mut record.scheme {
            header.clone_into(&mut signature.header);
        }
        record.dedup = Vec::new();
        let record = IDS_IN_BODY.into_iter().fold(record, Verification::dedup_pointer);
        Self::new(record.dedup_header("x-px-event-id").event_header("x-px-event"), secrets)
    }

    /// Any record of [`px_verify::record`] that reads the body's signature.
    ///
    /// # Errors
    /// Without a secret, or if the record or a secret cannot be used.
    pub fn new(
        record: Verification,
        secrets: impl IntoIterator<Item = impl Into<SecretString>>,
    ) -> Result<Self, Error> {
        let keyring = secrets.into_iter().fold(Keyring::empty(), |keyring, one| keyring.with(one.into()));
        if keyring.is_empty() || matches!(record.scheme, Scheme::Unverified) {
            return Err(Error::NoSecret);
        }
        let prepared = Prepared::new(record.clone(), &keyring)?;
        Ok(Self { record, keyring, prepared, clock: Arc::new(SystemClock) })
    }

    /// Returns how far the signed timestamp may be from now, both ways: five minutes
    /// unless said otherwise.
    ///
    /// # Errors
    /// If the mode signs no timestamp.
    pub fn tolerance(self, tolerance: Duration) -> Result<Self, Error> {
        let record = self.record.tolerance(tolerance);
        let prepared = Prepared::new(record.clone(), &self.keyring)?;
        Ok(Self { record, prepared, ..self })
    }

    /// Another clock than the machine's.
    #[must_use]
    pub fn clock(self, clock: impl Clock) -> Self {
        Self { clock: Arc::new(clock), ..self }
    }

    /// Returns whether this callback is from whom it should be, and what it is.
    ///
    /// # Errors
    /// If it is not, or if it has no id.
    pub fn verify(&self, headers: &HeaderMap, body: &Bytes) -> Result<Event, Refused> {
        self.verify_at(headers, body, self.clock.now())
    }

    fn verify_at(&self, headers: &HeaderMap, body: &Bytes, now: Timestamp) -> Result<Event, Refused> {
        let received = Received {
            method: Method::POST,
            path: String::new(),
            query: None,
            base: None,
            headers: headers.clone(),
            body: body.clone(),
            remote: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
            at: now,
        };
        self.prepared.verify(&received, &UrlView::default())?;
        let content: Value = serde_json::from_slice(body).unwrap_or_default();
        let content = Element::of(&content);
        let id = self.prepared.delivery_id(&received, content).ok().flatten().ok_or(Refused::NoId)?;
        let named = |name| received.header(name).map(str::to_owned);
        let kind = named("x-px-event").or_else(|| self.prepared.event_type(&received, content));
        Ok(Event { id, kind, at: now, body: body.clone() })
    }
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Verifier").field("prepared", &self.prepared).finish_non_exhaustive()
    }
}
