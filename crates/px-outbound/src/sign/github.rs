//! GitHub's form: `X-Hub-Signature-256: sha256=<hex>` over the body alone
//! (docs.github.com, "Validating webhook deliveries"). The header has room for
//! one signature, so the newest secret signs alone.

use http::{HeaderMap, HeaderName};
use secrecy::SecretString;

use super::{Error, Message, key, set};

pub(super) const SIGNATURE: HeaderName = HeaderName::from_static("x-hub-signature-256");

pub(super) struct Key(key::Key);

impl Key {
    pub(super) fn new(mode: &'static str, secrets: &[SecretString]) -> Result<Self, Error> {
        key::newest(mode, secrets).map(Self)
    }

    pub(super) fn sign(&self, message: &Message<'_>, headers: &mut HeaderMap) {
        set(headers, &SIGNATURE, &format!("sha256={}", self.0.hex(&[message.body])));
    }
}
