//! Brains.

use std::fmt::Display;

use px_api::{Brain, BrainHistory, Brains, FindBrains, Runs};

use crate::answer::Answer;
use crate::client::{Client, encode};
use crate::error::Result;

impl Client {
    /// Lists every brain, or those that a text can mean (`GET /brains`).
    ///
    /// # Errors
    /// See [`crate::Error`].
    pub async fn brains(&self, query: &FindBrains) -> Result<Answer<Brains>> {
        self.list("/brains", query).await
    }

    /// Shows a brain, by title, file name or a part of them (`GET /brains/{id}`).
    ///
    /// # Errors
    /// 404 if there is none, 300 if several could be meant; see [`crate::Error`].
    pub async fn brain(&self, brain: impl Display) -> Result<Answer<Brain>> {
        self.get(&format!("/brains/{}", encode(brain))).await
    }

    /// Lists the newest runs of a brain (`GET /brains/{id}/history`).
    ///
    /// # Errors
    /// As [`Client::brain`].
    pub async fn brain_history(&self, brain: impl Display, query: &BrainHistory) -> Result<Answer<Runs>> {
        self.list(&format!("/brains/{}/history", encode(brain)), query).await
    }

    /// Lists the runs of a brain that are running, paused or waiting
    /// (`GET /brains/{id}/active-runs`).
    ///
    /// # Errors
    /// As [`Client::brain`].
    pub async fn active_runs(&self, brain: impl Display) -> Result<Answer<Runs>> {
        self.get(&format!("/brains/{}/active-runs", encode(brain))).await
    }
}
