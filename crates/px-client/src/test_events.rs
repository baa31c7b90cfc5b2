//! Test events, which the server makes and signs itself.

use px_api::{SendTest, SentTest};

use crate::answer::Answer;
use crate::client::Client;
use crate::error::Result;

impl Client {
    /// Has the server send a webhook a test event, signed with the secret that it has
    /// (`POST /tests`).
    ///
    /// # Errors
    /// 403 if the webhook takes none, 409 if it cannot be signed, 422 if no payload has the identifier or
    /// the payload does not fit; see [`crate::Error`].
    pub async fn send_test(&self, test: &SendTest) -> Result<Answer<SentTest>> {
        self.post("/tests", test).await
    }
}
