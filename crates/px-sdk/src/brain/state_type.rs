//! Types of stored states, at run time: what a value reads as, and what a migration of it leads from and to.

use std::any::{TypeId, type_name};
use std::fmt;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::State;
use super::output::from_object;
use crate::error::{Error, Result};
use crate::resource::write_name;

/// State as an older version of a brain stored it: a migration reads it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the old state of a migration",
    label = "cannot be read from what is stored",
    note = "a migration reads the old state from the store: `#[derive(serde::Deserialize)]`, with the fields that \
            it had, and own what it holds"
)]
pub trait OldState: DeserializeOwned + 'static {}
#[diagnostic::do_not_recommend]
impl<T: DeserializeOwned + 'static> OldState for T {}

/// The type of a stored value.
#[derive(Clone, Copy)]
pub struct StateType {
    id: TypeId,
    pub(super) full_name: &'static str,
    fits: fn(&Value) -> Result<(), String>,
}

impl StateType {
    pub(super) fn of<S: DeserializeOwned + 'static>() -> Self {
        Self {
            id: TypeId::of::<S>(),
            full_name: type_name::<S>(),
            fits: |value| from_object::<S>(value.clone()).map(drop),
        }
    }

    /// Returns whether a stored value reads as this type.
    ///
    /// # Errors
    /// What does not fit.
    pub fn fits(&self, value: &Value) -> Result<(), String> {
        (self.fits)(value)
    }
}

impl PartialEq for StateType {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl fmt::Display for StateType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_name(f, self.full_name)
    }
}

impl fmt::Debug for StateType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.full_name)
    }
}

/// Returns true if a stored value is what a migration would make: a step of the lower version may have taken
/// the new type before others did.
///
/// # Errors
/// It reads as the new type, and as the old one only if some of it is left out. Taken for the old one it would
/// lose that, and px cannot know which of the two it is.
pub(super) fn is_new_already<Old: OldState, New: State>(
    stored: &Value,
    from: &StateType,
    to: &StateType,
) -> Result<bool> {
    if !reads_whole::<New>(stored).is_some_and(|left_out| left_out.is_empty()) {
        return Ok(false);
    }
    let Some(left_out) = reads_whole::<Old>(stored) else { return Ok(true) };
    if left_out.is_empty() {
        return Ok(false);
    }
    let fields: Vec<_> = left_out.iter().map(|field| format!("`{field}`")).collect();
    Err(Error::permanent(format_args!(
        "what is stored reads as `{to}` as it is, and as `{from}` only without {}, so px cannot tell which of the two \
         it is: give `{from}` all fields that it had, or put `#[serde(deny_unknown_fields)]` on it if what is stored \
         here was a `{to}` before",
        fields.join(", ")
    )))
}

/// The fields that are left out where a value is read as a type; `None` if it is none of that type.
fn reads_whole<T: DeserializeOwned>(value: &Value) -> Option<Vec<String>> {
    let mut left_out = Vec::new();
    let read = crate::read::leniently(value.clone(), |value| {
        left_out.clear();
        serde_ignored::deserialize::<_, _, T>(value, |path| left_out.push(path.to_string()))
    });
    read.is_ok().then_some(left_out)
}
