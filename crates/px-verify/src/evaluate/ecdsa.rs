//! ECDSA over P-256 with SHA-256 (FIPS 186-5) for SendGrid.

use p256::ecdsa::signature::{Signer as _, Verifier as _};
use p256::ecdsa::{Signature, SigningKey, VerifyingKey};

/// Prefix of every `SubjectPublicKeyInfo` of an uncompressed P-256 key
/// (RFC 5480); the point of 65 bytes follows.
const SPKI_PREFIX: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// A key that verifies.
pub(super) struct PublicKey(VerifyingKey);

impl PublicKey {
    /// From a `SubjectPublicKeyInfo` in DER, or from the 32 bytes of a private
    /// key, of which the public half is used.
    pub(super) fn new(bytes: &[u8]) -> Result<Self, &'static str> {
        if bytes.len() == 32 {
            let private = SigningKey::from_slice(bytes).map_err(|_| "it is no P-256 scalar")?;
            return Ok(Self(*private.verifying_key()));
        }
        let point = bytes.strip_prefix(&SPKI_PREFIX).ok_or("it is no SubjectPublicKeyInfo of a P-256 key")?;
        VerifyingKey::from_sec1_bytes(point).map(Self).map_err(|_| "it is no point of the curve")
    }

    pub(super) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        Signature::from_der(signature).is_ok_and(|signature| self.0.verify(message, &signature).is_ok())
    }
}

/// Signs with a private key. A public key cannot.
pub(super) fn sign(bytes: &[u8], message: &[u8]) -> Result<Vec<u8>, &'static str> {
    if bytes.len() != 32 {
        return Err("only a private key of 32 bytes can sign");
    }
    let private = SigningKey::from_slice(bytes).map_err(|_| "it is no P-256 scalar")?;
    let signature: Signature = private.sign(message);
    Ok(signature.to_der().as_bytes().to_vec())
}
