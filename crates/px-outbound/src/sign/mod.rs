//! Signing: how a receiver knows that px sent a callback, and that nothing
//! was changed on the way. One file a mode.
//!
//! It reads no clock and no randomness, and knows no hook: the time of the
//! attempt and the random source are given, so that every attempt of a
//! delivery is signed afresh over the same body. Secrets are held as
//! [`SecretString`] or in types whose `Debug` shows nothing.
//!
//! While a secret is being rotated several keys sign at once, the newest
//! first. A mode whose header has room for one signature only (`github` and
//! `timestamped`) signs with the newest alone: its receivers have to accept
//! both secrets before the new one is set. [`carries_several`] says
//! which is which.
//!
//! Tests: in the files, against values that the providers publish or that a
//! second implementation made, and `tests/sign.rs`.

mod asymmetric;
mod generate;
mod github;
mod jwks;
mod key;
mod names;
mod standard;
mod stripe;
mod timestamped;

pub use asymmetric::PublicKey;
pub use generate::{key_pair, secret};
pub use jwks::jwks;

use http::{HeaderMap, HeaderName, HeaderValue};
use px_core::Timestamp;
use px_core::hook::Signing;
use secrecy::SecretString;

/// Maximum number of keys that sign: the newest and ten old ones, as Standard
/// Webhooks receivers expect.
pub const MAX_KEYS: usize = 11;

/// Returns whether one request carries the signatures of several keys. Where not, the
/// newest key signs alone, also while secrets are rotated.
#[must_use]
pub const fn carries_several(signing: &Signing) -> bool {
    matches!(signing, Signing::Standard | Signing::StandardAsymmetric | Signing::Stripe { .. })
}

/// One attempt to deliver one event.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    /// The event's id, the same at every attempt. No dot in it: the signed
    /// text is joined with dots.
    pub id: &'a str,
    /// Time of the attempt. Signed in whole seconds.
    pub at: Timestamp,
    /// The exact bytes of the body.
    pub body: &'a [u8],
}

impl Message<'_> {
    fn timestamp(&self) -> String {
        self.at.as_secs().to_string()
    }
}

/// Reason that nothing can be signed. No variant holds a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no secret.
    #[error("there is no secret to sign with")]
    NoSecret,
    /// More than [`MAX_KEYS`].
    #[error("there are {0} secrets, and at most {MAX_KEYS} sign at once")]
    TooMany(usize),
    /// A secret that the mode cannot use.
    #[error("the secret cannot sign as {mode}: {why}")]
    Secret {
        /// The mode.
        mode: &'static str,
        /// Reason, and the form that it should have.
        why: String,
    },
    /// A header's name that cannot be used.
    #[error("'{name}' cannot carry a signature: {why}")]
    Header {
        /// The name.
        name: String,
        /// Reason.
        why: &'static str,
    },
    /// An event id that cannot be signed.
    #[error("the event id '{0}' cannot be signed: it is no visible ASCII without dots")]
    Id(String),
}

/// Keys made ready once, which then sign any number of attempts.
pub struct Signer {
    mode: &'static str,
    keys: Keys,
}

enum Keys {
    Standard(standard::Keys),
    Github(github::Key),
    Timestamped(timestamped::Key),
    Stripe(stripe::Keys),
}

impl Signer {
    /// Makes `secrets`, the newest first, ready to sign as `signing` says.
    /// Every one of them has to be usable, also where only the newest signs.
    ///
    /// # Errors
    /// If there is none or too many, if one cannot sign in this way, or if a
    /// header's name cannot be one.
    pub fn new(signing: &Signing, secrets: &[SecretString]) -> Result<Self, Error> {
        if secrets.len() > MAX_KEYS {
            return Err(Error::TooMany(secrets.len()));
        }
        let mode = signing.as_str();
        let keys = match signing {
            Signing::Standard => Keys::Standard(standard::Keys::symmetric(mode, secrets)?),
            Signing::StandardAsymmetric => Keys::Standard(standard::Keys::mixed(mode, secrets)?),
            Signing::Github => Keys::Github(github::Key::new(mode, secrets)?),
            Signing::Timestamped { timestamp_header, signature_header } => {
                let names = (timestamp_header.as_str(), signature_header.as_str());
                Keys::Timestamped(timestamped::Key::new(mode, names, secrets)?)
            }
            Signing::Stripe { header } => Keys::Stripe(stripe::Keys::new(mode, header, secrets)?),
        };
        Ok(Self { mode, keys })
    }

    /// Sets the headers that prove who sent `message`. Headers of the same
    /// names are replaced.
    ///
    /// # Errors
    /// If the message's id cannot be signed.
    pub fn sign(&self, message: &Message<'_>, headers: &mut HeaderMap) -> Result<(), Error> {
        match &self.keys {
            Keys::Standard(keys) => keys.sign(message, headers),
            Keys::Github(key) => {
                key.sign(message, headers);
                Ok(())
            }
            Keys::Timestamped(key) => {
                key.sign(message, headers);
                Ok(())
            }
            Keys::Stripe(keys) => {
                keys.sign(message, headers);
                Ok(())
            }
        }
    }

    /// The public halves of the Ed25519 keys that sign here.
    pub fn public_keys(&self) -> impl Iterator<Item = PublicKey> {
        let keys = match &self.keys {
            Keys::Standard(keys) => keys.public_keys(),
            _ => Vec::new(),
        };
        keys.into_iter()
    }
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signer").field("mode", &self.mode).finish_non_exhaustive()
    }
}

/// Sets a header to text that is visible ASCII by construction: digits,
/// hexadecimal, base64 and the fixed words around them.
fn set(headers: &mut HeaderMap, name: &HeaderName, text: &str) {
    if let Ok(value) = HeaderValue::from_str(text) {
        headers.insert(name.clone(), value);
    }
}
