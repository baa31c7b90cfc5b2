//! API tokens. Each of these needs one of the scope admin.

use std::fmt::Display;

use px_api::{CreateToken, CreatedToken, Tokens};

use crate::answer::Answer;
use crate::client::{Client, encode};
use crate::error::Result;

impl Client {
    /// Lists every API token, oldest first, without its secret (`GET /tokens`).
    ///
    /// # Errors
    /// See [`crate::Error`].
    pub async fn tokens(&self) -> Result<Answer<Tokens>> {
        self.get("/tokens").await
    }

    /// Makes an API token; it is shown this once (`POST /tokens`).
    ///
    /// # Errors
    /// 409 if the first token is none of the scope admin, or there are too many;
    /// see [`crate::Error`].
    pub async fn create_token(&self, token: &CreateToken) -> Result<Answer<CreatedToken>> {
        self.post("/tokens", token).await
    }

    /// Revokes an API token, at once (`DELETE /tokens/{id}`).
    ///
    /// # Errors
    /// 404 if there is none; see [`crate::Error`].
    pub async fn revoke_token(&self, token: impl Display) -> Result<()> {
        self.delete(&format!("/tokens/{}", encode(token))).await
    }
}
