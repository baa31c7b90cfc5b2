//! Answer of the server: a typed value, and the bytes that it was read from.

use std::fmt;
use std::ops::Deref;

use bytes::Bytes;
use px_api::Accepted;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// An answer, or an event of a stream. It dereferences to its value.
#[derive(Clone)]
pub struct Answer<T> {
    value: T,
    body: Bytes,
}

impl<T> Answer<T> {
    /// Reads a body.
    pub(crate) fn read(body: Bytes) -> Result<Self, serde_json::Error>
    where
        T: DeserializeOwned,
    {
        Ok(Self { value: serde_json::from_slice(&body)?, body })
    }

    /// The value alone.
    pub fn into_value(self) -> T {
        self.value
    }

    /// The body as it came.
    pub const fn body(&self) -> &Bytes {
        &self.body
    }

    /// The body as JSON, with the fields that this version does not know.
    pub fn to_json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// Without the body, which may hold a secret that the value hides.
impl<T: fmt::Debug> fmt::Debug for Answer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Answer").field(&self.value).finish()
    }
}

impl<T> Deref for Answer<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

/// Answer of a webhook. A refusal is an answer too: it is the webhook's to
/// give, and need not look like one of the API.
#[derive(Debug, Clone)]
pub struct WebhookAnswer {
    /// The status.
    pub status: u16,
    /// The body as it came.
    pub body: Bytes,
}

impl WebhookAnswer {
    /// Returns whether the webhook took the request in.
    #[must_use]
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Returns what became of the request, if the answer says so: a handshake's does not.
    #[must_use]
    pub fn accepted(&self) -> Option<Accepted> {
        serde_json::from_slice(&self.body).ok()
    }

    /// Returns the reason for the refusal, if the answer has one.
    #[must_use]
    pub fn error(&self) -> Option<px_api::Error> {
        serde_json::from_slice(&self.body).ok()
    }

    /// The body as JSON, or as a text if it is none.
    #[must_use]
    pub fn to_json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&self.body).into_owned()))
    }
}
