//! A timestamp header and `sha256=<hex>` over `timestamp.body`, in headers
//! whose names the hook may choose (`X-Forge-Timestamp` and so on). Receivers
//! compare the whole signature header, so the newest secret signs alone.

use http::{HeaderMap, HeaderName};
use secrecy::SecretString;

use super::{Error, Message, key, names, set};

pub(super) struct Key {
    key: key::Key,
    signature: HeaderName,
    timestamp: HeaderName,
}

impl Key {
    /// `names` are those of the timestamp and of the signature.
    pub(super) fn new(
        mode: &'static str,
        names: (&str, &str),
        secrets: &[SecretString],
    ) -> Result<Self, Error> {
        let (timestamp, signature) = (names::usable(names.0)?, names::usable(names.1)?);
        if timestamp == signature {
            let why = "it is named for the timestamp and the signature";
            return Err(Error::Header { name: names.1.to_owned(), why });
        }
        Ok(Self { key: key::newest(mode, secrets)?, signature, timestamp })
    }

    pub(super) fn sign(&self, message: &Message<'_>, headers: &mut HeaderMap) {
        let timestamp = message.timestamp();
        let tag = self.key.hex(&[timestamp.as_bytes(), b".", message.body]);
        set(headers, &self.timestamp, &timestamp);
        set(headers, &self.signature, &format!("sha256={tag}"));
    }
}
