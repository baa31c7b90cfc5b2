//! Values that outlive runs.

use std::fmt::Display;

use px_api::{ClearedStore, ListStore, StoreBrains, StoreKeys, StoreValue};

use crate::answer::Answer;
use crate::client::{Client, encode};
use crate::error::Result;

fn path(brain: impl Display, scope: impl Display, key: impl Display) -> String {
    format!("/store/{}/{}/{}", encode(brain), encode(scope), encode(key))
}

impl Client {
    /// Lists the brains that have values, by title, in pages (`GET /store`).
    ///
    /// # Errors
    /// See [`crate::Error`].
    pub async fn store_brains(&self, query: &ListStore) -> Result<Answer<StoreBrains>> {
        self.list("/store", query).await
    }

    /// Lists the values of a brain, which is named by its title, by scope and key, in pages
    /// (`GET /store/{brain}`).
    ///
    /// # Errors
    /// See [`crate::Error`].
    pub async fn store_keys(&self, brain: impl Display, query: &ListStore) -> Result<Answer<StoreKeys>> {
        self.list(&format!("/store/{}", encode(brain)), query).await
    }

    /// Shows a value (`GET /store/{brain}/{scope}/{key}`); the scope that all runs of the brain share is
    /// `shared`.
    ///
    /// # Errors
    /// 404 if there is none; see [`crate::Error`].
    pub async fn store_value(
        &self,
        brain: impl Display,
        scope: impl Display,
        key: impl Display,
    ) -> Result<Answer<StoreValue>> {
        self.get(&path(brain, scope, key)).await
    }

    /// Removes a value (`DELETE /store/{brain}/{scope}/{key}`).
    ///
    /// # Errors
    /// 404 if there is none; see [`crate::Error`].
    pub async fn delete_store_value(
        &self,
        brain: impl Display,
        scope: impl Display,
        key: impl Display,
    ) -> Result<()> {
        self.delete(&path(brain, scope, key)).await
    }

    /// Removes all values of a brain (`DELETE /store/{brain}`).
    ///
    /// # Errors
    /// See [`crate::Error`].
    pub async fn clear_store(&self, brain: impl Display) -> Result<Answer<ClearedStore>> {
        self.remove(&format!("/store/{}", encode(brain))).await
    }
}
