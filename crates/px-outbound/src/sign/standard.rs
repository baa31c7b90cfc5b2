//! Standard Webhooks: `webhook-id`, `webhook-timestamp` and
//! `webhook-signature`, over `id.timestamp.body`. Several signatures stand in
//! one header with spaces between, which is how secrets are rotated
//! (standardwebhooks.com, "Signature scheme").

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret as _, SecretString};

use super::asymmetric::{self, PrivateKey, PublicKey};
use super::key::{Key, refused};
use super::{Error, Message, set};

pub(super) const ID: HeaderName = HeaderName::from_static("webhook-id");
pub(super) const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
pub(super) const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// Prefix of a secret.
pub(super) const PREFIX: &str = "whsec_";
/// The fewest bytes that a secret decodes to (Standard Webhooks).
pub(super) const MIN_BYTES: usize = 24;
/// The most bytes that a secret decodes to (Standard Webhooks).
pub(super) const MAX_BYTES: usize = 64;

/// Keys of the symmetric or the asymmetric mode, the newest first.
pub(super) struct Keys(Vec<One>);

enum One {
    Shared(Key),
    Private(PrivateKey),
}

impl Keys {
    /// `whsec_` secrets only.
    pub(super) fn symmetric(mode: &'static str, secrets: &[SecretString]) -> Result<Self, Error> {
        if secrets.is_empty() {
            return Err(Error::NoSecret);
        }
        if secrets.iter().any(|secret| secret.expose_secret().trim().starts_with(asymmetric::PREFIX)) {
            return Err(refused(mode, "it is an Ed25519 key; those sign as 'standard-asymmetric'"));
        }
        secrets
            .iter()
            .map(|secret| Ok(One::Shared(shared(mode, secret)?)))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// `whsk_` keys, and `whsec_` secrets beside them.
    pub(super) fn mixed(mode: &'static str, secrets: &[SecretString]) -> Result<Self, Error> {
        let keys: Vec<One> = secrets
            .iter()
            .map(|secret| {
                if secret.expose_secret().trim().starts_with(PREFIX) {
                    shared(mode, secret).map(One::Shared)
                } else {
                    PrivateKey::parse(mode, secret).map(One::Private)
                }
            })
            .collect::<Result<_, _>>()?;
        if keys.is_empty() {
            return Err(Error::NoSecret);
        }
        if !keys.iter().any(|key| matches!(key, One::Private(_))) {
            let why = "it is a shared secret; one key has to be 'whsk_' and base64, or sign as 'standard'";
            return Err(refused(mode, why));
        }
        Ok(Self(keys))
    }

    pub(super) fn sign(&self, message: &Message<'_>, headers: &mut HeaderMap) -> Result<(), Error> {
        let visible = |byte: u8| byte.is_ascii_graphic() && byte != b'.';
        let fits = !message.id.is_empty() && message.id.bytes().all(visible);
        let id = HeaderValue::from_str(message.id)
            .ok()
            .filter(|_| fits)
            .ok_or_else(|| Error::Id(message.id.to_owned()))?;
        let timestamp = message.timestamp();
        let pieces = [message.id.as_bytes(), b".", timestamp.as_bytes(), b".", message.body];
        let signatures: Vec<String> = self
            .0
            .iter()
            .map(|key| match key {
                One::Shared(key) => format!("v1,{}", STANDARD.encode(key.tag(&pieces))),
                One::Private(key) => format!("v1a,{}", STANDARD.encode(key.sign(&pieces))),
            })
            .collect();
        headers.insert(ID, id);
        set(headers, &TIMESTAMP, &timestamp);
        set(headers, &SIGNATURE, &signatures.join(" "));
        Ok(())
    }

    pub(super) fn public_keys(&self) -> Vec<PublicKey> {
        let private = self.0.iter().filter_map(|key| match key {
            One::Private(key) => Some(key.public()),
            One::Shared(_) => None,
        });
        private.collect()
    }
}

/// Reads `whsec_` and base64 of 24 to 64 bytes.
fn shared(mode: &'static str, secret: &SecretString) -> Result<Key, Error> {
    let form = "a Standard Webhooks secret is 'whsec_' and base64 of 24 to 64 bytes";
    let text = secret
        .expose_secret()
        .trim()
        .strip_prefix(PREFIX)
        .ok_or_else(|| refused(mode, format!("it does not begin with 'whsec_'; {form}")))?;
    let bytes = STANDARD
        .decode(text)
        .map_err(|_| refused(mode, format!("what follows 'whsec_' is no base64 with its padding; {form}")))?;
    if !(MIN_BYTES..=MAX_BYTES).contains(&bytes.len()) {
        let why = format!("it decodes to {} bytes; {form}", bytes.len());
        return Err(refused(mode, why));
    }
    Key::from_bytes(mode, &bytes)
}
