//! The public keys as a JSON Web Key Set (RFC 7517, RFC 8037), for receivers
//! that fetch them from `/.well-known/webhooks-keys`.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::PublicKey;

/// The members of the set of `keys`, each once, in their order. A key's id is its thumbprint
/// (RFC 7638), so it is the same whoever computes it.
#[must_use]
pub fn jwks(keys: impl IntoIterator<Item = PublicKey>) -> Vec<Map<String, Value>> {
    let mut unique: Vec<PublicKey> = Vec::new();
    for key in keys {
        if !unique.contains(&key) {
            unique.push(key);
        }
    }
    unique.iter().map(jwk).collect()
}

fn jwk(key: &PublicKey) -> Map<String, Value> {
    let x = URL_SAFE_NO_PAD.encode(key.to_bytes());
    // RFC 7638: the required members in lexical order, without white space.
    let canonical = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
    let id = URL_SAFE_NO_PAD.encode(Sha256::digest(canonical));
    let members =
        [("kty", "OKP"), ("crv", "Ed25519"), ("x", &x), ("kid", &id), ("alg", "EdDSA"), ("use", "sig")];
    members.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect()
}
