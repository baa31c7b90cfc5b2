//! Hooks, and the callbacks on their way to them.

use std::fmt::Display;

use http::Method;
use px_api::{
    Callback, CallbackPage, CallbackSummary, CreateHook, Hook, HookStats, Hooks, ListCallbacks, Object,
    RecoverHook, Recovered, RotateSecret, TestSent, UpdateHook,
};

use crate::answer::Answer;
use crate::client::{Client, encode};
use crate::error::Result;

fn path(hook: impl Display, tail: &str) -> String {
    format!("/hooks/{}{tail}", encode(hook))
}

impl Client {
    /// Lists every hook (`GET /hooks`).
    ///
    /// # Errors
    /// See [`crate::Error`].
    pub async fn hooks(&self) -> Result<Answer<Hooks>> {
        self.get("/hooks").await
    }

    /// Makes a hook; its secret is shown this once (`POST /hooks`).
    ///
    /// # Errors
    /// 400 for a URL that is none, 422 for an address that may not be sent to, 409
    /// if there are too many; see [`crate::Error`].
    pub async fn create_hook(&self, hook: &CreateHook) -> Result<Answer<Hook>> {
        self.post("/hooks", hook).await
    }

    /// Shows a hook (`GET /hooks/{id}`).
    ///
    /// # Errors
    /// 404 if there is none; see [`crate::Error`].
    pub async fn hook(&self, hook: impl Display) -> Result<Answer<Hook>> {
        self.get(&path(hook, "")).await
    }

    /// Changes a hook; what is left out stays as it is (`PATCH /hooks/{id}`).
    ///
    /// # Errors
    /// 404 if there is none, 409 if it belongs to the configuration, 422 for an
    /// address that may not be sent to; see [`crate::Error`].
    pub async fn update_hook(&self, hook: impl Display, change: &UpdateHook) -> Result<Answer<Hook>> {
        self.send(Method::PATCH, &path(hook, ""), change, false).await
    }

    /// Deletes a hook; what is still due for it is discarded (`DELETE /hooks/{id}`).
    ///
    /// # Errors
    /// 404 if there is none, 409 if it belongs to the configuration; see
    /// [`crate::Error`].
    pub async fn delete_hook(&self, hook: impl Display) -> Result<()> {
        self.delete(&path(hook, "")).await
    }

    /// Sends a hook a test (`POST /hooks/{id}/test`).
    ///
    /// # Errors
    /// 404 if there is none, 409 if it takes no callbacks; see [`crate::Error`].
    pub async fn test_hook(&self, hook: impl Display) -> Result<Answer<TestSent>> {
        self.post(&path(hook, "/test"), &Object::new()).await
    }

    /// Gives a hook another secret, which is shown this once; the old one signs too
    /// for a while (`POST /hooks/{id}/rotate-secret`).
    ///
    /// # Errors
    /// 404 if there is none, 409 if it belongs to the configuration or does not
    /// sign; see [`crate::Error`].
    pub async fn rotate_secret(&self, hook: impl Display, rotation: &RotateSecret) -> Result<Answer<Hook>> {
        self.post(&path(hook, "/rotate-secret"), rotation).await
    }

    /// Sends a hook everything that it did not get since a time
    /// (`POST /hooks/{id}/recover`).
    ///
    /// # Errors
    /// 404 if there is none, 409 if it takes no callbacks; see [`crate::Error`].
    pub async fn recover_hook(
        &self,
        hook: impl Display,
        recovery: &RecoverHook,
    ) -> Result<Answer<Recovered>> {
        self.send(Method::POST, &path(hook, "/recover"), recovery, recovery.dry_run).await
    }

    /// Shows how a hook does (`GET /hooks/{id}/stats`).
    ///
    /// # Errors
    /// 404 if there is none; see [`crate::Error`].
    pub async fn hook_stats(&self, hook: impl Display) -> Result<Answer<HookStats>> {
        self.get(&path(hook, "/stats")).await
    }

    /// Lists callbacks, newest first, in pages (`GET /deliveries`).
    ///
    /// # Errors
    /// 404 if there is no such hook or run; see [`crate::Error`].
    pub async fn callbacks(&self, query: &ListCallbacks) -> Result<Answer<CallbackPage>> {
        self.list("/deliveries", query).await
    }

    /// Lists the callbacks to a hook, newest first, in pages
    /// (`GET /hooks/{id}/deliveries`).
    ///
    /// # Errors
    /// 404 if there is no such hook; see [`crate::Error`].
    pub async fn hook_callbacks(
        &self,
        hook: impl Display,
        query: &ListCallbacks,
    ) -> Result<Answer<CallbackPage>> {
        self.list(&path(hook, "/deliveries"), query).await
    }

    /// Shows a callback, with every attempt and its body (`GET /deliveries/{id}`).
    ///
    /// # Errors
    /// 404 if there is none; see [`crate::Error`].
    pub async fn callback(&self, callback: impl Display) -> Result<Answer<Callback>> {
        self.get(&format!("/deliveries/{}", encode(callback))).await
    }

    /// Sends a callback once more, the same event and the same bytes
    /// (`POST /deliveries/{id}/redeliver`).
    ///
    /// # Errors
    /// 404 if there is none, 409 if its hook takes none; see [`crate::Error`].
    pub async fn redeliver(&self, callback: impl Display) -> Result<Answer<CallbackSummary>> {
        self.post(&format!("/deliveries/{}/redeliver", encode(callback)), &Object::new()).await
    }
}
