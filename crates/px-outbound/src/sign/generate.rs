//! New secrets and key pairs, from a source of randomness that is given:
//! `px_core::random_bytes`, or a test's own.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::SecretString;
use secrecy::zeroize::Zeroizing;

use super::asymmetric::{PrivateKey, PublicKey};
use super::standard;

/// Number of random bytes a new secret holds: the length of its hash.
const SECRET_BYTES: usize = 32;

/// A new shared secret, `whsec_` and base64 of 32 bytes that `fill` gave.
/// Every mode that shares a secret can use it.
#[must_use]
pub fn secret(fill: &dyn Fn(&mut [u8])) -> SecretString {
    let mut bytes = Zeroizing::new([0; SECRET_BYTES]);
    fill(bytes.as_mut_slice());
    SecretString::from(format!("{}{}", standard::PREFIX, STANDARD.encode(bytes.as_slice())))
}

/// A new Ed25519 pair from 32 bytes that `fill` gave: the private key in its
/// `whsk_` form, and the public one.
#[must_use]
pub fn key_pair(fill: &dyn Fn(&mut [u8])) -> (SecretString, PublicKey) {
    let mut seed = Zeroizing::new([0; 32]);
    fill(seed.as_mut_slice());
    let key = PrivateKey::from_seed(&seed);
    (key.to_secret(), key.public())
}
