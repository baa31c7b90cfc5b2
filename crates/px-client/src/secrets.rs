//! Secrets. Each of these needs a token of the scope admin.

use px_api::{SecretExists, SecretInfo, SecretReads, Secrets, SecretsSet, SetSecret, SetSecrets};

use crate::answer::Answer;
use crate::client::{Client, encode};
use crate::error::Result;

impl Client {
    /// Lists the secrets of the store, without their values (`GET /secrets`).
    ///
    /// # Errors
    /// See [`crate::Error`].
    pub async fn secrets(&self) -> Result<Answer<Secrets>> {
        self.get("/secrets").await
    }

    /// Sets a secret (`POST /secrets`).
    ///
    /// # Errors
    /// 400 for a name or a value that cannot be, 403 for `ROOT_PUBLIC_KEY`; see
    /// [`crate::Error`].
    pub async fn set_secret(&self, secret: &SetSecret) -> Result<Answer<SecretInfo>> {
        self.post("/secrets", secret).await
    }

    /// Sets secrets, all of them or none (`POST /secrets/bulk`).
    ///
    /// # Errors
    /// As [`Client::set_secret`].
    pub async fn set_secrets(&self, secrets: Vec<SetSecret>) -> Result<Answer<SecretsSet>> {
        self.post("/secrets/bulk", &SetSecrets { secrets: Some(secrets) }).await
    }

    /// Deletes a secret (`DELETE /secrets/{name}`).
    ///
    /// # Errors
    /// 404 if there is none; see [`crate::Error`].
    pub async fn delete_secret(&self, name: &str) -> Result<()> {
        self.delete(&format!("/secrets/{}", encode(name))).await
    }

    /// Asks whether the store has a secret (`GET /secrets/{name}/exists`).
    ///
    /// # Errors
    /// See [`crate::Error`].
    pub async fn secret_exists(&self, name: &str) -> Result<Answer<SecretExists>> {
        self.get(&format!("/secrets/{}/exists", encode(name))).await
    }

    /// Lists who has read a secret (`GET /secrets/{name}/reads`).
    ///
    /// # Errors
    /// 404 if there is none, and nobody has read one of the environment; see
    /// [`crate::Error`].
    pub async fn secret_reads(&self, name: &str) -> Result<Answer<SecretReads>> {
        self.get(&format!("/secrets/{}/reads", encode(name))).await
    }
}
