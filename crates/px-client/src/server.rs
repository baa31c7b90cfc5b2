//! The server itself.

use px_api::{Health, Keys, Object, Overview, Status};

use crate::answer::Answer;
use crate::client::Client;
use crate::error::Result;

impl Client {
    /// Asks whether the server takes requests (`GET /status`).
    ///
    /// # Errors
    /// See [`crate::Error`].
    pub async fn status(&self) -> Result<Answer<Status>> {
        self.get("/status").await
    }

    /// Reads the server's pace and counts, and what needs somebody (`GET /overview`).
    ///
    /// # Errors
    /// See [`crate::Error`].
    pub async fn overview(&self) -> Result<Answer<Overview>> {
        self.get("/overview").await
    }

    /// Asks whether the process does anything at all (`GET /health/live`).
    ///
    /// # Errors
    /// See [`crate::Error`].
    pub async fn live(&self) -> Result<Answer<Health>> {
        self.get("/health/live").await
    }

    /// Asks whether the server can take webhooks (`GET /health/ready`).
    ///
    /// # Errors
    /// [`crate::Kind::Refused`] with status 503 if it cannot; see [`crate::Error`].
    pub async fn ready(&self) -> Result<Answer<Health>> {
        self.get("/health/ready").await
    }

    /// Reads the OpenAPI document (`GET /openapi.json`).
    ///
    /// # Errors
    /// See [`crate::Error`].
    pub async fn openapi(&self) -> Result<Answer<Object>> {
        self.get("/openapi.json").await
    }

    /// Reads the public keys that callbacks are verified with
    /// (`GET /.well-known/webhooks-keys`).
    ///
    /// # Errors
    /// See [`crate::Error`].
    pub async fn hook_keys(&self) -> Result<Answer<Keys>> {
        self.get("/.well-known/webhooks-keys").await
    }
}
