//! The index of waits, and ids by their tails.

use px_api::{DuePage, FindIds, FoundIds, LatePage, ListDue, ListLate, ListWaits, WaitPage};

use crate::answer::Answer;
use crate::client::Client;
use crate::error::Result;

impl Client {
    /// Lists who waits for what, by webhook and identifier, in pages (`GET /waits`).
    ///
    /// # Errors
    /// See [`crate::Error`].
    pub async fn waits(&self, query: &ListWaits) -> Result<Answer<WaitPage>> {
        self.list("/waits", query).await
    }

    /// Lists deadlines, reminders and retries, soonest first, in pages (`GET /waits/due`).
    ///
    /// # Errors
    /// See [`crate::Error`].
    pub async fn due(&self, query: &ListDue) -> Result<Answer<DuePage>> {
        self.list("/waits/due", query).await
    }

    /// Lists waits that are older than their brain expects, in pages (`GET /waits/late`).
    ///
    /// # Errors
    /// See [`crate::Error`].
    pub async fn late(&self, query: &ListLate) -> Result<Answer<LatePage>> {
        self.list("/waits/late", query).await
    }

    /// Finds the things whose ids end in some digits (`GET /ids`).
    ///
    /// # Errors
    /// 400 if the tail is none; see [`crate::Error`].
    pub async fn ids(&self, query: &FindIds) -> Result<Answer<FoundIds>> {
        self.list("/ids", query).await
    }
}
