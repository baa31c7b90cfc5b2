//! Standard Webhooks `v1a`: Ed25519 (RFC 8032) over the same text as `v1`.
//! A private key is `whsk_` and base64 of the 64 bytes of a pair (seed, then
//! public key) or of the 32 of a seed alone, a public key `whpk_` and base64 of its 32 bytes.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use secrecy::{ExposeSecret as _, SecretString};

use super::Error;
use super::key::refused;

/// Prefix of a private key.
pub(super) const PREFIX: &str = "whsk_";
/// Prefix of a public key.
const PUBLIC_PREFIX: &str = "whpk_";

/// A key that signs. It has no `Debug`, and its bytes are wiped when it goes.
pub(super) struct PrivateKey(SigningKey);

impl PrivateKey {
    pub(super) fn parse(mode: &'static str, secret: &SecretString) -> Result<Self, Error> {
        let form = "a signing key is 'whsk_' and base64 of 64 bytes, the seed and the public key, or of the 32 of a \
                    seed";
        let refused = |why: &str| refused(mode, format!("{why}; {form}"));
        let text = secret
            .expose_secret()
            .trim()
            .strip_prefix(PREFIX)
            .ok_or_else(|| refused("it begins with neither 'whsk_' nor 'whsec_'"))?;
        let bytes = STANDARD
            .decode(text)
            .map_err(|_| refused("what follows 'whsk_' is no base64 with its padding"))?;
        if let Ok(seed) = <&[u8; 32]>::try_from(bytes.as_slice()) {
            return Ok(Self::from_seed(seed));
        }
        let pair = <&[u8; 64]>::try_from(bytes.as_slice())
            .map_err(|_| refused(&format!("it decodes to {} bytes", bytes.len())))?;
        let key = SigningKey::from_keypair_bytes(pair)
            .map_err(|_| refused("its two halves do not belong together"))?;
        Ok(Self(key))
    }

    pub(super) fn from_seed(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// The key as it is configured.
    pub(super) fn to_secret(&self) -> SecretString {
        SecretString::from(format!("{PREFIX}{}", STANDARD.encode(self.0.to_keypair_bytes())))
    }

    pub(super) fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    pub(super) fn sign(&self, pieces: &[&[u8]]) -> [u8; 64] {
        // Ed25519 reads its message twice, so it needs it in one piece.
        self.0.sign(&pieces.concat()).to_bytes()
    }
}

/// Public key that receivers verify `v1a` with. Its `Display` is the `whpk_` form.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    /// The 32 bytes (RFC 8032, section 5.1.5).
    #[must_use]
    pub fn to_bytes(&self) -> [u8; 32] {
        self.0.to_bytes()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PUBLIC_PREFIX}{}", STANDARD.encode(self.0.as_bytes()))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
