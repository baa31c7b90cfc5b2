//! Values that outlive runs, as a test looks at them and prepares them.

use std::fmt;
use std::rc::Rc;

use px_core::{KvChange, KvId};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::process::Inner;

/// A value that outlives runs, as in `world.kv(orders, "count")`. A step has it by
/// [`Cx::kv`](px_sdk::Cx::kv).
#[derive(Clone)]
pub struct Kv {
    inner: Rc<Inner>,
    id: KvId,
}

impl fmt::Debug for Kv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Kv").field(&self.id).finish()
    }
}

impl Kv {
    pub(super) fn new(inner: Rc<Inner>, id: KvId) -> Self {
        Self { inner, id }
    }

    /// The value of this name within a scope.
    #[must_use]
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.id.scope = scope.into();
        self
    }

    /// Reads the value.
    ///
    /// # Panics
    /// It is of another type.
    #[must_use]
    #[track_caller]
    pub fn get<T: DeserializeOwned>(&self) -> Option<T> {
        let found = self.inner.live(async |world| world.kv(&self.id).await)?;
        match serde_json::from_value(found.clone()) {
            Ok(value) => Some(value),
            Err(error) => panic!("value {} is of another type: {error}: {found}", self.id),
        }
    }

    /// Writes the value, as a run before has left it.
    ///
    /// # Panics
    /// It cannot be written as JSON.
    #[track_caller]
    pub fn set(&self, value: impl Serialize) {
        match serde_json::to_value(value) {
            Ok(value) => self.change(&KvChange::Put(value)),
            Err(error) => panic!("value {} cannot be written as JSON: {error}", self.id),
        }
    }

    /// Removes the value, if there is one.
    #[track_caller]
    pub fn delete(&self) {
        self.change(&KvChange::Remove);
    }

    #[track_caller]
    fn change(&self, change: &KvChange) {
        self.inner.live(async |world| world.change_kv(&self.id, change).await);
    }
}
