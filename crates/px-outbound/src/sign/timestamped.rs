//! A timestamp header and `sha256=<hex>` over `timestamp.body`, in headers
//! whose names the hook may choose (`X-Forge-Timestamp` and so on). Receivers
//! compare the whole signature header, so the newest secret signs alone.

use http::{HeaderMap, HeaderName};
use secrecy::SecretString;

use super::{Error, Message, Mode, Names, key, set};

pub(super) struct Key {
    key: key::Key,
    signature: HeaderName,
    timestamp: HeaderName,
}

impl Key {
    pub(super) fn new(names: &Names, secrets: &[SecretString]) -> Result<Self, Error> {
        Ok(Self {
            key: key::newest(Mode::Timestamped, secrets)?,
            signature: names.signature_header(Mode::Timestamped)?,
            timestamp: names.timestamp_header()?,
        })
    }

    pub(super) fn sign(&self, message: &Message<'_>, headers: &mut HeaderMap) {
        let timestamp = message.timestamp();
        let tag = self.key.hex(&[timestamp.as_bytes(), b".", message.body]);
        set(headers, &self.timestamp, &timestamp);
        set(headers, &self.signature, &format!("sha256={tag}"));
    }
}
