//! HMAC-SHA256 keys (RFC 2104): read once, with the key's blocks hashed, and
//! cloned for each signature.

use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;

use super::Error;

/// A key that is ready. It has no `Debug`.
#[derive(Clone)]
pub(super) struct Key(Hmac<Sha256>);

impl Key {
    /// From the key's bytes.
    pub(super) fn from_bytes(mode: &'static str, bytes: &[u8]) -> Result<Self, Error> {
        let mac = Hmac::new_from_slice(bytes).map_err(|_| refused(mode, "HMAC does not take its length"))?;
        Ok(Self(mac))
    }

    /// From a text whose own bytes are the key, prefix and all, as GitHub and
    /// Stripe do it.
    pub(super) fn from_text(mode: &'static str, secret: &SecretString) -> Result<Self, Error> {
        let text = secret.expose_secret();
        if text.trim().is_empty() {
            return Err(refused(mode, "it is empty, and anybody can sign with an empty key"));
        }
        if text.trim() != text {
            return Err(refused(
                mode,
                "it begins or ends with white space, which receivers read differently",
            ));
        }
        Self::from_bytes(mode, text.as_bytes())
    }

    /// The 32 bytes over the concatenated pieces.
    pub(super) fn tag(&self, pieces: &[&[u8]]) -> [u8; 32] {
        let mut mac = self.0.clone();
        for piece in pieces {
            mac.update(piece);
        }
        mac.finalize().into_bytes().into()
    }

    /// The tag in lower-case hexadecimal.
    pub(super) fn hex(&self, pieces: &[&[u8]]) -> String {
        hex::encode(self.tag(pieces))
    }
}

/// Reads text keys, the newest first; there has to be one.
pub(super) fn texts(mode: &'static str, secrets: &[SecretString]) -> Result<Vec<Key>, Error> {
    if secrets.is_empty() {
        return Err(Error::NoSecret);
    }
    secrets.iter().map(|secret| Key::from_text(mode, secret)).collect()
}

/// The newest of text keys. The others have to be readable too: a slip in an
/// old secret is told when it is configured.
pub(super) fn newest(mode: &'static str, secrets: &[SecretString]) -> Result<Key, Error> {
    texts(mode, secrets)?.into_iter().next().ok_or(Error::NoSecret)
}

pub(super) fn refused(mode: &'static str, why: impl Into<String>) -> Error {
    Error::Secret { mode, why: why.into() }
}
