//! Keys, made ready once at the start, and which of them count at a moment.

use crate::record::{KeyForm, Keyring};
use px_core::Timestamp;
use secrecy::{ExposeSecret, SecretString};

use super::{base64_of, prepared};

/// Keys in the keyring's order, the current one first.
pub(super) struct Keys<T>(Vec<Ready<T>>);

struct Ready<T> {
    expires: Option<Timestamp>,
    id: Option<String>,
    key: T,
}

impl<T> Keys<T> {
    /// Makes every secret ready. `variable` names them in an error.
    pub(super) fn new(
        variable: &str,
        keyring: &Keyring,
        ready: impl Fn(&SecretString) -> Result<T, &'static str>,
    ) -> Result<Self, prepared::Error> {
        let error = |why| prepared::Error::Key { variable: variable.to_owned(), why };
        let keys = keyring.keys().iter();
        keys.map(|key| {
            let made = ready(&key.secret).map_err(error)?;
            Ok(Ready { expires: key.expires, id: key.id.clone(), key: made })
        })
        .collect::<Result<_, _>>()
        .map(Self)
    }

    /// The keys that count at `at`, with their index in the keyring.
    pub(super) fn active(&self, at: Timestamp) -> impl Iterator<Item = (usize, &T)> {
        self.active_of(at, None)
    }

    /// The same, without those that have another id than the request names, if it
    /// names one.
    pub(super) fn active_of(&self, at: Timestamp, id: Option<&str>) -> impl Iterator<Item = (usize, &T)> {
        self.0
            .iter()
            .enumerate()
            .filter(move |(_, ready)| ready.expires.is_none_or(|expires| at < expires))
            .filter(move |(_, ready)| id.is_none_or(|id| ready.id.as_deref().is_none_or(|own| own == id)))
            .map(|(index, ready)| (index, &ready.key))
    }

    /// Returns whether the key that a request names may be one of these: one has that
    /// id, or one has none.
    pub(super) fn may_have(&self, id: &str) -> bool {
        self.0.is_empty() || self.0.iter().any(|ready| ready.id.as_deref().is_none_or(|own| own == id))
    }

    /// The key at `index` of the keyring.
    pub(super) fn get(&self, index: usize) -> Option<&T> {
        self.0.get(index).map(|ready| &ready.key)
    }
}

/// Returns true if a key's text says that it is a private one (Standard Webhooks).
pub(super) fn is_private(secret: &SecretString) -> bool {
    secret.expose_secret().trim().starts_with("whsk_")
}

/// The key's bytes.
pub(super) fn bytes(form: &KeyForm, secret: &SecretString) -> Result<Vec<u8>, &'static str> {
    let text = secret.expose_secret();
    let bytes = match form {
        KeyForm::Text => text.as_bytes().to_vec(),
        // For the forms with an alphabet, white space around the text can
        // only be a slip, and never a part of the key.
        KeyForm::Hex => hex::decode(text.trim()).map_err(|_| "it is not hexadecimal")?,
        KeyForm::Base64 { strip } => {
            let text = text.trim();
            let text = strip.iter().find_map(|prefix| text.strip_prefix(prefix.as_str())).unwrap_or(text);
            base64_of(text).ok_or("it is not base64")?
        }
    };
    if bytes.is_empty() {
        return Err("it is empty");
    }
    Ok(bytes)
}
