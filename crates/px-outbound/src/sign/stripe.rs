//! Stripe's form: `t=<timestamp>,v1=<hex>` over `timestamp.body`, a `v1` for
//! each key (docs.stripe.com, "Verify webhook signatures manually"). The
//! secret's text is the key, prefix and all.

use http::{HeaderMap, HeaderName};
use secrecy::SecretString;

use super::{Error, Message, key, names, set};

pub(super) struct Keys {
    keys: Vec<key::Key>,
    signature: HeaderName,
}

impl Keys {
    pub(super) fn new(mode: &'static str, header: &str, secrets: &[SecretString]) -> Result<Self, Error> {
        let keys = key::texts(mode, secrets)?;
        Ok(Self { keys, signature: names::usable(header)? })
    }

    pub(super) fn sign(&self, message: &Message<'_>, headers: &mut HeaderMap) {
        let timestamp = message.timestamp();
        let pieces = [timestamp.as_bytes(), b".", message.body];
        let mut text = format!("t={timestamp}");
        for key in &self.keys {
            text.push_str(",v1=");
            text.push_str(&key.hex(&pieces));
        }
        set(headers, &self.signature, &text);
    }
}
