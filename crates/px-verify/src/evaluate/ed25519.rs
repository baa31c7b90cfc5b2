//! Ed25519 (RFC 8032) for Discord and Standard Webhooks `v1a`.

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};

/// A key that verifies.
pub(super) struct PublicKey(VerifyingKey);

impl PublicKey {
    /// From the 32 bytes of a public key, of a seed if the key is private, or
    /// from the 64 of a key pair (seed, then public key), of which the public
    /// half is used.
    pub(super) fn new(bytes: &[u8], is_private: bool) -> Result<Self, &'static str> {
        if let (Ok(seed), true) = (<&[u8; 32]>::try_from(bytes), is_private) {
            return Ok(Self(SigningKey::from_bytes(seed).verifying_key()));
        }
        if let Ok(pair) = <&[u8; 64]>::try_from(bytes) {
            let pair =
                SigningKey::from_keypair_bytes(pair).map_err(|_| "its two halves do not belong together")?;
            return Ok(Self(pair.verifying_key()));
        }
        let bytes = bytes.try_into().map_err(|_| "an Ed25519 public key has 32 bytes, a pair 64")?;
        VerifyingKey::from_bytes(bytes).map(Self).map_err(|_| "it is no point of the curve")
    }

    /// Strict verification, which also refuses keys and signatures of small
    /// order.
    pub(super) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        Signature::from_slice(signature)
            .is_ok_and(|signature| self.0.verify_strict(message, &signature).is_ok())
    }
}

/// Signs with a key pair, or with the seed of one. A public key alone cannot.
pub(super) fn sign(bytes: &[u8], is_private: bool, message: &[u8]) -> Result<Vec<u8>, &'static str> {
    if let (Ok(seed), true) = (<&[u8; 32]>::try_from(bytes), is_private) {
        return Ok(SigningKey::from_bytes(seed).sign(message).to_bytes().to_vec());
    }
    let pair =
        bytes.try_into().map_err(|_| "only a key pair of 64 bytes (seed, then public key) can sign")?;
    let pair = SigningKey::from_keypair_bytes(pair).map_err(|_| "its two halves do not belong together")?;
    Ok(pair.sign(message).to_bytes().to_vec())
}
