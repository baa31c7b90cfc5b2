//! An event as it was sent.

use bytes::Bytes;
use px_core::Timestamp;

/// A callback whose sender is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The event's id: the same at every attempt to deliver it.
    pub id: String,
    /// Its type, for example `run.completed`, if the request says so.
    pub kind: Option<String>,
    /// Time of its receipt.
    pub at: Timestamp,
    /// The exact bytes that were signed.
    pub body: Bytes,
}

impl Event {
    /// The body as JSON.
    ///
    /// # Errors
    /// If it is none.
    pub fn json(&self) -> Result<serde_json::Value, serde_json::Error> {
        serde_json::from_slice(&self.body)
    }
}
